/* SPDX-License-Identifier: GPL-3.0-or-later */
/* infer_run.c - running the steps of a model over a batch of tokens.
 *
 * fp32, each operation rounded once, in the order that is said at each: nothing depends on the number of threads, of
 * tokens in a batch, or on the instruction set. */
#include "base/checked.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "infer/infer_parts.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct run {
    bb_infer *f;
    const int32_t *tokens;
    uint64_t past;
    size_t first, rows; /* of the batch, that the step works on */
    const bb_step *step;
    float *logits;
} run;

/* Row t of a value. */
static float *row(const bb_infer *f, int32_t value, size_t t) {
    const bb_value *v = &f->values[value];
    return f->arena + f->batch * v->at + t * v->stride + v->in_whole;
}

static size_t width(const bb_infer *f, int32_t value) { return f->values[value].width; }

/* ---- steps that go token by token ---- */

static void embed(const run *r, size_t t) {
    const bb_infer *f = r->f;
    const unsigned char *from = f->embedding.rows + (size_t)r->tokens[t] * f->embedding.row_bytes;
    (void)bb_dequantize_rows_as(f->embedding.type, from, 1, width(f, r->step->out), f->opts.isa,
                                row(f, r->step->out, t));
}

/* The mean of squares in fp64: four partial sums over every fourth value, added in order from the first; 1 / sqrt(mean
 * + eps) rounded to fp32; then x times that, times the weight. */
static void norm(const run *r, size_t t) {
    const bb_step *s = r->step;
    const bb_infer *f = r->f;
    size_t group = s->group, n = width(f, s->out) / group;
    const float *x = row(f, s->in[0], t), *w = s->weight;
    float *y = row(f, s->out, t);
    for (size_t g = 0; g < n; g++, x += group, y += group) {
        double part[4] = {0};
        for (size_t i = 0; i < group; i++) part[i % 4] += (double)x[i] * (double)x[i];
        double mean = (part[0] + part[1] + part[2] + part[3]) / (double)group;
        float scale = (float)(1 / sqrt(mean + f->numbers.norm_eps));
        for (size_t i = 0; i < group; i++) y[i] = x[i] * scale * w[i];
    }
}

static void turn(const run *r, size_t t) {
    const bb_step *s = r->step;
    const bb_infer *f = r->f;
    bb_rope_turn(f, row(f, s->in[0], t), width(f, s->out) / s->group, s->group, r->past + t, row(f, s->out, t));
}

static void add(const run *r, size_t t) {
    const bb_step *s = r->step;
    const float *x = row(r->f, s->in[0], t), *z = row(r->f, s->in[1], t);
    float *y = row(r->f, s->out, t);
    for (size_t i = 0, n = width(r->f, s->out); i < n; i++) y[i] = x[i] + z[i];
}

/* Gate and up are two values, or the halves of one. */
static void gate(const run *r, size_t t) {
    const bb_step *s = r->step;
    const float *x = row(r->f, s->in[0], t);
    size_t n = width(r->f, s->out);
    r->f->ops->gate(x, s->in[1] == BB_NO_VALUE ? x + n : row(r->f, s->in[1], t), n, row(r->f, s->out, t));
}

static void bias(const run *r, size_t t) {
    const bb_step *s = r->step;
    size_t n = (size_t)r->f->matrices[s->linear].linear.rows;
    float *y = s->out == BB_NO_VALUE ? r->logits + (t - r->first) * n : row(r->f, s->out, t);
    for (size_t i = 0; i < n; i++) y[i] += s->bias[i];
}

/* ---- sharing tokens out ---- */

typedef struct rows_job {
    const run *r;
    void (*fn)(const run *r, size_t t);
    size_t parts;
} rows_job;

static void rows_part(void *ctx, size_t i) {
    const rows_job *j = ctx;
    for (size_t t = i; t < j->r->rows; t += j->parts) j->fn(j->r, j->r->first + t);
}

/* work: operations for each token */
static void each_row(const run *r, void (*fn)(const run *r, size_t t), double work) {
    bb_pool *pool = r->f->opts.pool;
    rows_job j = {r, fn, 1};
    if (pool && (double)r->rows * work > BB_POOL_WORK) j.parts = bb_pool_threads(pool);
    if (j.parts > r->rows) j.parts = r->rows;
    if (j.parts > 1)
        bb_pool_run(pool, j.parts, rows_part, &j);
    else
        rows_part(&j, 0);
}

static bb_status matmul(const run *r) {
    bb_infer *f = r->f;
    const bb_step *s = r->step;
    const bb_infer_matrix *m = &f->matrices[s->linear];
    const float *x = row(f, s->in[0], r->first);
    double work = (double)m->linear.rows * (double)m->linear.cols * (double)r->rows;
    bb_matmul_opts o = {.isa = f->opts.isa, .acts = &f->acts, .dispatch = f->opts.dispatch};
    if (work > BB_POOL_WORK) o.pool = f->opts.pool;
    if (f->opts.tap) f->opts.tap(f->opts.tap_ctx, s->linear, x, r->rows, (size_t)m->linear.cols);
    bb_status st =
        bb_matmul_as(m->packed, x, r->rows, &o, s->out == BB_NO_VALUE ? r->logits : row(f, s->out, r->first));
    if (!st && s->bias) each_row(r, bias, (double)m->linear.rows);
    return st;
}

static bb_status run_step(const run *r) {
    bb_infer *f = r->f;
    const bb_step *s = r->step;
    double each = s->out == BB_NO_VALUE ? 0 : (double)width(f, s->out);
    switch (s->op) {
    case BB_OP_EMBED:
        each_row(r, embed, each);
        break;
    case BB_OP_NORM:
        each_row(r, norm, each);
        break;
    case BB_OP_MATMUL:
        return matmul(r);
    case BB_OP_ROPE:
        each_row(r, turn, each);
        break;
    case BB_OP_KV_STORE:
        bb_kv_store(f, s->layer, row(f, s->in[0], 0), f->values[s->in[0]].stride, row(f, s->in[1], 0),
                    f->values[s->in[1]].stride, r->past, r->rows);
        break;
    case BB_OP_ATTENTION:
        bb_kv_attend(f, s->layer, row(f, s->in[0], 0), f->values[s->in[0]].stride, row(f, s->out, 0), r->past, r->rows);
        break;
    case BB_OP_ADD:
        each_row(r, add, each);
        break;
    case BB_OP_GATE_MUL:
        each_row(r, gate, 16 * each);
        break; /* an exponential is some ten operations */
    default:
        return BB_E_BUG;
    }
    return BB_OK;
}

/* ---- a batch, and all of them ---- */

/* Logits are wanted of the last `wanted` of n tokens. */
static bb_status run_batch(bb_infer *f, const int32_t *tokens, size_t n, uint64_t past, size_t wanted, float *logits) {
    run r = {.f = f, .tokens = tokens, .past = past, .logits = logits};
    bb_status st = BB_OK;
    for (size_t i = 0; i < f->n_steps && !st; i++) {
        bool output = f->steps[i].part == BB_PART_OUTPUT;
        if (output && wanted == 0) break;
        r.step = &f->steps[i];
        r.first = output ? n - wanted : 0;
        r.rows = n - r.first;
        st = run_step(&r);
    }
    return st;
}

static bb_status check(const bb_infer *f, const int32_t *tokens, size_t n, size_t past, bb_error *err) {
    if (n == 0) return bb_fail(err, BB_E_ARG, "%s: there is no token to run", f->arch.name);
    if (past > f->filled)
        return bb_fail(err, BB_E_ARG, "%s: %" PRIu64 " positions were run, not %zu", f->arch.name, f->filled, past);
    if (past > f->opts.ctx || n > f->opts.ctx - past)
        return bb_fail(err, BB_E_ARG, "%s: %zu tokens from position %zu on pass the context of %" PRIu64, f->arch.name,
                       n, past, f->opts.ctx);
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || (uint64_t)tokens[i] >= f->arch.vocab)
            return bb_fail(err, BB_E_ARG, "%s: token %" PRId32 " is not in the vocabulary of %" PRIu64, f->arch.name,
                           tokens[i], f->arch.vocab);
    return BB_OK;
}

static bb_status reserve(bb_infer *f, size_t n, bb_error *err) {
    size_t floats, batch = n < f->batch_max ? n : f->batch_max;
    if (batch <= f->batch) return BB_OK;
    float *arena = bb_mul_size(batch, f->width, &floats) ? bb_alloc_aligned(floats, sizeof *arena) : NULL;
    if (!arena) return bb_fail(err, BB_E_NOMEM, "%s: no memory for %zu tokens at a time", f->arch.name, batch);
    free(f->arena);
    f->arena = arena;
    f->batch = batch;
    return BB_OK;
}

bb_status bb_infer_run(bb_infer *infer, const int32_t *tokens, size_t n, size_t past, bool last_only, float *logits,
                       bb_error *err) {
    fenv_t saved;
    bb_status st = check(infer, tokens, n, past, err);
    if (!st) st = reserve(infer, n, err);
    if (st) return st;
    infer->filled = past;
    bb_fp_enter(&saved);
    for (size_t done = 0; done < n && !st;) {
        size_t left = n - done, now = left < infer->batch ? left : infer->batch;
        size_t wanted = !logits ? 0 : !last_only ? now : now == left;
        st = run_batch(infer, tokens + done, now, past + done, wanted, logits);
        if (st) bb_fail_text(err, st, "%s: a product failed: %s", infer->arch.name, bb_status_text(st));
        if (logits && !last_only) logits += now * (size_t)infer->arch.vocab;
        done += now;
        if (!st) infer->filled = past + done;
    }
    bb_fp_leave(&saved);
    return st;
}
