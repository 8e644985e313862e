/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codecs.h - the codecs of each type, as quant.c's table lists them: x [rows][cols], rows back to back in data. */
#ifndef BB_QUANT_CODECS_H
#define BB_QUANT_CODECS_H
#include <stddef.h>

typedef void bb_encode_fn(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
typedef void bb_decode_fn(const unsigned char *data, size_t rows, size_t cols, float *x);

bb_encode_fn bb_f32_encode;
bb_decode_fn bb_f32_decode;
bb_encode_fn bb_f16_encode, bb_f16_encode_avx2, bb_f16_encode_avx512;
bb_decode_fn bb_f16_decode, bb_f16_decode_avx2;
bb_encode_fn bb_bf16_encode, bb_bf16_encode_avx2, bb_bf16_encode_avx512;
bb_decode_fn bb_bf16_decode, bb_bf16_decode_avx2;
bb_encode_fn bb_q8_0_encode, bb_q8_0_encode_avx2;
bb_decode_fn bb_q8_0_decode, bb_q8_0_decode_avx2;
bb_encode_fn bb_q4_0_encode, bb_q4_0_encode_avx2, bb_q4_0_encode_avx512;
bb_decode_fn bb_q4_0_decode, bb_q4_0_decode_avx2;
bb_encode_fn bb_q4_1_encode, bb_q4_1_encode_avx2, bb_q4_1_encode_avx512;
bb_decode_fn bb_q4_1_decode, bb_q4_1_decode_avx2;
bb_encode_fn bb_q5_0_encode, bb_q5_0_encode_avx2, bb_q5_0_encode_avx512;
bb_decode_fn bb_q5_0_decode, bb_q5_0_decode_avx2;
bb_encode_fn bb_q5_1_encode, bb_q5_1_encode_avx2, bb_q5_1_encode_avx512;
bb_decode_fn bb_q5_1_decode, bb_q5_1_decode_avx2;
bb_encode_fn bb_mxfp4_encode, bb_mxfp4_encode_avx2;
bb_decode_fn bb_mxfp4_decode, bb_mxfp4_decode_avx2;
bb_encode_fn bb_nvfp4_encode, bb_nvfp4_encode_avx2;
bb_decode_fn bb_nvfp4_decode, bb_nvfp4_decode_avx2;
bb_encode_fn bb_q1_0_encode, bb_q1_0_encode_avx2;
bb_decode_fn bb_q1_0_decode, bb_q1_0_decode_avx2;
bb_encode_fn bb_q2_0_encode, bb_q2_0_encode_avx2;
bb_decode_fn bb_q2_0_decode, bb_q2_0_decode_avx2;
bb_encode_fn bb_tq1_0_encode, bb_tq1_0_encode_avx2;
bb_decode_fn bb_tq1_0_decode, bb_tq1_0_decode_avx2;
bb_encode_fn bb_tq2_0_encode, bb_tq2_0_encode_avx2;
bb_decode_fn bb_tq2_0_decode, bb_tq2_0_decode_avx2;
bb_encode_fn bb_int8_encode, bb_int8_encode_avx2;
bb_decode_fn bb_int8_decode;
bb_encode_fn bb_nf4_encode, bb_nf4_encode_avx2, bb_nf4_encode_avx512;
bb_decode_fn bb_nf4_decode;
bb_encode_fn bb_int4_encode;
bb_decode_fn bb_int4_decode;
bb_encode_fn bb_e4m3fn_encode, bb_e5m2_encode;
bb_decode_fn bb_e4m3fn_decode, bb_e5m2_decode;

/* Written over lanes (lanes.h). */
bb_encode_fn bb_q2_K_encode, bb_q2_K_encode_avx2, bb_q2_K_encode_avx512;
bb_decode_fn bb_q2_K_decode, bb_q2_K_decode_avx2, bb_q2_K_decode_avx512;
bb_encode_fn bb_q3_K_encode, bb_q3_K_encode_avx2, bb_q3_K_encode_avx512;
bb_decode_fn bb_q3_K_decode, bb_q3_K_decode_avx2, bb_q3_K_decode_avx512;
bb_encode_fn bb_q4_K_encode, bb_q4_K_encode_avx2, bb_q4_K_encode_avx512;
bb_decode_fn bb_q4_K_decode, bb_q4_K_decode_avx2, bb_q4_K_decode_avx512;
bb_encode_fn bb_q5_K_encode, bb_q5_K_encode_avx2, bb_q5_K_encode_avx512;
bb_decode_fn bb_q5_K_decode, bb_q5_K_decode_avx2, bb_q5_K_decode_avx512;
bb_encode_fn bb_q6_K_encode, bb_q6_K_encode_avx2, bb_q6_K_encode_avx512;
bb_decode_fn bb_q6_K_decode, bb_q6_K_decode_avx2, bb_q6_K_decode_avx512;
bb_encode_fn bb_iq4_nl_encode, bb_iq4_nl_encode_avx2, bb_iq4_nl_encode_avx512;
bb_decode_fn bb_iq4_nl_decode, bb_iq4_nl_decode_avx2, bb_iq4_nl_decode_avx512;
bb_encode_fn bb_iq4_xs_encode, bb_iq4_xs_encode_avx2, bb_iq4_xs_encode_avx512;
bb_decode_fn bb_iq4_xs_decode, bb_iq4_xs_decode_avx2, bb_iq4_xs_decode_avx512;
/* With importance [cols], never NULL. */
bb_encode_fn bb_q4_0_encode_weighted, bb_q4_0_encode_weighted_avx2, bb_q4_0_encode_weighted_avx512;
bb_encode_fn bb_q4_1_encode_weighted, bb_q4_1_encode_weighted_avx2, bb_q4_1_encode_weighted_avx512;
bb_encode_fn bb_q5_0_encode_weighted, bb_q5_0_encode_weighted_avx2, bb_q5_0_encode_weighted_avx512;
bb_encode_fn bb_q5_1_encode_weighted, bb_q5_1_encode_weighted_avx2, bb_q5_1_encode_weighted_avx512;
#endif
