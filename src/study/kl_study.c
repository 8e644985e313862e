/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kl_study.c - a model run over a text once as it is and once for each type, its predictions held side by side.
 *
 * One model is in memory, whose matrices are replaced from run to run; the logits of the base are kept. */
#include "study/kl_study.h"
#include "base/escape.h"
#include "base/mem.h"
#include "model/mixture.h"
#include "study/kl_parts.h"
#include "study/text_run.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct study {
    const bb_model *model;
    const bb_kl_opts *o;
    bb_progress *progress;
    bb_pool *pool;
    char *config; /* of a checkpoint */
    bb_infer *infer;
    int32_t *ids;
    bb_chunks chunks;
    bb_kl_plan *plans; /* [n_types] */
    bb_base *base;
    bb_kl_report r;
    size_t rows_cap, runs; /* runs over the text that are done */
    bb_error *err;
} study;

static bb_status no_memory(const study *s) { return bb_fail(s->err, BB_E_NOMEM, "out of memory"); }

static const char *file_path(const study *s) { return bb_source_path(s->model->file->src); }

static bb_status read_text(study *s) {
    bb_text_tokens t;
    char safe[160];
    bb_status st = bb_text_read(s->model, s->o->vocab, s->o->text, &t, s->err);
    if (st != BB_OK) return st;
    s->ids = t.ids;
    s->chunks = (bb_chunks){
        .tokens = t.ids, .n = t.n, .ctx = bb_text_ctx(s->model, s->o->ctx), .count_max = s->o->chunks, .bos = t.bos};
    if (bb_chunks_count(&s->chunks) > 0) return BB_OK;
    st = bb_fail(s->err, BB_E_INVALID, "%s: %zu tokens, which is less than one chunk of %" PRIu64,
                 bb_escape_buf(s->o->text, safe, sizeof safe), t.n, s->chunks.ctx);
    bb_hint(s->err, "--ctx N takes shorter chunks");
    return st;
}

/* ---- one run ---- */

static bool told(void *ctx, size_t done, size_t of) {
    study *s = ctx;
    if (!s->progress) return true;
    atomic_store(&s->progress->done, (uint64_t)s->runs * of + done);
    return !atomic_load(&s->progress->cancel);
}

/* now: lives longer than the study. */
static bb_status score(study *s, const char *now, bb_base **keep, bb_score *out) {
    if (s->progress) atomic_store(&s->progress->now, now);
    bb_status st = bb_perplexity(s->infer, &s->chunks, s->base, keep, told, s, out, s->err);
    s->runs++;
    return st;
}

static bool is_plain(const bb_dtype *t) {
    return strcmp(t->name, "f32") == 0 || strcmp(t->name, "f16") == 0 || strcmp(t->name, "bf16") == 0;
}

/* The type that matrix i has in a plan, NULL = no plan. */
static const bb_dtype *type_of(const study *s, const bb_kl_plan *p, size_t i) {
    return p && p->types[i] ? p->types[i] : bb_infer_linear(s->infer, i)->tensor->type;
}

/* Whether the kernel of some matrix rounds its inputs, so that values alone are another run. */
static bool rounds_inputs(const study *s, const bb_kl_plan *p) {
    for (size_t i = 0; i < bb_infer_linears(s->infer); i++) {
        const bb_dtype *t = type_of(s, p, i);
        if (!bb_kernel_widens(t) && strcmp(t->name, "f32") != 0) return true;
    }
    return false;
}

static bb_status set_all(study *s, const bb_kl_plan *p, bb_infer_use use) {
    bb_status st = bb_infer_set_embedding(s->infer, p ? p->embedding : NULL, s->err);
    for (size_t i = 0; i < bb_infer_linears(s->infer) && st == BB_OK; i++) {
        if (s->progress && atomic_load(&s->progress->cancel)) return bb_fail(s->err, BB_E_CANCELLED, "cancelled");
        st = bb_infer_set(s->infer, i, p ? p->types[i] : NULL, use, s->err);
    }
    return st;
}

/* ---- rows ---- */

/* A row with what is known before it is measured; it belongs to the report. */
static bb_kl_row *new_row(study *s, const char *type, uint64_t file_bytes) {
    if (!bb_grow((void **)&s->r.rows, s->r.n_rows, &s->rows_cap, sizeof *s->r.rows)) return NULL;
    bb_kl_row *row = &s->r.rows[s->r.n_rows++];
    *row = (bb_kl_row){.file_bytes = file_bytes, .price = (double)NAN, .kl_weights_only = (double)NAN};
    row->saved_bytes = (int64_t)(bb_kl_file_bytes(s->model->file) - file_bytes);
    row->matrices = bb_infer_linears(s->infer);
    snprintf(row->type, sizeof row->type, "%s", type);
    return row;
}

static void set_price(bb_kl_row *row) {
    if (row->saved_bytes > 0) row->price = row->score.kl / (double)row->saved_bytes * 0x1p20;
}

static double bits_per_weight(const study *s, uint64_t tensor_bytes) {
    uint64_t n = bb_file_parameters(s->model->file);
    return n ? 8 * (double)tensor_bytes / (double)n : (double)NAN;
}

/* What the file says to be, else the type of its first matrix. */
static const char *own_type(const study *s) {
    uint64_t number;
    if (bb_meta_u64(s->model->file, "general.file_type", &number))
        for (size_t i = 0; i < bb_ftype_count(); i++)
            if ((uint64_t)bb_ftype_at(i)->number == number) return bb_ftype_at(i)->name;
    return bb_infer_linear(s->infer, 0)->tensor->type->name;
}

/* The values of the file are the base; the file itself is as good where its types are plain. */
static bb_status run_base(study *s) {
    bool plain = true;
    for (size_t i = 0; i < bb_infer_linears(s->infer); i++)
        if (!is_plain(bb_infer_linear(s->infer, i)->tensor->type)) plain = false;
    bb_base *base = NULL;
    bb_status st = set_all(s, NULL, BB_USE_VALUES);
    if (st == BB_OK) st = score(s, "the model as it is", &base, &s->r.base);
    if (st != BB_OK) return st;
    s->base = base;
    if (!isfinite(s->r.base.ppl))
        return bb_fail(s->err, BB_E_INVALID, "%s: its predictions are not finite, before anything is quantized",
                       file_path(s));
    bb_kl_row *row = new_row(s, own_type(s), bb_kl_file_bytes(s->model->file));
    if (!row) return no_memory(s);
    row->kept = row->matrices;
    row->bits_per_weight = bits_per_weight(s, bb_file_tensor_bytes(s->model->file));
    row->score = s->r.base;
    row->score.kl = row->score.kl_err = row->score.kl_max = row->kl_weights_only = 0;
    row->score.top1 = 1;
    if (plain) return BB_OK;
    st = set_all(s, NULL, BB_USE_KERNEL);
    return st == BB_OK ? score(s, "the file through its kernels", NULL, &row->score) : st;
}

static bb_status run_type(study *s, const bb_kl_plan *p) {
    bb_score values;
    bb_kl_row *row = new_row(s, p->title, p->file_bytes);
    if (!row) return no_memory(s);
    row->bits_per_weight = bits_per_weight(s, p->tensor_bytes);
    row->other = p->other;
    row->kept = p->kept;
    bb_status st = set_all(s, p, BB_USE_KERNEL);
    if (st == BB_OK) st = score(s, p->name, NULL, &row->score);
    if (st != BB_OK) return st;
    set_price(row);
    row->kl_weights_only = row->score.kl;
    if (!rounds_inputs(s, p)) return BB_OK;
    st = set_all(s, p, BB_USE_VALUES);
    if (st == BB_OK) st = score(s, p->name, NULL, &values);
    if (st == BB_OK) row->kl_weights_only = values.kl;
    return st;
}

/* ---- each matrix alone ---- */

static bb_status add_tensor_row(study *s, const bb_kl_plan *p, const char *name, const bb_tensor *t,
                                const bb_dtype *type) {
    uint64_t bytes = 0, whole = bb_kl_file_bytes(s->model->file);
    (void)bb_kl_tensor_bytes(t, type, &bytes); /* its rows divide: the plan gave it */
    bb_kl_row *row = new_row(s, p->title, bb_kl_file_bytes_with(s->model->file, t, bytes, whole));
    if (!row) return no_memory(s);
    row->matrices = 1;
    row->bits_per_weight = 8 * (double)bytes / (double)t->elements;
    snprintf(row->tensor, sizeof row->tensor, "%s", name);
    snprintf(row->stored_as, sizeof row->stored_as, "%s", type->name);
    bb_status st = score(s, p->name, NULL, &row->score);
    set_price(row);
    return st;
}

/* The rest of the model is the base. */
static bb_status run_tensor(study *s, const bb_kl_plan *p, size_t i) {
    const bb_linear *l = bb_infer_linear(s->infer, i);
    bool tied = l->tensor == bb_infer_embedding(s->infer);
    if (!p->types[i]) return BB_OK;
    bb_status st = bb_infer_set(s->infer, i, p->types[i], BB_USE_KERNEL, s->err);
    if (st == BB_OK && tied) st = bb_infer_set_embedding(s->infer, p->embedding, s->err);
    if (st == BB_OK) st = add_tensor_row(s, p, l->name, l->tensor, p->types[i]);
    if (st == BB_OK && tied) st = bb_infer_set_embedding(s->infer, NULL, s->err);
    return st == BB_OK ? bb_infer_set(s->infer, i, NULL, BB_USE_VALUES, s->err) : st;
}

static bool embedding_alone(const study *s, const bb_kl_plan *p) {
    for (size_t i = 0; i < bb_infer_linears(s->infer); i++)
        if (bb_infer_linear(s->infer, i)->tensor == bb_infer_embedding(s->infer)) return false;
    return p->embedding != NULL;
}

static bb_status run_embedding(study *s, const bb_kl_plan *p) {
    if (!embedding_alone(s, p)) return BB_OK;
    bb_status st = bb_infer_set_embedding(s->infer, p->embedding, s->err);
    if (st == BB_OK) st = add_tensor_row(s, p, "token_embd.weight", bb_infer_embedding(s->infer), p->embedding);
    return st == BB_OK ? bb_infer_set_embedding(s->infer, NULL, s->err) : st;
}

/* What is lost for each byte saved; what saves none stands behind. Predictions that are not finite (KL is NaN then) are
 * the worst loss. */
static double price_rank(const bb_kl_row *r) {
    if (r->saved_bytes <= 0) return -1;
    return isnan(r->price) ? (double)INFINITY : r->price;
}

static int by_price(const void *a, const void *b) {
    const bb_kl_row *x = a, *y = b;
    double p = price_rank(x), q = price_rank(y);
    if (p > q || p < q) return p > q ? -1 : 1;
    return strcmp(x->tensor, y->tensor);
}

static bb_status run_tensors(study *s, const bb_kl_plan *p) {
    size_t first = s->r.n_rows;
    bb_status st = run_embedding(s, p);
    for (size_t i = 0; i < bb_infer_linears(s->infer) && st == BB_OK; i++) st = run_tensor(s, p, i);
    if (st == BB_OK) qsort(s->r.rows + first, s->r.n_rows - first, sizeof *s->r.rows, by_price);
    return st;
}

/* ---- all of it ---- */

static bb_status open_model(study *s) {
    bb_infer_opts o = {.isa = s->o->isa, .pool = s->pool, .ctx = s->chunks.ctx, .dispatch = &s->r.dispatch};
    return bb_text_model(s->model, &o, &s->config, &s->infer, s->err);
}

static bb_status make_plans(study *s) {
    s->plans = bb_alloc(s->o->n_types, sizeof *s->plans);
    if (!s->plans) return no_memory(s);
    bb_status st = BB_OK;
    for (size_t i = 0; i < s->o->n_types && st == BB_OK; i++)
        st = bb_kl_plan_make(s->model, s->infer, s->o, s->o->types[i], &s->plans[i], s->err);
    return st;
}

static uint64_t count_runs(const study *s) {
    uint64_t n = 1;
    for (size_t i = 0; i < bb_infer_linears(s->infer) && n == 1; i++)
        if (!is_plain(bb_infer_linear(s->infer, i)->tensor->type)) n = 2;
    for (size_t k = 0; k < s->o->n_types; k++) {
        n += rounds_inputs(s, &s->plans[k]) ? 2 : 1;
        if (!s->o->per_tensor) continue;
        n += bb_infer_linears(s->infer) - s->plans[k].kept + embedding_alone(s, &s->plans[k]);
    }
    return n;
}

static bb_status run_all(study *s) {
    bb_status st = read_text(s);
    if (st == BB_OK) st = open_model(s);
    if (st == BB_OK) st = make_plans(s);
    if (st != BB_OK) return st;
    s->r.tokens = s->chunks.n;
    s->r.ctx = s->chunks.ctx;
    s->r.starts = s->chunks.bos >= 0;
    if (s->progress) atomic_store(&s->progress->total, count_runs(s) * bb_chunks_count(&s->chunks));
    st = run_base(s);
    for (size_t k = 0; k < s->o->n_types && st == BB_OK; k++) st = run_type(s, &s->plans[k]);
    if (st == BB_OK && s->o->per_tensor) st = set_all(s, NULL, BB_USE_VALUES);
    for (size_t k = 0; k < s->o->n_types && st == BB_OK && s->o->per_tensor; k++) st = run_tensors(s, &s->plans[k]);
    return st;
}

static bb_status check(const bb_model *m, const bb_kl_opts *o, bb_error *err) {
    if (!m->file)
        return bb_fail(err, BB_E_VALUE, "%s: holds no tensors to run: expected a GGUF or a checkpoint", m->title);
    if (!m->arch)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: its architecture is not clear%s%s", m->title, *m->note ? ": " : "",
                       m->note);
    if (m->file->names_only) return bb_fail(err, BB_E_OPEN, "%s: its shards are not there", m->title);
    char safe[64];
    for (size_t i = 0; i < o->n_types; i++)
        if (strchr(o->types[i], ':'))
            return bb_fail(err, BB_E_UNSUPPORTED,
                           "'%s': a model runs with a scale for each row of int8 and int4: give the name alone",
                           bb_escape_buf(o->types[i], safe, sizeof safe));
        else if (!bb_ftype_find(o->types[i], NULL) && !bb_dtype_find(o->types[i], NULL)) {
            (void)bb_ftype_find(o->types[i], err);
            return BB_E_NAME;
        }
    if (o->ctx && o->ctx < 3)
        return bb_fail(err, BB_E_ARG, "chunks of %" PRIu64 " tokens, at least 3 are needed", o->ctx);
    return BB_OK;
}

bb_status bb_kl_study(const bb_model *model, const bb_kl_opts *opts, bb_progress *progress, bb_kl_report *report,
                      bb_error *err) {
    study s = {.model = model, .o = opts, .progress = progress, .err = err};
    bb_status st = check(model, opts, err);
    if (st == BB_OK && (st = bb_pool_new_pinned(opts->threads, &s.pool)) != BB_OK)
        (void)bb_fail(err, st, "%s", bb_status_text(st));
    if (st == BB_OK) st = run_all(&s);
    if (progress) atomic_store(&progress->now, NULL);
    for (size_t i = 0; s.plans && i < opts->n_types; i++) bb_kl_plan_clear(&s.plans[i]);
    free(s.plans);
    bb_base_free(s.base);
    bb_infer_free(s.infer);
    bb_pool_free(s.pool);
    free(s.config);
    free(s.ids);
    if (st == BB_OK)
        *report = s.r;
    else
        bb_kl_report_clear(&s.r);
    return st;
}

void bb_kl_report_clear(bb_kl_report *report) {
    free(report->rows);
    *report = (bb_kl_report){0};
}
