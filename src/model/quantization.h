/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantization.h - how a Hugging Face checkpoint is quantized, as its config says (specs/methods.md 4). */
#ifndef BB_MODEL_QUANTIZATION_H
#define BB_MODEL_QUANTIZATION_H
#include "base/fail.h"
#include "model/pattern.h"
#include <stddef.h>

typedef enum bb_quant_method {
    BB_QUANT_NONE,
    BB_QUANT_GPTQ,
    BB_QUANT_AWQ,
    BB_QUANT_BNB_INT8,
    BB_QUANT_BNB_4BIT,
    BB_QUANT_COMPRESSED, /* compressed-tensors */
    BB_QUANT_MLX,
    BB_QUANT_FP8,
    BB_QUANT_MXFP4,
    BB_QUANT_OTHER, /* named, but its layout is not known here */
} bb_quant_method;

typedef enum bb_quant_pack { BB_PACK_INT, BB_PACK_INT8, BB_PACK_FP8, BB_PACK_NVFP4 } bb_quant_pack;

/* A name in a config and the modules that it stands for. */
typedef struct bb_module_name {
    char text[96];       /* a module, in a list of skips any part of one's name too; not of an expression */
    bb_pattern *pattern; /* an expression's, as Python's re.match takes it; NULL of others */
} bb_module_name;

/* What some modules have instead of the checkpoint's own numbers. */
typedef struct bb_quant_rule {
    bb_module_name name;
    uint64_t bits, group;
    bool keep; /* stays as it is */
} bb_quant_rule;

typedef struct bb_quantization {
    bb_quant_method method;
    char label[128]; /* for people: "gptq 4 bit, group 128" */
    uint64_t bits;
    uint64_t group;      /* inputs that share a scale; 0 = a whole row, UINT64_MAX = the whole matrix */
    uint64_t block_rows; /* FP8: outputs that share a scale, 0 = not in blocks */
    bool symmetric, double_quant, head;
    bool act_order;        /* inputs in another order than the groups: compressed-tensors lists each input's group */
    bool no_index;         /* GPTQ without the list of each input's group */
    bool no_biases;        /* MLX with scales of 8 bits and nothing else */
    bool static_inputs;    /* a scale for each matrix's inputs */
    bool input_zeros;      /* and a zero */
    bb_quant_pack pack;    /* of compressed-tensors */
    char type[8];          /* "nf4" or "fp4" */
    char storage[8];       /* of bitsandbytes' 4 bits: "u8", or a type whose bytes they fill */
    bb_module_name *skips; /* [n_skips] modules that stay as they are */
    size_t n_skips;
    bb_quant_rule *rules; /* [n_rules] the first that takes a module holds; by name when they are modules */
    size_t n_rules;
    bool patterns;             /* rules are expressions */
    bool unread;               /* some expression is not read (model/pattern.h): it and those after it are left out */
    uint64_t expressions_cost; /* bb_pattern_cost of all of them: 2^22 are read */
} bb_quantization;

/* From config.json ("quantization_config", MLX's "quantization"), or from a quantize_config.json or quant_config.json,
 * whose root is the object itself. BB_QUANT_NONE when there is none. Clear with bb_quantization_clear. */
bb_status bb_quantization_read(const char *text, size_t n, const char *name, bool own_file, bb_quantization *q,
                               bb_error *err);
void bb_quantization_clear(bb_quantization *q);
/* Whether the config tells how every tensor is stored: its layout is known and its expressions are read. */
bool bb_quantization_known(const bb_quantization *q);
/* Whether the module ("model.layers.0.mlp.gate") is named among those that stay as they are. */
bool bb_quantization_skips(const bb_quantization *q, const char *module);
/* The rule that takes the module, or NULL. */
const bb_quant_rule *bb_quantization_rule(const bb_quantization *q, const char *module);
/* What holding a module against all skips and rules can take: 1 for a plain name, and for each instruction of an
 * expression; some 10 ns. */
uint64_t bb_quantization_steps(const bb_quantization *q);
/* Whether all layers are alike in this: no skip and no rule depends on a number in a module's name. */
bool bb_quantization_uniform(const bb_quantization *q);
#endif
