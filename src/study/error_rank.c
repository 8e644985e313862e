/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_rank.c - which tensors lose most, what a change of type buys, and the totals of a type. */
#include "study/error_parts.h"
#include <math.h>
#include <stdlib.h>

static bool measured(const bb_error_row *r) { return !r->skipped[0]; }

/* What a tensor loses, in the units of the sum over tensors: as in the mixtures of `quantize`, its elements times its
 * squared relative error. */
static double loss(const bb_error_row *r) { return (double)(r->rows * r->cols) * r->total.rel * r->total.rel; }

/* ---- totals ---- */

static void add_total(bb_error_total *t, const bb_error_row *r) {
    double n = (double)(r->rows * r->cols);
    t->tensors++;
    t->elements += r->rows * r->cols;
    t->bytes += r->bytes;
    t->rel += loss(r);
    t->weight_rel += n * r->weight.rel * r->weight.rel;
    t->bits_per_weight += n * r->bits_per_weight;
}

static void set_totals(bb_error_report *report) {
    for (size_t k = 0; k < report->n_types; k++) {
        bb_error_total t = {.type = &report->types[k]};
        double operations = 0, ns = 0;
        for (size_t i = k; i < report->n_rows; i += report->n_types) {
            const bb_error_row *r = &report->rows[i];
            if (!measured(r)) continue;
            add_total(&t, r);
            operations += 2 * (double)r->tokens * (double)r->rows_checked * (double)r->cols;
            ns += (double)r->ns;
        }
        double sum = t.rel, n = (double)t.elements;
        for (size_t i = k; i < report->n_rows; i += report->n_types) {
            bb_error_row *r = &report->rows[i];
            r->share = measured(r) && sum > 0 ? loss(r) / sum : 0;
            if (r->share <= t.worst_share) continue;
            t.worst_share = r->share;
            t.worst = r->tensor;
        }
        t.rel = n > 0 ? sqrt(sum / n) : (double)NAN;
        t.weight_rel = n > 0 ? sqrt(t.weight_rel / n) : (double)NAN;
        t.bits_per_weight = n > 0 ? t.bits_per_weight / n : (double)NAN;
        t.gops = ns > 0 ? operations / ns : 0;
        report->totals[k] = t;
    }
}

/* ---- steps between types ---- */

static bb_error_step step_between(const bb_error_row *small, const bb_error_row *large, const bb_error_type *to) {
    return (bb_error_step){to, (loss(small) - loss(large)) / (double)(large->bytes - small->bytes)};
}

/* Sizes less than this many bytes apart are one size: what the one scale of a matrix takes is no price. */
enum { SAME_SIZE = 16 };

/* The measured row of the same tensor with the next larger or smaller number of bytes; NULL when there is none. */
static const bb_error_row *neighbour(const bb_error_row *rows, size_t n, const bb_error_row *of, bool larger) {
    const bb_error_row *best = NULL;
    for (size_t i = 0; i < n; i++) {
        const bb_error_row *r = &rows[i];
        bool beyond = larger ? r->bytes >= of->bytes + SAME_SIZE : of->bytes >= r->bytes + SAME_SIZE;
        if (!measured(r) || !beyond) continue;
        if (!best || (larger ? r->bytes < best->bytes : r->bytes > best->bytes) ||
            (r->bytes == best->bytes && loss(r) < loss(best)))
            best = r;
    }
    return best;
}

static void set_steps(bb_error_row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bb_error_row *r = &rows[i];
        if (!measured(r)) continue;
        const bb_error_row *up = neighbour(rows, n, r, true), *down = neighbour(rows, n, r, false);
        if (up) r->larger = step_between(r, up, up->type);
        if (down) r->smaller = step_between(down, r, down->type);
    }
}

void bb_error_rank(bb_error_report *report) {
    set_totals(report);
    for (size_t i = 0; i < report->n_rows; i += report->n_types) set_steps(report->rows + i, report->n_types);
}

/* ---- order ---- */

static int by_share(const void *a, const void *b) {
    const bb_error_row *x = a, *y = b;
    if (x->type != y->type) return x->type < y->type ? -1 : 1;
    if (measured(x) != measured(y)) return measured(x) ? -1 : 1;
    if (x->share != y->share) return x->share > y->share ? -1 : 1;
    return x->tensor < y->tensor ? -1 : x->tensor > y->tensor;
}

void bb_error_report_sort(bb_error_report *report) {
    qsort(report->rows, report->n_rows, sizeof *report->rows, by_share);
}
