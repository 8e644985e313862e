/* SPDX-License-Identifier: GPL-3.0-or-later */
/* convert_config.h - what a conversion to GGUF, and running a checkpoint, read of a config.json beside the
 * architecture. */
#ifndef BB_GRAPH_CONVERT_CONFIG_H
#define BB_GRAPH_CONVERT_CONFIG_H
#include "model/arch.h"

typedef enum bb_rope_number {
    BB_ROPE_THETA,
    BB_ROPE_FACTOR,
    BB_ROPE_LOW, /* low_freq_factor and high_freq_factor of llama3 */
    BB_ROPE_HIGH,
    BB_ROPE_CONTEXT, /* positions before the scaling */
    BB_ROPE_EXT,     /* of yarn: extrapolation, attention, beta_fast and beta_slow */
    BB_ROPE_ATTN,
    BB_ROPE_FAST,
    BB_ROPE_SLOW,
    BB_ROPE_NUMBERS
} bb_rope_number;

/* "none" = positions as they are ("default", and "dynamic", which llama.cpp does not scale by). */
typedef enum bb_rope_scaling { BB_ROPE_NONE, BB_ROPE_LINEAR, BB_ROPE_YARN, BB_ROPE_LLAMA3 } bb_rope_scaling;

typedef struct bb_convert_config {
    bb_rope_scaling scaling;
    double rope[BB_ROPE_NUMBERS];
    bool given[BB_ROPE_NUMBERS]; /* others are standard values, or 0 where there is none */
    double norm_eps;
    uint64_t context;
    bool head_dim_given;
    bool bidirectional; /* "is_causal": false */
} bb_convert_config;

/* config: the text of config.json, n bytes, of which `arch` was made. BB_E_UNSUPPORTED, with the rule that is missing,
 * for all that bitbudget does not convert: families, quantized checkpoints, other towers, other scalings. */
bb_status bb_convert_config_read(const bb_arch *arch, const char *config, size_t n, bb_convert_config *c,
                                 bb_error *err);
/* The factors by which llama.cpp divides the frequencies, [head_dim / 2], for BB_ROPE_LLAMA3; in fp32 step by step as
 * the converter computes them. BB_E_INVALID when one is not finite. */
bb_status bb_convert_rope_freqs(const bb_convert_config *c, uint64_t head_dim, float *factors, bb_error *err);
#endif
