/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_bench.c - the roof of this machine, and the table of kernels and peers beside it. */
#include "report/report.h"
#include "report/show.h"
#include <inttypes.h>
#include <stdio.h>

/* "roof   1 thread    fp32 118  bf16 236 GFLOP/s  int8 472 GOP/s  read L1 212  L2 118  L3 85  memory 33 GB/s" */
static void head_of(bb_table *t, const char *name, const bb_ceilings *c) {
    bb_str line;
    char a[BB_SHOW_SIZE];
    bb_str_init(&line);
    bb_str_addf(&line, "%-6s %3u thread%s ", name, c->threads, c->threads == 1 ? " " : "s");
    for (int i = 0; i < BB_ARITHS; i++)
        bb_str_addf(&line, " %s %s", bb_arith_name((bb_arith)i), bb_show_fixed(bb_ceilings_peak(c, (bb_arith)i), 0, a));
    bb_str_add(&line, " GOP/s;");
    for (int i = 0; i < BB_TIERS; i++)
        if (c->read_gbps[i] > 0)
            bb_str_addf(&line, " %s %s", bb_tier_name((bb_tier)i), bb_show_fixed(c->read_gbps[i], 0, a));
    bb_table_head(t, "%s GB/s", bb_str_c(&line));
    bb_table_depends(t, &line);
    bb_str_clear(&line);
}

static void head(bb_table *t, const bb_bench_report *r) {
    const bb_roof *f = &r->roof;
    bb_table_head(t, "%s", r->cpu);
    head_of(t, "roof", &f->one);
    if (f->used.threads != 1) head_of(t, "", &f->used);
    if (f->all.threads != 1 && f->all.threads != f->used.threads) head_of(t, "", &f->all);
}

static void ceilings_json(bb_json *to, const char *key, const bb_ceilings *c) {
    bb_json *o = bb_json_add_object(to, key), *read, *peaks;
    bb_json_add_u64(o, "threads", c->threads);
    read = bb_json_add_object(o, "read_gbps");
    for (int i = 0; i < BB_TIERS; i++)
        if (c->read_gbps[i] > 0) bb_json_add_f64(read, bb_tier_name((bb_tier)i), c->read_gbps[i]);
    peaks = bb_json_add_object(o, "gops");
    for (int l = 0; l < BB_LEVELS; l++) {
        if (c->gops[l][BB_ARITH_FP32] == 0) continue; /* not run */
        bb_json *level = bb_json_add_object(peaks, bb_level_name((bb_level)l));
        for (int i = 0; i < BB_ARITHS; i++) bb_json_add_f64(level, bb_arith_name((bb_arith)i), c->gops[l][i]);
    }
}

static void add_json(bb_table *t, const bb_bench_report *r) {
    bb_json *root = bb_table_json(t), *roof, *caches, *notes;
    bb_json_add_text(root, "cpu", r->cpu);
    bb_json_add_u64(root, "threads", r->threads);
    bb_json_add_f64(root, "read_gbps", r->read_gbps);
    bb_json_add_f64(root, "fp32_gops", r->fp32_gops);
    bb_json_add_f64(root, "bf16_gops", r->bf16_gops);
    bb_json_add_f64(root, "int8_gops", r->int8_gops);
    roof = bb_json_add_object(root, "roof");
    caches = bb_json_add_object(roof, "cache_bytes");
    for (int i = 0; i < BB_TIER_MEMORY; i++)
        if (r->roof.cache_bytes[i]) bb_json_add_u64(caches, bb_tier_name((bb_tier)i), r->roof.cache_bytes[i]);
    ceilings_json(roof, "one", &r->roof.one);
    ceilings_json(roof, "used", &r->roof.used);
    ceilings_json(roof, "all", &r->roof.all);
    bb_report_dispatch(t, &r->dispatch);
    notes = bb_json_add_array(root, "notes");
    for (size_t i = 0; i < r->n_notes; i++) bb_json_add_text(notes, NULL, r->notes[i]);
}

static void add_columns(bb_table *t) {
    bb_table_column(t, "kernel", "KERNEL", BB_COL_LEFT);
    bb_table_column(t, "type", "TYPE", BB_COL_DATA_ONLY);
    bb_table_column(t, "isa", "ISA", BB_COL_LEFT);
    bb_table_column(t, "tokens", "TOKENS", BB_COL_DATA_ONLY);
    bb_table_column(t, "out", "OUT", BB_COL_DATA_ONLY);
    bb_table_column(t, "in", "IN", BB_COL_DATA_ONLY);
    bb_table_column(t, "threads", "THREADS", BB_COL_DATA_ONLY);
    bb_table_column(t, "ns", "TIME us", BB_COL_RIGHT);
    bb_table_column(t, "spread", "+-%", BB_COL_RIGHT);
    bb_table_column(t, "gops", "GOP/s", BB_COL_RIGHT);
    bb_table_column(t, "gbps", "GB/s", BB_COL_RIGHT);
    bb_table_column(t, "roof_fraction", "%ROOF", BB_COL_RIGHT);
    bb_table_column(t, "bound_by", "BOUND", BB_COL_LEFT);
    bb_table_column(t, "error_rel", "REL ERR", BB_COL_RIGHT);
    bb_table_column(t, "best_ns", "BEST", BB_COL_JSON_ONLY);
    bb_table_column(t, "wall_ns", "WALL", BB_COL_JSON_ONLY);
    bb_table_column(t, "weight_bytes", "BYTES", BB_COL_JSON_ONLY);
    bb_table_column(t, "weights_from", "FROM", BB_COL_JSON_ONLY);
    bb_table_column(t, "roof_ns", "ROOF", BB_COL_JSON_ONLY);
}

static bool widened(const bb_bench_row *k) { return !bb_ends_with(k->kernel, k->type); }

static void add_row(bb_table *t, const bb_bench_row *k) {
    char a[BB_SHOW_SIZE];
    bb_table_row(t);
    (void)snprintf(a, sizeof a, "%s as f32", k->type);
    bb_cell_text_as(t, k->kernel, widened(k) ? a : k->kernel);
    bb_cell_text(t, k->type);
    bb_cell_text(t, k->isa);
    bb_cell_u64(t, k->tokens);
    bb_cell_u64(t, k->out);
    bb_cell_u64(t, k->in);
    bb_cell_u64(t, k->threads);
    bb_cell_f64_as(t, k->ns, bb_show_fixed(k->ns / 1000, 1, a));
    bb_cell_f64_as(t, k->spread, bb_show_fixed(100 * k->spread, 1, a));
    bb_cell_f64_as(t, k->gops, bb_show_fixed(k->gops, 1, a));
    bb_cell_f64_as(t, k->gbps, bb_show_fixed(k->gbps, 1, a));
    bb_cell_f64_as(t, k->roof_fraction, bb_show_fixed(100 * k->roof_fraction, 0, a));
    bb_cell_text_as(t, k->bound_by, k->bound_by[0] == 'm' ? "mem" : "comp");
    bb_cell_f64_as(t, k->error_rel, bb_show_ratio(k->error_rel, 1, a));
    bb_cell_f64(t, k->best_ns);
    bb_cell_f64(t, k->wall_ns);
    bb_cell_u64(t, k->weight_bytes);
    bb_cell_text(t, bb_tier_name(k->tier));
    bb_cell_f64(t, k->roof_ns);
}

/* More threads that read or compute less than one, or a kernel faster than the roof: something else was running. */
static bool disturbed(const bb_bench_report *r) {
    const bb_ceilings *one = &r->roof.one, *all = &r->roof.all, *used = &r->roof.used;
    for (int i = 0; i < BB_TIERS; i++)
        if (all->read_gbps[i] < 0.9 * one->read_gbps[i] || used->read_gbps[i] < 0.9 * one->read_gbps[i]) return true;
    for (int i = 0; i < BB_ARITHS; i++)
        if (bb_ceilings_peak(all, (bb_arith)i) < 0.9 * bb_ceilings_peak(one, (bb_arith)i)) return true;
    for (size_t i = 0; i < r->n_rows; i++)
        if (r->rows[i].roof_fraction > 1.1) return true;
    return false;
}

static void foot(bb_table *t, const bb_bench_report *r) {
    bool wide = false, cached = false;
    for (size_t i = 0; i < r->n_rows; i++) {
        wide = wide || widened(&r->rows[i]);
        cached = cached || r->rows[i].tier != BB_TIER_MEMORY;
    }
    bb_table_foot(t, "%s", "");
    bb_table_foot_wrapped(
        t, r->threads == 1
               ? "TIME is the median of a call, in processor time of its thread; +-% is its interquartile range."
               : "TIME is the median of a call, as it passed; +-% is its interquartile range.");
    bb_table_foot_wrapped(t, "%ROOF is of the longer of two times: reading the weights, and the multiplications and "
                             "additions at the measured peak of the kernel's instructions. Each call reads another "
                             "copy of the weights, so that they come from memory.");
    if (cached)
        bb_table_foot_wrapped(t, "A matrix so small stays in a cache all the same: its roof is that of the cache.");
    if (wide) bb_table_foot_wrapped(t, "\"as f32\": weights that were widened to fp32 when they were packed.");
    if (disturbed(r))
        bb_table_foot_wrapped(t,
                              "The roof contradicts itself: other programs ran beside it. Measure again when they do "
                              "not, and for longer (--seconds).");
    for (size_t i = 0; i < r->n_notes; i++) bb_table_foot_wrapped(t, r->notes[i]);
}

bb_table *bb_report_bench(const bb_bench_report *r) {
    bb_table *t = bb_table_new("bitbudget.bench/1");
    head(t, r);
    add_columns(t);
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_bench_row *k = &r->rows[i];
        if (i == 0 || k->tokens != k[-1].tokens)
            bb_table_block(t, "%" PRIu64 " token%s  out %" PRIu64 "  in %" PRIu64 "  threads %u", k->tokens,
                           k->tokens == 1 ? "" : "s", k->out, k->in, k->threads);
        add_row(t, k);
    }
    foot(t, r);
    add_json(t, r);
    return t;
}
