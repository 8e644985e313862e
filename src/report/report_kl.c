/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_kl.c - what types cost in a model's predictions. */
#include "base/escape.h"
#include "base/units.h"
#include "report/report.h"
#include "report/show.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* By tensor people see what each saves; whole models by the size of their files. */
static void columns(bb_table *t, bool by_tensor) {
    unsigned whole = by_tensor ? BB_COL_DATA_ONLY : BB_COL_RIGHT;
    if (by_tensor) bb_table_column(t, "matrix", "MATRIX", BB_COL_TEXT_ONLY);
    bb_table_column(t, "type", "TYPE", BB_COL_LEFT);
    bb_table_column(t, "file_bytes", "FILE", whole);
    bb_table_column(t, "bits_per_weight", "BITS", BB_COL_RIGHT);
    bb_table_column(t, "ppl", "PPL", whole);
    bb_table_column(t, "ppl_err", "+-", BB_COL_DATA_ONLY);
    bb_table_column(t, "kl", "KL", BB_COL_RIGHT);
    bb_table_column(t, "kl_err", "+-", whole);
    bb_table_column(t, "top1", "TOP1", BB_COL_RIGHT);
    bb_table_column(t, "kl_weights_only", "WEIGHTS ONLY", whole);
    bb_table_column(t, "tensor", "TENSOR", BB_COL_DATA_ONLY);
    if (by_tensor) bb_table_column(t, "saves", "SAVES", BB_COL_RIGHT | BB_COL_TEXT_ONLY);
    if (by_tensor) bb_table_column(t, "price", "KL/MiB", BB_COL_RIGHT | BB_COL_TEXT_ONLY);
    bb_table_column(t, "saved_bytes", "SAVED", BB_COL_JSON_ONLY);
    bb_table_column(t, "kl_max", "MAX", BB_COL_JSON_ONLY);
    bb_table_column(t, "stored_as", "STORED", BB_COL_JSON_ONLY);
}

/* Six places: what llama.cpp shows; below them the first digits. */
static void cell_kl(bb_table *t, double v) {
    char buf[BB_SHOW_SIZE];
    if (isnan(v)) { /* of one position there is no error */
        bb_cell_empty(t);
        return;
    }
    bb_cell_f64_as(t, v,
                   !isfinite(v)                ? bb_show_g(v, 3, buf)
                   : fabs(v) >= 1e-5 || v == 0 ? bb_show_fixed(v, 6, buf)
                                               : bb_show_ratio(v, 1, buf));
}

static void cells_of_price(bb_table *t, const bb_kl_row *r, bool si) {
    char buf[64], shown[BB_SHOW_SIZE];
    if (r->saved_bytes <= 0) {
        bb_cell_empty(t);
        bb_cell_empty(t);
        return;
    }
    bb_cell_text(t, bb_bytes_text((uint64_t)r->saved_bytes, si, buf));
    bb_cell_text(t, bb_show_g(r->price, 3, shown));
}

static void add_row(bb_table *t, const bb_kl_row *r, bool base, bool by_tensor, bool si) {
    char name[160], buf[64];
    const bb_score *s = &r->score;
    bb_table_row(t);
    bb_escape_buf(r->tensor, name, sizeof name);
    if (by_tensor) bb_cell_text(t, *name ? name : "(all)");
    (void)snprintf(buf, sizeof buf, "%s%s", *r->stored_as ? r->stored_as : r->type, base ? " as it is" : "");
    bb_cell_text_as(t, r->type, buf);
    bb_cell_u64_as(t, r->file_bytes, bb_bytes_text(r->file_bytes, si, buf));
    bb_cell_f64_as(t, r->bits_per_weight, bb_show_fixed(r->bits_per_weight, 3, buf));
    bb_cell_f64_as(t, s->ppl, bb_show_fixed(s->ppl, 3, buf));
    bb_cell_f64(t, s->ppl_err);
    cell_kl(t, s->kl);
    cell_kl(t, s->kl_err);
    bb_cell_f64_as(t, s->top1, bb_show_fixed(s->top1, 4, buf));
    cell_kl(t, r->kl_weights_only);
    if (*name)
        bb_cell_text(t, name);
    else
        bb_cell_empty(t);
    if (by_tensor) cells_of_price(t, r, si);
    bb_cell_i64(t, r->saved_bytes);
    bb_cell_f64(t, s->kl_max);
    if (*r->stored_as)
        bb_cell_text(t, r->stored_as);
    else
        bb_cell_empty(t);
}

/* Matrices that have another type than was asked for. */
static void add_notes(bb_table *t, const bb_kl_report *r) {
    for (size_t i = 1; i < r->n_rows; i++) {
        const bb_kl_row *k = &r->rows[i];
        if (*k->tensor) continue;
        if (k->other)
            bb_table_foot(t, "%s: %zu of %zu matrices have another type, since no block divides their rows", k->type,
                          k->other, k->matrices);
        if (k->kept) bb_table_foot(t, "%s: %zu of %zu matrices stay as they are", k->type, k->kept, k->matrices);
    }
}

static void add_totals(bb_table *t, const bb_kl_report *r) {
    bb_json *root = bb_table_json(t), *base = bb_json_add_object(root, "base");
    bb_json_add_u64(root, "tokens", r->tokens);
    bb_json_add_u64(root, "ctx", r->ctx);
    bb_json_add_u64(root, "chunks", r->base.chunks);
    bb_json_add_u64(root, "scored", r->base.n);
    bb_json_add_f64(base, "ppl", r->base.ppl);
    bb_json_add_f64(base, "ppl_err", r->base.ppl_err);
}

bb_table *bb_report_kl(const bb_kl_report *r, bool si) {
    bb_table *t = bb_table_new("bitbudget.error.kl/1");
    char a[BB_SHOW_SIZE], b[BB_SHOW_SIZE];
    bool by_tensor = false;
    for (size_t i = 0; i < r->n_rows; i++) by_tensor |= *r->rows[i].tensor != 0;
    bb_table_head(t, "%" PRIu64 " chunk%s of %" PRIu64 " tokens%s, the second half of each scored: %" PRIu64 " token%s",
                  r->base.chunks, r->base.chunks == 1 ? "" : "s", r->ctx, r->starts ? ", <s> first" : "", r->base.n,
                  r->base.n == 1 ? "" : "s");
    bb_table_head(t, "%s", "");
    columns(t, by_tensor);
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_kl_row *k = &r->rows[i];
        if (*k->tensor && (!*k[-1].tensor || strcmp(k->type, k[-1].type) != 0)) /* the file as it is comes first */
            bb_table_block(t, "%s, each matrix alone; what loses most for each byte saved comes first", k->type);
        add_row(t, k, i == 0, by_tensor, si);
    }
    bb_table_foot(t, "%s", "");
    bb_table_foot(t, "base   perplexity %s%s%s: the file's values through the fp32 kernel",
                  bb_show_fixed(r->base.ppl, 4, a), isnan(r->base.ppl_err) ? "" : " +- ",
                  isnan(r->base.ppl_err) ? "" : bb_show_fixed(r->base.ppl_err, 4, b));
    bb_table_foot_wrapped(t, "KL is the mean of sum p log(p / q) against the base, through the kernels, which round "
                             "inputs too; TOP1 how often both expect the same token. Measured.");
    add_notes(t, r);
    add_totals(t, r);
    bb_report_dispatch(t, &r->dispatch);
    return t;
}
