/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codecs.h - the codecs of each type, as quant.c's table lists them: x [rows][cols], rows back to back in data. */
#ifndef BB_QUANT_CODECS_H
#define BB_QUANT_CODECS_H
#include <stddef.h>

void bb_f32_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_f32_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
void bb_f16_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_f16_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
void bb_bf16_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_bf16_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
void bb_q8_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_q8_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
void bb_q4_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_q4_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
void bb_int8_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_int8_decode(const unsigned char *data, size_t rows, size_t cols, float *x);

/* Codecs written over lanes, one set for each ISA. Those for q4_0, q4_1, q5_0 and q5_1 are the encoders with
 * importance alone. */
#define BB_LANES_CODEC(type, isa)                                                                                      \
    void bb_##type##_encode_##isa(const float *x, size_t rows, size_t cols, const float *importance,                   \
                                  unsigned char *out);                                                                 \
    void bb_##type##_decode_##isa(const unsigned char *data, size_t rows, size_t cols, float *x);
#define BB_LANES_WEIGHTED(type, isa)                                                                                   \
    void bb_##type##_encode_weighted_##isa(const float *x, size_t rows, size_t cols, const float *importance,          \
                                           unsigned char *out);
#define BB_LANES_CODECS(isa)                                                                                           \
    BB_LANES_CODEC(q2_K, isa)                                                                                          \
    BB_LANES_CODEC(q3_K, isa)                                                                                          \
    BB_LANES_CODEC(q4_K, isa)                                                                                          \
    BB_LANES_CODEC(q5_K, isa)                                                                                          \
    BB_LANES_CODEC(q6_K, isa)                                                                                          \
    BB_LANES_CODEC(iq4_nl, isa)                                                                                        \
    BB_LANES_CODEC(iq4_xs, isa)                                                                                        \
    BB_LANES_WEIGHTED(q4_0, isa)                                                                                       \
    BB_LANES_WEIGHTED(q4_1, isa)                                                                                       \
    BB_LANES_WEIGHTED(q5_0, isa)                                                                                       \
    BB_LANES_WEIGHTED(q5_1, isa)
BB_LANES_CODECS(scalar)
#if defined(__x86_64__) && defined(__GNUC__) /* where base/cpu.c finds them */
#define BB_LANES_X86 1
BB_LANES_CODECS(avx2)
BB_LANES_CODECS(avx512)
#endif
#endif
