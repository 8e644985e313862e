/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_trial.c - what every type would cost a tensor, from a sample of its rows, and the mixture for a target. */
#include "base/checked.h"
#include "base/mem.h"
#include "base/pool.h"
#include "measure/measure.h"
#include "study/quantize_parts.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_ELEMENTS = 1 << 20, TRIAL_ROWS = 256, TYPES_MAX = 24 };

/* Types that people see side by side. */
static const char *const trial_types[] = {"f16",  "bf16", "q8_0", "q6_K",   "q5_K",   "q5_1",  "q5_0",
                                          "q4_K", "q4_1", "q4_0", "iq4_nl", "iq4_xs", "nvfp4", "mxfp4",
                                          "q3_K", "q2_K", "q2_0", "tq2_0",  "tq1_0",  "q1_0"};
enum { TRIAL_TYPES = sizeof trial_types / sizeof *trial_types };

/* What a matrix may get for a target, smallest first: no other type has a lower error at its size, on normal data
 * (specs/ggml.md 1.2). Rows that no block of 256 divides have the second list. */
static const char *const target_types[][2] = {{"q2_K", "q4_0"}, {"q3_K", "iq4_nl"}, {"iq4_xs", "q4_1"},
                                              {"q4_K", "q5_0"}, {"q5_K", "q5_1"},   {"q6_K", "q8_0"},
                                              {"q8_0", "f16"}};
enum { TARGET_TYPES = sizeof target_types / sizeof *target_types };

/* Rows of a tensor, evenly spaced, and what they weigh. */
typedef struct sample {
    float *x, *back;
    unsigned char *raw, *out;
    size_t rows, cols, n;
    uint64_t *expert; /* [rows] */
} sample;

static void sample_clear(sample *s) {
    free(s->x);
    free(s->back);
    free(s->raw);
    free(s->out);
    free(s->expert);
}

static bb_status sample_read(const bb_quantize_job *job, size_t row, uint64_t most, sample *s, bb_error *err) {
    const bb_quantize_place *p = &job->places[row];
    *s = (sample){.cols = (size_t)p->cols};
    uint64_t rows = p->rows < most ? p->rows : most;
    size_t bytes;
    s->rows = (size_t)rows;
    if (!bb_mul_size(s->rows, s->cols, &s->n) || !bb_mul_size(s->n, 8, &bytes))
        return bb_fail(err, BB_E_OVERFLOW, "rows too long");
    s->x = bb_alloc(s->n, sizeof *s->x);
    s->back = bb_alloc(s->n, sizeof *s->back);
    s->raw = bb_alloc(s->cols, 8);
    s->out = bb_alloc(s->n, sizeof *s->x);
    s->expert = bb_alloc(s->rows, sizeof *s->expert);
    if (!s->x || !s->back || !s->raw || !s->out || !s->expert) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status status = BB_OK;
    for (size_t i = 0; i < s->rows && status == BB_OK; i++) {
        uint64_t r = rows == p->rows ? i : (uint64_t)((double)i * ((double)p->rows / (double)rows));
        s->expert[i] = p->importance ? r / p->importance_rows : 0;
        status = bb_quantize_read(job, row, r * p->cols, s->cols, s->raw, s->x + i * s->cols, err);
    }
    return status;
}

static bb_status sample_quantize(const bb_quantize_job *job, size_t row, const bb_dtype *type, sample *s) {
    const bb_quantize_place *p = &job->places[row];
    uint64_t bytes;
    bb_status status = bb_dtype_row_bytes(type, s->cols, &bytes);
    for (size_t i = 0; i < s->rows && status == BB_OK; i++) {
        const float *w = p->importance ? p->importance + s->expert[i] * p->cols : NULL;
        status = bb_quantize_rows_as(type, s->x + i * s->cols, 1, s->cols, w, &job->opts.quant, s->out);
        if (status == BB_OK)
            status = bb_dequantize_rows_as(type, s->out, 1, s->cols, job->opts.quant.isa, s->back + i * s->cols);
    }
    return status;
}

/* Elements of the tensor times its squared error relative to its squares, both weighted by importance: what the output
 * of its product loses, whatever the scale of its weights. NaN when a value is lost. */
static double weighted_error(const bb_quantize_job *job, size_t row, const sample *s) {
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

/* ---- the mixture for a target ---- */

typedef struct target {
    const bb_quantize_job *job;
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

static const bb_dtype *candidate(const bb_quantize_job *job, size_t row, size_t k) {
    return bb_dtype_find(target_types[k][job->places[row].cols % 256 != 0], NULL);
}

enum { ALIGNMENT = 32 };
static uint64_t padded(uint64_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static void try_tensor(void *ctx, size_t i) {
    target *t = ctx;
    sample s = {0};
    bb_error err = {0};
    size_t row = t->matrices[i];
    const bb_quantize_place *p = &t->job->places[row];
    bool stop = t->progress && atomic_load(&t->progress->cancel);
    uint64_t most = p->cols ? SAMPLE_ELEMENTS / p->cols + 1 : 1;
    bb_status status = stop ? bb_fail(&err, BB_E_CANCELLED, "cancelled") : sample_read(t->job, row, most, &s, &err);
    for (size_t k = 0; k < TARGET_TYPES && status == BB_OK; k++) {
        const bb_dtype *type = candidate(t->job, row, k);
        uint64_t bytes = 0;
        t->error[i * TARGET_TYPES + k] = (double)NAN;
        if (bb_dtype_row_bytes(type, p->cols, &bytes) != BB_OK || !bb_mul_u64(bytes, p->rows, &bytes)) continue;
        t->bytes[i * TARGET_TYPES + k] = padded(bytes);
        if (sample_quantize(t->job, row, type, &s) == BB_OK)
            t->error[i * TARGET_TYPES + k] = weighted_error(t->job, row, &s);
    }
    sample_clear(&s);
    if (t->progress) atomic_fetch_add(&t->progress->done, t->job->rows[row].from_bytes);
    if (status == BB_OK) return;
    pthread_mutex_lock(&t->lock);
    if (t->status == BB_OK) {
        t->status = status;
        t->err = err;
    }
    pthread_mutex_unlock(&t->lock);
}

/* What the rules never quantize keeps its type. */
static bb_status list_matrices(target *t, const bb_mix_tensor *mix, bb_error *err) {
    const bb_quantize_job *job = t->job;
    bb_recipe pure = job->opts.recipe;
    pure.ftype = bb_ftype_find("q8_0", NULL);
    pure.pure = true;
    bb_mix_tensor *all = bb_alloc(job->n + 1, sizeof *all);
    t->matrices = bb_alloc(job->n + 1, sizeof *t->matrices);
    if (!all || !t->matrices) {
        free(all);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    memcpy(all, mix, job->n * sizeof *all);
    static const bb_arch blank = {.family = ""};
    bb_status status = bb_recipe_types(&pure, job->model->arch ? job->model->arch : &blank, all, job->n, err);
    for (size_t i = 0; i < job->n && status == BB_OK; i++) {
        bool free_choice = all[i].type != all[i].source || all[i].type == bb_dtype_find("q8_0", NULL);
        if (free_choice && job->places[i].cols % 32 == 0) t->matrices[t->n++] = i;
    }
    free(all);
    return status;
}

/* Bytes of the file that its matrices may take. */
static bb_status limit_of(const target *t, uint64_t *limit, bb_error *err) {
    bb_quantize_job *job = (bb_quantize_job *)(uintptr_t)t->job; /* laid out for its header, then cleared again */
    uint64_t fixed = 0, elements = 0, all = job->opts.target_bytes;
    for (size_t i = 0, m = 0; i < job->n; i++) {
        uint64_t row = 0;
        elements += job->rows[i].elements;
        if (m < t->n && t->matrices[m] == i) {
            m++;
            continue;
        }
        (void)bb_dtype_row_bytes(job->rows[i].to, job->places[i].cols, &row);
        fixed += padded(row * job->places[i].rows);
    }
    if (all) {
        bb_status status = bb_quantize_layout(job, err);
        for (size_t i = 0; i < job->n_files && status == BB_OK; i++) fixed += job->header_bytes[i];
        bb_quantize_layout_clear(job);
        if (status != BB_OK) return status;
    } else
        all = (uint64_t)(job->opts.target_bpw * (double)elements / 8);
    if (fixed >= all)
        return bb_fail(err, BB_E_VALUE, "the target of %llu bytes is less than the %llu that are not quantized",
                       (unsigned long long)all, (unsigned long long)fixed);
    *limit = all - fixed;
    return BB_OK;
}

/* The file type that the file names: that whose base most of its bytes have. */
static void name_type(bb_quantize_job *job) {
    static const char *const names[][2] = {{"q3_K", "q3_K_M"}, {"q4_K", "q4_K_M"}, {"q5_K", "q5_K_M"}};
    const bb_dtype *most = NULL;
    uint64_t most_elements = 0;
    for (size_t i = 0; i < job->n; i++) {
        uint64_t n = 0;
        for (size_t k = 0; k < job->n; k++)
            if (job->rows[k].to == job->rows[i].to) n += job->rows[k].elements;
        if (n > most_elements) {
            most_elements = n;
            most = job->rows[i].to;
        }
    }
    const char *name = most ? most->name : "f16";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i][0]) == 0) name = names[i][1];
    const bb_ftype *f = bb_ftype_find(name, NULL);
    if (f) job->ftype = *f;
}

static bb_status choose(target *t, bb_quantize_job *job, bb_error *err) {
    uint64_t limit = 0, bytes = 0;
    double error = 0;
    bb_status status = limit_of(t, &limit, err);
    for (size_t i = 0; i < t->n; i++)
        t->choices[i] = (bb_type_choice){t->bytes + i * TARGET_TYPES, t->error + i * TARGET_TYPES};
    if (status == BB_OK)
        status = bb_choose_types(t->choices, t->n, TARGET_TYPES, limit, t->picked, &bytes, &error, err);
    for (size_t i = 0; i < t->n && status == BB_OK; i++) {
        job->rows[t->matrices[i]].to = candidate(job, t->matrices[i], t->picked[i]);
        job->rows[t->matrices[i]].fell_back = false;
    }
    if (status == BB_OK) name_type(job);
    return status;
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
    if (status == BB_OK) status = choose(&t, job, err);
    free(t.matrices);
    free(t.bytes);
    free(t.error);
    free(t.choices);
    free(t.picked);
    return status;
}

/* ---- all types of one tensor ---- */

bb_status bb_quantize_trials(const bb_quantize_job *job, size_t row, uint64_t rows_max, bb_progress *progress,
                             bb_quantize_trial **trials, size_t *n, bb_error *err) {
    sample s = {0};
    size_t k = 0;
    bb_quantize_trial *list = bb_alloc(TRIAL_TYPES, sizeof *list);
    bb_status status = list ? sample_read(job, row, rows_max ? rows_max : TRIAL_ROWS, &s, err)
                            : bb_fail(err, BB_E_NOMEM, "out of memory");
    if (progress) atomic_store(&progress->total, TRIAL_TYPES);
    for (size_t i = 0; i < TRIAL_TYPES && status == BB_OK; i++) {
        const bb_dtype *type = bb_dtype_find(trial_types[i], NULL);
        if (progress && atomic_load(&progress->cancel)) status = bb_fail(err, BB_E_CANCELLED, "cancelled");
        if (progress) atomic_fetch_add(&progress->done, 1);
        if (status != BB_OK || s.cols % type->block || sample_quantize(job, row, type, &s) != BB_OK) continue;
        bb_error_sum sum;
        bb_error_sum_init(&sum);
        bb_error_sum_add_slab(&sum, s.x, s.back, s.n);
        list[k] = (bb_quantize_trial){.type = type, .bits_per_weight = bb_dtype_bits_per_weight(type, s.cols)};
        bb_error_sum_result(&sum, &list[k++].error);
    }
    sample_clear(&s);
    if (status != BB_OK) {
        free(list);
        return status;
    }
    *trials = list;
    *n = k;
    return BB_OK;
}
