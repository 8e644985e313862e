/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_scan.c - judging the values, rows, blocks and scales of a tensor, a slab at a time. */
#include "study/audit_scan.h"
#include "base/mem.h"
#include "quant/quant.h"
#include "quant/scales.h"
#include "study/tensor_rows.h"
#include <stdlib.h>
#include <string.h>

/* Elements held at a time: a multiple of every block. Dead columns are looked for in rows of at most so many blocks. */
enum { SLAB = 1 << 17, COLUMNS_MAX = 1 << 16, ROWS_FOR_A_COLUMN = 4 };

/* The row that is being read, which may not end in this slab. */
typedef struct row_state {
    bool started, constant;
    float first;
    bb_audit_hits zero, same; /* its dead blocks: of zeros, of another value */
} row_state;

typedef struct scanner {
    const bb_tensor *t;
    const bb_scale_layout *layout;
    bb_audit_scan s;
    row_state row;
    bool by_rows;
    uint64_t live_rows;      /* that hold different values */
    uint64_t *column_deaths; /* [cols / block], or NULL */
    unsigned char *dead;     /* [cols / block] of the row */
} scanner;

static void hit(bb_audit_hits *h, uint64_t n, uint64_t at) {
    if (!h->count) h->first = at;
    h->count += n;
}

/* Not cryptographic: whoever finds equal hashes compares the bytes. */
static uint64_t hash_bytes(uint64_t h, const unsigned char *p, size_t n) {
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        h = (h ^ w) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    for (; n; p++, n--) h = (h ^ *p) * 0x9E3779B97F4A7C15u;
    return h;
}

/* ---- values ---- */

static uint32_t bits_of(float v) {
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u & 0x7FFFFFFFu;
}

static void scan_finite(scanner *c, const float *x, size_t n, uint64_t at) {
    uint32_t odd = 0;
    for (size_t i = 0; i < n; i++) odd |= (uint32_t)(bits_of(x[i]) >= 0x7F800000u);
    if (!odd) return;
    for (size_t i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]);
        if (u > 0x7F800000u) hit(&c->s.nan, 1, at + i);
        if (u == 0x7F800000u) hit(&c->s.infinite, 1, at + i);
    }
}

/* Mostly told by the second value; NaN is the same as nothing. */
static bool all_same(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(x[i] >= x[0] && x[i] <= x[0])) return false;
    return true;
}

/* A part of one row. */
static void scan_part(scanner *c, const float *x, size_t n, uint64_t at) {
    size_t block = c->t->type->block;
    row_state *r = &c->row;
    if (!r->started) *r = (row_state){.started = true, .constant = true, .first = x[0]};
    if (block == 1) {
        if (r->constant) r->constant = x[0] >= r->first && x[0] <= r->first && all_same(x, n);
        return;
    }
    for (size_t i = 0; i < n; i += block) {
        bool same = all_same(x + i, block);
        r->constant &= same && x[i] >= r->first && x[i] <= r->first;
        if (!same) continue;
        hit(x[i] < 0 || x[i] > 0 ? &r->same : &r->zero, 1, at + i);
        if (c->dead) c->dead[(at + i) % c->t->cols / block] = 1;
    }
}

static void add_hits(bb_audit_hits *to, const bb_audit_hits *h) {
    if (h->count) hit(to, h->count, h->first);
}

/* `end` is the element behind the row. A row of one value has no dead blocks of its own. */
static void end_row(scanner *c, uint64_t end) {
    row_state *r = &c->row;
    size_t blocks = (size_t)(c->t->cols / c->t->type->block);
    if (r->constant)
        hit(r->first < 0 || r->first > 0 ? &c->s.constant_rows : &c->s.zero_rows, 1, end - c->t->cols);
    else {
        c->live_rows++;
        add_hits(&c->s.zero_blocks, &r->zero);
        add_hits(&c->s.constant_blocks, &r->same);
    }
    if (c->dead && (r->zero.count || r->same.count)) {
        for (size_t i = 0; i < blocks && !r->constant; i++) c->column_deaths[i] += c->dead[i];
        memset(c->dead, 0, blocks);
    }
    r->started = false;
}

static void scan_rows(scanner *c, const float *x, size_t n, uint64_t at) {
    for (size_t done = 0; done < n;) {
        uint64_t left = c->t->cols - (at + done) % c->t->cols;
        size_t part = left < n - done ? (size_t)left : n - done;
        scan_part(c, x + done, part, at + done);
        done += part;
        if (part == left) end_row(c, at + done);
    }
}

static void find_dead_columns(scanner *c) {
    size_t blocks = (size_t)(c->t->cols / c->t->type->block);
    for (size_t i = 0; c->live_rows >= ROWS_FOR_A_COLUMN && i < blocks; i++) {
        if (c->column_deaths[i] != c->live_rows) continue;
        if (!c->s.dead_columns++) c->s.first_dead_column = i * c->t->type->block;
    }
}

/* ---- scales ---- */

static void scan_block(scanner *c, const unsigned char *block, uint64_t at) {
    const bb_scale_layout *l = c->layout;
    float v;
    for (size_t i = 0; i < l->n; i++) switch (bb_scale_read(l, block, i, &v)) {
        case BB_SCALE_NAN:
            hit(&c->s.nan_scales, 1, at);
            break;
        case BB_SCALE_INFINITE:
            hit(&c->s.infinite_scales, 1, at);
            break;
        case BB_SCALE_LARGEST:
            hit(&c->s.largest_scales, 1, at);
            break;
        case BB_SCALE_ZERO:
        case BB_SCALE_FINE:
            break;
        }
    if (bb_scale_lost(l, block)) hit(&c->s.lost_scales, 1, at);
    if (!l->code_bits) return;
    c->s.codes += (uint64_t)l->code_bytes * 8 / l->code_bits;
    c->s.end_codes += bb_scale_end_codes(l, block);
}

/* ---- a tensor ---- */

/* Integers are indices, packed words or masks: nothing is wrong with a row of zeros there. */
static bool judged(const bb_tensor *t) {
    const char *name = t->type->name;
    if (strcmp(name, "e8m0") == 0) return false; /* scales */
    return t->type->block > 1 || name[0] == 'f' || name[0] == 'e' || strcmp(name, "bf16") == 0;
}

static bb_status scan_slab(scanner *c, const bb_file *file, const unsigned char *raw, float *x, uint64_t at, size_t n,
                           bb_error *err) {
    const bb_dtype *type = c->t->type;
    bb_status s = BB_OK;
    size_t blocks = n / type->block;
    c->s.hash = hash_bytes(c->s.hash, raw, blocks * type->block_bytes);
    for (size_t i = 0; c->layout && i < blocks; i++) scan_block(c, raw + i * type->block_bytes, at + i * type->block);
    if (!c->s.decoded) return BB_OK;
    s = bb_codec_find(type, BB_ISA_AUTO) ? bb_dequantize_rows(type, raw, 1, n, x)
                                         : bb_tensor_read(file, c->t, at, n, x, NULL, err);
    if (s != BB_OK) return s;
    scan_finite(c, x, n, at);
    if (c->by_rows) scan_rows(c, x, n, at);
    return BB_OK;
}

static bb_status scan(scanner *c, const bb_file *file, bb_progress *progress, bb_error *err) {
    const bb_tensor *t = c->t;
    size_t slab = t->elements < SLAB ? (size_t)t->elements : SLAB;
    unsigned char *raw = bb_alloc(slab / t->type->block, t->type->block_bytes);
    float *x = bb_alloc(slab, sizeof *x);
    bb_status s = raw && x ? BB_OK : bb_fail(err, BB_E_NOMEM, "out of memory");
    for (uint64_t at = 0; at < t->elements && s == BB_OK; at += slab) {
        size_t n = t->elements - at < slab ? (size_t)(t->elements - at) : slab;
        if (progress && atomic_load(&progress->cancel)) s = bb_fail(err, BB_E_CANCELLED, "cancelled");
        if (s == BB_OK) s = bb_tensor_read_raw(file, t, at, n, raw, err);
        if (s == BB_OK) s = scan_slab(c, file, raw, x, at, n, err);
        if (progress) atomic_fetch_add(&progress->done, n / t->type->block * t->type->block_bytes);
    }
    free(raw);
    free(x);
    return s;
}

bb_status bb_audit_scan_tensor(const bb_file *file, const bb_tensor *t, bb_progress *progress, bb_audit_scan *scan_out,
                               bb_error *err) {
    scanner c = {.t = t};
    bb_status s = BB_OK;
    bool columns = file->column_major && t->rows > 1 && t->cols > 1;
    c.s.decoded = !bb_tensor_unreadable(t, c.s.why, sizeof c.s.why);
    if (t->type && !t->type->row_bytes) {
        c.layout = bb_scale_layout_find(t->type);
        c.s.read = true;
        c.s.blocks = t->elements / t->type->block;
        if (columns && c.s.decoded) {
            c.s.decoded = false;
            memcpy(c.s.why, "it lies column by column", sizeof "it lies column by column");
        }
        c.by_rows = c.s.decoded && judged(t) && t->cols > 1;
        c.s.rows = c.by_rows ? t->rows : 0;
        if (c.by_rows && t->type->block > 1 && t->cols / t->type->block <= COLUMNS_MAX) {
            size_t blocks = (size_t)(t->cols / t->type->block);
            c.column_deaths = bb_alloc(blocks, sizeof *c.column_deaths);
            c.dead = bb_alloc(blocks, 1);
            if (!c.column_deaths || !c.dead) s = bb_fail(err, BB_E_NOMEM, "out of memory");
        }
        if (s == BB_OK) s = scan(&c, file, progress, err);
        if (s == BB_OK && c.dead) find_dead_columns(&c);
    }
    free(c.column_deaths);
    free(c.dead);
    if (s == BB_OK) *scan_out = c.s;
    return s;
}

bool bb_audit_is_constant(const bb_audit_scan *scan) {
    return scan->rows && (scan->zero_rows.count == scan->rows || (scan->rows == 1 && scan->constant_rows.count == 1));
}
