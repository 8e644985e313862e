/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_tensors.c - findings about tensors: what their scans say, and which of them hold the same bytes. */
#include "base/mem.h"
#include "model/packed.h"
#include "study/audit_findings.h"
#include "study/tensor_rows.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 18, CLIPPED_PERCENT = 25 };

static bool is_embedding(const bb_tensor *t) {
    return strstr(t->name, "embd") || strstr(t->name, "embed") || strstr(t->name, "wte");
}

/* Of 4 bits: what the codes stand for, the same beside every matrix. */
static bool is_code_table(const bb_tensor *t) {
    return bb_ends_with(t->name, ".quant_map") || bb_ends_with(t->name, ".nested_quant_map");
}

static bool is_vector(const bb_tensor *t) { return t->n_dims < 2 || t->rows < 2; }

/* ---- one tensor ---- */

typedef struct unit {
    bool row, block; /* else a value */
} unit;

static void place(bb_finding *f, const bb_tensor *t, const bb_audit_hits *h, unit u) {
    uint64_t row = h->first / t->cols, col = h->first % t->cols;
    f->count = h->count;
    if (u.row)
        snprintf(f->first, sizeof f->first, "row %" PRIu64, row);
    else if (t->rows < 2)
        snprintf(f->first, sizeof f->first, "%s %" PRIu64, u.block ? "block" : "element",
                 u.block ? col / t->type->block : col);
    else
        snprintf(f->first, sizeof f->first, "row %" PRIu64 ", %s %" PRIu64, row, u.block ? "block" : "column",
                 u.block ? col / t->type->block : col);
}

static bool report(bb_audit_report *r, bb_severity severity, const char *word, const bb_tensor *t,
                   const bb_audit_hits *h, unit u, const char *text) {
    if (!h->count) return true;
    bb_finding *f = bb_audit_add(r, severity, word, t, "%s", text);
    if (f) place(f, t, h, u);
    return f != NULL;
}

static bool values(bb_audit_report *r, const bb_tensor *t, const bb_audit_scan *s) {
    const unit value = {0}, block = {.block = true};
    return report(r, BB_ERROR, "nan", t, &s->nan, value, "values that are not a number") &&
           report(r, BB_ERROR, "infinite", t, &s->infinite, value, "values that are infinite") &&
           report(r, BB_ERROR, "nan-scale", t, &s->nan_scales, block, "scales or minima that are not a number") &&
           report(r, BB_ERROR, "infinite-scale", t, &s->infinite_scales, block,
                  "scales or minima that are infinite: they passed fp16's range") &&
           report(r, BB_WARNING, "saturated-scale", t, &s->largest_scales, block,
                  "scales at the largest number that they can hold") &&
           report(r, BB_WARNING, "lost-scale", t, &s->lost_scales, block,
                  "scales of 0 over codes that are not: the values were too small for the scale");
}

static bool rows(bb_audit_report *r, const bb_tensor *t, const bb_audit_scan *s) {
    const unit row = {.row = true};
    /* scales of a row of zeros are one value, and are no fault */
    if (!s->rows || is_vector(t) || bb_packed_companion(t->name)) return true;
    if (s->zero_rows.count == s->rows) return bb_audit_add(r, BB_WARNING, "zero-tensor", t, "every value is 0") != NULL;
    return report(r, BB_NOTE, "zero-row", t, &s->zero_rows, row,
                  is_embedding(t) ? "rows of zeros: tokens that are not used" : "rows of zeros") &&
           report(r, BB_WARNING, "constant-row", t, &s->constant_rows, row, "rows of one value that is not 0");
}

/* Norms that were not trained and biases of zeros are told of together. */
static bool vectors(bb_audit_report *r, const bb_file *file, const bb_audit_scan *scans) {
    static const char *const text[2] = {"vectors of zeros", "vectors of one value that is not 0"};
    for (int k = 0; k < 2; k++) {
        const bb_tensor *first = NULL;
        uint64_t n = 0;
        for (size_t i = 0; i < file->n_tensors; i++) {
            const bb_audit_hits *h = k ? &scans[i].constant_rows : &scans[i].zero_rows;
            if (h->count && is_vector(&file->tensors[i]) && !bb_packed_companion(file->tensors[i].name) && !n++)
                first = &file->tensors[i];
        }
        bb_finding *f =
            n ? bb_audit_add(r, BB_NOTE, k ? "constant-vector" : "zero-vector", first, "%s", text[k]) : NULL;
        if (n && !f) return false;
        if (f) f->count = n;
    }
    return true;
}

static bool blocks(bb_audit_report *r, const bb_tensor *t, const bb_audit_scan *s) {
    bb_audit_hits dead = s->zero_blocks;
    const bb_audit_hits *c = &s->constant_blocks;
    if (c->count && (!dead.count || c->first < dead.first)) dead.first = c->first;
    dead.count += c->count;
    if (!dead.count) return true;
    char text[192];
    int n = snprintf(text, sizeof text, "%" PRIu64 " of zeros, %" PRIu64 " of one value, in rows that hold others",
                     s->zero_blocks.count, c->count);
    if (s->dead_columns && n > 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n,
                 "; columns %" PRIu64 " to %" PRIu64 "%s in every row, as from an importance of 0",
                 s->first_dead_column, s->first_dead_column + t->type->block - 1,
                 s->dead_columns > 1 ? " and others" : "");
    return report(r, BB_WARNING, "dead-block", t, &dead, (unit){.block = true}, text);
}

static bool clipped(bb_audit_report *r, const bb_tensor *t, const bb_audit_scan *s) {
    if (!s->codes || s->end_codes * 100 / s->codes < CLIPPED_PERCENT || bb_audit_is_constant(s)) return true;
    bb_finding *f =
        bb_audit_add(r, BB_NOTE, "clipped-codes", t, "%" PRIu64 "%% of the codes are at the ends of their range",
                     s->end_codes * 100 / s->codes);
    if (f) f->count = s->end_codes;
    return f != NULL;
}

/* ---- what was not judged ---- */

static bool unread(bb_audit_report *r, const bb_file *file, const bb_audit_scan *scans) {
    for (size_t i = 0; i < file->n_tensors; i++) {
        size_t n = 0, k = 0;
        if (!scans[i].why[0]) continue;
        while (k < i && strcmp(scans[k].why, scans[i].why) != 0) k++;
        if (k < i) continue;
        for (k = i; k < file->n_tensors; k++) n += strcmp(scans[k].why, scans[i].why) == 0;
        bb_finding *f = bb_audit_add(r, BB_NOTE, "not-judged", &file->tensors[i], "values: %s", scans[i].why);
        if (!f) return false;
        f->count = n;
    }
    return true;
}

/* ---- duplicates ---- */

typedef struct candidate {
    const bb_tensor *t;
    uint64_t hash;
} candidate;

static int by_content(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->t->bytes != y->t->bytes) return x->t->bytes < y->t->bytes ? -1 : 1;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->t < y->t ? -1 : x->t > y->t; /* of one array */
}

static bb_status same_content(const bb_file *file, const bb_tensor *a, const bb_tensor *b, bb_progress *progress,
                              unsigned char *buf, bool *same, bb_error *err) {
    const bb_dtype *type = a->type;
    uint64_t step = CHUNK / type->block_bytes * type->block;
    *same = false;
    if (type != b->type || a->elements != b->elements) return BB_OK;
    for (uint64_t at = 0; at < a->elements; at += step) {
        size_t n = a->elements - at < step ? (size_t)(a->elements - at) : (size_t)step;
        bb_status s = bb_tensor_read_raw(file, a, at, n, buf, err);
        if (s == BB_OK) s = bb_tensor_read_raw(file, b, at, n, buf + CHUNK, err);
        if (s == BB_OK && progress && atomic_load(&progress->cancel)) s = bb_fail(err, BB_E_CANCELLED, "cancelled");
        if (s != BB_OK) return s;
        if (memcmp(buf, buf + CHUNK, n / type->block * type->block_bytes) != 0) return BB_OK;
    }
    *same = true;
    return BB_OK;
}

/* An embedding and a head, or tables that code makes again, are stored twice on purpose. */
static bool is_meant(const bb_tensor *a, const bb_tensor *b) {
    static const char *const heads[] = {"output.weight", "lm_head.weight", "embed_out.weight"};
    bool embedding = is_embedding(a) || is_embedding(b);
    if (strstr(a->name, "inv_freq") && strstr(b->name, "inv_freq")) return true;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (embedding && (strcmp(a->name, heads[i]) == 0 || strcmp(b->name, heads[i]) == 0)) return true;
    return false;
}

static bb_status same_group(bb_audit_report *r, const candidate *c, size_t n, bb_progress *progress, unsigned char *buf,
                            bb_error *err) {
    const bb_file *file = r->model->file;
    const bb_tensor *second = NULL;
    size_t copies = 0;
    for (size_t i = 1; i < n; i++) {
        bool same;
        bb_status s = same_content(file, c[0].t, c[i].t, progress, buf, &same, err);
        if (s != BB_OK) return s;
        if (same && !copies++) second = c[i].t;
    }
    if (!second) return BB_OK;
    char more[32] = "";
    if (copies > 1) snprintf(more, sizeof more, " and %zu more", copies - 1);
    bool meant = copies == 1 && is_meant(c[0].t, second);
    bb_finding *f = bb_audit_add(r, meant ? BB_NOTE : BB_WARNING, meant ? "tied" : "duplicate", c[0].t,
                                 "the same bytes as %.96s%s", second->name, more);
    if (f) f->count = copies + 1;
    return f ? BB_OK : BB_E_NOMEM;
}

/* Tensors of one value are alike without being copies. */
static bb_status duplicates(bb_audit_report *r, const bb_audit_scan *scans, bb_progress *progress, bb_error *err) {
    const bb_file *file = r->model->file;
    candidate *c = bb_alloc(file->n_tensors, sizeof *c);
    unsigned char *buf = bb_alloc(2, CHUNK);
    bb_status s = c && buf ? BB_OK : BB_E_NOMEM;
    size_t n = 0;
    for (size_t i = 0; s == BB_OK && i < file->n_tensors; i++)
        if (scans[i].read && file->tensors[i].elements > 1 && scans[i].rows && !bb_audit_is_constant(&scans[i]) &&
            !is_code_table(&file->tensors[i]))
            c[n++] = (candidate){&file->tensors[i], scans[i].hash};
    if (n) qsort(c, n, sizeof *c, by_content);
    for (size_t i = 0, k; s == BB_OK && i < n; i = k) {
        for (k = i + 1; k < n && c[k].hash == c[i].hash && c[k].t->bytes == c[i].t->bytes;) k++;
        if (k - i > 1) s = same_group(r, c + i, k - i, progress, buf, err);
    }
    free(c);
    free(buf);
    return s;
}

bb_status bb_audit_tensors(bb_audit_report *r, const bb_audit_scan *scans, bb_progress *progress, bb_error *err) {
    const bb_file *file = r->model->file;
    bool ok = true;
    for (size_t i = 0; ok && i < file->n_tensors; i++) {
        const bb_tensor *t = &file->tensors[i];
        const bb_audit_scan *s = &scans[i];
        ok = values(r, t, s) && rows(r, t, s) && blocks(r, t, s) && clipped(r, t, s);
    }
    ok = ok && vectors(r, file, scans);
    bb_status status = ok ? duplicates(r, scans, progress, err) : BB_E_NOMEM;
    if (status == BB_OK && !unread(r, file, scans)) status = BB_E_NOMEM;
    return status == BB_E_NOMEM ? bb_fail(err, status, "no memory for what was found") : status;
}
