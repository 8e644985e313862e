/* SPDX-License-Identifier: GPL-3.0-or-later */
/* half.h - fp16 and bf16 words to and from fp32, integer arithmetic only; the fast twins of format.h. */
#ifndef BB_FORMAT_HALF_H
#define BB_FORMAT_HALF_H
#include <stdint.h>

/* Nearest-even, subnormals kept, overflow to infinity, NaN to sign|0x7E00: H(x) of ggml. */
uint16_t bb_f32_to_f16(float x);
float bb_f16_to_f32(uint16_t h);
/* Nearest-even; NaN keeps its high bits with the quiet bit set. */
uint16_t bb_f32_to_bf16(float x);
float bb_bf16_to_f32(uint16_t h);
#endif
