/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ggml_build.h - a ggml graph while it is built: tensors as ggml's functions make them; private to plan/. */
#ifndef BB_PLAN_GGML_BUILD_H
#define BB_PLAN_GGML_BUILD_H
#include "plan/ggml_graph.h"
#include "plan/plan_calc.h"

/* Tensors are named by their index, since their array moves. Failures are remembered and told at the end. */
typedef struct bb_gg_builder {
    bb_gg_graph *g;
    bb_calc calc;
    bool no_memory;
    int32_t layer; /* of what is made now */
    const bb_dtype *f32, *f16, *i32, *i64;
} bb_gg_builder;

typedef struct bb_gg_ne {
    uint64_t d[4];
} bb_gg_ne;

static inline bb_gg_tensor *bb_gg_at(const bb_gg_builder *b, int32_t i) { return &b->g->t[i]; }

/* Begins a graph in the memory of the last. */
void bb_gg_begin(bb_gg_builder *b, bb_gg_graph *g);
/* A tensor with strides of its own, without sources. */
int32_t bb_gg_new(bb_gg_builder *b, bb_gg_op op, const bb_dtype *type, bb_gg_ne ne);
/* The same with sources; a second or third of -1 is none. */
int32_t bb_gg_op1(bb_gg_builder *b, bb_gg_op op, int32_t a, bb_gg_ne ne);
int32_t bb_gg_op2(bb_gg_builder *b, bb_gg_op op, int32_t a, int32_t c, bb_gg_ne ne);
void bb_gg_source(bb_gg_builder *b, int32_t t, int32_t source);
/* f32, of the shape of `a`: ADD, MUL, SCALE, ROPE, norms, SOFT_MAX, ... */
int32_t bb_gg_like(bb_gg_builder *b, bb_gg_op op, int32_t a, int32_t c);
int32_t bb_gg_mul_mat(bb_gg_builder *b, int32_t w, int32_t x);
/* Rows that ids name. */
int32_t bb_gg_get_rows(bb_gg_builder *b, int32_t a, int32_t ids);
int32_t bb_gg_reshape(bb_gg_builder *b, int32_t a, bb_gg_ne ne);
int32_t bb_gg_cont(bb_gg_builder *b, int32_t a, bb_gg_ne ne);
/* nb: strides of dimensions 1 to 3. */
int32_t bb_gg_view(bb_gg_builder *b, int32_t a, bb_gg_ne ne, uint64_t nb1, uint64_t nb2, uint64_t nb3);
/* Dimensions 1 and 2 change places. */
int32_t bb_gg_swap(bb_gg_builder *b, int32_t a);
/* Dimensions 0 and 1 change places. */
int32_t bb_gg_transpose(bb_gg_builder *b, int32_t a);
int32_t bb_gg_cast(bb_gg_builder *b, int32_t a, const bb_dtype *type);
int32_t bb_gg_set_rows(bb_gg_builder *b, int32_t to, int32_t rows, int32_t ids);
bool bb_gg_packed(const bb_gg_tensor *t);
/* Bytes of n elements; n is a multiple of the block. */
uint64_t bb_gg_row(bb_gg_builder *b, const bb_dtype *type, uint64_t n);
/* Puts a tensor, after all that it is made of, into the lists, unless it is there. */
void bb_gg_expand(bb_gg_builder *b, int32_t t);
#endif
