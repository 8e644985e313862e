/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_audit.c - what an audit found. */
#include "base/units.h"
#include "report/report.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void columns(bb_table *t) {
    bb_table_column(t, "severity", "SEVERITY", BB_COL_LEFT);
    bb_table_column(t, "tensor", "TENSOR", BB_COL_LEFT);
    bb_table_column(t, "type", "TYPE", BB_COL_DATA_ONLY);
    bb_table_column(t, "finding", "FINDING", BB_COL_LEFT);
    bb_table_column(t, "count", "COUNT", BB_COL_RIGHT);
    bb_table_column(t, "first", "FIRST", BB_COL_DATA_ONLY);
    bb_table_column(t, "detail", "DETAIL", BB_COL_LEFT | BB_COL_WRAP);
}

static void row(bb_table *t, const bb_finding *f, bool hidden) {
    char shown[sizeof f->first + sizeof f->detail + 16];
    snprintf(shown, sizeof shown, "%s%s%s%s", f->detail, *f->first ? "; " : "",
             *f->first && f->count > 1 ? "first " : "", f->first);
    bb_table_row(t);
    if (hidden) bb_table_row_hidden(t);
    bb_cell_text(t, bb_severity_word(f->severity));
    bb_cell_text(t, f->tensor);
    bb_cell_text(t, f->type);
    bb_cell_text(t, f->word);
    bb_cell_u64(t, f->count);
    bb_cell_text(t, f->first);
    bb_cell_text_as(t, f->detail, shown);
}

enum { SHOWN = 8, WORDS = 64 };

/* How many findings of each word people have seen. */
typedef struct seen {
    const char *word[WORDS];
    size_t n[WORDS], words;
} seen;

static size_t see(seen *s, const char *word) {
    size_t k = 0;
    while (k < s->words && strcmp(s->word[k], word) != 0) k++;
    if (k == WORDS) return 0;
    if (k == s->words) s->word[s->words++] = word;
    return s->n[k]++;
}

static void rows(bb_table *t, const bb_audit_report *r, bool quiet) {
    seen s = {0};
    for (size_t i = 0; i < r->n; i++) {
        bool note = r->findings[i].severity == BB_NOTE;
        row(t, &r->findings[i], (quiet && note) || see(&s, r->findings[i].word) >= SHOWN);
    }
    for (size_t k = 0, first = 1; k < s.words; k++) {
        if (s.n[k] <= SHOWN) continue;
        if (first) bb_table_foot(t, "%s", "");
        first = 0;
        bb_table_foot(t, "and %zu more of %s: --csv has all", s.n[k] - SHOWN, s.word[k]);
    }
}

static void count(bb_str *s, size_t n, const char *one) {
    if (n) bb_str_addf(s, "%s%zu %s%s", s->len ? ", " : "", n, one, n == 1 ? "" : "s");
}

static void summary(bb_table *t, const bb_audit_report *r, bool si) {
    bb_str s;
    char size[32];
    bb_str_init(&s);
    count(&s, r->by_severity[BB_ERROR], "error");
    count(&s, r->by_severity[BB_WARNING], "warning");
    bool clean = s.len == 0;
    count(&s, r->by_severity[BB_NOTE], "note");
    bb_table_head(t, "%s: %s, %zu tensor%s, %s read", r->model->title, clean ? "clean" : bb_str_c(&s), r->tensors,
                  r->tensors == 1 ? "" : "s", bb_bytes_text(r->bytes, si, size));
    if (clean && s.len) bb_table_head(t, "%s", bb_str_c(&s));
    bb_table_depends(t, &s);
    bb_str_clear(&s);
}

bb_table *bb_report_audit(const bb_audit_report *r, bool si, bool quiet) {
    bb_table *t = bb_table_new("bitbudget.audit/1");
    bb_json *root = bb_table_json(t);
    summary(t, r, si);
    columns(t);
    if (r->n) bb_table_head(t, "%s", "");
    rows(t, r, quiet);
    bb_json_add_text(root, "model", r->model->title);
    bb_json_add_bool(root, "clean", !r->by_severity[BB_ERROR] && !r->by_severity[BB_WARNING]);
    bb_json_add_u64(root, "errors", r->by_severity[BB_ERROR]);
    bb_json_add_u64(root, "warnings", r->by_severity[BB_WARNING]);
    bb_json_add_u64(root, "notes", r->by_severity[BB_NOTE]);
    bb_json_add_u64(root, "tensors", r->tensors);
    bb_json_add_u64(root, "bytes_read", r->bytes);
    return t;
}
