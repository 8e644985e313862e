/* SPDX-License-Identifier: GPL-3.0-or-later */
/* infer_parts.h - what a model that runs is made of: values, steps, weights, cache; private to infer/. */
#ifndef BB_INFER_PARTS_H
#define BB_INFER_PARTS_H
#include "graph/convert.h"
#include "graph/graph.h"
#include "infer/infer.h"
#include "infer/layer_ops.h"

enum { BB_NO_VALUE = -1 };
/* Operations below which waking the workers costs more than they save: some microseconds of one thread. */
#define BB_POOL_WORK 1e5

/* The numbers of a model beside its shape. */
typedef struct bb_infer_numbers {
    double norm_eps;
    double rope_base, rope_scale; /* positions are multiplied with rope_scale */
    bool rope_halves;             /* pairs are i and i + half of a head; else neighbours */
} bb_infer_numbers;

/* Where a weight comes from. */
typedef struct bb_origin {
    const bb_tensor *tensor; /* NULL: made */
    uint64_t head_rows;      /* rows of a head to interleave, as in bb_converted */
    const float *made;
} bb_origin;

/* Of each token that runs together, [batch][stride], from float batch * at of the arena on. A part of a fused value
 * stands in the buffer of the whole. */
typedef struct bb_value {
    size_t width, stride, at;
    size_t in_whole;
} bb_value;

typedef struct bb_step {
    bb_op op;
    bb_part part;
    int32_t in[2], out; /* values, BB_NO_VALUE = none */
    size_t linear;      /* of a MATMUL */
    const float *weight, *bias;
    size_t group; /* NORM: values that share one; ROPE: values of a head */
    size_t layer; /* KV_STORE, ATTENTION */
} bb_step;

typedef struct bb_infer_matrix {
    bb_linear linear;
    bb_origin origin;
    bb_packed *packed;
    char *name;
} bb_infer_matrix;

/* Keys in tiles of BB_KEY_TILE positions, [layer][kv head][tile][head_dim][BB_KEY_TILE]; values
 * [layer][kv head][ctx][value_stride], their rows filled up with zeros. */
typedef struct bb_kv {
    size_t heads, kv_heads, head_dim, value_dim, value_stride, tiles;
    size_t key_head, value_head; /* floats of one head of a layer */
    float *keys, *values;
    size_t row_work; /* floats of work memory for a row: scores and sums */
    float *work;     /* [parts][BB_ATTEND_ROWS][row_work]: of each worker */
    size_t parts;
} bb_kv;

struct bb_infer {
    const bb_file *file;
    bb_infer_opts opts;
    bb_arch arch;             /* a copy: what the file has beside its config is set in it */
    bb_conversion conversion; /* of a checkpoint */
    bb_infer_numbers numbers;
    const bb_layer_ops *ops;
    bb_step *steps;
    size_t n_steps, steps_cap;
    bb_value *values;
    size_t n_values, values_cap;
    size_t width; /* floats of all values of a token */
    bb_infer_matrix *matrices;
    size_t n_matrices, matrices_cap;
    float **vectors; /* norms and biases */
    size_t n_vectors, vectors_cap;
    struct {
        bb_origin origin;
        const bb_dtype *type;
        unsigned char *rows; /* [vocab][row_bytes] */
        size_t row_bytes;
    } embedding;
    float *rope; /* [ctx][half][2]: cosine and sine */
    size_t rope_half;
    bb_kv kv;
    uint64_t filled; /* positions of the cache that hold something */
    float *arena;    /* [batch][width] */
    size_t batch, batch_max;
    bb_acts acts;
};

/* infer_config.c: the numbers; BB_E_UNSUPPORTED for a family or a rule that does not run. Of a checkpoint also its
 * conversion, and in f->arch what its tensors say. */
bb_status bb_infer_configure(bb_infer *f, bb_error *err);

/* infer_steps.c: the graph as a list of steps over values; finds every weight, loads norms, biases and rope factors.
 * *factors is [rope_half], or NULL. */
bb_status bb_infer_compile(bb_infer *f, const float **factors, bb_error *err);

/* infer_weights.c */
/* Values of rows [first, first + count) of a weight; with head_rows both are multiples of it, or all of a vector. */
bb_status bb_origin_read(const bb_infer *f, const bb_origin *o, uint64_t first, uint64_t count, float *x,
                         bb_error *err);
bb_status bb_infer_load(bb_infer *f, bb_error *err); /* the embedding and all matrices, as the file has them */

/* rope.c */
bb_status bb_rope_table(bb_infer *f, const float *factors, bb_error *err);
/* Turns heads of one token at a position; x and y may be the same. */
void bb_rope_turn(const bb_infer *f, const float *x, size_t heads, size_t head_dim, uint64_t position, float *y);

/* attention.c */
bb_status bb_kv_new(bb_infer *f, size_t layers, bb_error *err);
void bb_kv_store(bb_infer *f, size_t layer, const float *k, size_t k_stride, const float *v, size_t v_stride,
                 uint64_t past, size_t tokens);
void bb_kv_attend(bb_infer *f, size_t layer, const float *q, size_t q_stride, float *out, uint64_t past, size_t tokens);
#endif
