/* SPDX-License-Identifier: GPL-3.0-or-later */
/* half.h - fp16 and bf16 words to and from fp32, one or many, by integer arithmetic; the fast twins of format.h. */
#ifndef BB_FORMAT_HALF_H
#define BB_FORMAT_HALF_H
#include "base/cpu.h"

/* Nearest-even, subnormals kept, overflow to infinity, NaN to sign|0x7E00: H(x) of ggml. */
uint16_t bb_f32_to_f16(float x);
/* A signalling NaN comes out quiet, as from the processor's own conversion. */
float bb_f16_to_f32(uint16_t h);
/* Nearest-even; NaN keeps its high bits with the quiet bit set. */
uint16_t bb_f32_to_bf16(float x);
float bb_bf16_to_f32(uint16_t h);

/* n words, little-endian in memory and aligned to nothing, at the speed of memory. The result does not depend on isa.
 */
void bb_f16_to_f32_n(const unsigned char *words, size_t n, bb_isa isa, float *x);
void bb_f32_to_f16_n(const float *x, size_t n, bb_isa isa, unsigned char *words);
void bb_bf16_to_f32_n(const unsigned char *words, size_t n, bb_isa isa, float *x);
void bb_f32_to_bf16_n(const float *x, size_t n, bb_isa isa, unsigned char *words);
/* words may be x itself. */
void bb_f32_from_le_n(const unsigned char *words, size_t n, float *x);
void bb_f32_to_le_n(const float *x, size_t n, unsigned char *words);
#endif
