/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flavour.h - named ways to quantize a checkpoint ("gptq-4-128", "nf4-dq", "mlx-4-64"), each with an exact layout. */
#ifndef BB_MODEL_FLAVOUR_H
#define BB_MODEL_FLAVOUR_H
#include "model/quantization.h"

typedef struct bb_flavour {
    char name[24];         /* canonical: with every number that the layout depends on */
    bb_quantization quant; /* owns nothing */
} bb_flavour;

/* What --weights NAME means beside storage and file types: gptq[-BITS[-GROUP]], awq[-4[-GROUP]], nf4, nf4-dq, bnb-fp4,
 * bnb-fp4-dq, llm.int8, mlx[-BITS[-GROUP]], fp8, fp8-channel, fp8-block, mxfp4 (experts), w4a16[-GROUP], w8a8; "-head"
 * behind it when the output matrix is quantized too. BB_E_NAME when it is none of them (err is untouched), BB_E_ARG for
 * one with numbers that no layout has. */
bb_status bb_flavour_find(const char *name, bb_flavour *flavour, bb_error *err);
/* Names for people and completions, one for each layout; NULL past the end. */
const char *bb_flavour_at(size_t i);

/* What a name on the hub says of its weights ("Qwen/Qwen3-8B-AWQ", "x-quantized.w4a16"): the flavour, or a layout that
 * none has; *at is the offset of the word that says it. */
typedef enum bb_flavour_told { BB_FLAVOUR_NONE, BB_FLAVOUR_NAMED, BB_FLAVOUR_UNKNOWN } bb_flavour_told;
bb_flavour_told bb_flavour_in_name(const char *name, char *flavour, size_t size, size_t *at);
#endif
