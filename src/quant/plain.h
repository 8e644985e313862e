/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plain.h - what the codecs of plain blocks share: their sizes, scales, conversions, and one block in scalar code. */
#ifndef BB_QUANT_PLAIN_H
#define BB_QUANT_PLAIN_H
#include "format/half.h"
#include <limits.h>
#include <string.h>

/* Elements and bytes of a block (ggml 0.25.1, ggml-common.h). */
enum {
    BB_Q8_0_BYTES = 34,
    BB_Q4_0_BYTES = 18,
    BB_Q4_1_BYTES = 20,
    BB_Q5_0_BYTES = 22,
    BB_Q5_1_BYTES = 24,
    BB_Q32 = 32, /* elements of those above */
    BB_MXFP4 = 32,
    BB_MXFP4_BYTES = 17,
    BB_NVFP4 = 64,
    BB_NVFP4_BYTES = 36,
    BB_Q1_0 = 128,
    BB_Q1_0_BYTES = 18,
    BB_Q2_0 = 64,
    BB_Q2_0_BYTES = 18,
    BB_TQ = 256,
    BB_TQ1_0_BYTES = 54,
    BB_TQ2_0_BYTES = 66,
};

static inline void bb_put_scale(unsigned char *p, float d) {
    uint16_t h = bb_f32_to_f16(d);
    p[0] = (unsigned char)h;
    p[1] = (unsigned char)(h >> 8);
}

static inline float bb_get_scale(const unsigned char *p) { return bb_f16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

static inline float bb_inverse(float d) { return d != 0 ? 1.0f / d : 0.0f; }

/* What an x86-64 conversion of a float to int gives, also for NaN and what no int holds, where the cast itself would be
 * undefined: INT_MIN. Values that are not finite bring it about, and finite ones in a block so small (below 2^-128)
 * that 1 / d is infinite. */
static inline int bb_to_int(float v) { return v > -2147483648.0f && v < 2147483648.0f ? (int)v : INT_MIN; }

/* e2m1 doubled, and its codes: sign, then 0 0.5 1 1.5 2 3 4 6. */
extern const int8_t bb_fp4_doubled[16];
/* Half of the value of an unsigned e4m3 scale; 0x7F, its NaN, is 0 in ggml. */
float bb_ue4m3_half(uint8_t code);
uint8_t bb_ue4m3_code(float x);
/* 2^(e - 128), the half of an e8m0 scale. */
float bb_e8m0_half(uint8_t e);

/* One block in scalar code, the reference; vector code hands blocks with NaN and other rare ones to it. */
void bb_q8_0_block(const float *x, unsigned char *out);
void bb_q4_0_block(const float *x, unsigned char *out);
void bb_q4_1_block(const float *x, unsigned char *out);
void bb_q5_0_block(const float *x, unsigned char *out);
void bb_q5_1_block(const float *x, unsigned char *out);
void bb_mxfp4_block(const float *x, unsigned char *out);
void bb_nvfp4_codes(const float *x, float d, unsigned char *out); /* 16 elements, 8 bytes */
/* Stores the scales of the first four blocks, or of all when there are fewer; how many. */
size_t bb_q1_0_scales(const float *x, size_t blocks, unsigned char *out);
void bb_q2_0_block(const float *x, unsigned char *out);
void bb_tq1_0_block(const float *x, unsigned char *out);
void bb_tq2_0_block(const float *x, unsigned char *out);
#endif
