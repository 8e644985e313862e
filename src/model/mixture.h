/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mixture.h - file types ("q4_K_M") and the type that llama-quantize gives each tensor (specs/ggml.md 3.10). */
#ifndef BB_MODEL_MIXTURE_H
#define BB_MODEL_MIXTURE_H
#include "format/dtype.h"
#include "model/arch.h"

typedef struct bb_ftype { /* a row of a constant table */
    const char *name;     /* "q4_K_M"; a storage type's own name for the pure ones ("q8_0", "f16") */
    int32_t number;       /* general.file_type */
    const char *base;     /* storage type */
    bool old;             /* a mixture that llama-quantize no longer makes; its number means another now */
} bb_ftype;

/* NULL when unknown: err offers the nearest, storage types included. */
const bb_ftype *bb_ftype_find(const char *name, bb_error *err);
size_t bb_ftype_count(void);
const bb_ftype *bb_ftype_at(size_t i);
/* What a file says to be whose matrices all have one storage type (bb_recipe.pure): its own file type, else the nearest
 * one's number under the name of the storage type. NULL where GGUF has no file type for it. */
const bb_ftype *bb_ftype_pure(const bb_dtype *type);

typedef struct bb_mix_tensor {
    const char *name; /* GGUF name */
    uint32_t n_dims;
    uint64_t dims[4];       /* GGUF order, innermost first */
    const bb_dtype *source; /* of the tensor as it is; only bb_recipe_types reads it */
    const bb_dtype *type;   /* out */
    bool fell_back;         /* out: no block of the wanted type divides its rows */
} bb_mix_tensor;

#define BB_PER_LAYER_EMBD "per_layer_token_embd.weight" /* counts as an embedding */

/* The number behind "blk.", or -1: llama-quantize works through tensors by it, then by name. */
int64_t bb_mixture_layer(const char *name);
/* Chooses `type` of every tensor (any order; llama-quantize's own order is applied inside). Fallbacks for rows that no
 * block divides included. has_imatrix as llama-quantize's --imatrix. */
bb_status bb_mixture(const bb_ftype *ftype, const bb_arch *arch, bool has_imatrix, bb_mix_tensor *tensors, size_t n,
                     bb_error *err);
/* What stands behind bb_mixture and bb_recipe_types. Without sources what is not quantized is F32. BB_E_UNSUPPORTED
 * where llama-quantize refuses: rows that no block divides and no fallback (q1_0, nvfp4). */
struct bb_recipe;
bb_status bb_mixture_choose(const struct bb_recipe *recipe, const bb_arch *arch, bool sources, bb_mix_tensor *tensors,
                            size_t n, bb_error *err);
#endif
