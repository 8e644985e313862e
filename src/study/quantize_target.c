/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_target.c - the mixture of types with the least error that fits a size. */
#include "base/checked.h"
#include "base/mem.h"
#include "base/pool.h"
#include "study/quantize_parts.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a matrix may get for a target, smallest first: no other type has a lower error at its size, on normal data
 * (specs/ggml.md 1.2). Rows that no block of 256 divides have the second list. */
static const char *const target_types[][2] = {{"q2_K", "q4_0"}, {"q3_K", "iq4_nl"}, {"iq4_xs", "q4_1"},
                                              {"q4_K", "q5_0"}, {"q5_K", "q5_1"},   {"q6_K", "q8_0"},
                                              {"q8_0", "f16"},  {"f16", "f16"}};
enum { LISTED_TYPES = sizeof target_types / sizeof *target_types, TARGET_TYPES = LISTED_TYPES + 1 };
enum { SAMPLE_ELEMENTS = 1 << 20 };

/* Elements of the tensor times its squared error relative to its squares, both weighted by importance: what the output
 * of its product loses, whatever the scale of its weights. NaN when a value is lost. */
static double weighted_error(const bb_quantize_job *job, size_t row, const bb_sample *s) {
    const bb_quantize_place *p = &job->places[row];
    double err2 = 0, ref2 = 0;
    for (size_t i = 0; i < s->rows; i++) {
        const float *w = p->importance ? p->importance + s->expert[i] * p->cols : NULL;
        for (size_t k = 0; k < s->cols; k++) {
            double x = (double)s->x[i * s->cols + k], e = (double)s->back[i * s->cols + k] - x;
            double weight = w ? (double)w[k] : 1;
            err2 += weight * e * e;
            ref2 += weight * x * x;
        }
    }
    if (!isfinite(err2) || !isfinite(ref2)) return (double)NAN;
    return ref2 > 0 ? (double)job->rows[row].elements * (err2 / ref2) : err2 > 0 ? (double)NAN : 0;
}

typedef struct target {
    bb_quantize_job *job;
    bb_progress *progress;
    size_t *matrices; /* [n] rows of the job that may have any type */
    size_t n;
    bb_type_choice *choices; /* [n] over the two arrays */
    uint64_t *bytes;         /* [n][TARGET_TYPES] */
    double *error;
    size_t *picked;
    pthread_mutex_t lock;
    bb_status status;
    bb_error err;
} target;

/* After the list comes the type that the matrix has. */
static const bb_dtype *candidate(const bb_quantize_job *job, size_t row, size_t k) {
    if (k == LISTED_TYPES) return job->rows[row].from;
    return bb_dtype_find(target_types[k][job->places[row].cols % 256 != 0], NULL);
}

/* With the padding behind it: the output keeps the alignment of a GGUF. */
static bool padded(const bb_quantize_job *job, size_t row, const bb_dtype *type, uint64_t *bytes) {
    const bb_quantize_place *p = &job->places[row];
    uint64_t alignment = job->conversion.t ? 32 : job->model->file->alignment;
    return bb_dtype_row_bytes(type, p->cols, bytes) == BB_OK && bb_mul_u64(*bytes, p->rows, bytes) &&
           bb_align_u64(*bytes, alignment, bytes);
}

static void try_tensor(void *ctx, size_t i) {
    target *t = ctx;
    bb_sample s = {0};
    bb_error err = {0};
    size_t row = t->matrices[i];
    const bb_quantize_place *p = &t->job->places[row];
    bool stop = t->progress && atomic_load(&t->progress->cancel);
    uint64_t most = p->cols ? SAMPLE_ELEMENTS / p->cols + 1 : 1;
    bb_status status = stop ? bb_fail(&err, BB_E_CANCELLED, "cancelled") : bb_sample_read(t->job, row, most, &s, &err);
    for (size_t k = 0; k < TARGET_TYPES && status == BB_OK; k++) {
        const bb_dtype *type = candidate(t->job, row, k);
        uint64_t bytes = 0;
        t->error[i * TARGET_TYPES + k] = (double)NAN;
        if (!padded(t->job, row, type, &bytes)) continue;
        t->bytes[i * TARGET_TYPES + k] = bytes;
        if (type == t->job->rows[row].from)
            t->error[i * TARGET_TYPES + k] = 0;
        else if (bb_sample_quantize(t->job, row, type, &s) == BB_OK)
            t->error[i * TARGET_TYPES + k] = weighted_error(t->job, row, &s);
    }
    if (status == BB_OK && isnan(t->error[i * TARGET_TYPES]))
        status = bb_fail(&err, BB_E_INVALID, "'%s' holds values that are NaN, infinite or too large to be measured",
                         t->job->rows[row].name);
    bb_sample_clear(&s);
    if (t->progress) atomic_fetch_add(&t->progress->done, t->job->rows[row].from_bytes);
    if (status == BB_OK) return;
    pthread_mutex_lock(&t->lock);
    if (t->status == BB_OK) {
        t->status = status;
        t->err = err;
    }
    pthread_mutex_unlock(&t->lock);
}

/* What the rules never quantize, and what the user's own rules decide, is not chosen: it has the same type whatever the
 * base. */
static bb_status list_matrices(target *t, const bb_mix_tensor *mix, bb_error *err) {
    static const char *const bases[2] = {"q8_0", "q4_0"};
    static const bb_arch blank = {.family = ""};
    bb_quantize_job *job = t->job;
    bb_mix_tensor *all[2] = {bb_alloc(job->n + 1, sizeof **all), bb_alloc(job->n + 1, sizeof **all)};
    t->matrices = bb_alloc(job->n + 1, sizeof *t->matrices);
    bb_status status = all[0] && all[1] && t->matrices ? BB_OK : bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t k = 0; k < 2 && status == BB_OK; k++) {
        bb_recipe pure = job->opts.recipe;
        pure.ftype = bb_ftype_find(bases[k], NULL);
        pure.pure = true;
        memcpy(all[k], mix, job->n * sizeof **all);
        status = bb_recipe_types(&pure, job->model->arch ? job->model->arch : &blank, all[k], job->n, err);
    }
    for (size_t i = 0; i < job->n && status == BB_OK; i++) {
        const bb_dtype *from = job->rows[i].from;
        const bb_codec *codec = bb_codec_find(from, BB_ISA_SCALAR);
        if (!codec || !codec->decode || (from->block > 1 && !job->opts.requantize))
            job->rows[i].to = from; /* it can only be kept */
        else if (all[0][i].type != all[1][i].type)
            t->matrices[t->n++] = i;
        else
            job->rows[i].to = all[0][i].type;
    }
    free(all[0]);
    free(all[1]);
    return status;
}

static uint64_t smallest(const target *t, size_t i) {
    uint64_t least = UINT64_MAX;
    for (size_t k = 0; k < TARGET_TYPES; k++) {
        uint64_t bytes = t->bytes[i * TARGET_TYPES + k];
        if (!isnan(t->error[i * TARGET_TYPES + k]) && bytes < least) least = bytes;
    }
    return least;
}

/* Bytes that the matrices may take beside `header` bytes. */
static bb_status limit_of(const target *t, uint64_t header, uint64_t *limit, bb_error *err) {
    const bb_quantize_job *job = t->job;
    uint64_t fixed = header, elements = 0, all = job->opts.target_bytes, least = 0;
    bool ok = true;
    for (size_t i = 0, m = 0; i < job->n; i++) {
        uint64_t bytes = 0;
        ok = ok && bb_add_u64(elements, job->rows[i].elements, &elements);
        if (m < t->n && t->matrices[m] == i)
            m++;
        else
            ok = ok && padded(job, i, job->rows[i].to, &bytes) && bb_add_u64(fixed, bytes, &fixed);
    }
    for (size_t i = 0; i < t->n; i++) ok = ok && bb_add_u64(least, smallest(t, i), &least);
    if (!ok || !bb_add_u64(fixed, least, &least)) return bb_fail(err, BB_E_OVERFLOW, "the tensors pass 2^64 bytes");
    if (!all) {
        double wanted = job->opts.target_bpw * (double)elements / 8;
        all = wanted < 0x1p63 ? (uint64_t)wanted : UINT64_MAX;
    }
    if (least > all)
        return bb_fail(err, BB_E_ARG, "the target of %llu bytes cannot be met: the smallest %s %llu bytes",
                       (unsigned long long)all, job->opts.target_bytes ? "file has" : "tensors take",
                       (unsigned long long)least);
    *limit = all - fixed;
    return BB_OK;
}

/* The file type that the file names: that whose base most of its bytes have. */
static bb_status name_type(bb_quantize_job *job, bb_error *err) {
    static const char *const names[][2] = {{"q3_K", "q3_K_M"}, {"q4_K", "q4_K_M"}, {"q5_K", "q5_K_M"}};
    double *elements = bb_alloc(bb_dtype_count(), sizeof *elements);
    size_t most = 0;
    if (!elements) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < job->n; i++) elements[job->rows[i].to - bb_dtype_at(0)] += (double)job->rows[i].elements;
    for (size_t k = 1; k < bb_dtype_count(); k++)
        if (elements[k] > elements[most]) most = k;
    free(elements);
    const char *name = bb_dtype_at(most)->name;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i][0]) == 0) name = names[i][1];
    const bb_ftype *f = bb_ftype_find(name, NULL);
    if (f) job->ftype = *f;
    return BB_OK;
}

/* The choice under one limit. */
static bb_status pick(target *t, uint64_t limit, bb_error *err) {
    uint64_t bytes = 0;
    double error = 0;
    bb_quantize_job *job = t->job;
    bb_status status = bb_choose_types(t->choices, t->n, TARGET_TYPES, limit, t->picked, &bytes, &error, err);
    for (size_t i = 0; i < t->n && status == BB_OK; i++) {
        job->rows[t->matrices[i]].to = candidate(job, t->matrices[i], t->picked[i]);
        job->rows[t->matrices[i]].fell_back = false;
    }
    return status == BB_OK ? name_type(job, err) : status;
}

/* Bytes of the files for the types as they are, and how many of them are headers. */
static bb_status lay_out(bb_quantize_job *job, uint64_t *file_bytes, uint64_t *header, bb_error *err) {
    bb_status status = bb_quantize_layout(job, err);
    uint64_t tensors = 0;
    for (size_t i = 0; i < job->n && status == BB_OK; i++) tensors += job->places[i].padded;
    if (status == BB_OK) {
        *file_bytes = bb_quantize_file_bytes(job);
        *header = *file_bytes - tensors;
    }
    bb_quantize_layout_clear(job);
    return status;
}

/* Headers count too, and how many there are depends on where a split is cut: chosen again with what the last choice
 * showed, until it fits. */
static bb_status choose(target *t, bb_error *err) {
    enum { TRIES = 16 };
    bb_quantize_job *job = t->job;
    uint64_t header = 0, made = 0, limit = 0;
    for (size_t i = 0; i < t->n; i++)
        t->choices[i] = (bb_type_choice){t->bytes + i * TARGET_TYPES, t->error + i * TARGET_TYPES};
    bb_status status = job->opts.target_bytes ? lay_out(job, &made, &header, err) : BB_OK;
    for (int try = 0; try < TRIES && status == BB_OK; try++) {
        uint64_t seen = 0;
        status = limit_of(t, header, &limit, err);
        if (status == BB_OK) status = pick(t, limit, err);
        if (status != BB_OK || !job->opts.target_bytes) return status;
        status = lay_out(job, &made, &seen, err);
        if (status == BB_OK && made <= job->opts.target_bytes) return BB_OK;
        header = seen > header ? seen : header + 1;
    }
    if (status != BB_OK) return status;
    return bb_fail(err, BB_E_ARG, "no split of %" PRIu64 " bytes was found", job->opts.target_bytes);
}

bb_status bb_quantize_target(bb_quantize_job *job, const bb_mix_tensor *mix, bb_progress *progress, bb_error *err) {
    target t = {.job = job, .progress = progress};
    bb_pool *pool = NULL;
    size_t cells;
    bb_status status = list_matrices(&t, mix, err);
    if (status == BB_OK) {
        if (bb_mul_size(t.n + 1, TARGET_TYPES, &cells)) {
            t.bytes = bb_alloc(cells, sizeof *t.bytes);
            t.error = bb_alloc(cells, sizeof *t.error);
            t.choices = bb_alloc(t.n + 1, sizeof *t.choices);
            t.picked = bb_alloc(t.n + 1, sizeof *t.picked);
        }
        if (!t.bytes || !t.error || !t.choices || !t.picked) status = bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    if (status == BB_OK && (status = bb_pool_new(job->opts.threads, &pool)) != BB_OK)
        status = bb_fail(err, status, "%s", bb_status_text(status));
    if (status == BB_OK) {
        uint64_t all = 0;
        for (size_t i = 0; i < t.n; i++) all += job->rows[t.matrices[i]].from_bytes;
        if (progress) {
            snprintf(progress->what, sizeof progress->what, "measuring types");
            atomic_store(&progress->total, all);
        }
        pthread_mutex_init(&t.lock, NULL);
        bb_pool_run(pool, t.n, try_tensor, &t);
        pthread_mutex_destroy(&t.lock);
        if (progress) {
            atomic_store(&progress->total, 0);
            atomic_store(&progress->done, 0);
        }
        if ((status = t.status) != BB_OK && err) *err = t.err;
    }
    bb_pool_free(pool);
    if (status == BB_OK) status = choose(&t, err);
    free(t.matrices);
    free(t.bytes);
    free(t.error);
    free(t.choices);
    free(t.picked);
    return status;
}
