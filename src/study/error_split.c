/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_split.c - the error of a matrix's products, split by where it arises, and the bounds of each part.
 *
 * With W the matrix, x the activations, What and xhat what the kernel multiplies and y what it returns:
 *   y - W x = (What - W) x + What (xhat - x) + (y - What xhat)
 * All products but y are float64 sums in one order, whatever the instructions and the number of threads: that of the
 * reference is W x of reference_product.h, which `quantize --output-error` takes too. */
#include "base/checked.h"
#include "base/mem.h"
#include "kernel/kernel.h"
#include "quant/steps.h"
#include "study/error_parts.h"
#include "study/reference_product.h"
#include "study/study_parts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_ELEMENTS = 1 << 22, /* of the checked rows that are held at a time */ TRIES = 3 };

/* Sums over outputs from which one part's figures follow: of its errors, and of the outputs with its rounding. */
typedef struct part {
    double squares, largest, with, dot;
} part;

/* Over some outputs. ref, what: squares of W x and What x, of What xhat; bounds: squares of each. */
typedef struct sums {
    double ref;
    part total, weights, activations, accumulation;
    double cross, bound, bound_sqrt, bound_weights, bound_activations;
    bool overflow; /* an output is not finite */
} sums;

/* The checked rows of a slab, and one type of them. */
typedef struct slab {
    const bb_error_run *run;
    const bb_error_matrix *m;
    const float *x; /* [tokens][cols] */
    size_t tokens, cols, count, capacity;
    size_t checked;   /* rows of all slabs */
    size_t first;     /* number of the first of this one */
    double *w;        /* [count][cols] as the file has them */
    float *wf;        /* the same in fp32, which is what quantizers take */
    double *ref;      /* [count][tokens] W x */
    double *wx, *wxq; /* the same of What x, What xhat */
    /* of a type */
    const bb_error_type *type;
    const bb_error_range *range;
    const bb_kernel *kernel;
    unsigned char *blocks; /* [count][row_bytes] */
    size_t row_bytes;
    float *what, *mass, *error; /* [count][cols] What, what the kernel's bound counts of it, limit of |What - W| */
    bool steps;                 /* the type has them */
    float *xhat, *xerror;       /* [tokens][cols], limit of |xhat - x| */
    float *y;                   /* [tokens][count] */
    sums *sums;                 /* [count] */
    bb_status *status;          /* [count] */
} slab;

/* ---- float64 sums ---- */

/* Of magnitudes. */
static double dot_abs(const float *a, const float *b, size_t n) {
    double s[4] = {0};
    size_t k = 0;
    for (; k + 4 <= n; k += 4)
        for (size_t i = 0; i < 4; i++) s[i] += fabs((double)a[k + i] * (double)b[k + i]);
    for (; k < n; k++) s[0] += fabs((double)a[k] * (double)b[k]);
    return (s[0] + s[1]) + (s[2] + s[3]);
}

/* before: the output without this rounding, after: with it. */
static void add_part(part *p, double before, double after) {
    double e = after - before;
    p->squares += e * e;
    p->with += after * after;
    p->dot += before * after;
    if (fabs(e) > p->largest) p->largest = fabs(e);
}

static void merge_part(part *p, const part *q) {
    p->squares += q->squares;
    p->with += q->with;
    p->dot += q->dot;
    if (q->largest > p->largest) p->largest = q->largest;
}

static void merge(sums *s, const sums *t) {
    s->ref += t->ref;
    merge_part(&s->total, &t->total);
    merge_part(&s->weights, &t->weights);
    merge_part(&s->activations, &t->activations);
    merge_part(&s->accumulation, &t->accumulation);
    s->cross += t->cross;
    s->bound += t->bound;
    s->bound_sqrt += t->bound_sqrt;
    s->bound_weights += t->bound_weights;
    s->bound_activations += t->bound_activations;
    s->overflow = s->overflow || t->overflow;
}

static void split_row(void *ctx, size_t r) {
    const slab *b = ctx;
    const size_t n = b->cols;
    const float *wq = b->what + r * n, *mass = b->mass + r * n, *error = b->error + r * n;
    sums s = {0};
    for (size_t t = 0; t < b->tokens; t++) {
        const float *x = b->x + t * n, *xq = b->xhat + t * n, *xerror = b->xerror + t * n;
        double ref = b->ref[r * b->tokens + t], wx = b->wx[r * b->tokens + t];
        double wxq = b->wxq[r * b->tokens + t];
        double got = (double)b->y[t * b->count + r], all = dot_abs(mass, xq, n);
        double e = wx - ref, f = wxq - wx, g = got - wxq;
        if (!isfinite(got)) s.overflow = true;
        s.ref += ref * ref;
        add_part(&s.total, ref, got);
        add_part(&s.weights, ref, wx);
        add_part(&s.activations, wx, wxq);
        add_part(&s.accumulation, wxq, got);
        s.cross += 2 * (e * f + e * g + f * g);
        /* and the rounding of wxq itself, a float64 sum */
        double bound = bb_kernel_bound(b->kernel, n, all) + (double)n * 0x1p-52 * all;
        double root = bb_kernel_bound_sqrt(b->kernel, n, all);
        double weights = b->steps ? dot_abs(error, x, n) : 0, activations = dot_abs(wq, xerror, n);
        s.bound += bound * bound;
        s.bound_sqrt += root * root;
        s.bound_weights += weights * weights;
        s.bound_activations += activations * activations;
    }
    b->sums[r] = s;
}

/* ---- what is multiplied ---- */

/* Half a step of each weight, its own error where that is more: at the ends of a range, and where the scale was rounded
 * after the codes were chosen. */
static void limit_errors(const slab *b, size_t r) {
    for (size_t i = r * b->cols; i < (r + 1) * b->cols; i++) {
        float e = (float)fabs((double)b->what[i] - b->w[i]) * (1 + 0x1p-23f); /* no less than the error itself */
        if (e > b->error[i]) b->error[i] = e;
    }
}

static void quantize_row(void *ctx, size_t r) {
    const slab *b = ctx;
    const bb_dtype *t = b->type->dtype;
    unsigned char *blocks = b->blocks + r * b->row_bytes;
    size_t at = r * b->cols;
    bb_isa isa = b->run->o->isa;
    bb_status status = bb_error_encode(b->type, b->range, b->wf + at, 1, b->cols, isa, blocks);
    if (status == BB_OK) status = bb_dequantize_rows_as(t, blocks, 1, b->cols, isa, b->what + at);
    if (status == BB_OK) status = bb_kernel_magnitudes(t, blocks, 1, b->cols, b->mass + at);
    if (status == BB_OK && b->steps) status = bb_half_steps(t, blocks, 1, b->cols, b->error + at);
    if (status == BB_OK && b->steps) limit_errors(b, r);
    b->status[r] = status;
}

/* Half a step of one token's activations in groups that share a scale of absmax / 127. */
static void half_scales(const float *x, size_t n, size_t group, float *half) {
    for (size_t at = 0; at < n; at += group) {
        size_t end = at + group < n ? at + group : n;
        float amax = 0;
        for (size_t i = at; i < end; i++) amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
        for (size_t i = at; i < end; i++) half[i] = amax / 254.0f;
    }
}

static void round_token(void *ctx, size_t t) {
    const slab *b = ctx;
    const float *x = b->x + t * b->cols, *xq = b->xhat + t * b->cols;
    float *half = b->xerror + t * b->cols;
    switch (b->kernel->family->layout->act) {
    case BB_ACT_F32:
        memset(half, 0, b->cols * sizeof *half);
        break;
    case BB_ACT_BF16:
        bb_half_ulps(xq, b->cols, 7, -126, half);
        break;
    case BB_ACT_INT8_TOKEN:
        half_scales(x, b->cols, b->cols, half);
        break;
    case BB_ACT_INT8_32:
        half_scales(x, b->cols, BB_ACT_BLOCK, half);
        break;
    case BB_ACT_INT8_256:
        half_scales(x, b->cols, BB_ACT_SUPER, half);
        break;
    }
    for (size_t i = 0; i < b->cols; i++) {
        float e = fabsf(xq[i] - x[i]) * (1 + 0x1p-23f);
        if (e > half[i]) half[i] = e;
    }
}

/* w: fp32 values, or NULL = the matrix as the file has it. */
static void multiply_exactly(const slab *b, const float *w, const float *x, double *y) {
    const bb_reference p = {
        .w = w, .wide = w ? NULL : b->w, .x = x, .rows = b->count, .cols = b->cols, .tokens = b->tokens, .y = y};
    bb_reference_run(&p, b->run->pool);
}

/* ---- one slab ---- */

static bb_status read_slab(const slab *b, bb_error *err) {
    const bb_error_matrix *m = b->m;
    for (size_t r = 0; r < b->count; r++) {
        float *x = b->wf + r * b->cols;
        double *ref = b->w + r * b->cols;
        uint64_t row = bb_spaced_row(b->first + r, b->checked, m->rows);
        bb_status status = bb_error_matrix_read(m, row * m->cols, b->cols, x, ref, err);
        if (status != BB_OK) return status;
        for (size_t i = 0; i < b->cols; i++)
            if (!isfinite(x[i])) ref[i] = (double)(x[i] = 0);
    }
    multiply_exactly(b, NULL, b->x, b->ref);
    return BB_OK;
}

/* The product itself, and the least time that it took. */
static bb_status multiply(slab *b, bb_error_row *row, bb_error *err) {
    bb_packed *packed = NULL;
    bb_acts acts = {0};
    bb_matmul_opts how = {.isa = b->run->o->isa, .pool = b->run->pool, .acts = &acts, .dispatch = b->run->dispatch};
    uint64_t least = UINT64_MAX;
    bb_status status = bb_pack_as(b->type->dtype, b->blocks, b->count, b->cols, b->run->pool, &packed, err);
    if (status != BB_OK) return status;
    for (int i = 0; i < TRIES && status == BB_OK; i++) {
        uint64_t start = bb_study_now_ns();
        status = bb_matmul_as(packed, b->x, b->tokens, &how, b->y);
        uint64_t ns = bb_study_now_ns() - start;
        if (ns < least) least = ns;
        how.dispatch = NULL; /* the repetitions are not counted */
    }
    row->ns += least;
    bb_packed_free(packed);
    bb_acts_clear(&acts);
    return status == BB_OK ? BB_OK : bb_fail(err, status, "%s", bb_status_text(status));
}

static bb_status do_type(slab *b, bb_error_row *row, sums *all, bb_error *err) {
    bb_act act = b->kernel->family->layout->act;
    bb_pool *pool = b->run->pool;
    bb_pool_run(pool, b->count, quantize_row, b);
    for (size_t r = 0; r < b->count; r++)
        if (b->status[r] != BB_OK) return bb_fail(err, b->status[r], "%s", bb_status_text(b->status[r]));
    bb_status status = bb_acts_roundtrip(act, b->x, b->tokens, b->cols, b->xhat);
    if (status != BB_OK) return bb_fail(err, status, "%s", bb_status_text(status));
    bb_pool_run(pool, b->tokens, round_token, b);
    status = multiply(b, row, err);
    if (status != BB_OK) return status;
    multiply_exactly(b, b->what, b->x, b->wx);
    multiply_exactly(b, b->what, b->xhat, b->wxq);
    bb_pool_run(pool, b->count, split_row, b);
    for (size_t r = 0; r < b->count; r++) merge(all, &b->sums[r]);
    return BB_OK;
}

/* ---- the whole ---- */

static void slab_free(slab *b) {
    free(b->w);
    free(b->wf);
    free(b->ref);
    free(b->wx);
    free(b->wxq);
    free(b->blocks);
    free(b->what);
    free(b->mass);
    free(b->error);
    free(b->xhat);
    free(b->xerror);
    free(b->y);
    free(b->sums);
    free(b->status);
}

static bb_status slab_alloc(slab *b, size_t row_bytes_max, bb_error *err) {
    size_t n, k, l;
    if (!bb_mul_size(b->capacity, b->cols, &n) || !bb_mul_size(b->tokens, b->cols, &k) ||
        !bb_mul_size(b->tokens, b->capacity, &l))
        return bb_fail(err, BB_E_OVERFLOW, "rows too long");
    b->w = bb_alloc(n, sizeof *b->w);
    b->wf = bb_alloc(n, sizeof *b->wf);
    b->ref = bb_alloc(l, sizeof *b->ref);
    b->wx = bb_alloc(l, sizeof *b->wx);
    b->wxq = bb_alloc(l, sizeof *b->wxq);
    b->blocks = bb_alloc(b->capacity, row_bytes_max);
    b->what = bb_alloc(n, sizeof *b->what);
    b->mass = bb_alloc(n, sizeof *b->mass);
    b->error = bb_alloc(n, sizeof *b->error);
    b->xhat = bb_alloc(k, sizeof *b->xhat);
    b->xerror = bb_alloc(k, sizeof *b->xerror);
    b->y = bb_alloc(l, sizeof *b->y);
    b->sums = bb_alloc(b->capacity, sizeof *b->sums);
    b->status = bb_alloc(b->capacity, sizeof *b->status);
    bool whole = b->w && b->wf && b->ref && b->wx && b->wxq && b->blocks && b->what && b->mass && b->error && b->xhat &&
                 b->xerror && b->y && b->sums && b->status;
    return whole ? BB_OK : bb_fail(err, BB_E_NOMEM, "out of memory");
}

/* before: squares of the outputs without this rounding. */
static bb_error_part figures(const part *p, double before, double ref) {
    bb_error_part f = {.rel = bb_relative_norm(p->squares, ref), .max_abs = p->largest};
    f.cosine = before == 0 && p->with == 0 ? 1 : 0;
    if (before > 0 && p->with > 0) f.cosine = p->dot / sqrt(before) / sqrt(p->with);
    if (f.cosine > 1 || p->largest == 0) f.cosine = 1;
    return f;
}

static void set_figures(const sums *s, bool steps, bb_error_row *row) {
    row->total = figures(&s->total, s->ref, s->ref);
    row->weights = figures(&s->weights, s->ref, s->ref);
    row->activations = figures(&s->activations, s->weights.with, s->ref);
    row->accumulation = figures(&s->accumulation, s->activations.with, s->ref);
    row->cross = s->cross == 0 ? 0 : s->ref > 0 ? s->cross / s->ref : (double)NAN;
    row->bound = bb_relative_norm(s->bound, s->ref);
    row->bound_sqrt = bb_relative_norm(s->bound_sqrt, s->ref);
    row->bound_weights = steps ? bb_relative_norm(s->bound_weights, s->ref) : (double)NAN;
    row->bound_activations = bb_relative_norm(s->bound_activations, s->ref);
}

static bool has_steps(const bb_dtype *t) { return bb_half_steps(t, NULL, 0, t->block, NULL) == BB_OK; }

/* Every slab with every type, for which there is one sums each. */
static bb_status do_slabs(slab *b, const bb_error_range *ranges, bb_error_row *rows, sums *all, bb_error *err) {
    const bb_error_run *run = b->run;
    bb_status status = BB_OK;
    for (b->first = 0; b->first < b->checked && status == BB_OK; b->first += b->count) {
        b->count = b->checked - b->first < b->capacity ? b->checked - b->first : b->capacity;
        status = read_slab(b, err);
        for (size_t i = 0; i < run->o->n_types && status == BB_OK; i++) {
            uint64_t row_bytes = 0;
            if (rows[i].skipped[0]) continue;
            if (bb_error_cancelled(run)) return bb_fail(err, BB_E_CANCELLED, "cancelled");
            (void)bb_dtype_row_bytes(rows[i].type->dtype, b->cols, &row_bytes); /* it was allocated by that */
            b->type = rows[i].type;
            b->range = &ranges[i];
            b->kernel = bb_kernel_find(b->type->dtype, run->o->isa);
            b->row_bytes = (size_t)row_bytes;
            b->steps = has_steps(b->type->dtype);
            status = do_type(b, &rows[i], &all[i], err);
            bb_error_advance(run, (uint64_t)b->count * b->cols);
        }
    }
    return status;
}

bb_status bb_error_products(const bb_error_run *run, const bb_error_matrix *m, const float *x, size_t tokens,
                            const bb_error_range *ranges, bb_error_row *rows, bb_error *err) {
    slab b = {.run = run, .m = m, .x = x, .tokens = tokens, .cols = (size_t)m->cols};
    uint64_t most = 0, bytes;
    b.checked = m->rows < run->o->rows_max ? (size_t)m->rows : (size_t)run->o->rows_max;
    b.capacity = SLAB_ELEMENTS / b.cols ? SLAB_ELEMENTS / b.cols : 1;
    if (b.capacity > b.checked) b.capacity = b.checked;
    for (size_t i = 0; i < run->o->n_types; i++) {
        if (rows[i].skipped[0]) continue;
        bb_status status = bb_dtype_row_bytes(rows[i].type->dtype, m->cols, &bytes);
        if (status != BB_OK || bytes > SIZE_MAX) return bb_fail(err, BB_E_OVERFLOW, "rows too long");
        most = bytes > most ? bytes : most;
    }
    sums *all = bb_alloc(run->o->n_types, sizeof *all);
    bb_status status = all ? slab_alloc(&b, (size_t)most, err) : bb_fail(err, BB_E_NOMEM, "out of memory");
    if (status == BB_OK && most) status = do_slabs(&b, ranges, rows, all, err);
    for (size_t i = 0; all && i < run->o->n_types && status == BB_OK; i++) {
        bb_error_row *row = &rows[i];
        if (row->skipped[0]) continue;
        const bb_kernel *k = bb_kernel_find(row->type->dtype, run->o->isa);
        row->rows_checked = b.checked;
        row->tokens = tokens;
        row->kernel = k->family->name;
        row->isa = bb_level_name(k->level);
        if (row->ns) row->gops = 2 * (double)tokens * (double)b.checked * (double)b.cols / (double)row->ns;
        if (all[i].overflow) {
            bb_error_row_skip(row, "the fp32 product overflows");
            row->ns = 0;
            row->gops = 0;
        } else
            set_figures(&all[i], has_steps(row->type->dtype), row);
    }
    slab_free(&b);
    free(all);
    return status;
}
