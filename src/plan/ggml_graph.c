/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ggml_graph.c - tensors with shapes and strides as ggml's functions make them, and the order of its graphs. Rules:
 * ggml v0.5.0's ggml.c, as specs/llama-graph.md 2 and 3 tell them. */
#include "plan/ggml_graph.h"
#include "base/mem.h"
#include "plan/ggml_build.h"
#include <stdlib.h>

/* Tensors: more than 80 layers need with their copies; what is not written to takes no memory. */
enum { FIRST_ROOM = 8192 };
/* ids of enum ggml_type */
enum { GGUF_F32 = 0, GGUF_F16 = 1, GGUF_I32 = 26, GGUF_I64 = 27 };

bool bb_gg_grow(bb_gg_graph *g) {
    size_t cap = g->cap ? 2 * g->cap : FIRST_ROOM;
    if (cap > INT32_MAX) return false;
    bb_gg_tensor *t = bb_realloc(g->t, cap, sizeof *g->t);
    if (t) g->t = t;
    int32_t *nodes = bb_realloc(g->nodes, cap, sizeof *g->nodes);
    if (nodes) g->nodes = nodes;
    int32_t *leafs = bb_realloc(g->leafs, cap, sizeof *g->leafs);
    if (leafs) g->leafs = leafs;
    if (!t || !nodes || !leafs) return false;
    g->cap = cap;
    return true;
}

void bb_gg_clear(bb_gg_graph *graph) {
    free(graph->t);
    free(graph->nodes);
    free(graph->leafs);
    *graph = (bb_gg_graph){0};
}

void bb_gg_begin(bb_gg_builder *b, bb_gg_graph *g) {
    *b = (bb_gg_builder){.g = g, .layer = -1};
    b->f32 = bb_dtype_from_gguf(GGUF_F32);
    b->f16 = bb_dtype_from_gguf(GGUF_F16);
    b->i32 = bb_dtype_from_gguf(GGUF_I32);
    b->i64 = bb_dtype_from_gguf(GGUF_I64);
    g->n = g->n_nodes = g->n_leafs = 0;
    b->no_memory = !g->cap && !bb_gg_grow(g);
}

uint64_t bb_gg_row(bb_gg_builder *b, const bb_dtype *type, uint64_t n) {
    return bb_calc_mul(&b->calc, n / type->block, type->block_bytes);
}

/* Room for one more; a tensor that is there when memory ends, so that builders need not look at each result. */
static int32_t next(bb_gg_builder *b) {
    bb_gg_graph *g = b->g;
    if (g->n == g->cap && !bb_gg_grow(g)) {
        b->no_memory = true;
        return 0;
    }
    return (int32_t)g->n++;
}

int32_t bb_gg_new(bb_gg_builder *b, bb_gg_op op, const bb_dtype *type, bb_gg_ne ne) {
    int32_t i = next(b);
    bb_gg_tensor *t = bb_gg_at(b, i);
    t->type = type;
    t->root = t->weight = -1;
    t->layer = b->layer;
    t->op = (uint8_t)op;
    t->flags = t->n_src = 0;
    t->store = BB_GG_OWNED;
    uint64_t bytes = type->block_bytes;
    uint64_t each = type->block == 1 ? ne.d[0] : ne.d[0] / type->block;
    for (int k = 0; k < 4; k++) {
        t->ne[k] = ne.d[k];
        t->nb[k] = bytes;
        bytes = bb_calc_mul(&b->calc, bytes, k ? ne.d[k] : each);
    }
    return i;
}

void bb_gg_source(bb_gg_builder *b, int32_t t, int32_t source) {
    bb_gg_tensor *x = bb_gg_at(b, t);
    if (source >= 0 && x->n_src < BB_GG_SOURCES) x->src[x->n_src++] = source;
}

int32_t bb_gg_op2(bb_gg_builder *b, bb_gg_op op, int32_t a, int32_t c, bb_gg_ne ne) {
    int32_t i = bb_gg_new(b, op, b->f32, ne);
    bb_gg_source(b, i, a);
    bb_gg_source(b, i, c);
    return i;
}

int32_t bb_gg_op1(bb_gg_builder *b, bb_gg_op op, int32_t a, bb_gg_ne ne) { return bb_gg_op2(b, op, a, -1, ne); }

static bb_gg_ne shape(const bb_gg_tensor *t) { return (bb_gg_ne){{t->ne[0], t->ne[1], t->ne[2], t->ne[3]}}; }

int32_t bb_gg_like(bb_gg_builder *b, bb_gg_op op, int32_t a, int32_t c) {
    return bb_gg_op2(b, op, a, c, shape(bb_gg_at(b, a)));
}

int32_t bb_gg_mul_mat(bb_gg_builder *b, int32_t w, int32_t x) {
    const bb_gg_tensor *t = bb_gg_at(b, x);
    bb_gg_ne ne = {{bb_gg_at(b, w)->ne[1], t->ne[1], t->ne[2], t->ne[3]}};
    return bb_gg_op2(b, BB_GG_MUL_MAT, w, x, ne);
}

int32_t bb_gg_get_rows(bb_gg_builder *b, int32_t a, int32_t ids) {
    const bb_gg_tensor *i = bb_gg_at(b, ids);
    bb_gg_ne ne = {{bb_gg_at(b, a)->ne[0], i->ne[0], i->ne[1], i->ne[2]}};
    int32_t r = bb_gg_op2(b, BB_GG_GET_ROWS, a, ids, ne);
    if (bb_gg_at(b, a)->type == b->i32) bb_gg_at(b, r)->type = b->i32;
    return r;
}

/* ---- views ---- */

static int32_t view_of(bb_gg_builder *b, bb_gg_op op, int32_t a, bb_gg_ne ne) {
    int32_t i = bb_gg_new(b, op, bb_gg_at(b, a)->type, ne), root = bb_gg_at(b, a)->root;
    bb_gg_source(b, i, a);
    bb_gg_at(b, i)->root = root >= 0 ? root : a;
    return i;
}

int32_t bb_gg_reshape(bb_gg_builder *b, int32_t a, bb_gg_ne ne) { return view_of(b, BB_GG_RESHAPE, a, ne); }

int32_t bb_gg_cont(bb_gg_builder *b, int32_t a, bb_gg_ne ne) {
    int32_t i = bb_gg_new(b, BB_GG_CONT, bb_gg_at(b, a)->type, ne);
    bb_gg_source(b, i, a);
    return i;
}

int32_t bb_gg_view(bb_gg_builder *b, int32_t a, bb_gg_ne ne, uint64_t nb1, uint64_t nb2, uint64_t nb3) {
    int32_t i = view_of(b, BB_GG_VIEW, a, ne);
    bb_gg_tensor *t = bb_gg_at(b, i);
    t->nb[1] = nb1;
    t->nb[2] = nb2;
    t->nb[3] = nb3;
    return i;
}

static int32_t exchange(bb_gg_builder *b, bb_gg_op op, int32_t a, int x, int y) {
    bb_gg_ne ne = shape(bb_gg_at(b, a));
    int32_t i = view_of(b, op, a, ne);
    bb_gg_tensor *t = bb_gg_at(b, i);
    const bb_gg_tensor *from = bb_gg_at(b, a);
    for (int k = 0; k < 4; k++) {
        int j = k == x ? y : k == y ? x : k;
        t->ne[k] = from->ne[j];
        t->nb[k] = from->nb[j];
    }
    return i;
}

int32_t bb_gg_swap(bb_gg_builder *b, int32_t a) { return exchange(b, BB_GG_PERMUTE, a, 1, 2); }
int32_t bb_gg_transpose(bb_gg_builder *b, int32_t a) { return exchange(b, BB_GG_TRANSPOSE, a, 0, 1); }

int32_t bb_gg_cast(bb_gg_builder *b, int32_t a, const bb_dtype *type) {
    int32_t i = bb_gg_new(b, BB_GG_CPY, type, shape(bb_gg_at(b, a)));
    bb_gg_source(b, i, a);
    bb_gg_source(b, i, i);
    return i;
}

int32_t bb_gg_set_rows(bb_gg_builder *b, int32_t to, int32_t rows, int32_t ids) {
    int32_t i = view_of(b, BB_GG_SET_ROWS, to, shape(bb_gg_at(b, to)));
    bb_gg_at(b, i)->n_src = 0;
    bb_gg_source(b, i, rows);
    bb_gg_source(b, i, ids);
    bb_gg_source(b, i, to);
    return i;
}

bool bb_gg_packed(const bb_gg_tensor *t) {
    uint64_t next = t->type->block_bytes; /* the tensor fits in 64 bits, so do these */
    for (int k = 0; k < 4; k++) {
        if (t->ne[k] != 1 && t->nb[k] != next) return false;
        next *= k ? t->ne[k] : t->ne[k] / t->type->block;
    }
    return true;
}

uint64_t bb_gg_bytes(const bb_gg_tensor *t) {
    const bb_dtype *type = t->type;
    for (int k = 0; k < 4; k++)
        if (!t->ne[k]) return 0;
    uint64_t bytes =
        type->block == 1 ? type->block_bytes + (t->ne[0] - 1) * t->nb[0] : t->ne[0] / type->block * t->nb[0];
    for (int k = 1; k < 4; k++) bytes += (t->ne[k] - 1) * t->nb[k];
    return bytes;
}

/* ---- the lists ---- */

void bb_gg_expand(bb_gg_builder *b, int32_t i) {
    bb_gg_graph *g = b->g;
    if (g->t[i].flags & BB_GG_LISTED) return;
    g->t[i].flags |= BB_GG_LISTED;
    for (uint8_t k = 0; k < g->t[i].n_src; k++) bb_gg_expand(b, g->t[i].src[k]);
    if (g->t[i].op == BB_GG_NONE)
        g->leafs[g->n_leafs++] = i;
    else
        g->nodes[g->n_nodes++] = i;
}

const char *bb_gg_op_name(bb_gg_op op) {
    static const char *const names[BB_GG_OPS] = {
        "NONE",  "GET_ROWS", "RMS_NORM",       "NORM",    "MUL",     "ADD",       "SUB",        "DIV",
        "SCALE", "SQR",      "FILL",           "UNARY",   "CLAMP",   "MUL_MAT",   "MUL_MAT_ID", "ADD_ID",
        "ROPE",  "SOFT_MAX", "FLASH_ATTN_EXT", "GLU",     "ARGSORT", "SUM_ROWS",  "CONCAT",     "REPEAT",
        "CONT",  "CPY",      "VIEW",           "RESHAPE", "PERMUTE", "TRANSPOSE", "SET_ROWS",
    };
    return op < BB_GG_OPS ? names[op] : "";
}
