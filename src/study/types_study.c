/* SPDX-License-Identifier: GPL-3.0-or-later */
/* types_study.c - a plan for every type of weights, the file that quantize would write, and a sample of its error. */
#include "study/types_study.h"
#include "base/checked.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "measure/measure.h"
#include "plan/file_bytes.h"
#include "plan/solve.h"
#include "study/quantize_parts.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "Max RAM required" of the model cards by TheBloke (2023): the file and 2.5 GB of 10^9 bytes (truth/thebloke.csv). */
static const uint64_t CARD_RAM_BYTES = 2500000000;

typedef struct study {
    bb_subject *s;
    const bb_plan_request *ask;
    const bb_types_opts *opts;
    bb_progress *progress;
    bb_plan plan;
    bool measure;
} study;

/* What the engine's weights can be: of llama.cpp, and of a count, every file type that is still made. */
static const char *type_at(const bb_plan_request *r, size_t i) {
    if (!bb_engine_is_llama(r->engine) && r->engine != BB_ENGINE_SIMPLE) return bb_ladder_weights(r, i);
    for (size_t k = 0; k < bb_ftype_count(); k++)
        if (!bb_ftype_at(k)->old && i-- == 0) return bb_ftype_at(k)->name;
    return NULL;
}

/* Error of the quantized tensors, from rows of each: the root of the mean of its squares, by elements, as quantize
 * tells it of all rows. NaN where there is no quantizer. */
static bb_status measure(const study *t, const bb_quantize_job *job, double *rel, bb_error *err) {
    double squares = 0, elements = 0;
    if (bb_quantize_check(job, NULL) != BB_OK) return BB_OK;
    for (size_t i = 0; i < job->n; i++) {
        const bb_quantize_row *r = &job->rows[i];
        bb_sample sample = {0};
        if (t->progress && atomic_load(&t->progress->cancel)) return bb_fail(err, BB_E_CANCELLED, "cancelled");
        if (!r->quantized || (r->to->block == 1 && r->n_dims < 2)) continue;
        bb_status st = bb_sample_read(job, i, BB_TYPES_ROWS, &sample, err);
        if (st == BB_OK) st = bb_sample_quantize(job, i, r->to, &sample);
        bb_error_sum sum;
        bb_error_stats stats = {.rel = (double)NAN};
        bb_error_sum_init(&sum);
        if (st == BB_OK) bb_error_sum_add_slab(&sum, sample.x, sample.back, sample.n);
        if (st == BB_OK) bb_error_sum_result(&sum, &stats);
        bb_sample_clear(&sample);
        if (st == BB_E_UNSUPPORTED) return BB_OK;
        if (st) return st;
        if (isnan(stats.rel)) continue;
        squares += stats.rel * stats.rel * (double)r->elements;
        elements += (double)r->elements;
    }
    if (elements > 0) *rel = sqrt(squares / elements);
    return BB_OK;
}

/* The file that quantize would write of this model, and its error. */
static bb_status from_file(const study *t, bb_types_row *row, uint64_t *tensor_bytes, bb_error *err) {
    bb_quantize_opts opts = {
        .recipe.ftype = bb_ftype_find(row->type, NULL), .requantize = true, .quant.isa = t->opts->isa, .threads = 1};
    bb_quantize_job *job = NULL;
    bb_status st = bb_quantize_plan(t->s->model, &opts, NULL, &job, err);
    if (st) return st;
    *tensor_bytes = bb_quantize_tensor_bytes(job);
    row->file_bytes = bb_quantize_file_bytes(job);
    if (t->measure) st = measure(t, job, &row->weight_rel, err);
    bb_quantize_free(job);
    return st;
}

static bb_status size_row(const study *t, bb_types_row *row, bb_error *err) {
    uint64_t tensor_bytes = 0;
    bb_status st = BB_OK;
    if (!bb_engine_is_llama(t->ask->engine)) {
        for (size_t i = 0; i < t->plan.n_lines; i++)
            if (strcmp(t->plan.lines[i].component, "weights") == 0) tensor_bytes += t->plan.lines[i].bytes;
        row->file_bytes = tensor_bytes;
    } else if (t->s->model->file) {
        st = from_file(t, row, &tensor_bytes, err);
    } else {
        st = bb_file_bytes_of(t->s, &tensor_bytes, err);
        row->file_bytes = tensor_bytes;
    }
    if (st) return st;
    if (t->s->parameters) row->bits_per_weight = 8 * (double)tensor_bytes / (double)t->s->parameters;
    if (!bb_add_u64(row->file_bytes, CARD_RAM_BYTES, &row->card_ram_bytes))
        return bb_fail(err, BB_E_OVERFLOW, "the bytes of the file pass 2^64");
    return BB_OK;
}

static bb_status one_type(study *t, const char *type, bb_types_row *row, bb_error *err) {
    bb_plan_request r = *t->ask;
    (void)snprintf(r.weights, sizeof r.weights, "%s", type);
    *row = (bb_types_row){.weight_rel = (double)NAN};
    memcpy(row->type, r.weights, sizeof row->type);
    bb_status st = bb_plan_numbers(t->s, &r, &t->plan, err);
    if (!st) st = size_row(t, row, err);
    row->total_bytes = t->plan.total_bytes;
    row->high_bytes = t->plan.high_bytes;
    row->fits = t->plan.fits;
    row->tokens_per_s = t->plan.speed.decode;
    return st;
}

/* What the model or the engine does not take is no row; what is wrong with the file or the machine ends the study. */
static bool is_refusal(bb_status st) {
    return st == BB_E_UNSUPPORTED || st == BB_E_NAME || st == BB_E_ARG || st == BB_E_VALUE;
}

static bb_status all_types(study *t, bb_types_report *report, bb_error *err) {
    size_t most = 0;
    bb_error why = {0};
    while (type_at(t->ask, most)) most++;
    report->rows = bb_alloc(most, sizeof *report->rows);
    if (!report->rows) return bb_fail(err, BB_E_NOMEM, "out of memory");
    if (t->progress) atomic_store(&t->progress->total, most);
    for (size_t i = 0; i < most; i++) {
        bb_status st = one_type(t, type_at(t->ask, i), &report->rows[report->n], &why);
        if (st && !is_refusal(st)) {
            if (err) *err = why;
            return st;
        }
        if (!st) report->used = t->plan.used;
        if (!st) report->limit_bytes = t->plan.limit_bytes;
        report->n += !st;
        if (t->progress) atomic_fetch_add(&t->progress->done, 1);
    }
    if (report->n) return BB_OK;
    if (err) *err = why;
    return BB_E_UNSUPPORTED;
}

bb_status bb_types_study(bb_subject *s, const bb_plan_request *request, const bb_types_opts *opts,
                         bb_progress *progress, bb_types_report *report, bb_error *err) {
    const bb_file *file = s->model->file;
    study t = {.s = s, .ask = request, .opts = opts, .progress = progress};
    bb_types_report made = {0};
    fenv_t saved;
    bool own = file && bb_engine_is_llama(request->engine);
    bool cheap = own && !opts->no_error && bb_file_tensor_bytes(file) <= BB_TYPES_CHEAP_BYTES;
    if (opts->measure && !own)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: an error is measured on a file, for engine llama.cpp",
                       s->model->title);
    t.measure = opts->measure || cheap;
    made.whole_files = own;
    made.measured = t.measure;
    bb_fp_enter(&saved);
    bb_status st = all_types(&t, &made, err);
    bb_fp_leave(&saved);
    bb_plan_clear(&t.plan);
    if (st)
        bb_types_report_clear(&made);
    else
        *report = made;
    return st;
}

void bb_types_report_clear(bb_types_report *report) {
    free(report->rows);
    *report = (bb_types_report){0};
}
