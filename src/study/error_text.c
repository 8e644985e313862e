/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_text.c - running a model over a text for the inputs of its matrices. */
#include "study/error_text.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "infer/capture.h"
#include "study/error_parts.h"
#include "study/text_run.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_DEFAULT = 16 };
enum { BATCH = 64 /* tokens that run together */ };
static const double GOLDEN = 0.6180339887498949; /* (sqrt(5) - 1) / 2 */

/* What the inputs keep of a run. */
struct bb_inputs_text {
    bb_capture *capture;
    const bb_tensor **tensors; /* [n] of its linears */
    size_t n;
    uint64_t tokens; /* that were run */
};

typedef struct run {
    const bb_text_opts *o;
    bb_progress *progress;
    bb_pool *pool;
    char *config; /* of a checkpoint */
    bb_infer *infer;
    bb_capture *capture, *sums; /* rows of inputs; sums over all of them, or NULL */
    size_t output; /* linear that gives the logits: of its inputs no sums are kept, as llama-imatrix does */
    int32_t *ids;
    size_t n;
    int32_t bos; /* -1 = none */
    uint64_t ctx;
    uint64_t tokens; /* that are run, in whole chunks or in one */
    uint64_t at;     /* tokens before those that run now */
    uint64_t *rows;  /* [n_rows] numbers of the tokens whose inputs are kept, ascending */
    float *logits;   /* [BATCH][vocab] */
    size_t n_rows;
} run;

/* ---- the text ---- */

static bb_status read_text(run *r, bb_error *err) {
    bb_text_tokens t;
    char safe[160];
    bb_status status = bb_text_read(r->o->model, r->o->vocab, r->o->text, &t, err);
    if (status != BB_OK) return status;
    r->ids = t.ids;
    r->n = t.n;
    r->bos = t.bos;
    if (r->n > (r->bos >= 0 ? 1u : 0u)) return BB_OK; /* <s> alone is no text */
    return bb_fail(err, BB_E_INVALID, "%s: the text has no tokens", bb_escape_buf(r->o->text, safe, sizeof safe));
}

/* How much of it runs, and which tokens are kept: evenly spaced, each shifted within its share by another fraction, so
 * that they stand at all places of a chunk. */
static bb_status choose_rows(run *r, bb_error *err) {
    uint64_t most = r->o->chunks ? r->o->chunks : BB_TEXT_CHUNKS, whole = r->n / r->ctx;
    uint64_t want = r->o->rows ? r->o->rows : ROWS_DEFAULT;
    r->tokens = whole == 0 ? r->n : (whole < most ? whole : most) * r->ctx;
    if (want > r->tokens) want = r->tokens;
    r->rows = bb_alloc((size_t)want, sizeof *r->rows);
    if (!r->rows) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (uint64_t i = 0; i < want; i++) {
        double shift = (double)i * GOLDEN, at = (double)i + (shift - floor(shift));
        uint64_t row = (uint64_t)(at * ((double)r->tokens / (double)want));
        if (row < r->tokens && (r->n_rows == 0 || row > r->rows[r->n_rows - 1])) r->rows[r->n_rows++] = row;
    }
    return BB_OK;
}

/* ---- the model ---- */

static void tap(void *ctx, size_t linear, const float *x, size_t tokens, size_t cols) {
    const run *r = ctx;
    for (size_t i = 0; i < r->n_rows; i++)
        if (r->rows[i] >= r->at && r->rows[i] < r->at + tokens)
            bb_capture_tap(r->capture, linear, x + (r->rows[i] - r->at) * cols, 1, cols);
    if (r->sums && linear != r->output) bb_capture_tap(r->sums, linear, x, tokens, cols);
}

static bb_status open_model(run *r, bb_error *err) {
    bb_infer_opts o = {.isa = r->o->isa, .pool = r->pool, .ctx = r->ctx, .tap = tap, .tap_ctx = r};
    size_t vocab, rows = r->n_rows;
    bb_status status = bb_text_model(r->o->model, &o, &r->config, &r->infer, err);
    if (status != BB_OK) return status;
    r->output = SIZE_MAX;
    for (size_t i = 0; i < bb_infer_linears(r->infer); i++) {
        const char *name = bb_infer_linear(r->infer, i)->name;
        if (strcmp(name, "output.weight") == 0 || strcmp(name, "token_embd.weight") == 0) r->output = i;
    }
    bool ok = bb_mul_size((size_t)bb_infer_vocab(r->infer), BATCH, &vocab) &&
              (r->logits = bb_alloc(vocab, sizeof *r->logits)) && bb_capture_new(rows, &r->capture) == BB_OK &&
              (!r->o->save_imatrix || bb_capture_new(0, &r->sums) == BB_OK);
    return ok ? BB_OK : bb_fail(err, BB_E_NOMEM, "out of memory");
}

static bool keeps_one(const run *r, size_t tokens) {
    for (size_t i = 0; i < r->n_rows; i++)
        if (r->rows[i] >= r->at && r->rows[i] < r->at + tokens) return true;
    return false;
}

/* The output matrix has inputs only where logits are asked for. */
static bb_status run_chunk(run *r, size_t n, bb_error *err) {
    int32_t *ids = r->ids + r->at;
    bb_status status = BB_OK;
    if (r->bos >= 0) ids[0] = r->bos;
    for (size_t past = 0; past < n && status == BB_OK; past += BATCH) {
        size_t count = n - past < BATCH ? n - past : BATCH;
        if (r->progress && atomic_load(&r->progress->cancel)) return bb_fail(err, BB_E_CANCELLED, "cancelled");
        status = bb_infer_run(r->infer, ids + past, count, past, false, keeps_one(r, count) ? r->logits : NULL, err);
        r->at += count;
        if (r->progress) atomic_store(&r->progress->done, r->at);
    }
    return status;
}

static bb_status run_chunks(run *r, bb_error *err) {
    bb_status status = BB_OK;
    if (r->progress) atomic_store(&r->progress->total, r->tokens);
    while (r->at < r->tokens && status == BB_OK)
        status = run_chunk(r, r->tokens - r->at < r->ctx ? (size_t)(r->tokens - r->at) : (size_t)r->ctx, err);
    bool lost = status == BB_OK && (bb_capture_status(r->capture) || (r->sums && bb_capture_status(r->sums)));
    return lost ? bb_fail(err, BB_E_NOMEM, "out of memory") : status;
}

static bb_status save(const run *r, bb_error *err) {
    const bb_text_opts *o = r->o;
    bb_status status = BB_OK;
    if (o->save_inputs) status = bb_capture_write_npy(r->capture, r->infer, o->save_inputs, o->force, err);
    if (status == BB_OK && o->save_imatrix)
        status = bb_capture_write_imatrix(r->sums, r->infer, o->text, r->ctx, o->save_imatrix, o->force, err);
    return status;
}

/* ---- what is kept ---- */

static void text_free(bb_inputs_text *t) {
    if (!t) return;
    bb_capture_free(t->capture);
    free(t->tensors);
    free(t);
}

void bb_inputs_text_clear(bb_inputs *in) {
    text_free(in->text);
    in->text = NULL;
}

static bb_status keep(run *r, bb_inputs **inputs, bb_error *err) {
    bb_inputs *in = NULL;
    bb_inputs_text *t = bb_alloc(1, sizeof *t);
    size_t n = bb_infer_linears(r->infer);
    bb_status status = bb_inputs_make(BB_INPUTS_TEXT, 0, &in, err);
    if (status == BB_OK &&
        (!t || !(t->tensors = bb_alloc(n, sizeof *t->tensors)) || !(in->path = bb_strdup(r->o->text))))
        status = bb_fail(err, BB_E_NOMEM, "out of memory");
    if (status != BB_OK) {
        text_free(t);
        bb_inputs_free(in);
        return status;
    }
    for (size_t i = 0; i < n; i++) t->tensors[i] = bb_infer_linear(r->infer, i)->tensor;
    t->n = n;
    t->tokens = r->tokens;
    t->capture = r->capture;
    r->capture = NULL;
    in->text = t;
    *inputs = in;
    return BB_OK;
}

static bb_status run_text(run *r, bb_inputs **inputs, bb_error *err) {
    r->ctx = bb_text_ctx(r->o->model, r->o->ctx);
    bb_status status = read_text(r, err);
    if (status == BB_OK) status = choose_rows(r, err);
    if (status == BB_OK && (status = bb_pool_new(r->o->threads, &r->pool)) != BB_OK)
        status = bb_fail(err, status, "%s", bb_status_text(status));
    if (status == BB_OK) status = open_model(r, err);
    if (status == BB_OK) status = run_chunks(r, err);
    if (status == BB_OK) status = save(r, err);
    return status == BB_OK ? keep(r, inputs, err) : status;
}

bb_status bb_inputs_from_text(const bb_text_opts *opts, bb_progress *progress, bb_inputs **inputs, bb_error *err) {
    run r = {.o = opts, .progress = progress};
    if (!opts->model->file || !opts->model->arch)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: it takes a model file of a known architecture to run a text",
                       opts->model->title);
    bb_status status = run_text(&r, inputs, err);
    bb_infer_free(r.infer);
    bb_capture_free(r.capture);
    bb_capture_free(r.sums);
    bb_pool_free(r.pool);
    free(r.config);
    free(r.ids);
    free(r.rows);
    free(r.logits);
    return status;
}

/* ---- rows of it ---- */

void bb_inputs_tell_text(const bb_inputs *in, uint64_t tokens, bb_str *out) {
    char name[128];
    bb_str_addf(out, "real, up to %" PRIu64 " rows of %" PRIu64 " tokens of %s", tokens, in->text->tokens,
                bb_escape_buf(in->path, name, sizeof name));
}

bb_status bb_inputs_text_rows(const bb_inputs *in, const bb_tensor *t, size_t cols, size_t most, float **x,
                              size_t *rows, char *why, size_t why_size, bb_error *err) {
    const bb_inputs_text *text = in->text;
    for (size_t i = 0; i < text->n; i++) {
        size_t have = 0, width = 0;
        if (text->tensors[i] != t) continue;
        const float *kept = bb_capture_rows(text->capture, i, &have, &width);
        if (!kept || width != cols || have == 0) continue;
        size_t n = have < most ? have : most;
        *x = bb_alloc(n * cols, sizeof **x); /* no overflow: as many are there */
        if (!*x) return bb_fail(err, BB_E_NOMEM, "out of memory");
        for (size_t k = 0; k < n; k++)
            memcpy(*x + k * cols, kept + bb_spaced_row(k, n, have) * cols, cols * sizeof **x);
        *rows = n;
        return BB_OK;
    }
    snprintf(why, why_size, "the model multiplies nothing with it while the text runs");
    return BB_OK;
}
