/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_choose.c - which tensors of a checkpoint are quantized: the linear maps but the output matrix. */
#include "base/escape.h"
#include "base/mem.h"
#include "graph/differences.h"
#include "study/folder_parts.h"
#include <stdlib.h>
#include <string.h>

size_t bb_module_length(const char *name) {
    static const char tail[] = ".weight";
    size_t n = strlen(name), t = sizeof tail - 1;
    return n > t && strcmp(name + n - t, tail) == 0 ? n - t : 0;
}

static bool is_float(const bb_dtype *t) {
    return t && (strcmp(t->name, "f32") == 0 || strcmp(t->name, "f16") == 0 || strcmp(t->name, "bf16") == 0);
}

/* transformers takes the output matrix by this name where it stands, and looks for it where it is tied. */
static const char output_matrix[] = "lm_head";

/* A file names no tensor twice, and the list begins with the output matrix. */
static bb_status keep(bb_folder_job *job, const char *module, size_t len, bb_error *err) {
    if (job->n_kept && len == strlen(output_matrix) && memcmp(module, output_matrix, len) == 0) return BB_OK;
    char *copy = bb_strndup(module, len);
    if (!copy || !bb_grow((void **)&job->kept, job->n_kept, &job->cap_kept, sizeof *job->kept)) {
        free(copy);
        return bb_folder_no_memory(err);
    }
    job->kept[job->n_kept++] = copy;
    return BB_OK;
}

static bool asked_to_keep(const bb_folder_opts *o, const char *module, size_t len) {
    for (size_t i = 0; i < o->n_keep; i++)
        if (strncmp(o->keep[i], module, len) == 0 && !o->keep[i][len]) return true;
    return false;
}

/* ---- what a tensor is ---- */

typedef enum kind {
    OTHER,  /* norm, bias, table: no module that a quantizer touches */
    LINEAR, /* a linear map of the layers */
    KEPT,   /* a linear map that stays: output matrix, router, transposed */
} kind;

typedef struct named {
    const char *name;
    kind what;
} named;

static int by_name(const void *a, const void *b) { return strcmp(((const named *)a)->name, ((const named *)b)->name); }

/* Of a weight: what the operations do with it. */
static kind kind_of(const bb_graph *g, uint32_t weight) {
    const bb_weight *w = &g->weights[weight];
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bb_node *n = &g->nodes[i];
        if (n->weights[0] != (int32_t)weight || (n->op != BB_OP_MATMUL && n->op != BB_OP_MATMUL_EXPERTS)) continue;
        if (w->part == BB_PART_INPUT) return OTHER; /* the embedding, tied */
        return w->part != BB_PART_LAYER || w->always_f32 || w->hf_transposed ? KEPT : LINEAR;
    }
    return OTHER;
}

/* Without a graph: matrices by their names, as transformers calls what is no linear map. */
static kind guess(const char *name) {
    static const char *const heads[] = {"lm_head", "output_projection", "embed_out", "classifier", "score"};
    static const char *const others[] = {"embed", "norm", "wte", "wpe", "ln_", "shared.weight", "position", "conv"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (strstr(name, heads[i])) return KEPT;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strstr(name, others[i])) return OTHER;
    return strstr(name, "router") || bb_ends_with(name, ".gate.weight") ? KEPT : LINEAR;
}

static bb_status choose_one(bb_folder_job *job, size_t i, kind what, bb_error *err) {
    const bb_folder_opts *o = &job->opts;
    bb_folder_item *it = &job->items[i];
    const bb_tensor *t = it->source;
    size_t len = bb_module_length(t->name);
    it->form = o->rest && is_float(t->type) && t->type != o->rest ? BB_FORM_CONVERT : BB_FORM_COPY;
    if (what == OTHER || !len) return BB_OK;
    bool matrix = t->n_dims == 2 && t->elements > 0 && is_float(t->type);
    bool wanted = matrix && what == LINEAR && !asked_to_keep(o, t->name, len);
    bool fits = bb_folder_unit(o, t) <= BB_FOLDER_SLAB &&
                (o->method != BB_FOLDER_INT8 || o->granularity != BB_PER_GROUP || t->cols % o->group == 0);
    job->rows[i].fell_back = wanted && !fits;
    if (wanted && fits)
        it->form = BB_FORM_QUANTIZE;
    else if (t->n_dims == 2)
        return keep(job, t->name, len, err);
    return BB_OK;
}

/* A folder that lacks a matrix loads with random numbers in its place. */
static bb_status check_whole(const bb_folder_job *job, const bb_graph *g, bb_error *err) {
    bb_stored_list stored;
    bb_difference *d = NULL;
    size_t n = 0;
    bb_status status = bb_stored_hf(g, NULL, g->arch->dtype, &stored, err);
    if (status != BB_OK) return status;
    status = bb_graph_differences(g, &stored, job->model->file, &d, &n, err);
    bb_stored_clear(&stored);
    for (size_t i = 0; i < n && status == BB_OK; i++)
        if (d[i].reason == BB_DIFF_MISSING || d[i].reason == BB_DIFF_SHAPE)
            status = bb_fail(err, BB_E_INVALID, "%s: %s", job->model->path, d[i].text);
    free(d);
    return status;
}

static bb_status by_graph(bb_folder_job *job, const bb_graph *g, bb_error *err) {
    bb_graph_tensor *list = NULL;
    size_t n = 0;
    bb_status whole = check_whole(job, g, err);
    if (whole != BB_OK) return whole;
    bb_status status = bb_graph_tensors(g, true, &list, &n);
    if (status != BB_OK) return bb_fail(err, status, "the tensors of the architecture cannot be listed");
    named *names = bb_alloc(n, sizeof *names);
    kind *kinds = bb_alloc(g->n_weights, sizeof *kinds);
    if (!names || !kinds) status = bb_folder_no_memory(err);
    for (uint32_t w = 0; w < g->n_weights && status == BB_OK; w++) kinds[w] = kind_of(g, w);
    for (size_t i = 0; i < n && status == BB_OK; i++) names[i] = (named){list[i].name, kinds[list[i].weight]};
    if (status == BB_OK) qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < job->n && status == BB_OK; i++) {
        const char *name = job->items[i].source->name;
        const named *found = n ? bsearch(&(named){name, OTHER}, names, n, sizeof *names, by_name) : NULL;
        status = choose_one(job, i, found ? found->what : guess(name), err);
    }
    free(names);
    free(kinds);
    free(list);
    return status;
}

/* Why nothing is quantized: a matrix that is left for its rows alone tells more. */
static bb_status nothing(const bb_folder_job *job, bb_error *err) {
    const bb_tensor *t = NULL;
    char shown[160];
    for (size_t i = 0; i < job->n && !t; i++)
        if (job->rows[i].fell_back) t = job->items[i].source;
    if (!t)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: no linear map of F32, F16 or BF16 that could be quantized was found",
                       job->model->path);
    bb_escape_buf(t->name, shown, sizeof shown);
    if (bb_folder_unit(&job->opts, t) > BB_FOLDER_SLAB)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: rows are too long for a scale each: those of '%s' have %llu values",
                       job->model->path, shown, (unsigned long long)t->cols);
    return bb_fail(err, BB_E_UNSUPPORTED, "%s: no group of %llu divides the rows of a matrix: those of '%s' have %llu",
                   job->model->path, (unsigned long long)job->opts.group, shown, (unsigned long long)t->cols);
}

bb_status bb_folder_choose(bb_folder_job *job, bb_error *err) {
    const bb_arch *arch = job->model->arch;
    bb_graph g = {0};
    bb_status status = keep(job, output_matrix, strlen(output_matrix), err);
    if (status != BB_OK) return status;
    if (arch && bb_arch_known(arch->family) && bb_graph_build(arch, &g, NULL) == BB_OK) {
        status = by_graph(job, &g, err);
        bb_graph_clear(&g);
    } else {
        for (size_t i = 0; i < job->n && status == BB_OK; i++)
            status = choose_one(job, i, guess(job->items[i].source->name), err);
        if (status == BB_OK)
            status = bb_folder_warn(job, err, "the architecture is not known: linear maps were told by their names");
    }
    size_t quantized = 0, fell_back = 0;
    for (size_t i = 0; i < job->n; i++) {
        quantized += job->items[i].form == BB_FORM_QUANTIZE;
        fell_back += job->rows[i].fell_back;
    }
    if (status == BB_OK && !quantized) return nothing(job, err);
    if (status == BB_OK && fell_back)
        status = bb_folder_warn(job, err,
                                "%zu matrices stay as they are: their rows are not whole groups of %llu, or too long",
                                fell_back, (unsigned long long)job->opts.group);
    return status;
}
