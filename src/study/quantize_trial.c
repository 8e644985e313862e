/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_trial.c - what types would cost a tensor, from a sample of its rows. */
#include "base/checked.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "measure/measure.h"
#include "study/quantize_parts.h"
#include <stdlib.h>
#include <string.h>

enum { TRIAL_ROWS = 256 };

/* Types that people see side by side. */
static const char *const trial_types[] = {"f16",  "bf16", "q8_0", "q6_K",   "q5_K",   "q5_1",  "q5_0",
                                          "q4_K", "q4_1", "q4_0", "iq4_nl", "iq4_xs", "nvfp4", "mxfp4",
                                          "q3_K", "q2_K", "q2_0", "tq2_0",  "tq1_0",  "q1_0"};
enum { TRIAL_TYPES = sizeof trial_types / sizeof *trial_types };

void bb_sample_clear(bb_sample *s) {
    free(s->x);
    free(s->back);
    free(s->raw);
    free(s->out);
    free(s->expert);
}

bb_status bb_sample_read(const bb_quantize_job *job, size_t row, uint64_t most, bb_sample *s, bb_error *err) {
    const bb_quantize_place *p = &job->places[row];
    const bb_dtype *from = job->rows[row].from;
    const bb_codec *codec = bb_codec_find(from, BB_ISA_SCALAR);
    *s = (bb_sample){.n = 0};
    if (!codec || !codec->decode)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' is %s, which cannot be decoded yet", job->rows[row].name,
                       from->name);
    *s = (bb_sample){.cols = (size_t)p->cols};
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

bb_status bb_sample_quantize(const bb_quantize_job *job, size_t row, const bb_dtype *type, bb_sample *s) {
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

/* ---- all types of one tensor ---- */

static bb_status try_all(const bb_quantize_job *job, size_t row, uint64_t rows_max, bb_progress *progress,
                         bb_quantize_trial **trials, size_t *n, bb_error *err) {
    bb_sample s = {0};
    size_t k = 0;
    bb_quantize_trial *list = bb_alloc(TRIAL_TYPES, sizeof *list);
    bb_status status = list ? bb_sample_read(job, row, rows_max ? rows_max : TRIAL_ROWS, &s, err)
                            : bb_fail(err, BB_E_NOMEM, "out of memory");
    if (progress) atomic_store(&progress->total, TRIAL_TYPES);
    for (size_t i = 0; i < TRIAL_TYPES && status == BB_OK; i++) {
        const bb_dtype *type = bb_dtype_find(trial_types[i], NULL);
        if (progress && atomic_load(&progress->cancel)) status = bb_fail(err, BB_E_CANCELLED, "cancelled");
        if (progress) atomic_fetch_add(&progress->done, 1);
        if (status != BB_OK || s.cols % type->block || bb_sample_quantize(job, row, type, &s) != BB_OK) continue;
        bb_error_sum sum;
        bb_error_sum_init(&sum);
        bb_error_sum_add_slab(&sum, s.x, s.back, s.n);
        list[k] = (bb_quantize_trial){.type = type, .bits_per_weight = bb_dtype_bits_per_weight(type, s.cols)};
        bb_error_sum_result(&sum, &list[k++].error);
    }
    bb_sample_clear(&s);
    if (status != BB_OK) {
        free(list);
        return status;
    }
    *trials = list;
    *n = k;
    return BB_OK;
}

bb_status bb_quantize_trials(const bb_quantize_job *job, size_t row, uint64_t rows_max, bb_progress *progress,
                             bb_quantize_trial **trials, size_t *n, bb_error *err) {
    fenv_t saved;
    bb_fp_enter(&saved);
    bb_status status = try_all(job, row, rows_max, progress, trials, n, err);
    bb_fp_leave(&saved);
    return status;
}
