/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_run.c - writes the planned files: slices of rows are read, quantized, written at their place and measured by
 * whichever worker is free. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "base/pool.h"
#include "measure/measure.h"
#include "study/output_error.h"
#include "study/quantize_parts.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a worker needs ---- */

typedef struct workspace {
    struct workspace *next;
    size_t raw_bytes, elements, out_bytes;
    unsigned char *raw, *out;
    float *x, *back;
} workspace;

/* Sums of one tensor: one for each slice, added up in their order when the last is there, so that the result does not
 * depend on who was first. */
typedef struct tally {
    bb_error_sum *sums; /* [slices], while it runs */
    uint64_t left, begun;
    bb_error_bins bins;
    bool multiplied;         /* the error of its products is measured: */
    bb_output_sample sample; /* while it runs */
} tally;

typedef struct run {
    bb_quantize_job *job;
    bb_progress *progress;
    bb_quantize_outputs outputs;
    uint64_t first; /* slice with which this part begins */
    tally *tallies; /* [n] */
    float *inputs;  /* [output_tokens][longest row]: rows of any length, one after the other, from its beginning */
    workspace *idle;
    /* under the job's lock */
    bb_status status;
    bb_error err;
    atomic_bool stop;
    atomic_bool spoilt; /* values were found that are not finite or would not be: from now on they are only counted */
} run;

static void fail_run(run *r, bb_status status, const bb_error *err) {
    pthread_mutex_lock(&r->job->lock);
    if (r->status == BB_OK) {
        r->status = status;
        r->err = *err;
    }
    pthread_mutex_unlock(&r->job->lock);
    atomic_store(&r->stop, true);
}

static bool grow(void **p, size_t *have, size_t need, size_t size) {
    if (*have >= need) return true;
    free(*p);
    *p = bb_alloc(need, size);
    *have = *p ? need : 0;
    return *p != NULL;
}

static workspace *take(run *r) {
    pthread_mutex_lock(&r->job->lock);
    workspace *w = r->idle;
    if (w) r->idle = w->next;
    pthread_mutex_unlock(&r->job->lock);
    return w ? w : bb_alloc(1, sizeof *w);
}

static void give(run *r, workspace *w) {
    pthread_mutex_lock(&r->job->lock);
    w->next = r->idle;
    r->idle = w;
    pthread_mutex_unlock(&r->job->lock);
}

static bool room(workspace *w, const bb_quantize_row *r, const bb_quantize_place *p, size_t count) {
    /* what follows the last slice, up to the next tensor, is written with it */
    size_t tail = (size_t)(p->padded - r->bytes);
    return grow((void **)&w->raw, &w->raw_bytes, (size_t)bb_blocks_bytes(r->from, count) + sizeof(float) * count, 1) &&
           grow((void **)&w->out, &w->out_bytes, (size_t)bb_blocks_bytes(r->to, count) + tail, 1) &&
           (w->elements >= count ||
            (free(w->x), free(w->back), w->x = bb_alloc(count, sizeof(float)), w->back = bb_alloc(count, sizeof(float)),
             w->elements = w->x && w->back ? count : 0, w->elements != 0));
}

/* Quantizes what was read; what comes back of it is in w->back. */
static bb_status encode(run *r, const bb_quantize_slice *s, workspace *w, const unsigned char **out, bb_error *err) {
    const bb_quantize_job *job = r->job;
    const bb_quantize_row *row = &job->rows[s->row];
    const bb_quantize_place *p = &job->places[s->row];
    if (!row->quantized) {
        *out = w->raw;
        return BB_OK;
    }
    const float *importance = NULL;
    size_t rows = 1, cols = s->count;
    if (p->slice_rows) {
        rows = s->count / (size_t)p->cols;
        cols = (size_t)p->cols;
    }
    if (p->importance) importance = p->importance + s->first / p->cols / p->importance_rows * p->cols;
    bb_status status = bb_quantize_rows_as(row->to, w->x, rows, cols, importance, &job->opts.quant, w->out);
    if (status == BB_OK) status = bb_dequantize_rows_as(row->to, w->out, rows, cols, job->opts.quant.isa, w->back);
    if (status != BB_OK) return bb_fail(err, status, "%s", bb_status_text(status));
    *out = w->out;
    if (importance && row->to->block > 1) {
        uint64_t revived = bb_quantize_revive(job, row->to, w->x, s->count, w->out, w->back);
        if (revived) {
            pthread_mutex_lock(&r->job->lock);
            r->job->rows[s->row].revived += revived;
            pthread_mutex_unlock(&r->job->lock);
        }
    }
    return BB_OK;
}

static bb_status put(run *r, const bb_quantize_slice *s, workspace *w, const unsigned char *data, bb_error *err) {
    const bb_quantize_row *row = &r->job->rows[s->row];
    const bb_quantize_place *p = &r->job->places[s->row];
    size_t n = (size_t)bb_blocks_bytes(row->to, s->count), tail = (size_t)(p->padded - row->bytes);
    if (s->first + s->count == row->elements && tail && w->out && data) { /* room() made both */
        if (data != w->out) memcpy(w->out, data, n);
        memset(w->out + n, 0, tail);
        data = w->out;
        n += tail;
    }
    uint64_t at = p->offset + bb_blocks_bytes(row->to, s->first);
    return bb_quantize_outputs_write(&r->outputs, p->file, at, data, n, err);
}

/* ---- what is known of a tensor once all its slices are done ---- */

static bool begin(run *r, size_t row) {
    tally *t = &r->tallies[row];
    bool ok = true;
    pthread_mutex_lock(&r->job->lock);
    if (!t->begun++) {
        t->sums = bb_alloc((size_t)r->job->places[row].slices, sizeof *t->sums);
        ok = t->sums != NULL;
        const bb_quantize_place *p = &r->job->places[row];
        if (t->multiplied && bb_output_sample_init(&t->sample, r->job->rows[row].to, p->rows, p->cols) != BB_OK)
            ok = false;
        atomic_store(&r->job->rows[row].state, BB_ROW_RUNNING);
    }
    pthread_mutex_unlock(&r->job->lock);
    return ok;
}

/* The products of a tensor whose sample is whole. */
static bb_status multiply(run *r, size_t i) {
    bb_quantize_job *job = r->job;
    bb_quantize_row *row = &job->rows[i];
    bb_output_sample *s = &r->tallies[i].sample;
    bb_dispatch ran = {{0}};
    bb_isa isa = job->opts.quant.isa;
    bb_status status = bb_output_sample_error(s, r->inputs, job->opts.output_tokens, isa, NULL, &ran, &row->output_rel);
    row->output_rows = s->rows;
    row->kernel = bb_kernel_find(row->to, isa);
    bb_output_sample_clear(s);
    pthread_mutex_lock(&job->lock);
    for (size_t k = 0; k < bb_kernel_count(); k++) job->dispatch.calls[k] += ran.calls[k];
    pthread_mutex_unlock(&job->lock);
    return status;
}

static bb_status end(run *r, const bb_quantize_slice *s, const bb_error_sum *sum, const bb_error_bins *bins) {
    bb_quantize_row *row = &r->job->rows[s->row];
    tally *t = &r->tallies[s->row];
    pthread_mutex_lock(&r->job->lock);
    if (t->sums) t->sums[s->number] = *sum;
    bb_error_bins_merge(&t->bins, bins);
    bool last = --t->left == 0;
    pthread_mutex_unlock(&r->job->lock);
    if (!last || !t->sums) return BB_OK;
    bb_status status = t->multiplied && !atomic_load(&r->spoilt) ? multiply(r, s->row) : BB_OK;
    bb_error_sum all;
    bb_error_sum_init(&all);
    for (uint64_t i = 0; i < r->job->places[s->row].slices; i++) bb_error_sum_merge(&all, &t->sums[i]);
    bb_error_sum_result(&all, &row->error);
    row->histogram_limit = t->bins.limit;
    memcpy(row->histogram, t->bins.counts, sizeof row->histogram);
    free(t->sums);
    t->sums = NULL;
    atomic_store(&row->state, BB_ROW_DONE);
    return status;
}

static void measure(const bb_quantize_row *row, const bb_quantize_slice *s, const workspace *w, const float *back,
                    bb_error_sum *sum, bb_error_bins *bins) {
    bb_error_sum_init(sum);
    bb_error_bins_init(bins);
    if (!bb_codec_find(row->from, BB_ISA_SCALAR)) {
        sum->n = s->count;
        return;
    }
    bb_error_sum_add_slab(sum, w->x, back, s->count);
    if (back != w->x) bb_error_bins_add(bins, w->x, back, s->count);
}

static bb_status do_slice(run *r, const bb_quantize_slice *s, workspace *w, bb_error *err) {
    bb_quantize_job *job = r->job;
    const bb_quantize_row *row = &job->rows[s->row];
    bb_error_sum sum;
    bb_error_bins bins;
    const unsigned char *out = NULL;
    if (!begin(r, s->row) || !room(w, row, &job->places[s->row], s->count))
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    if (r->progress) atomic_store(&r->progress->now, row->name);
    bb_status status = bb_quantize_read(job, s->row, s->first, s->count, w->raw, w->x, err);
    bool spoilt = atomic_load(&r->spoilt);
    if (status == BB_OK && !spoilt) status = encode(r, s, w, &out, err);
    if (status != BB_OK) return status;
    measure(row, s, w, spoilt || !row->quantized ? w->x : w->back, &sum, &bins);
    if ((sum.nonfinite || sum.lost) && !job->opts.allow_nonfinite) atomic_store(&r->spoilt, true);
    if (!atomic_load(&r->spoilt)) {
        if (r->tallies[s->row].multiplied)
            bb_output_sample_take(&r->tallies[s->row].sample, s->first, s->count, w->x, out);
        status = put(r, s, w, out, err);
    }
    if (status != BB_OK) return status;
    status = end(r, s, &sum, &bins);
    return status == BB_OK ? BB_OK : bb_fail(err, status, "%s", bb_status_text(status));
}

static void work(void *ctx, size_t i) {
    run *r = ctx;
    bb_error err = {0};
    if (atomic_load(&r->stop)) return;
    if (r->progress && atomic_load(&r->progress->cancel)) {
        bb_status status = bb_fail(&err, BB_E_CANCELLED, "cancelled");
        fail_run(r, status, &err);
        return;
    }
    bb_quantize_slice s = bb_quantize_find_slice(r->job, r->first + i);
    workspace *w = take(r);
    bb_status status = w ? do_slice(r, &s, w, &err) : bb_fail(&err, BB_E_NOMEM, "out of memory");
    if (w) give(r, w);
    if (status != BB_OK)
        fail_run(r, status, &err);
    else if (r->progress)
        atomic_fetch_add(&r->progress->done, bb_blocks_bytes(r->job->rows[s.row].from, s.count));
}

/* ---- the whole ---- */

/* What can be planned but not done: a type without a codec, or one that is nothing without importance. */
static bb_status check_row(const bb_quantize_job *job, size_t i, bb_error *err) {
    const bb_quantize_row *r = &job->rows[i];
    if (r->from == r->to) return BB_OK;
    if (r->from->block > 1 && !job->opts.requantize) {
        bb_status status = bb_fail(err, BB_E_ARG, "tensor '%s' is already quantized, to %s", r->name, r->from->name);
        bb_hint(err, "--requantize takes it as it is; start from f32, f16 or bf16 where you can");
        return status;
    }
    const bb_codec *from = bb_codec_find(r->from, BB_ISA_SCALAR), *to = bb_codec_find(r->to, BB_ISA_SCALAR);
    if (!from || !from->decode)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' is %s, which cannot be decoded yet", r->name, r->from->name);
    if (!to || !to->encode)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' would become %s, for which there is no quantizer", r->name,
                       r->to->name);
    const char *name = job->conversion.t ? r->name : job->places[i].only->name;
    bb_mix_tensor mix = {.name = name, .n_dims = r->n_dims, .source = r->from, .type = r->to};
    if (!job->places[i].importance && bb_recipe_needs_imatrix(&job->opts.recipe, &mix)) {
        bb_status status = bb_fail(err, BB_E_ARG, "tensor '%s' as %s needs an importance matrix", r->name, r->to->name);
        bb_hint(err, "--imatrix FILE");
        return status;
    }
    return BB_OK;
}

bb_status bb_quantize_check(const bb_quantize_job *job, bb_error *err) {
    bb_status status = BB_OK;
    for (size_t i = 0; i < job->n && status == BB_OK; i++) status = check_row(job, i, err);
    return status;
}

/* The first tensors that hold such values, and how many of each. */
static bb_status refuse_values(const bb_quantize_job *job, bb_error *err) {
    bb_str text;
    bb_str_init(&text);
    size_t n = 0;
    for (size_t i = 0; i < job->n; i++) {
        const bb_error_stats *e = &job->rows[i].error;
        if (atomic_load(&job->rows[i].state) != BB_ROW_DONE || (!e->nonfinite && !e->lost) || n++ >= 3) continue;
        bb_str_addf(&text, "%s'%s'", n > 1 ? ", " : "", job->rows[i].name);
        if (e->nonfinite) bb_str_addf(&text, " %llu NaN or infinite", (unsigned long long)e->nonfinite);
        if (e->lost)
            bb_str_addf(&text, "%s %llu too large for %s", e->nonfinite ? "," : "", (unsigned long long)e->lost,
                        job->rows[i].to->name);
    }
    bb_status status = bb_fail(err, BB_E_INVALID, "values of %zu tensor%s would be lost: %s%s", n, n == 1 ? "" : "s",
                               bb_str_c(&text), n > 3 ? ", ..." : "");
    bb_str_clear(&text);
    bb_hint(err, "--allow-nonfinite quantizes them all the same");
    return status;
}

static void clear(run *r) {
    bb_quantize_outputs_abandon(&r->outputs, r->job);
    for (size_t i = 0; r->tallies && i < r->job->n; i++) {
        free(r->tallies[i].sums);
        bb_output_sample_clear(&r->tallies[i].sample);
    }
    free(r->inputs);
    free(r->tallies);
    for (workspace *w = r->idle; w;) {
        workspace *next = w->next;
        free(w->raw);
        free(w->out);
        free(w->x);
        free(w->back);
        free(w);
        w = next;
    }
}

/* Which tensors are multiplied, all of whose slices are of this run, and what with. */
static bb_status make_inputs(run *r, bb_error *err) {
    const bb_quantize_job *job = r->job;
    size_t longest = 0, tokens = job->opts.output_tokens;
    for (size_t i = 0; i < job->n && tokens; i++) {
        const bb_quantize_row *row = &job->rows[i];
        const bb_quantize_place *p = &job->places[i];
        tally *t = &r->tallies[i];
        t->multiplied = row->quantized && row->n_dims >= 2 && t->left == p->slices &&
                        bb_output_measurable(row->to, p->rows, p->cols);
        if (t->multiplied && p->cols > longest) longest = (size_t)p->cols;
    }
    bb_status status = bb_output_inputs(job->opts.seed, tokens, longest, &r->inputs);
    return status == BB_OK ? BB_OK : bb_fail(err, status, "%s", bb_status_text(status));
}

static bb_status work_through(run *r, bb_error *err) {
    bb_quantize_job *job = r->job;
    uint64_t from = 0, to = job->slices;
    if (job->opts.parts) {
        from = job->slices / job->opts.parts * (job->opts.part - 1) +
               job->slices % job->opts.parts * (job->opts.part - 1) / job->opts.parts;
        to = job->slices / job->opts.parts * job->opts.part +
             job->slices % job->opts.parts * job->opts.part / job->opts.parts;
    }
    uint64_t bytes = 0;
    r->first = from;
    r->tallies = bb_alloc(job->n + 1, sizeof *r->tallies);
    if (!r->tallies) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < job->n; i++) {
        const bb_quantize_place *p = &job->places[i];
        uint64_t a = p->first > from ? p->first : from, b = p->first + p->slices < to ? p->first + p->slices : to;
        r->tallies[i].left = b > a ? b - a : 0;
        if (b > a)
            bytes += bb_blocks_bytes(job->rows[i].from, bb_quantize_element(job, i, b - p->first) -
                                                            bb_quantize_element(job, i, a - p->first));
        if (!p->slices) atomic_store(&job->rows[i].state, BB_ROW_DONE);
        bb_error_bins_init(&r->tallies[i].bins);
    }
    if (r->progress) atomic_store(&r->progress->total, bytes);
    bb_status status = make_inputs(r, err);
    if (status != BB_OK) return status;
    bb_pool *pool = NULL;
    if ((status = bb_pool_new(job->opts.threads, &pool)) != BB_OK)
        return bb_fail(err, status, "%s", bb_status_text(status));
    bb_pool_run(pool, (size_t)(to - from), work, r);
    bb_pool_free(pool);
    if (r->status != BB_OK && err) *err = r->err;
    return r->status;
}

static bb_status write_and_measure(bb_quantize_job *job, const char *path, bool force, bb_progress *progress,
                                   bb_error *err) {
    run r = {.job = job, .progress = progress};
    atomic_init(&r.stop, false);
    atomic_init(&r.spoilt, false);
    for (size_t i = 0; i < job->n; i++) {
        bb_quantize_row *row = &job->rows[i];
        row->revived = row->output_rows = 0;
        row->output_rel = (double)NAN;
        row->kernel = NULL;
        atomic_store(&row->state, BB_ROW_WAITING);
    }
    job->dispatch = (bb_dispatch){{0}};
    bb_status status = bb_quantize_check(job, err);
    if (status == BB_OK) status = bb_quantize_outputs_open(&r.outputs, job, path, force, err);
    if (status == BB_OK) status = work_through(&r, err);
    if (status == BB_OK && atomic_load(&r.spoilt)) status = refuse_values(job, err);
    if (status == BB_OK) status = bb_quantize_outputs_commit(&r.outputs, job, err);
    for (size_t i = 0; i < job->n && status == BB_OK; i++)
        if (job->rows[i].revived)
            bb_quantize_warn(job, "'%s': %llu blocks that its importance would have lost were quantized with weight 1",
                             job->rows[i].name, (unsigned long long)job->rows[i].revived);
    if (progress) atomic_store(&progress->now, NULL);
    clear(&r);
    return status;
}

/* What is computed, or told in decimals, must not depend on a rounding mode that the caller has. */
bb_status bb_quantize_run(bb_quantize_job *job, const char *path, bool force, bb_progress *progress, bb_error *err) {
    fenv_t env;
    bb_fp_enter(&env);
    bb_status status = write_and_measure(job, path, force, progress, err);
    bb_fp_leave(&env);
    return status;
}
