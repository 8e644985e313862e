/* SPDX-License-Identifier: GPL-3.0-or-later */
/* infer_steps.c - from the graph of an architecture to the steps of a model: values, weights, an order. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "infer/infer_parts.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 64 };

/* A value by its name while steps are made. */
typedef struct name {
    const char *text;
    int32_t value;
} name;

typedef struct compiler {
    bb_infer *f;
    bb_graph g;
    bb_graph_tensor *tensors; /* [n_tensors], in the order of the graph */
    bb_origin *origins;       /* [n_tensors] */
    size_t n_tensors;
    size_t at; /* the first tensor of the layer that is being made */
    bb_layer layer;
    size_t index; /* of the layer */
    name names[MAX_NAMES];
    size_t n_names;
    int32_t stream; /* what a layer reads and makes */
    const float *factors;
    bb_error *err;
} compiler;

/* ---- where weights are ---- */

static bb_status check_dims(const compiler *c, const bb_graph_tensor *want, const bb_tensor *t) {
    uint64_t rows = 1;
    for (uint32_t i = 1; i < want->n_dims; i++) rows *= want->dims[i]; /* within what bb_arch_check lets pass */
    if (t->cols == want->dims[0] && t->rows == rows) return BB_OK;
    return bb_fail(c->err, BB_E_INVALID,
                   "tensor '%s' is %" PRIu64 " rows of %" PRIu64 ", where the architecture has %" PRIu64 " of %" PRIu64,
                   want->name, t->rows, t->cols, rows, want->dims[0]);
}

static bb_status find_origin(const compiler *c, size_t i) {
    const bb_graph_tensor *want = &c->tensors[i];
    bb_origin *o = &c->origins[i];
    char shown[64];
    if (c->f->conversion.t) {
        const bb_converted *from = &c->f->conversion.t[i];
        *o = (bb_origin){from->n_sources ? from->source[0] : NULL, from->head_rows, from->made};
        if (from->n_sources == 0) return BB_OK;
    } else {
        o->tensor = bb_file_find(c->f->file, want->name);
        if (!o->tensor) return bb_fail(c->err, BB_E_INVALID, "the file has no tensor '%s'", want->name);
    }
    if (!o->tensor->type)
        return bb_fail(c->err, BB_E_UNSUPPORTED, "tensor '%s' is of type %s, which is not known", want->name,
                       bb_escape_buf(o->tensor->type_in_file, shown, sizeof shown));
    return check_dims(c, want, o->tensor);
}

static int compare_names(const void *a, const void *b) {
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* A tensor that the graph has not would change what the model computes. A conversion has checked that itself. */
static bb_status check_left_over(const compiler *c) {
    size_t n = bb_file_tensor_count(c->f->file);
    if (c->f->conversion.t || n == c->n_tensors) return BB_OK;
    const char **names = bb_alloc(c->n_tensors, sizeof *names);
    if (!names) return bb_fail(c->err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < c->n_tensors; i++) names[i] = c->tensors[i].name;
    qsort(names, c->n_tensors, sizeof *names, compare_names);
    bb_status st = BB_OK;
    for (size_t i = 0; i < n && !st; i++) {
        char shown[160];
        const char *have = bb_file_tensor(c->f->file, i)->name;
        if (!bsearch(&have, names, c->n_tensors, sizeof *names, compare_names))
            st = bb_fail(c->err, BB_E_UNSUPPORTED, "%s: tensor '%s' has no place in the architecture %s",
                         c->f->arch.name, bb_escape_buf(have, shown, sizeof shown), c->f->arch.family);
    }
    free(names);
    return st;
}

static bb_status find_weights(compiler *c) {
    bb_infer *f = c->f;
    bb_status st = bb_graph_build(&f->arch, &c->g, c->err);
    if (st) return st;
    st = bb_graph_tensors(&c->g, false, &c->tensors, &c->n_tensors);
    if (st) return bb_fail(c->err, st, "%s: its list of tensors cannot be made", f->arch.name);
    if (f->conversion.t && f->conversion.n != c->n_tensors)
        return bb_fail(c->err, BB_E_BUG, "%s: two lists of its tensors differ", f->arch.name);
    c->origins = bb_alloc(c->n_tensors, sizeof *c->origins);
    if (!c->origins) return bb_fail(c->err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < c->n_tensors && !st; i++) st = find_origin(c, i);
    return st ? st : check_left_over(c);
}

/* The tensor of a weight in the layer that is being made; weights outside the layers stand at the start or end. */
static size_t tensor_of(const compiler *c, int32_t weight) {
    size_t i = c->g.weights[weight].part == BB_PART_INPUT ? 0 : c->at;
    while (i < c->n_tensors && c->tensors[i].weight != (uint32_t)weight) i++;
    return i;
}

/* ---- values ---- */

static bb_status new_value(compiler *c, bb_value v, int32_t *index) {
    bb_infer *f = c->f;
    if (!bb_grow((void **)&f->values, f->n_values, &f->values_cap, sizeof *f->values))
        return bb_fail(c->err, BB_E_NOMEM, "out of memory");
    f->values[f->n_values] = v;
    *index = (int32_t)f->n_values++;
    return BB_OK;
}

static bb_status new_buffer(compiler *c, uint64_t width, int32_t *index) {
    bb_value v = {.width = (size_t)width, .stride = (size_t)width, .at = c->f->width};
    if (!bb_add_size(c->f->width, v.width, &c->f->width)) return bb_fail(c->err, BB_E_OVERFLOW, "values are too wide");
    return new_value(c, v, index);
}

static bool is_stream(const compiler *c, const char *text) {
    return strcmp(text, "l_out") == 0 || (strcmp(text, "inp") == 0 && c->g.n_layers > 0);
}

static int32_t value_of(const compiler *c, const char *text) {
    if (!text) return BB_NO_VALUE;
    if (is_stream(c, text)) return c->stream;
    for (size_t i = 0; i < c->n_names; i++)
        if (strcmp(c->names[i].text, text) == 0) return c->names[i].value;
    return BB_NO_VALUE;
}

/* The value that a node makes: made in the first layer, used again in the others. */
static bb_status make_value(compiler *c, const bb_node *n, int32_t *value) {
    bb_status st = BB_OK;
    *value = value_of(c, n->name);
    if (*value != BB_NO_VALUE) return BB_OK;
    if (c->n_names == MAX_NAMES) return bb_fail(c->err, BB_E_BUG, "a layer has more values than were thought of");
    st = new_buffer(c, n->width, value);
    if (!st) c->names[c->n_names++] = (name){n->name, *value};
    return st;
}

/* The next part of a fused value. */
static bb_status make_part(compiler *c, const bb_node *n) {
    int32_t whole = value_of(c, n->inputs[0]), part = value_of(c, n->name);
    size_t done = 0;
    if (part != BB_NO_VALUE) return BB_OK;
    const bb_value *w = &c->f->values[whole];
    for (size_t i = 0; i < c->f->n_values; i++) {
        const bb_value *v = &c->f->values[i];
        if (v != w && v->at == w->at && v->in_whole + v->width > done) done = v->in_whole + v->width;
    }
    if (done > w->width || n->width > w->width - done || c->n_names == MAX_NAMES)
        return bb_fail(c->err, BB_E_BUG, "parts of %s pass the whole", n->inputs[0]);
    bb_value v = {.width = (size_t)n->width, .stride = w->stride, .at = w->at, .in_whole = done};
    bb_status st = new_value(c, v, &part);
    if (!st) c->names[c->n_names++] = (name){n->name, part};
    return st;
}

/* ---- steps ---- */

static bb_status unsupported(const compiler *c, const char *what) {
    return bb_fail(c->err, BB_E_UNSUPPORTED, "%s: %s do not run here", c->f->arch.name, what);
}

static bb_status load_vector(compiler *c, int32_t weight, const float **vector) {
    bb_infer *f = c->f;
    size_t i = tensor_of(c, weight), n = (size_t)c->tensors[i].dims[0];
    const bb_origin *o = &c->origins[i];
    if (!bb_grow((void **)&f->vectors, f->n_vectors, &f->vectors_cap, sizeof *f->vectors))
        return bb_fail(c->err, BB_E_NOMEM, "out of memory");
    float *x = bb_alloc(n, sizeof *x);
    if (!x) return bb_fail(c->err, BB_E_NOMEM, "out of memory");
    f->vectors[f->n_vectors++] = x;
    *vector = x;
    if (!o->tensor) {
        memcpy(x, o->made, n * sizeof *x);
        return BB_OK;
    }
    return bb_origin_read(f, o, 0, 1, x, c->err);
}

static bb_status new_matrix(compiler *c, int32_t weight, size_t *linear) {
    bb_infer *f = c->f;
    size_t i = tensor_of(c, weight);
    const bb_graph_tensor *t = &c->tensors[i];
    if (!bb_grow((void **)&f->matrices, f->n_matrices, &f->matrices_cap, sizeof *f->matrices))
        return bb_fail(c->err, BB_E_NOMEM, "out of memory");
    bb_infer_matrix m = {.origin = c->origins[i], .name = bb_strdup(t->name)};
    if (!m.name) return bb_fail(c->err, BB_E_NOMEM, "out of memory");
    m.linear = (bb_linear){m.name, m.origin.tensor, t->dims[1], t->dims[0]};
    *linear = f->n_matrices;
    f->matrices[f->n_matrices++] = m;
    return BB_OK;
}

static bb_status embed(compiler *c, const bb_node *n, bb_step *s) {
    if (strcmp(n->name, "inp") != 0 || n->inputs[0]) return unsupported(c, "learned positions or segments");
    c->f->embedding.origin = c->origins[tensor_of(c, n->weights[0])];
    return make_value(c, n, &s->out);
}

static bb_status norm(compiler *c, const bb_node *n, bb_step *s) {
    if (n->weights[0] < 0 || n->weights[1] >= 0) return unsupported(c, "layer norms");
    const bb_weight *w = &c->g.weights[n->weights[0]];
    if (w->n_dims != 1) return unsupported(c, "norms with a weight for each head");
    s->group = (size_t)w->dims[0];
    bb_status st = load_vector(c, n->weights[0], &s->weight);
    return st ? st : make_value(c, n, &s->out);
}

static bb_status matmul(compiler *c, const bb_node *n, bb_step *s) {
    const bb_value *x = &c->f->values[s->in[0]];
    const bb_weight *w = &c->g.weights[n->weights[0]];
    if (w->n_dims != 2 || x->stride != x->width) return unsupported(c, "products of heads");
    if (w->dims[0] != x->width || w->dims[1] != n->width)
        return bb_fail(c->err, BB_E_BUG, "%s: the widths of %s differ", c->f->arch.name, n->name);
    bb_status st = new_matrix(c, n->weights[0], &s->linear);
    if (!st && n->weights[1] >= 0) st = load_vector(c, n->weights[1], &s->bias);
    s->out = BB_NO_VALUE; /* logits go to the caller */
    return st || strcmp(n->name, "logits") == 0 ? st : make_value(c, n, &s->out);
}

static bb_status rope(compiler *c, const bb_node *n, bb_step *s) {
    s->group = (size_t)c->f->arch.head_dim;
    if (n->weights[0] >= 0 && !c->factors) {
        bb_status st = load_vector(c, n->weights[0], &c->factors);
        if (st) return st;
    }
    return make_value(c, n, &s->out);
}

static bb_status add_node(compiler *c, const bb_node *n) {
    bb_infer *f = c->f;
    bb_status st = BB_OK;
    bb_step s = {.op = n->op, .part = n->part, .in = {BB_NO_VALUE, BB_NO_VALUE}, .out = BB_NO_VALUE};
    s.layer = c->index;
    for (size_t i = 0; i < 2 && n->inputs[i]; i++) s.in[i] = value_of(c, n->inputs[i]);
    if (n->op != BB_OP_EMBED && s.in[0] == BB_NO_VALUE)
        return bb_fail(c->err, BB_E_BUG, "nothing makes %s", n->inputs[0] ? n->inputs[0] : n->name);
    switch (n->op) {
    case BB_OP_EMBED:
        st = embed(c, n, &s);
        break;
    case BB_OP_NORM:
        st = norm(c, n, &s);
        break;
    case BB_OP_MATMUL:
        st = matmul(c, n, &s);
        break;
    case BB_OP_SPLIT:
        return make_part(c, n);
    case BB_OP_ROPE:
        st = rope(c, n, &s);
        break;
    case BB_OP_KV_STORE:
        break;
    case BB_OP_ATTENTION:
        st = n->weights[0] >= 0 ? unsupported(c, "attention sinks") : make_value(c, n, &s.out);
        break;
    case BB_OP_ADD:
    case BB_OP_GATE_MUL:
        st = make_value(c, n, &s.out);
        break;
    case BB_OP_CONV:
        return unsupported(c, "convolutions");
    case BB_OP_STATE:
        return unsupported(c, "linear attention");
    case BB_OP_ACTIVATION:
        return unsupported(c, "MLPs without a gate");
    case BB_OP_ROUTE:
    case BB_OP_MATMUL_EXPERTS:
    case BB_OP_WEIGHTED_SUM:
        return unsupported(c, "experts");
    case BB_OP_SCALE:
    case BB_OP_SOFTCAP:
        return unsupported(c, "scaled or capped values");
    }
    bool same = n->op == BB_OP_NORM || n->op == BB_OP_ROPE || n->op == BB_OP_ADD;
    if (!st && same && f->values[s.out].width != f->values[s.in[0]].width)
        st = bb_fail(c->err, BB_E_BUG, "%s: the widths of %s differ", f->arch.name, n->name);
    if (!st && !bb_grow((void **)&f->steps, f->n_steps, &f->steps_cap, sizeof *f->steps))
        st = bb_fail(c->err, BB_E_NOMEM, "out of memory");
    if (!st) f->steps[f->n_steps++] = s;
    return st;
}

static bb_status add_part(compiler *c, bb_part part, uint32_t kind) {
    bb_status st = BB_OK;
    for (size_t i = 0; i < c->g.n_nodes && !st; i++)
        if (c->g.nodes[i].part == part && c->g.nodes[i].kind == kind) st = add_node(c, &c->g.nodes[i]);
    return st;
}

static bb_status add_all(compiler *c) {
    bb_status st = new_buffer(c, c->f->arch.hidden, &c->stream);
    if (!st) st = add_part(c, BB_PART_INPUT, 0);
    for (size_t k = 0; k < c->g.n_layers && !st; k++) {
        while (c->at < c->n_tensors && c->tensors[c->at].layer < (int64_t)k) c->at++;
        c->index = k;
        st = add_part(c, BB_PART_LAYER, c->g.layers[k].kind);
    }
    while (c->at < c->n_tensors && c->tensors[c->at].part != BB_PART_OUTPUT) c->at++;
    return st ? st : add_part(c, BB_PART_OUTPUT, 0);
}

bb_status bb_infer_compile(bb_infer *f, const float **factors, bb_error *err) {
    compiler c = {.f = f, .err = err};
    bb_status st = find_weights(&c);
    if (!st) st = add_all(&c);
    if (!st && (f->n_steps == 0 || f->steps[f->n_steps - 1].out != BB_NO_VALUE || f->n_matrices == 0))
        st = bb_fail(err, BB_E_UNSUPPORTED, "%s: a model without logits does not run here", f->arch.name);
    free(c.tensors);
    free(c.origins);
    bb_graph_clear(&c.g);
    *factors = c.factors;
    return st;
}
