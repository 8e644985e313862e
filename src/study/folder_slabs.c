/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_slabs.c - one tensor of the checkpoint, slab by slab on all workers: read, quantized, measured, written. */
#include "base/mem.h"
#include "format/half.h"
#include "measure/measure.h"
#include "quant/codec_int8.h"
#include "study/folder_parts.h"
#include "study/output_error.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct buffers {
    unsigned char *raw; /* [slab * 4] */
    float *x, *back;    /* [slab] */
    float *absmax;      /* [slab / 32] of the second pass */
    unsigned char *out; /* [slab * 4] */
} buffers;

struct bb_folder_desk {
    bb_folder_job *job;
    bb_pool *pool;
    bb_progress *progress;
    buffers *all; /* [threads] */
    size_t *free; /* [n_free] which of them nobody has */
    size_t n_all, n_free;
    pthread_mutex_t lock;
    float map[256]; /* of double quantization */
    float *inputs;  /* of products, for the longest row */
};

/* One item while it is worked on. */
typedef struct task {
    bb_folder_desk *desk;
    bb_folder_item *item;
    bb_quantize_row *row;
    bb_sink *sink;
    uint64_t slab, unit; /* elements; a slab is whole units */
    float *scales;       /* [units], of a matrix with one scale [1] */
    signed char *zeros;  /* the same */
    float *low, *high;   /* [slabs] of a matrix with one scale */
    bb_error_sum *sums;  /* [slabs] */
    bb_int8_grid whole;
    bool multiplied;         /* the error of its products is measured: */
    bb_output_sample sample; /* with the codes of int8, else with what is read back, as f32 */
    bool again;              /* the second pass over a matrix whose absmaxes were quantized: it only measures */
    /* under the lock */
    bb_error_bins bins;
    bb_status status;
    bb_error err;
} task;

/* ---- buffers ---- */

void bb_folder_desk_free(bb_folder_desk *d) {
    if (!d) return;
    for (size_t i = 0; d->all && i < d->n_all; i++) {
        free(d->all[i].raw);
        free(d->all[i].x);
        free(d->all[i].back);
        free(d->all[i].out);
        free(d->all[i].absmax);
    }
    free(d->all);
    free(d->free);
    free(d->inputs);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* Whether the product of an item can be measured: not of int8 with a zero or groups of inputs, for which there is no
 * kernel, nor of 4-bit blocks of another length than that of the type. */
static bool multiplies(const bb_folder_job *job, size_t i) {
    const bb_folder_opts *o = &job->opts;
    const bb_tensor *s = job->items[i].source;
    if (!o->output_tokens || job->items[i].form != BB_FORM_QUANTIZE) return false;
    bool four = o->method == BB_FOLDER_NF4 || o->method == BB_FOLDER_FP4;
    if (four ? o->block != BB_BNB_BLOCK : o->asymmetric || o->granularity == BB_PER_GROUP) return false;
    return bb_output_measurable(job->rows[i].to, s->rows, s->cols);
}

static bool make_inputs(bb_folder_desk *d) {
    const bb_folder_opts *o = &d->job->opts;
    size_t longest = 0;
    for (size_t i = 0; i < d->job->n; i++)
        if (multiplies(d->job, i) && d->job->items[i].source->cols > longest)
            longest = (size_t)d->job->items[i].source->cols;
    return bb_output_inputs(o->seed, o->output_tokens, longest, &d->inputs) == BB_OK;
}

bb_status bb_folder_desk_new(bb_folder_job *job, bb_pool *pool, bb_progress *progress, bb_folder_desk **desk,
                             bb_error *err) {
    bb_folder_desk *d = bb_alloc(1, sizeof *d);
    if (!d) return bb_folder_no_memory(err);
    *d = (bb_folder_desk){.job = job, .pool = pool, .progress = progress, .n_all = bb_pool_threads(pool)};
    pthread_mutex_init(&d->lock, NULL);
    d->all = bb_alloc(d->n_all, sizeof *d->all);
    d->free = bb_alloc(d->n_all, sizeof *d->free);
    bool whole = d->all && d->free;
    for (size_t i = 0; whole && i < d->n_all; i++) {
        buffers *b = &d->all[i];
        b->raw = bb_alloc(BB_FOLDER_SLAB, 4);
        b->x = bb_alloc(BB_FOLDER_SLAB, sizeof *b->x);
        b->back = bb_alloc(BB_FOLDER_SLAB, sizeof *b->back);
        b->out = bb_alloc(BB_FOLDER_SLAB, 4);
        b->absmax = bb_alloc(BB_FOLDER_SLAB / 32, sizeof *b->absmax);
        whole = b->raw && b->x && b->back && b->out && b->absmax;
        d->free[d->n_free++] = i;
    }
    bb_bnb_dynamic_map(d->map);
    whole = whole && make_inputs(d);
    if (whole)
        *desk = d;
    else
        bb_folder_desk_free(d);
    return whole ? BB_OK : bb_folder_no_memory(err);
}

static const buffers *take(bb_folder_desk *d) {
    pthread_mutex_lock(&d->lock);
    const buffers *b = &d->all[d->free[--d->n_free]];
    pthread_mutex_unlock(&d->lock);
    return b;
}

static void give_back(bb_folder_desk *d, const buffers *b) {
    pthread_mutex_lock(&d->lock);
    d->free[d->n_free++] = (size_t)(b - d->all);
    pthread_mutex_unlock(&d->lock);
}

static void fail(task *t, bb_status status, const bb_error *err) {
    pthread_mutex_lock(&t->desk->lock);
    if (t->status == BB_OK) {
        t->status = status;
        t->err = *err;
    }
    pthread_mutex_unlock(&t->desk->lock);
}

static bool stopped(task *t) {
    bb_progress *p = t->desk->progress;
    pthread_mutex_lock(&t->desk->lock);
    if (t->status == BB_OK && p && atomic_load(&p->cancel)) t->status = bb_fail(&t->err, BB_E_CANCELLED, "cancelled");
    bool stop = t->status != BB_OK;
    pthread_mutex_unlock(&t->desk->lock);
    return stop;
}

/* ---- numbers ---- */

static bool finite_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & 0x7F800000) != 0x7F800000;
}

/* NaN becomes 0, infinities the largest finite magnitude of the slab. Returns how many there were. */
static uint64_t make_finite(float *x, size_t n) {
    uint64_t bad = 0;
    float largest = 0;
    for (size_t i = 0; i < n; i++) bad += !finite_bits(x[i]);
    if (!bad) return 0;
    for (size_t i = 0; i < n; i++)
        if (finite_bits(x[i]) && fabsf(x[i]) > largest) largest = fabsf(x[i]);
    for (size_t i = 0; i < n; i++)
        if (!finite_bits(x[i])) x[i] = isnan(x[i]) ? 0 : x[i] > 0 ? largest : -largest;
    return bad;
}

/* ---- a slab ---- */

static bool is_int8(const task *t) { return t->desk->job->opts.method == BB_FOLDER_INT8; }
static bool one_scale(const task *t) {
    return t->item->form == BB_FORM_QUANTIZE && is_int8(t) && t->desk->job->opts.granularity == BB_PER_TENSOR;
}

static bool nested(const task *t) {
    const bb_folder_opts *o = &t->desk->job->opts;
    return t->item->form == BB_FORM_QUANTIZE && o->double_quant;
}

static bool is_4bit(const task *t) {
    bb_folder_method m = t->desk->job->opts.method;
    return m == BB_FOLDER_NF4 || m == BB_FOLDER_FP4;
}

static bool plain_float(const bb_dtype *t) {
    return strcmp(t->name, "f32") == 0 || strcmp(t->name, "f16") == 0 || strcmp(t->name, "bf16") == 0;
}

/* b->raw as fp32, where it holds floats. */
static bb_status decode(const task *t, const buffers *b, size_t n, bb_error *err) {
    const bb_dtype *type = t->item->source->type;
    if (!plain_float(type)) return BB_OK;
    bb_status status = bb_dequantize_rows_as(type, b->raw, 1, n, t->desk->job->opts.isa, b->x);
    return status == BB_OK ? status : bb_fail(err, status, "%s cannot be decoded", type->name);
}

/* Elements [first, first + n) as the file has them, and as fp32 where they are floats. */
static bb_status read_slab(const task *t, const buffers *b, uint64_t first, size_t n, bb_error *err) {
    const bb_tensor *s = t->item->source;
    const bb_file *file = t->desk->job->model->file;
    bb_status status = bb_source_read(file->parts[s->part].src, s->offset + first * s->type->block_bytes, b->raw,
                                      n * s->type->block_bytes, err);
    return status == BB_OK ? decode(t, b, n, err) : status;
}

/* Scales by unit; units of a slab lie one after the other. */
static void put_int8(task *t, const buffers *b, uint64_t first, size_t n) {
    const bb_folder_opts *o = &t->desk->job->opts;
    signed char *q = (signed char *)b->out;
    if (one_scale(t)) {
        bb_int8_put(b->x, n, t->whole, o->isa, q);
        bb_int8_get(q, n, t->whole, b->back);
        return;
    }
    for (size_t at = 0; at < n; at += t->unit) {
        uint64_t unit = (first + at) / t->unit;
        float low, high;
        bb_int8_range(b->x + at, t->unit, o->isa, &low, &high);
        bb_int8_grid g = o->asymmetric ? bb_int8_asymmetric(low, high) : bb_int8_symmetric(low, high);
        bb_int8_put(b->x + at, t->unit, g, o->isa, q + at);
        bb_int8_get(q + at, t->unit, g, b->back + at);
        t->scales[unit] = g.scale;
        t->zeros[unit] = g.zero;
    }
}

/* Bytes of the weight that the slab begins at and that it has. */
static void put_slab(task *t, const buffers *b, uint64_t first, size_t n, uint64_t *at, size_t *bytes) {
    const bb_folder_opts *o = &t->desk->job->opts;
    bb_bnb_kind kind = o->method == BB_FOLDER_NF4 ? BB_BNB_NF4 : BB_BNB_FP4;
    *at = first;
    *bytes = n;
    switch (o->method) {
    case BB_FOLDER_INT8:
        put_int8(t, b, first, n);
        break;
    case BB_FOLDER_LLM_INT8:
        bb_int8_llm_put(b->x, n / t->unit, t->unit, o->isa, (signed char *)b->out, t->scales + first / t->unit);
        bb_int8_llm_get((signed char *)b->out, t->scales + first / t->unit, n / t->unit, t->unit, b->back);
        break;
    case BB_FOLDER_NF4:
    case BB_FOLDER_FP4:
        bb_bnb_encode(kind, b->x, n, t->unit, o->isa, b->out, t->again ? b->absmax : t->scales + first / t->unit);
        bb_bnb_decode(kind, b->out, t->scales + first / t->unit, n, t->unit, b->back);
        *at = first / 2;
        *bytes = (n + 1) / 2;
        break;
    }
}

/* The error of a slab, of the values as they are in the file: what was made finite counts as not finite. */
static bb_status measure(task *t, const buffers *b, size_t n, bool made_finite, bb_error_sum *sum, bb_error *err) {
    const bb_isa isa = t->desk->job->opts.isa;
    bb_error_bins bins;
    bb_status status = made_finite ? decode(t, b, n, err) : BB_OK;
    if (status != BB_OK) return status;
    bb_error_sum_init(sum);
    bb_error_sum_add_slab_as(sum, b->x, b->back, n, isa);
    bb_error_bins_init(&bins);
    bb_error_bins_add_as(&bins, b->x, b->back, n, isa);
    pthread_mutex_lock(&t->desk->lock);
    bb_error_bins_merge(&t->bins, &bins);
    pthread_mutex_unlock(&t->desk->lock);
    return BB_OK;
}

static bb_status work(task *t, const buffers *b, size_t i, bb_error *err) {
    const bb_tensor *s = t->item->source;
    const bb_dtype *to = t->item->entries[BB_ROLE_WEIGHT].type;
    uint64_t first = i * t->slab, at = first * to->block_bytes;
    size_t n = (size_t)(s->elements - first < t->slab ? s->elements - first : t->slab), bytes = n * to->block_bytes;
    const void *out = b->raw;
    bb_status status = read_slab(t, b, first, n, err);
    if (status != BB_OK) return status;
    uint64_t bad = plain_float(s->type) ? make_finite(b->x, n) : 0;
    bb_error_sum_init(&t->sums[i]);
    t->sums[i].nonfinite = bad;
    t->sums[i].n = n - bad;
    if (t->item->form == BB_FORM_QUANTIZE) {
        put_slab(t, b, first, n, &at, &bytes);
        out = b->out;
    } else if (t->item->form == BB_FORM_CONVERT) {
        status = bb_quantize_rows_as(to, b->x, 1, n, NULL, NULL, b->out);
        if (status == BB_OK) status = bb_dequantize_rows_as(to, b->out, 1, n, t->desk->job->opts.isa, b->back);
        if (status != BB_OK) return bb_fail(err, status, "%s cannot be written", to->name);
        out = b->out;
    }
    if (out == b->out && (t->again || !nested(t))) {
        status = measure(t, b, n, bad > 0, &t->sums[i], err);
        if (t->multiplied) bb_output_sample_take(&t->sample, first, n, b->x, is_4bit(t) ? (void *)b->back : b->out);
    }
    if (status != BB_OK || t->again) return status;
    return bb_sink_write(t->sink, t->item->entries[BB_ROLE_WEIGHT].offset + at, out, bytes, err);
}

static void advance(const task *t, size_t i) {
    const bb_tensor *s = t->item->source;
    uint64_t first = i * t->slab, n = s->elements - first < t->slab ? s->elements - first : t->slab;
    if (t->desk->progress) atomic_fetch_add(&t->desk->progress->done, n * s->type->block_bytes);
}

static void do_slab(void *ctx, size_t i) {
    task *t = ctx;
    bb_error err = {0};
    if (stopped(t)) return;
    const buffers *b = take(t->desk);
    bb_status status = work(t, b, i, &err);
    give_back(t->desk, b);
    if (status != BB_OK) fail(t, status, &err);
    advance(t, i);
}

/* The range alone, for the one scale of a matrix. */
static void do_range(void *ctx, size_t i) {
    task *t = ctx;
    bb_error err = {0};
    if (stopped(t)) return;
    uint64_t first = i * t->slab, left = t->item->source->elements - first;
    size_t n = (size_t)(left < t->slab ? left : t->slab);
    const buffers *b = take(t->desk);
    bb_status status = read_slab(t, b, first, n, &err);
    if (status == BB_OK) {
        (void)make_finite(b->x, n);
        bb_int8_range(b->x, n, t->desk->job->opts.isa, &t->low[i], &t->high[i]);
    }
    give_back(t->desk, b);
    if (status != BB_OK) fail(t, status, &err);
    advance(t, i);
}

/* ---- an item ---- */

static bb_status put_entry(const task *t, bb_role role, const void *data, bb_error *err) {
    const bb_folder_entry *e = &t->item->entries[role];
    return e->used && e->bytes ? bb_sink_write(t->sink, e->offset, data, (size_t)e->bytes, err) : BB_OK;
}

/* fp32, which the file has little endian. */
static bb_status put_floats(const task *t, bb_role role, const float *x, bb_error *err) {
    enum { PIECE = 4096 };
    unsigned char words[PIECE * 4];
    const bb_folder_entry *e = &t->item->entries[role];
    uint64_t all = e->used ? e->bytes / 4 : 0;
    bb_status status = BB_OK;
    for (uint64_t at = 0; at < all && status == BB_OK; at += PIECE) {
        size_t n = all - at < PIECE ? (size_t)(all - at) : PIECE;
        bb_f32_to_le_n(x + at, n, words);
        status = bb_sink_write(t->sink, e->offset + at * 4, words, n * 4, err);
    }
    return status;
}

/* The absmaxes of a 4-bit matrix quantized; in their place stands what a reader gets. */
static bb_status put_nested(const task *t, size_t units, bb_error *err) {
    char state[512];
    float offset;
    unsigned char *codes = bb_alloc(units, 1);
    float *absmax = bb_alloc(units / BB_BNB_NESTED_BLOCK + 1, sizeof *absmax);
    bb_status status = codes && absmax ? BB_OK : bb_folder_no_memory(err);
    if (status == BB_OK) {
        bb_bnb_nest(t->scales, units, t->desk->map, codes, absmax, &offset);
        bb_bnb_unnest(codes, absmax, offset, units, t->desk->map, t->scales);
        (void)bb_quant_state_text(t->desk->job, t->item->source, offset, state, sizeof state);
        status = put_entry(t, BB_ROLE_SCALE, codes, err);
    }
    if (status == BB_OK) status = put_floats(t, BB_ROLE_NESTED, absmax, err);
    if (status == BB_OK) status = put_floats(t, BB_ROLE_NESTED_MAP, t->desk->map, err);
    if (status == BB_OK) status = put_entry(t, BB_ROLE_STATE, state, err);
    free(codes);
    free(absmax);
    return status;
}

static bb_status put_companions(const task *t, size_t units, bb_error *err) {
    const bb_folder_opts *o = &t->desk->job->opts;
    static const unsigned char row_format = 0; /* LINEAR_8BIT_WEIGHTS_FORMAT_MAPPING of bitsandbytes: "row" */
    if (t->item->form != BB_FORM_QUANTIZE) return BB_OK;
    bb_status status = put_entry(t, BB_ROLE_FORMAT, &row_format, err);
    if (status == BB_OK && (o->method == BB_FOLDER_INT8 || o->method == BB_FOLDER_LLM_INT8 || !o->double_quant))
        status = put_floats(t, BB_ROLE_SCALE, t->scales, err);
    if (status == BB_OK) status = put_entry(t, BB_ROLE_ZERO, t->zeros, err);
    if (status != BB_OK || !is_4bit(t)) return status;
    status = put_floats(t, BB_ROLE_MAP, bb_bnb_values(o->method == BB_FOLDER_NF4 ? BB_BNB_NF4 : BB_BNB_FP4), err);
    if (status != BB_OK) return status;
    if (o->double_quant) return put_nested(t, units, err);
    char state[512];
    (void)bb_quant_state_text(t->desk->job, t->item->source, 0, state, sizeof state);
    return put_entry(t, BB_ROLE_STATE, state, err);
}

static bb_status refuse_nonfinite(const task *t, size_t slabs, bb_error *err) {
    uint64_t bad = 0;
    for (size_t i = 0; i < slabs; i++) bad += t->sums[i].nonfinite;
    if (!bad || t->desk->job->opts.allow_nonfinite) return BB_OK;
    bb_status status = bb_fail(err, BB_E_INVALID, "tensor '%s': %llu of %llu values are NaN or infinite", t->row->name,
                               (unsigned long long)bad, (unsigned long long)t->row->elements);
    bb_hint(err, "--allow-nonfinite quantizes it all the same");
    return status;
}

/* The sample gets the type of the kernel: rows of int8 their scale; blocks of 64 that were read back have their absmax
 * among them, so that coding them again gives the same codes. */
static bb_status type_sample(task *t) {
    bb_output_sample *s = &t->sample;
    bool llm = t->desk->job->opts.method == BB_FOLDER_LLM_INT8;
    if (!is_4bit(t)) {
        for (size_t i = 0; i < s->rows; i++) {
            float scale = t->scales[one_scale(t) ? 0 : bb_output_sample_row(s, i)];
            if (llm) scale /= 127.0f;
            bb_f32_to_le_n(&scale, 1, s->data + i * s->row_bytes);
        }
        return BB_OK;
    }
    bb_output_sample typed;
    bb_status status = bb_output_sample_init(&typed, t->row->to, s->of, s->cols);
    if (status == BB_OK) {
        memcpy(typed.w, s->w, s->rows * s->cols * sizeof *s->w);
        status = bb_quantize_rows(typed.type, (const float *)(const void *)s->data, s->rows, s->cols, NULL, typed.data);
    }
    bb_output_sample_clear(s);
    *s = typed;
    return status;
}

static bb_status multiply(task *t, bb_error *err) {
    bb_folder_job *job = t->desk->job;
    bb_output_sample *s = &t->sample;
    bb_isa isa = job->opts.isa;
    bb_status status = type_sample(t);
    if (status == BB_OK)
        status = bb_output_sample_error(s, t->desk->inputs, job->opts.output_tokens, isa, t->desk->pool, &job->dispatch,
                                        &t->row->output_rel);
    t->row->output_rows = s->rows;
    t->row->kernel = bb_kernel_find(t->row->to, isa);
    return status == BB_OK ? BB_OK : bb_fail(err, status, "%s", bb_status_text(status));
}

static void set_error(const task *t, size_t slabs) {
    bb_error_sum sum;
    bb_error_sum_init(&sum);
    for (size_t i = 0; i < slabs; i++) bb_error_sum_merge(&sum, &t->sums[i]);
    bb_error_sum_result(&sum, &t->row->error);
    t->row->histogram_limit = t->bins.limit;
    memcpy(t->row->histogram, t->bins.counts, sizeof t->row->histogram);
}

bb_status bb_folder_do_item(bb_folder_desk *desk, size_t index, bb_sink *sink, bb_error *err) {
    bb_folder_job *job = desk->job;
    bb_folder_item *item = &job->items[index];
    const bb_tensor *s = item->source;
    task t = {.desk = desk, .item = item, .row = &job->rows[index], .sink = sink};
    t.unit = item->form == BB_FORM_QUANTIZE ? bb_folder_unit(&job->opts, s) : 1;
    t.slab = BB_FOLDER_SLAB / t.unit * t.unit;
    size_t slabs = (size_t)((s->elements + t.slab - 1) / t.slab);
    size_t units = item->form != BB_FORM_QUANTIZE ? 0
                   : one_scale(&t)                ? 1
                                                  : (size_t)((s->elements + t.unit - 1) / t.unit);
    bb_error_bins_init(&t.bins);
    atomic_store(&t.row->state, BB_ROW_RUNNING);
    t.scales = bb_alloc(units, sizeof *t.scales);
    t.zeros = bb_alloc(units, 1);
    t.low = bb_alloc(slabs, sizeof *t.low);
    t.high = bb_alloc(slabs, sizeof *t.high);
    t.sums = bb_alloc(slabs, sizeof *t.sums);
    if (!t.scales || !t.zeros || !t.low || !t.high || !t.sums) t.status = bb_folder_no_memory(&t.err);
    const bb_dtype *sampled = is_4bit(&t) ? bb_dtype_find("f32", NULL) : t.row->to;
    t.multiplied = t.status == BB_OK && multiplies(job, index);
    if (t.multiplied && bb_output_sample_init(&t.sample, sampled, s->rows, s->cols) != BB_OK)
        t.status = bb_folder_no_memory(&t.err);
    if (t.status == BB_OK && one_scale(&t)) {
        float low = 0, high = 0;
        bb_pool_run(desk->pool, slabs, do_range, &t);
        for (size_t i = 0; i < slabs; i++) {
            low = t.low[i] < low ? t.low[i] : low;
            high = t.high[i] > high ? t.high[i] : high;
        }
        t.whole = job->opts.asymmetric ? bb_int8_asymmetric(low, high) : bb_int8_symmetric(low, high);
        t.scales[0] = t.whole.scale;
        t.zeros[0] = t.whole.zero;
    }
    if (t.status == BB_OK) bb_pool_run(desk->pool, slabs, do_slab, &t);
    if (t.status == BB_OK) t.status = refuse_nonfinite(&t, slabs, &t.err);
    if (t.status == BB_OK) t.status = put_companions(&t, units, &t.err);
    if (t.status == BB_OK && nested(&t)) {
        t.again = true;
        bb_pool_run(desk->pool, slabs, do_slab, &t);
    }
    if (t.status == BB_OK) set_error(&t, slabs);
    if (t.status == BB_OK && t.multiplied) t.status = multiply(&t, &t.err);
    bb_output_sample_clear(&t.sample);
    free(t.scales);
    free(t.zeros);
    free(t.low);
    free(t.high);
    free(t.sums);
    if (t.status != BB_OK && err) *err = t.err;
    if (t.status == BB_OK) atomic_store(&t.row->state, BB_ROW_DONE);
    return t.status;
}
