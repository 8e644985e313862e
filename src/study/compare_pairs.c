/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compare_pairs.c - matching the tensors of two files. */
#include "study/compare_pairs.h"
#include "base/mem.h"
#include "graph/graph.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct matching {
    const bb_file *f[2];
    size_t *pair_of[2]; /* [tensors of that file] 1 + index of its pair; 0 = none yet */
    struct pair {
        size_t ref[2], n[2]; /* in refs */
        uint64_t head_rows;
        bool transposed;
    } * pairs;
    size_t n_pairs, cap_pairs;
    const bb_tensor **refs;
    size_t n_refs, cap_refs;
} matching;

static size_t number(const bb_file *f, const bb_tensor *t) { return (size_t)(t - f->tensors); }

static bool add_ref(matching *m, const bb_tensor *t) {
    if (!bb_grow((void **)&m->refs, m->n_refs, &m->cap_refs, sizeof *m->refs)) return false;
    m->refs[m->n_refs++] = t;
    return true;
}

/* A pair of the tensors that stand last in refs: n[0] of the first file, then n[1] of the second. */
static bool add_pair(matching *m, size_t n0, size_t n1, uint64_t head_rows, bool transposed) {
    if (!bb_grow((void **)&m->pairs, m->n_pairs, &m->cap_pairs, sizeof *m->pairs)) return false;
    size_t at = m->n_refs - n0 - n1;
    m->pairs[m->n_pairs++] = (struct pair){{at, at + n0}, {n0, n1}, head_rows, transposed};
    for (size_t i = 0; i < n0 + n1; i++) {
        size_t side = i >= n0;
        m->pair_of[side][number(m->f[side], m->refs[at + i])] = m->n_pairs;
    }
    return true;
}

static bool pair_names(matching *m) {
    for (size_t i = 0; i < m->f[0]->n_tensors; i++) {
        const bb_tensor *b = bb_file_find(m->f[1], m->f[0]->tensors[i].name);
        if (b && (!add_ref(m, &m->f[0]->tensors[i]) || !add_ref(m, b) || !add_pair(m, 1, 1, 0, false))) return false;
    }
    return true;
}

/* Under the graph's name, or without its first part, which the checkpoint of a base class leaves out. */
static const bb_tensor *find_hf(const bb_file *f, const char *name) {
    const bb_tensor *t = bb_file_find(f, name);
    const char *dot = strchr(name, '.');
    return t || !dot ? t : bb_file_find(f, dot + 1);
}

/* convert's rule: queries and keys of this architecture (conversion/llama.py of llama.cpp v0.5.0, specs/ggml.md 3.12).
 */
static uint64_t head_rows(const bb_arch *a, const char *gguf_name) {
    static const char *const parts[] = {".attn_q.weight", ".attn_k.weight", ".attn_q.bias", ".attn_k.bias"};
    if (strcmp(a->family, "llama") != 0) return 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (bb_ends_with(gguf_name, parts[i])) return a->head_dim;
    return 0;
}

/* One tensor of a GGUF, file number g, and n of the checkpoint; nothing happens when one is absent or taken. */
static bool pair_weight(matching *m, size_t g, const bb_graph *graph, const bb_graph_tensor *own,
                        const bb_graph_tensor *hf, size_t n) {
    const bb_tensor *t = bb_file_find(m->f[g], own->name);
    size_t start = m->n_refs;
    bool ok = true;
    if (!t || m->pair_of[g][number(m->f[g], t)]) return true;
    if (g == 0) ok = add_ref(m, t);
    for (size_t i = 0; ok && i < n; i++) {
        const bb_tensor *h = find_hf(m->f[1 - g], hf[i].name);
        if (!h || m->pair_of[1 - g][number(m->f[1 - g], h)]) {
            m->n_refs = start;
            return true;
        }
        ok = add_ref(m, h);
    }
    if (ok && g == 1) ok = add_ref(m, t);
    return ok && add_pair(m, g ? n : 1, g ? 1 : n, head_rows(graph->arch, own->name),
                          graph->weights[own->weight].hf_transposed);
}

/* Both lists have the order of (layer, weight). */
static int order(const bb_graph_tensor *a, const bb_graph_tensor *b) {
    if (a->layer != b->layer) return a->layer < b->layer ? -1 : 1;
    return a->weight == b->weight ? 0 : a->weight < b->weight ? -1 : 1;
}

static bb_status pair_graph(matching *m, size_t g, const bb_arch *arch) {
    bb_graph graph = {0};
    bb_graph_tensor *own = NULL, *hf = NULL;
    size_t n_own = 0, n_hf = 0;
    bb_status s = bb_graph_build(arch, &graph, NULL);
    if (s == BB_OK) s = bb_graph_tensors(&graph, false, &own, &n_own);
    if (s == BB_OK) s = bb_graph_tensors(&graph, true, &hf, &n_hf);
    for (size_t i = 0, k = 0; s == BB_OK && i < n_own; i++) {
        size_t n = 0;
        while (k < n_hf && order(&hf[k], &own[i]) < 0) k++;
        while (k + n < n_hf && order(&hf[k + n], &own[i]) == 0) n++;
        if (n && !pair_weight(m, g, &graph, &own[i], &hf[k], n)) s = BB_E_NOMEM;
    }
    free(own);
    free(hf);
    bb_graph_clear(&graph);
    return s == BB_E_NOMEM ? s : BB_OK; /* an architecture that is not known matches nothing */
}

static bool wanted(const matching *m, const struct pair *p, const char *only) {
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < p->n[side]; i++)
            if (!only || strstr(m->refs[p->ref[side] + i]->name, only)) return true;
    return false;
}

static void make_row(const matching *m, const struct pair *p, bb_compare_row *r) {
    *r = (bb_compare_row){.a = {m->f[0], m->refs + p->ref[0], p->n[0], NULL},
                          .b = {m->f[1], m->refs + p->ref[1], p->n[1], NULL},
                          .head_rows = p->head_rows,
                          .transposed = p->transposed};
    size_t n = p->n[0] > 1 ? p->n[0] : p->n[1];
    if (p->transposed)
        snprintf(r->note, sizeof r->note, "the checkpoint keeps it transposed");
    else if (p->head_rows)
        snprintf(r->note, sizeof r->note, "rows of heads in the order of the GGUF");
    else if (n > 1)
        snprintf(r->note, sizeof r->note, "%zu tensors one after the other", n);
}

/* Each tensor of a file that has no pair is a pair of its own. */
static bool pair_rest(matching *m, size_t side) {
    for (size_t i = 0; i < m->f[side]->n_tensors; i++)
        if (!m->pair_of[side][i] &&
            (!add_ref(m, &m->f[side]->tensors[i]) || !add_pair(m, side == 0, side == 1, 0, false)))
            return false;
    return true;
}

static bb_status match(matching *m, const bb_model *a, const bb_model *b) {
    bool gguf[2] = {strcmp(m->f[0]->format, "gguf") == 0, strcmp(m->f[1]->format, "gguf") == 0};
    bb_status s = pair_names(m) ? BB_OK : BB_E_NOMEM;
    if (gguf[0] != gguf[1]) {
        size_t g = gguf[1];
        /* the config knows its checkpoint best; the GGUF may have a head that the config says is tied */
        const bb_arch *archs[2] = {g ? a->arch : b->arch, g ? b->arch : a->arch};
        for (size_t i = 0; i < 2 && s == BB_OK; i++)
            if (archs[i] && bb_arch_known(archs[i]->family)) s = pair_graph(m, g, archs[i]);
    }
    if (s == BB_OK && (!pair_rest(m, 0) || !pair_rest(m, 1))) s = BB_E_NOMEM;
    return s;
}

static void fill_rows(const matching *m, const char *only, bb_compare_report *r) {
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < m->f[side]->n_tensors; i++) {
            const struct pair *p = &m->pairs[m->pair_of[side][i] - 1];
            /* once, where its first tensor stands; pairs with both sides where the first file has them */
            bool here = side == 0 ? p->n[0] > 0 : p->n[0] == 0;
            if (!here || m->refs[p->ref[side]] != &m->f[side]->tensors[i] || !wanted(m, p, only)) continue;
            make_row(m, p, &r->rows[r->n_rows++]);
            r->only_a += p->n[1] == 0;
            r->only_b += p->n[0] == 0;
        }
}

bb_status bb_compare_pairs(bb_compare_report *report, const char *only, bb_error *err) {
    matching m = {.f = {report->a->file, report->b->file}};
    bb_status s = BB_E_NOMEM;
    for (size_t side = 0; side < 2; side++) m.pair_of[side] = bb_alloc(m.f[side]->n_tensors, sizeof **m.pair_of);
    if (m.pair_of[0] && m.pair_of[1]) s = match(&m, report->a, report->b);
    if (s == BB_OK && !(report->rows = bb_alloc(m.n_pairs, sizeof *report->rows))) s = BB_E_NOMEM;
    if (s == BB_OK) fill_rows(&m, only, report);
    report->refs = m.refs;
    free(m.pairs);
    free(m.pair_of[0]);
    free(m.pair_of[1]);
    return s == BB_OK ? BB_OK : bb_fail(err, s, "no memory for the tensors of two files");
}
