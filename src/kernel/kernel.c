/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernel.c - the table of kernels, packing weights, and sharing the panels of a product among workers. */
#include "kernel/kernel.h"
#include "base/checked.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const bb_gemm_family *const families[] = {
    &bb_gemm_f32,    &bb_gemm_bf16,  &bb_gemm_int8, &bb_gemm_q8_0, &bb_gemm_q4_0,
    &bb_gemm_iq4_nl, &bb_gemm_mxfp4, &bb_gemm_nf4,  &bb_gemm_q4_K, &bb_gemm_q6_K,
};
enum { FAMILIES = sizeof families / sizeof *families };

struct bb_packed {
    const bb_gemm_family *family;
    size_t out, in, panels, panel_bytes;
    unsigned char *data; /* [panels][panel_bytes] */
};

/* ---- the table ---- */

static size_t kernels_of(const bb_gemm_family *f) {
    size_t n = 0;
    while (n < sizeof f->kernels / sizeof *f->kernels && f->kernels[n].run) n++;
    return n;
}

const bb_kernel *bb_kernel_at(size_t i) {
    for (size_t f = 0; f < FAMILIES; f++) {
        size_t n = kernels_of(families[f]);
        if (i < n) return &families[f]->kernels[i];
        i -= n;
    }
    return NULL;
}

size_t bb_kernel_count(void) {
    size_t n = 0;
    for (size_t f = 0; f < FAMILIES; f++) n += kernels_of(families[f]);
    return n;
}

/* bb_kernel_count() when it is none of the table. */
static size_t index_of(const bb_kernel *k) {
    size_t i = 0, n = bb_kernel_count();
    while (i < n && bb_kernel_at(i) != k) i++;
    return i;
}

static const bb_gemm_family *own_family(const bb_dtype *t) {
    for (size_t f = 0; f < FAMILIES; f++)
        if (strcmp(families[f]->layout->type, t->name) == 0) return families[f];
    return NULL;
}

static bool decodes(const bb_dtype *t) {
    const bb_codec *c = bb_codec_find(t, BB_ISA_SCALAR);
    return c && c->decode;
}

bool bb_kernel_widens(const bb_dtype *t) { return !own_family(t) && decodes(t); }

static const bb_gemm_family *family_of(const bb_dtype *t) {
    const bb_gemm_family *own = own_family(t);
    return own ? own : decodes(t) ? &bb_gemm_f32 : NULL;
}

static const bb_kernel *fastest(const bb_gemm_family *f, bb_isa isa) {
    bb_isa most = bb_isa_choose(isa);
    size_t i = kernels_of(f) - 1;
    while (i > 0 && !(bb_level_isa(f->kernels[i].level) <= most && bb_level_runs(f->kernels[i].level))) i--;
    return &f->kernels[i];
}

const bb_kernel *bb_kernel_find(const bb_dtype *t, bb_isa isa) {
    const bb_gemm_family *f = family_of(t);
    return f ? fastest(f, isa) : NULL;
}

const bb_kernel *bb_packed_kernel(const bb_packed *w, bb_isa isa) { return fastest(w->family, isa); }
size_t bb_packed_bytes(const bb_packed *w) { return w->panels * w->panel_bytes; }

/* ---- packing ---- */

static size_t blocks_of(const bb_layout *l, size_t in) { return in / l->block + (in % l->block != 0); }

bool bb_layout_panel_bytes(const bb_layout *l, size_t in, size_t *bytes) {
    size_t n;
    if (!bb_mul_size(blocks_of(l, in), l->block_bytes, &n) || !bb_add_size(n, l->head_bytes, &n)) return false;
    *bytes = n;
    return true;
}

typedef struct packing {
    bb_packed *p;
    const bb_dtype *type;
    const unsigned char *rows;
    size_t row_bytes;
    bool widen;
    atomic_bool failed;
} packing;

static void pack_panel(void *ctx, size_t i) {
    packing *k = ctx;
    const bb_layout *l = k->p->family->layout;
    size_t first = i * BB_PANEL, left = k->p->out - first, count = left < BB_PANEL ? left : BB_PANEL, in = k->p->in;
    const unsigned char *rows = k->rows + first * k->row_bytes;
    unsigned char *panel = k->p->data + i * k->p->panel_bytes;
    if (!k->widen) {
        l->pack(rows, k->row_bytes, count, in, panel);
        return;
    }
    float *wide = bb_alloc(count * in, sizeof *wide); /* no overflow: a panel of as many fp32 is there */
    if (wide && bb_dequantize_rows(k->type, rows, count, in, wide) == BB_OK)
        l->pack((const unsigned char *)wide, in * sizeof *wide, count, in, panel);
    else
        atomic_store(&k->failed, true);
    free(wide);
}

bb_status bb_pack_as(const bb_dtype *t, const void *data, size_t out, size_t in, bb_pool *pool, bb_packed **packed,
                     bb_error *err) {
    const bb_gemm_family *f = family_of(t);
    uint64_t row;
    if (!f) return bb_fail(err, BB_E_UNSUPPORTED, "there is no kernel for %s, and it cannot be decoded", t->name);
    if (in == 0 || out == 0) return bb_fail(err, BB_E_ARG, "a matrix of %zu by %zu has no product", out, in);
    if (f->layout->in_max && in > f->layout->in_max)
        return bb_fail(err, BB_E_UNSUPPORTED,
                       "rows of %zu: the 32-bit sums of the %s kernel are exact up to %zu values of a row", in, t->name,
                       f->layout->in_max);
    bb_status status = bb_dtype_row_bytes(t, in, &row);
    if (status != BB_OK) return bb_fail(err, status, "a row of %zu is no whole number of blocks of %u", in, t->block);
    bb_packed p = {.family = f, .out = out, .in = in, .panels = out / BB_PANEL + (out % BB_PANEL != 0)};
    size_t bytes;
    if (!bb_layout_panel_bytes(f->layout, in, &p.panel_bytes) || !bb_mul_size(p.panels, p.panel_bytes, &bytes))
        return bb_fail(err, BB_E_OVERFLOW, "the matrix is too large");
    bb_packed *made = bb_alloc(1, sizeof *made);
    p.data = bb_alloc_aligned(bytes, 1);
    if (!made || !p.data) {
        free(made);
        free(p.data);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    *made = p;
    packing k = {made, t, data, (size_t)row, f != own_family(t), false};
    if (pool)
        bb_pool_run(pool, p.panels, pack_panel, &k);
    else
        for (size_t i = 0; i < p.panels; i++) pack_panel(&k, i);
    if (atomic_load(&k.failed)) {
        bb_packed_free(made);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    *packed = made;
    return BB_OK;
}

bb_status bb_pack(const bb_dtype *t, const void *data, size_t out, size_t in, bb_packed **packed) {
    return bb_pack_as(t, data, out, in, NULL, packed, NULL);
}

bb_status bb_packed_copy(const bb_packed *w, bb_packed **copy) {
    bb_packed *made = bb_alloc(1, sizeof *made);
    unsigned char *data = bb_alloc_aligned(w->panels, w->panel_bytes);
    if (!made || !data) {
        free(made);
        free(data);
        return BB_E_NOMEM;
    }
    *made = *w;
    made->data = data;
    memcpy(data, w->data, w->panels * w->panel_bytes);
    *copy = made;
    return BB_OK;
}

void bb_packed_free(bb_packed *p) {
    if (!p) return;
    free(p->data);
    free(p);
}

/* ---- the product ---- */

typedef struct job {
    bb_gemm gemm;
    bb_gemm_fn *run;
    size_t panels, parts;
} job;

/* Each worker gets one run of neighbouring panels: one stream of memory. */
static void run_part(void *ctx, size_t i) {
    const job *j = ctx;
    size_t each = j->panels / j->parts, more = j->panels % j->parts;
    size_t first = i * each + (i < more ? i : more);
    j->run(&j->gemm, first, each + (i < more));
}

bb_status bb_matmul_as(const bb_packed *w, const float *x, size_t tokens, const bb_matmul_opts *opts, float *y) {
    static const bb_matmul_opts none = {0};
    const bb_matmul_opts *o = opts ? opts : &none;
    const bb_kernel *k = o->kernel ? o->kernel : fastest(w->family, o->isa);
    const size_t index = o->dispatch ? index_of(k) : 0;
    if (index == bb_kernel_count()) return BB_E_ARG;
    if (k->family->layout != w->family->layout || !bb_level_runs(k->level)) return BB_E_UNSUPPORTED;
    if (tokens == 0) return BB_OK;
    bb_acts own = {0}, *acts = o->acts ? o->acts : &own;
    const bb_layout *l = w->family->layout;
    fenv_t saved;
    bb_fp_enter(&saved);
    bb_status status = bb_acts_fill(acts, l->act, l->offset, x, tokens, w->in, bb_level_isa(k->level), o->pool);
    if (status == BB_OK) {
        job j = {{w->data, w->panel_bytes, w->out, w->in, blocks_of(l, w->in), acts, y}, k->run, w->panels, 1};
        size_t threads = o->pool ? bb_pool_threads(o->pool) : 1;
        j.parts = threads < j.panels ? threads : j.panels;
        if (j.parts > 1)
            bb_pool_run(o->pool, j.parts, run_part, &j);
        else
            run_part(&j, 0);
        if (o->dispatch) o->dispatch->calls[index]++;
    }
    bb_fp_leave(&saved);
    bb_acts_clear(&own);
    return status;
}

bb_status bb_matmul(const bb_packed *w, const float *x, size_t tokens, unsigned threads, bb_isa isa, float *y) {
    bb_matmul_opts o = {.isa = isa};
    if (threads > 1) {
        bb_status status = bb_pool_new(threads, &o.pool);
        if (status != BB_OK) return status;
    }
    bb_status status = bb_matmul_as(w, x, tokens, &o, y);
    bb_pool_free(o.pool);
    return status;
}

/* ---- bounds ---- */

bb_status bb_kernel_magnitudes(const bb_dtype *t, const void *data, size_t rows, size_t cols, float *magnitude) {
    const bb_gemm_family *f = family_of(t);
    if (f && f == own_family(t) && f->magnitudes) {
        f->magnitudes(data, rows, cols, magnitude);
        return BB_OK;
    }
    bb_status status = bb_dequantize_rows(t, data, rows, cols, magnitude);
    for (size_t i = 0; status == BB_OK && i < rows * cols; i++) magnitude[i] = fabsf(magnitude[i]);
    return status;
}

double bb_kernel_bound(const bb_kernel *k, size_t in, double mass) {
    double n = (double)k->family->roundings(in), u = 0x1p-24, gamma = n * u / (1 - n * u);
    if (mass == 0) return 0;
    return (gamma + k->family->code_error) * mass + (1 + gamma) * (double)k->family->underflows(in) * 0x1p-150;
}

double bb_kernel_bound_sqrt(const bb_kernel *k, size_t in, double mass) {
    return (sqrt((double)k->family->roundings(in)) * 0x1p-24 + k->family->code_error) * mass;
}
