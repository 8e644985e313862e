/* SPDX-License-Identifier: GPL-3.0-or-later */
/* coded_weight.c - finding the scales of a weight, and codes times scales. */
#include "study/coded_weight.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/mem.h"
#include "quant/codec_bnb.h"
#include "study/tensor_rows.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_MAX = 4096, NAME_MAX_BYTES = 512, MAP = 16, NESTED_MAP = 256 };

static bool is_type(const bb_tensor *t, const char *type) { return t && t->type && strcmp(t->type->name, type) == 0; }
static bool is_float(const bb_tensor *t) { return is_type(t, "f32") || is_type(t, "f16") || is_type(t, "bf16"); }

/* "a.b.weight" and tail "scale" for `drop` "weight": "a.b.scale"; NULL when there is none. */
static const bb_tensor *beside(const bb_file *f, const bb_tensor *t, size_t drop, const char *tail) {
    char name[NAME_MAX_BYTES];
    int keep = (int)(strlen(t->name) - drop);
    int n = strlen(t->name) < sizeof name ? snprintf(name, sizeof name, "%.*s%s", keep, t->name, tail) : -1;
    return n > 0 && (size_t)n < sizeof name ? bb_file_find(f, name) : NULL;
}

static const bb_tensor *in_module(const bb_file *f, const bb_tensor *t, const char *tail) {
    return beside(f, t, strlen("weight"), tail);
}

static bb_status read_all(const bb_file *f, const bb_tensor *t, float **x, bb_error *err) {
    float *v = bb_alloc((size_t)t->elements, sizeof *v);
    bb_status s =
        v ? bb_tensor_read(f, t, 0, (size_t)t->elements, v, NULL, err) : bb_fail(err, BB_E_NOMEM, "out of memory");
    if (s == BB_OK)
        *x = v;
    else
        free(v);
    return s;
}

/* ---- a scale for a matrix, rows or groups of inputs ---- */

/* 0 when the shape is none of these. */
static uint64_t unit_of(const bb_tensor *t, const bb_tensor *scale) {
    if (scale->elements == 1) return t->elements;
    if (scale->elements == t->rows) return t->cols;
    bool groups = scale->n_dims == 2 && scale->rows == t->rows && scale->cols && t->cols % scale->cols == 0;
    return groups ? t->cols / scale->cols : 0;
}

static bb_status open_scaled(bb_coded *c, const bb_tensor *scale, bool *unread, bb_error *err) {
    const bb_tensor *t = c->codes, *zero = in_module(c->file, t, "weight_zero_point");
    c->rows = t->rows;
    c->cols = t->cols;
    c->unit = unit_of(t, scale);
    c->n_scales = (size_t)scale->elements;
    *unread =
        t->n_dims != 2 || !t->elements || !is_float(scale) || !c->unit || (c->scb && scale->elements != t->rows) ||
        (zero && (!is_type(zero, "i8") || zero->elements != scale->elements)) || in_module(c->file, t, "weight_g_idx");
    if (*unread) return BB_OK;
    bb_status s = read_all(c->file, scale, &c->scales, err);
    return s == BB_OK && zero && !c->scb ? read_all(c->file, zero, &c->zeros, err) : s;
}

/* ---- 4 bits, as the quant_state of bitsandbytes tells (specs/methods.md 4.5) ---- */

typedef struct state {
    uint64_t rows, cols, block, nested_block;
    double offset;
} state;

static bool parse_state(const bb_json *o, state *s) {
    const bb_json *shape = bb_json_is_object(o) ? bb_json_get(o, "shape") : NULL;
    if (!shape || !bb_json_is_array(shape) || bb_json_size(shape) != 2) return false;
    const bb_json *offset = bb_json_get(o, "nested_offset"), *nested = bb_json_get(o, "nested_blocksize");
    const bb_json *block = bb_json_get(o, "blocksize");
    if (nested && (!bb_json_u64(nested, &s->nested_block) || !offset || !bb_json_f64(offset, &s->offset))) return false;
    return bb_json_u64(bb_json_at(shape, 0), &s->rows) && bb_json_u64(bb_json_at(shape, 1), &s->cols) && block &&
           bb_json_u64(block, &s->block) && s->block;
}

static bb_status read_state(const bb_file *f, const bb_tensor *t, state *s, bool *known, bb_error *err) {
    char text[STATE_MAX];
    bb_json *o = NULL;
    *known = is_type(t, "u8") && t->elements <= sizeof text;
    if (!*known) return BB_OK;
    bb_status status = bb_tensor_read_raw(f, t, 0, (size_t)t->elements, (unsigned char *)text, err);
    if (status != BB_OK) return status;
    *known = bb_json_parse(text, (size_t)t->elements, t->name, sizeof text, false, false, &o, NULL) == BB_OK &&
             parse_state(o, s);
    bb_json_free(o);
    return BB_OK;
}

static bb_status unnest(bb_coded *c, const bb_tensor *absmax, const bb_tensor *nested, const bb_tensor *table,
                        const state *s, bb_error *err) {
    float *map = NULL, *outer = NULL;
    unsigned char *codes = bb_alloc(c->n_scales, 1);
    c->scales = bb_alloc(c->n_scales, sizeof *c->scales);
    bb_status status = codes && c->scales ? BB_OK : bb_fail(err, BB_E_NOMEM, "out of memory");
    if (status == BB_OK) status = bb_tensor_read_raw(c->file, absmax, 0, c->n_scales, codes, err);
    if (status == BB_OK) status = read_all(c->file, nested, &outer, err);
    if (status == BB_OK) status = read_all(c->file, table, &map, err);
    if (status == BB_OK) bb_bnb_unnest(codes, outer, (float)s->offset, c->n_scales, map, c->scales);
    free(codes);
    free(outer);
    free(map);
    return status;
}

static bb_status open_four(bb_coded *c, const bb_tensor *absmax, bool *unread, bb_error *err) {
    const bb_file *f = c->file;
    const bb_tensor *t = c->codes, *map = beside(f, t, 0, ".quant_map"), *nested = beside(f, t, 0, ".nested_absmax");
    const bb_tensor *table = beside(f, t, 0, ".nested_quant_map");
    const bb_tensor *nf4 = beside(f, t, 0, ".quant_state.bitsandbytes__nf4");
    const bb_tensor *text = nf4 ? nf4 : beside(f, t, 0, ".quant_state.bitsandbytes__fp4");
    state s = {0};
    uint64_t n = 0;
    bool known = false;
    bb_status status = BB_OK;
    c->four = true;
    c->name = nf4 ? "nf4" : "fp4";
    c->n_scales = (size_t)absmax->elements;
    if (text) status = read_state(f, text, &s, &known, err);
    known = known && is_type(t, "u8") && is_type(map, "f32") && map->elements == MAP &&
            bb_mul_u64(s.rows, s.cols, &n) && n && n / 2 + n % 2 == t->elements &&
            absmax->elements == (n - 1) / s.block + 1;
    if (known && is_type(absmax, "u8"))
        known = s.nested_block == BB_BNB_NESTED_BLOCK && is_type(nested, "f32") && is_type(table, "f32") &&
                table->elements == NESTED_MAP && nested->elements == (absmax->elements - 1) / BB_BNB_NESTED_BLOCK + 1;
    else
        known = known && is_type(absmax, "f32");
    *unread = !known;
    if (status != BB_OK || !known) return status;
    c->rows = s.rows;
    c->cols = s.cols;
    c->unit = s.block;
    status = bb_tensor_read(f, map, 0, MAP, c->map, NULL, err);
    if (status != BB_OK) return status;
    return is_type(absmax, "u8") ? unnest(c, absmax, nested, table, &s, err) : read_all(f, absmax, &c->scales, err);
}

/* ---- any ---- */

static bb_status open_kind(bb_coded *c, bool *unread, bb_error *err) {
    const bb_tensor *t = c->codes, *absmax = beside(c->file, t, 0, ".absmax");
    const bb_tensor *scale = in_module(c->file, t, "weight_scale"), *scb = in_module(c->file, t, "SCB");
    if (absmax) return open_four(c, absmax, unread, err);
    c->scb = is_type(t, "i8") && scb;
    c->name = c->scb ? "LLM.int8()" : is_type(t, "i8") ? "int8" : "fp8";
    if (c->scb) return open_scaled(c, scb, unread, err);
    if (scale && (is_type(t, "i8") || is_type(t, "e4m3fn"))) return open_scaled(c, scale, unread, err);
    *unread = !is_float(t) && (scale || scb || in_module(c->file, t, "weight_scale_inv"));
    return BB_OK;
}

bb_status bb_coded_open(const bb_file *file, const bb_tensor *t, bb_coded **coded, bool *unread, bb_error *err) {
    *unread = false;
    if (!bb_ends_with(t->name, ".weight")) return BB_OK;
    bb_coded *c = bb_alloc(1, sizeof *c);
    if (!c) return bb_fail(err, BB_E_NOMEM, "out of memory");
    *c = (bb_coded){.file = file, .codes = t};
    bb_status s = open_kind(c, unread, err);
    if (s == BB_OK && c->scales)
        *coded = c;
    else
        bb_coded_free(c);
    return s;
}

void bb_coded_free(bb_coded *c) {
    if (!c) return;
    free(c->scales);
    free(c->zeros);
    free(c);
}

static bb_status read_four(const bb_coded *c, uint64_t first, size_t count, double *x, bb_error *err) {
    uint64_t at = first / 2, end = (first + count + 1) / 2;
    unsigned char *raw = bb_alloc((size_t)(end - at), 1);
    bb_status s = raw ? bb_tensor_read_raw(c->file, c->codes, at, (size_t)(end - at), raw, err)
                      : bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; s == BB_OK && i < count; i++) {
        uint64_t e = first + i;
        unsigned char two = raw[e / 2 - at];
        x[i] = (double)(c->map[e % 2 ? two & 15 : two >> 4] * c->scales[e / c->unit]);
    }
    free(raw);
    return s;
}

bb_status bb_coded_read(const bb_coded *c, uint64_t first, size_t count, double *x, bb_error *err) {
    if (c->four) return read_four(c, first, count, x, err);
    bb_status s = bb_tensor_read(c->file, c->codes, first, count, NULL, x, err);
    for (size_t i = 0; s == BB_OK && i < count; i++) {
        uint64_t at = (first + i) / c->unit;
        float v = (float)x[i];
        if (c->zeros) v -= c->zeros[at];
        v *= c->scales[at];
        x[i] = (double)(c->scb ? v / 127.0f : v);
    }
    return s;
}

bool bb_coded_same_scales(const bb_coded *a, const bb_coded *b) {
    if (!a || !b) return !a && !b;
    size_t bytes = a->n_scales * sizeof *a->scales;
    if (a->n_scales != b->n_scales || a->unit != b->unit || a->rows != b->rows || a->cols != b->cols ||
        !a->zeros != !b->zeros || a->scb != b->scb || memcmp(a->map, b->map, sizeof a->map) != 0)
        return false;
    return memcmp(a->scales, b->scales, bytes) == 0 && (!a->zeros || memcmp(a->zeros, b->zeros, bytes) == 0);
}
