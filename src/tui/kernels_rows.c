/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels_rows.c - which kernels the Kernels screen lists, in what order, and what was measured of them. */
#include "tui/kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- instruction sets ---- */

static const bb_isa isas[] = {BB_ISA_AUTO, BB_ISA_SCALAR, BB_ISA_AVX2, BB_ISA_AVX512};
static const char every[] = "every";

const char *bb_kernels_isa_at(size_t i) {
    for (size_t n = 0; n < sizeof isas / sizeof *isas; n++)
        if (bb_isa_runs(isas[n]) && i-- == 0) return bb_isa_name(isas[n]);
    return i == 0 ? every : NULL;
}

const char *bb_kernels_isa(const bb_bench_opts *o) { return o->every ? every : bb_isa_name(o->isa); }

bool bb_kernels_set_isa(bb_kernels *k, const char *name) {
    bb_isa isa = BB_ISA_AUTO;
    bool all = strcmp(name, every) == 0;
    if (!all && !(bb_isa_find(name, &isa) && bb_isa_runs(isa))) return false;
    k->ask.isa = isa;
    k->ask.every = all;
    bb_kernels_list(k);
    return true;
}

/* ---- shapes ---- */

/* Of the models' config.json; the demo model is the one that is shipped. */
static const bb_kernels_preset presets[] = {
    {"llama-3.1-8b attn_q", 0, 4096, 4096},
    {"llama-3.1-8b attn_k", 0, 1024, 4096},
    {"llama-3.1-8b ffn_up", 0, 14336, 4096},
    {"llama-3.1-8b ffn_down", 0, 4096, 14336},
    {"mistral-7b-v0.3 output", 0, 32768, 4096},
    {"llama-3.1-70b attn_q", 0, 8192, 8192},
    {"llama-3.1-70b ffn_up", 0, 28672, 8192},
    {"qwen2.5-0.5b ffn_up", 0, 4864, 896},
    {"demo ffn_up", 0, 768, 256},
    {"1024^3", 1024, 1024, 1024},
    {"2048^3", 2048, 2048, 2048},
    {"one token, 4096^2", 1, 4096, 4096},
    {"a prompt, 512 x 4096^2", 512, 4096, 4096},
};

const bb_kernels_preset *bb_kernels_preset_at(size_t i) {
    return i < sizeof presets / sizeof *presets ? &presets[i] : NULL;
}

/* ---- the list ---- */

static bool listed(const bb_kernels *k, const bb_kernel *kernel) {
    if (!bb_level_runs(kernel->level) || bb_level_isa(kernel->level) > bb_isa_choose(k->ask.isa)) return false;
    return k->ask.every || kernel == bb_kernel_find(bb_dtype_find(kernel->family->layout->type, NULL), k->ask.isa);
}

void bb_kernels_list(bb_kernels *k) {
    size_t was = k->n ? k->list[k->marked] : 0;
    k->n = k->marked = 0;
    for (size_t i = 0; i < bb_kernel_count() && i < BB_KERNELS_MAX; i++) {
        if (!listed(k, bb_kernel_at(i))) continue;
        bool there = k->n && k->list[k->marked] == was;
        if (!there && bb_kernel_at(i)->family == bb_kernel_at(was)->family) k->marked = k->n;
        k->list[k->n++] = i;
    }
    bb_kernels_sort(k);
}

const bb_bench_row *bb_kernels_result(const bb_kernels *k, size_t i) {
    return i < k->n && k->measured[k->list[i]] ? &k->result[k->list[i]] : NULL;
}

size_t bb_kernels_measured(const bb_kernels *k) {
    size_t n = 0;
    for (size_t i = 0; i < k->n; i++) n += k->measured[k->list[i]];
    return n;
}

/* What comes first is smaller. */
static double sort_value(const bb_bench_row *r, bb_kernels_order order) {
    return order == BB_BY_TIME ? r->ns : order == BB_BY_ROOF ? -r->roof_fraction : r->error_rel;
}

/* What is not measured last, equals as the table of kernels has them. */
static bool before(const bb_kernels *k, size_t a, size_t b) {
    if (k->order != BB_BY_NAME) {
        if (k->measured[a] != k->measured[b]) return k->measured[a];
        double x = sort_value(&k->result[a], k->order), y = sort_value(&k->result[b], k->order);
        if (k->measured[a] && x != y) return x < y;
    } else if (bb_kernel_at(a)->family != bb_kernel_at(b)->family) {
        int names = strcmp(bb_kernel_at(a)->family->name, bb_kernel_at(b)->family->name);
        if (names) return names < 0;
    }
    return a < b;
}

void bb_kernels_sort(bb_kernels *k) {
    size_t was = k->n ? k->list[k->marked] : 0;
    for (size_t i = 1; i < k->n; i++)
        for (size_t j = i; j > 0 && before(k, k->list[j], k->list[j - 1]); j--) {
            size_t t = k->list[j];
            k->list[j] = k->list[j - 1];
            k->list[j - 1] = t;
        }
    for (size_t i = 0; i < k->n; i++)
        if (k->list[i] == was) k->marked = i;
}

const char *bb_kernels_order_words(bb_kernels_order order) {
    static const char *const words[BB_KERNELS_ORDERS] = {"time", "share of the roof", "error", "name"};
    return words[order];
}

/* ---- what was measured ---- */

static bool same_shape(const bb_bench_opts *a, const bb_bench_opts *b) {
    return a->tokens == b->tokens && a->out == b->out && a->in == b->in && a->threads == b->threads;
}

bool bb_kernels_stale(const bb_kernels *k) { return k->last.threads && !same_shape(&k->shown, &k->ask); }

static void place(bb_kernels *k, const bb_bench_row *row) {
    for (size_t i = 0; i < bb_kernel_count() && i < BB_KERNELS_MAX; i++) {
        const bb_kernel *kernel = bb_kernel_at(i);
        if (row->peer || strcmp(kernel->family->layout->type, row->type) != 0 ||
            strcmp(bb_level_name(kernel->level), row->isa) != 0)
            continue;
        k->measured[i] = true;
        k->result[i] = *row;
    }
}

void bb_kernels_take(bb_kernels *k, bb_bench_report *made) {
    if (!same_shape(&k->shown, &k->job)) memset(k->measured, 0, sizeof k->measured);
    k->shown = k->job;
    for (size_t i = 0; i < made->n_rows; i++) place(k, &made->rows[i]);
    k->last = *made;
    k->last.rows = NULL;
    k->last.n_rows = 0;
    bb_bench_report_clear(made);
    bb_kernels_sort(k);
}

bb_bench_report bb_kernels_report(const bb_kernels *k, bb_bench_row *rows) {
    bb_bench_report r = k->last;
    r.rows = rows;
    for (size_t i = 0; i < BB_KERNELS_MAX; i++)
        for (size_t n = 0; n < k->n; n++)
            if (k->list[n] == i && k->measured[i]) rows[r.n_rows++] = k->result[i];
    return r;
}

void bb_kernels_command(const bb_kernels *k, bb_str *out) {
    size_t n = bb_kernels_measured(k);
    const bb_bench_opts *o = n ? &k->shown : &k->ask; /* what is seen, as `w` writes it */
    const char *last = NULL;
    bb_str_addf(out, "bench --tokens %llu --out %llu --in %llu --threads %u", (unsigned long long)o->tokens,
                (unsigned long long)o->out, (unsigned long long)o->in, o->threads);
    if (k->ask.every)
        bb_str_add(out, " --every");
    else if (k->ask.isa != BB_ISA_AUTO)
        bb_str_addf(out, " --isa %s", bb_isa_name(k->ask.isa));
    for (size_t i = 0; i < bb_kernel_count() && i < BB_KERNELS_MAX && n && n < k->n; i++) {
        const char *type = bb_kernel_at(i)->family->layout->type;
        if (!k->measured[i] || !listed(k, bb_kernel_at(i)) || type == last) continue;
        bb_str_addf(out, "%s%s", last ? "," : " --types ", type);
        last = type;
    }
    bb_str_add(out, " --peers off");
}

/* ---- fields ---- */

static const char *const labels[BB_KERNELS_FIELDS] = {"tokens", "out", "in", "threads", "ISA"};
const char *bb_kernels_label(int field) { return labels[field]; }

const char *bb_kernels_value(const bb_kernels *k, int f, char *buf) {
    uint64_t v = f == BB_KERNELS_TOKENS ? k->ask.tokens
                 : f == BB_KERNELS_OUT  ? k->ask.out
                 : f == BB_KERNELS_IN   ? k->ask.in
                                        : k->ask.threads;
    if (f == BB_KERNELS_ISA) return bb_kernels_isa(&k->ask);
    (void)snprintf(buf, 32, "%llu", (unsigned long long)v);
    return buf;
}
