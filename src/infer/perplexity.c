/* SPDX-License-Identifier: GPL-3.0-or-later */
/* perplexity.c - scoring the predictions of a model, position by position, alone or against those of another. */
#include "infer/perplexity.h"
#include "base/checked.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "infer/infer_parts.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Logits that are worked on at a time take about so much memory, those of a base no more than the limit. */
#define SLICE_BYTES ((size_t)32 << 20)
#define BASE_BYTES  ((uint64_t)4 << 30)
enum { SLICE_LEAST = 16 };

/* A prediction: the logits of one position, and what they come to. */
typedef struct summary {
    double log_sum; /* log of the sum of exp(logit) */
    uint32_t top;   /* the most likely token, the first of equals */
} summary;

struct bb_base {
    size_t vocab, n;
    float *logits; /* [n][vocab] */
    summary *sums; /* [n] */
};

/* The run of a text. */
typedef struct scorer {
    bb_infer *infer;
    const bb_chunks *chunks;
    size_t vocab, each, slice; /* positions of a chunk; of what is worked on at a time */
    const bb_base *base;
    bb_base *keep;  /* NULL = the predictions are not kept */
    int32_t *half;  /* the tokens of a chunk that are not scored */
    float *logits;  /* [slice][vocab], unless they are kept */
    double *nll;    /* [n] -log p of the token that came */
    double *kl;     /* [n], with a base */
    bool *same_top; /* [n], with a base */
    size_t n;
} scorer;

/* Positions that one call looks at. */
typedef struct slice {
    const scorer *s;
    const float *logits;
    const int32_t *next; /* the tokens that came */
    size_t first, count; /* among all scored ones */
} slice;

uint64_t bb_chunks_count(const bb_chunks *c) {
    uint64_t n = c->ctx ? c->n / c->ctx : 0;
    return c->count_max && c->count_max < n ? c->count_max : n;
}

/* From the second half on all but the last token, whose successor is in the next chunk. */
uint64_t bb_chunks_scored(const bb_chunks *c) { return c->ctx < 3 ? 0 : c->ctx - 1 - c->ctx / 2; }

void bb_base_free(bb_base *base) {
    if (!base) return;
    free(base->logits);
    free(base->sums);
    free(base);
}

static bb_base *base_new(size_t vocab, size_t n) {
    bb_base *b = bb_alloc(1, sizeof *b);
    if (!b) return NULL;
    *b = (bb_base){vocab, n, bb_alloc_aligned(n, vocab * sizeof(float)), bb_alloc(n, sizeof *b->sums)};
    if (b->logits && b->sums) return b;
    bb_base_free(b);
    return NULL;
}

/* ---- one position ---- */

/* Four partial sums of every fourth value, added in order. */
static summary summarize(const float *logits, size_t n) {
    summary s = {0};
    double part[4] = {0};
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[s.top]) s.top = (uint32_t)i;
    double most = (double)logits[s.top];
    for (size_t i = 0; i < n; i++) part[i % 4] += exp((double)logits[i] - most);
    s.log_sum = most + log(part[0] + part[1] + part[2] + part[3]);
    return s;
}

/* Sum of p log(p / q); where p is 0 the term is. */
static double divergence(const float *p_logits, const summary *p, const float *q_logits, const summary *q, size_t n) {
    double part[4] = {0}, shift = q->log_sum - p->log_sum;
    for (size_t i = 0; i < n; i++) {
        double prob = exp((double)p_logits[i] - p->log_sum);
        if (prob > 0) part[i % 4] += prob * ((double)p_logits[i] - (double)q_logits[i] + shift);
    }
    return part[0] + part[1] + part[2] + part[3];
}

static void score_position(void *ctx, size_t i) {
    const slice *l = ctx;
    const scorer *s = l->s;
    const float *q = l->logits + i * s->vocab;
    size_t at = l->first + i;
    summary sum = summarize(q, s->vocab);
    s->nll[at] = sum.log_sum - (double)q[l->next[i]];
    if (s->keep) s->keep->sums[at] = sum;
    if (!s->base) return;
    const summary *p = &s->base->sums[at];
    s->kl[at] = divergence(s->base->logits + at * s->vocab, p, q, &sum, s->vocab);
    s->same_top[at] = p->top == sum.top;
}

/* ---- all of them ---- */

static bb_status run_slice(scorer *s, size_t chunk, size_t done, bb_error *err) {
    size_t start = chunk * (size_t)s->chunks->ctx, half = (size_t)s->chunks->ctx / 2;
    slice l = {.s = s, .first = chunk * s->each + done};
    float *logits = s->keep ? s->keep->logits + l.first * s->vocab : s->logits;
    l.logits = logits;
    l.next = s->chunks->tokens + start + half + done + 1;
    l.count = s->each - done < s->slice ? s->each - done : s->slice;
    bb_status st =
        bb_infer_run(s->infer, s->chunks->tokens + start + half + done, l.count, half + done, false, logits, err);
    if (st != BB_OK) return st;
    bb_pool *pool = s->infer->opts.pool;
    if (pool)
        bb_pool_run(pool, l.count, score_position, &l);
    else
        for (size_t i = 0; i < l.count; i++) score_position(&l, i);
    return BB_OK;
}

static bb_status run_chunk(scorer *s, size_t chunk, bb_error *err) {
    const bb_chunks *c = s->chunks;
    size_t half = (size_t)c->ctx / 2;
    memcpy(s->half, c->tokens + chunk * (size_t)c->ctx, half * sizeof *s->half);
    if (c->bos >= 0) s->half[0] = c->bos;
    bb_status st = bb_infer_run(s->infer, s->half, half, 0, false, NULL, err);
    for (size_t done = 0; done < s->each && st == BB_OK; done += s->slice) st = run_slice(s, chunk, done, err);
    return st;
}

static void mean_of(const double *x, size_t n, double *mean, double *error) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *error = n > 1 ? sqrt(squares / (double)n / (double)(n - 1)) : (double)NAN;
}

static bb_score result(const scorer *s) {
    bb_score r = {.chunks = s->n / s->each, .n = s->n};
    r.kl = r.kl_err = r.kl_max = r.top1 = (double)NAN;
    double mean, error;
    mean_of(s->nll, s->n, &mean, &error);
    r.ppl = exp(mean);
    r.ppl_err = r.ppl * error; /* to first order */
    if (!s->base) return r;
    size_t same = 0;
    mean_of(s->kl, s->n, &r.kl, &r.kl_err);
    r.kl_max = s->kl[0];
    for (size_t i = 0; i < s->n; i++) {
        if (s->kl[i] > r.kl_max) r.kl_max = s->kl[i];
        same += s->same_top[i];
    }
    r.top1 = (double)same / (double)s->n;
    return r;
}

static bb_status check(const bb_infer *infer, const bb_chunks *c, bb_error *err) {
    uint64_t vocab = bb_infer_vocab(infer), chunks = bb_chunks_count(c);
    if (c->ctx < 3 || c->ctx > infer->opts.ctx)
        return bb_fail(err, BB_E_ARG, "chunks of %" PRIu64 " tokens, expected 3 to %" PRIu64, c->ctx, infer->opts.ctx);
    if (chunks == 0)
        return bb_fail(err, BB_E_INVALID, "the text has %zu tokens, which is less than one chunk of %" PRIu64, c->n,
                       c->ctx);
    if (c->bos >= 0 && (uint64_t)c->bos >= vocab)
        return bb_fail(err, BB_E_INVALID, "the model has %" PRIu64 " tokens, but <s> is number %" PRId32, vocab,
                       c->bos);
    for (size_t i = 0; i < chunks * c->ctx; i++)
        if (c->tokens[i] < 0 || (uint64_t)c->tokens[i] >= vocab)
            return bb_fail(err, BB_E_INVALID, "the model has %" PRIu64 " tokens, but the text has number %" PRId32,
                           vocab, c->tokens[i]);
    return BB_OK;
}

static bb_status prepare(scorer *s, bool keep, bb_error *err) {
    uint64_t bytes;
    s->vocab = (size_t)bb_infer_vocab(s->infer);
    s->each = (size_t)bb_chunks_scored(s->chunks);
    s->slice = SLICE_BYTES / sizeof(float) / s->vocab;
    if (s->slice < SLICE_LEAST) s->slice = SLICE_LEAST;
    if (s->slice > s->each) s->slice = s->each;
    s->n = (size_t)bb_chunks_count(s->chunks) * s->each;
    if (s->base && (s->base->n != s->n || s->base->vocab != s->vocab))
        return bb_fail(err, BB_E_ARG, "the base is one of another text or vocabulary");
    if (keep && (!bb_mul_u64(s->n, s->vocab * sizeof(float), &bytes) || bytes > BASE_BYTES)) {
        bb_status st =
            bb_fail(err, BB_E_LIMIT, "predictions of %zu tokens among %zu take more than 4 GiB", s->n, s->vocab);
        bb_hint(err, "fewer chunks do");
        return st;
    }
    if (keep)
        s->keep = base_new(s->vocab, s->n);
    else
        s->logits = bb_alloc_aligned(s->slice, s->vocab * sizeof(float));
    s->half = bb_alloc((size_t)s->chunks->ctx / 2, sizeof *s->half);
    s->nll = bb_alloc(s->n, sizeof *s->nll);
    s->kl = s->base ? bb_alloc(s->n, sizeof *s->kl) : NULL;
    s->same_top = s->base ? bb_alloc(s->n, sizeof *s->same_top) : NULL;
    bool fine = (s->keep || s->logits) && s->half && s->nll && (!s->base || (s->kl && s->same_top));
    return fine ? BB_OK : bb_fail(err, BB_E_NOMEM, "no memory for the predictions of a text");
}

bb_status bb_perplexity(bb_infer *infer, const bb_chunks *chunks, const bb_base *base, bb_base **base_out,
                        bool (*progress)(void *ctx, size_t done, size_t of), void *progress_ctx, bb_score *score,
                        bb_error *err) {
    scorer s = {.infer = infer, .chunks = chunks, .base = base};
    fenv_t env;
    bb_status st = check(infer, chunks, err);
    if (st == BB_OK) st = prepare(&s, base_out != NULL, err);
    size_t count = (size_t)bb_chunks_count(chunks);
    bb_fp_enter(&env);
    for (size_t i = 0; i < count && st == BB_OK; i++) {
        if (progress && !progress(progress_ctx, i, count))
            st = bb_fail(err, BB_E_CANCELLED, "cancelled");
        else
            st = run_chunk(&s, i, err);
    }
    if (st == BB_OK) {
        *score = result(&s);
        if (progress) (void)progress(progress_ctx, count, count);
        if (base_out) *base_out = s.keep;
        s.keep = NULL;
    }
    bb_fp_leave(&env);
    bb_base_free(s.keep);
    free(s.half);
    free(s.logits);
    free(s.nll);
    free(s.kl);
    free(s.same_top);
    return st;
}
