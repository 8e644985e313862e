/* SPDX-License-Identifier: GPL-3.0-or-later */
/* measure.c - error sums that do not depend on how an array is cut, and statistics over GSL. */
#include "measure/measure.h"
#include "base/mem.h"
#include <gsl/gsl_errno.h>
#include <gsl/gsl_histogram.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void bb_gsl_quiet(void) { gsl_set_error_handler_off(); }

/* By the bits, so that no compiler flag can make NaN disappear. */
static bool is_finite(double v) {
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    return (u & 0x7FF0000000000000u) != 0x7FF0000000000000u;
}

/* Neumaier's compensated sum: the error of the whole stays near that of one addition. */
static void add(double *sum, double *c, double v) {
    double t = *sum + v;
    *c += fabs(*sum) >= fabs(v) ? (*sum - t) + v : (v - t) + *sum;
    *sum = t;
}

void bb_error_sum_init(bb_error_sum *s) { *s = (bb_error_sum){0}; }

static void add_pair(bb_error_sum *s, double ref, double got) {
    if (!is_finite(ref) || !is_finite(got)) {
        s->nonfinite += !is_finite(ref);
        s->lost += is_finite(ref);
        return;
    }
    double e = got - ref, a = fabs(e);
    add(&s->err2, &s->err2_c, e * e);
    add(&s->ref2, &s->ref2_c, ref * ref);
    add(&s->got2, &s->got2_c, got * got);
    add(&s->dot, &s->dot_c, ref * got);
    if (a > s->max_abs) s->max_abs = a;
    s->n++;
    double delta = e - s->mean;
    s->mean += delta / (double)s->n;
    s->m2 += delta * (e - s->mean);
}

void bb_error_sum_add(bb_error_sum *s, const double *ref, const double *got, size_t n) {
    for (size_t i = 0; i < n; i++) add_pair(s, ref[i], got[i]);
}

void bb_error_sum_add_f32(bb_error_sum *s, const double *ref, const float *got, size_t n) {
    for (size_t i = 0; i < n; i++) add_pair(s, ref[i], (double)got[i]);
}

/* Means and squares about them by Chan, Golub and LeVeque (1979). */
void bb_error_sum_merge(bb_error_sum *into, const bb_error_sum *from) {
    add(&into->err2, &into->err2_c, from->err2);
    add(&into->ref2, &into->ref2_c, from->ref2);
    add(&into->got2, &into->got2_c, from->got2);
    add(&into->dot, &into->dot_c, from->dot);
    into->err2_c += from->err2_c;
    into->ref2_c += from->ref2_c;
    into->got2_c += from->got2_c;
    into->dot_c += from->dot_c;
    if (from->max_abs > into->max_abs) into->max_abs = from->max_abs;
    into->nonfinite += from->nonfinite;
    into->lost += from->lost;
    if (from->n == 0) return;
    double all = (double)(into->n + from->n), delta = from->mean - into->mean;
    into->m2 += from->m2 + delta * delta * ((double)into->n / all * (double)from->n);
    into->mean += delta * ((double)from->n / all);
    into->n += from->n;
}

/* The figures of a sum in which nothing was lost; n > 0. */
static void figures(const bb_error_sum *s, bb_error_stats *r) {
    double err2 = s->err2 + s->err2_c, ref2 = s->ref2 + s->ref2_c, got2 = s->got2 + s->got2_c, dot = s->dot + s->dot_c;
    r->max_abs = s->max_abs;
    r->mean = s->mean;
    r->sd = s->n > 1 ? sqrt(s->m2 / (double)(s->n - 1)) : 0;
    r->rel = s->max_abs == 0 ? 0 : ref2 == 0 ? (double)INFINITY : sqrt(err2 / ref2);
    /* squares that left the range of fp64 */
    bool blind = s->max_abs > 0 && (!is_finite(err2) || !is_finite(ref2) || err2 == 0);
    if (blind) r->rel = (double)NAN;
    r->sqnr_db = -20 * log10(r->rel) + 0.0; /* never -0 */
    r->cosine = ref2 == 0 && got2 == 0 ? 1 : 0;
    if (ref2 > 0 && got2 > 0) r->cosine = dot / sqrt(ref2) / sqrt(got2);
    if (r->cosine > 1 || s->max_abs == 0) r->cosine = 1;
    if (blind) r->sd = r->cosine = r->rel;
}

void bb_error_sum_result(const bb_error_sum *s, bb_error_stats *stats) {
    const double nan = (double)NAN, inf = (double)INFINITY;
    bb_error_stats r = {nan, nan, nan, nan, nan, nan, s->n, s->nonfinite, s->lost};
    if (s->lost) {
        r.rel = r.max_abs = inf;
        r.sqnr_db = -inf;
    } else if (s->n)
        figures(s, &r);
    *stats = r;
}

bb_status bb_error_measure(const double *ref, const double *got, size_t n, bb_error_stats *stats) {
    bb_error_sum s;
    bb_error_sum_init(&s);
    bb_error_sum_add(&s, ref, got, n);
    bb_error_sum_result(&s, stats);
    return BB_OK;
}

bb_status bb_histogram_make(const double *x, size_t n, size_t bins, bb_histogram *h) {
    double low = 0, high = 0;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!is_finite(x[i])) continue;
        if (!any || x[i] < low) low = x[i];
        if (!any || x[i] > high) high = x[i];
        any = true;
    }
    if (bins == 0) return BB_E_ARG;
    if (!(low < high)) { /* one value: a bin's width around it */
        low -= low ? fabs(low) / 2 : 0.5;
        high += high ? fabs(high) / 2 : 0.5;
    }
    gsl_histogram *g = gsl_histogram_alloc(bins);
    uint64_t *counts = bb_alloc(bins, sizeof *counts);
    if (!g || !counts || gsl_histogram_set_ranges_uniform(g, low, nextafter(high, (double)INFINITY)) != GSL_SUCCESS) {
        if (g) gsl_histogram_free(g);
        free(counts);
        return g && counts ? BB_E_ARG : BB_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++)
        if (is_finite(x[i])) gsl_histogram_increment(g, x[i]);
    for (size_t i = 0; i < bins; i++) counts[i] = (uint64_t)gsl_histogram_get(g, i);
    gsl_histogram_free(g);
    *h = (bb_histogram){low, high, bins, counts};
    return BB_OK;
}

void bb_histogram_clear(bb_histogram *h) {
    free(h->counts);
    *h = (bb_histogram){0};
}

double bb_median(double *x, size_t n, double *spread) {
    if (n == 0) {
        if (spread) *spread = 0;
        return 0;
    }
    gsl_sort(x, 1, n);
    double median = gsl_stats_median_from_sorted_data(x, 1, n);
    if (spread) {
        double range =
            gsl_stats_quantile_from_sorted_data(x, 1, n, 0.75) - gsl_stats_quantile_from_sorted_data(x, 1, n, 0.25);
        *spread = median != 0 ? range / median : 0;
    }
    return median;
}
