/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recipe.h - which type each tensor of a file gets: llama-quantize's mixture with the user's own rules on top. */
#ifndef BB_MODEL_RECIPE_H
#define BB_MODEL_RECIPE_H
#include "model/mixture.h"

typedef struct bb_type_rules bb_type_rules; /* --tensor-type REGEX=TYPE, first match wins */
bb_status bb_type_rules_new(bb_type_rules **rules, bb_error *err);
void bb_type_rules_free(bb_type_rules *rules);
/* "REGEX=TYPE", the last '=' divides; matched anywhere in the name, as std::regex_search does. */
bb_status bb_type_rules_add(bb_type_rules *rules, const char *text, bb_error *err);
/* The type of the first rule that matches; NULL = none does. */
const bb_dtype *bb_type_rules_find(const bb_type_rules *rules, const char *name);

/* Rule number i, in the order of the calls; NULL past the end. */
const char *bb_type_rule_text(const bb_type_rules *rules, size_t i);
/* Whether it is the first that matches the name. */
bool bb_type_rule_decides(const bb_type_rules *rules, size_t i, const char *name);

typedef struct bb_recipe {
    const bb_ftype *ftype;
    bool pure;                      /* every matrix that may be quantized gets the base type */
    bool leave_output;              /* output.weight stays as it is */
    const bb_dtype *output_type;    /* NULL = by the mixture */
    const bb_dtype *embedding_type; /* NULL = by the mixture */
    const bb_type_rules *rules;     /* NULL = none */
    bool has_imatrix;
} bb_recipe;

/* bb_mix_tensor.source must be set. `type` of every tensor as llama_model_quantize would choose it (llama-quant.cpp of
 * v0.5.0: llama_tensor_get_type): `source` for what is not quantized. `fell_back` tells where rows did not divide. */
bb_status bb_recipe_types(const bb_recipe *recipe, const bb_arch *arch, bb_mix_tensor *tensors, size_t n,
                          bb_error *err);
/* Whether llama-quantize refuses this type for this tensor without an importance matrix. */
bool bb_recipe_needs_imatrix(const bb_recipe *recipe, const bb_mix_tensor *tensor);

/* ---- a target size ---- */
/* A tensor that may have any of several types: bytes and weighted squared error of each, NaN = not possible. */
typedef struct bb_type_choice {
    const uint64_t *bytes; /* [n_types] */
    const double *error;   /* [n_types] */
} bb_type_choice;
/* Picks one type for every tensor with the least summed error whose summed bytes are at most `limit`; picked [n] are
 * indices of types. BB_E_VALUE with the smallest possible size when nothing fits. Deterministic. */
bb_status bb_choose_types(const bb_type_choice *choices, size_t n, size_t n_types, uint64_t limit, size_t *picked,
                          uint64_t *bytes, double *error, bb_error *err);
#endif
