/* SPDX-License-Identifier: GPL-3.0-or-later */
/* subject.c - what a model brings to a plan: its graph, its tensors with their places, and their storage types. */
#include "base/escape.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/flavour.h"
#include "plan/plan_parts.h"
#include "plan/reserve.h"
#include "plan/weight_set.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAYERS = 1 << 20 }; /* numbers in the names of a damaged file go to 2^31 */

static bool is_gguf(const bb_model *m) { return m->file && strcmp(bb_file_format(m->file), "gguf") == 0; }

/* Place of a GGUF tensor by its name, as in LLM_TENSOR_INFOS of llama-arch.cpp; `layers` is the number of layers. */
static int64_t place_of(const char *name, uint64_t layers) {
    uint64_t n = 0;
    static const char *const input[] = {"token_embd.", "position_embd.", "token_types.", "per_layer_token_embd."};
    for (size_t i = 0; i < sizeof input / sizeof *input; i++)
        if (bb_starts_with(name, input[i])) return BB_LAYER_INPUT;
    if (layers && bb_starts_with(name, "token_embd_norm.")) return 0; /* computed with the first layer */
    if (bb_starts_with(name, "rope_f")) return BB_LAYER_SHARED; /* rope_freqs, rope_factors_long, rope_factors_short */
    if (!bb_starts_with(name, "blk.")) return (int64_t)layers;
    for (const char *p = name + 4; *p >= '0' && *p <= '9'; p++) {
        n = n * 10 + (uint64_t)(*p - '0');
        if (n >= layers) return BB_LAYER_UNUSED;
    }
    return (int64_t)n;
}

/* One more than the largest N of "blk.N."; 0 without any. */
static uint64_t count_layers(const bb_file *f) {
    uint64_t most = 0;
    for (size_t i = 0; i < f->n_tensors; i++) {
        uint64_t n = 0;
        const char *p = f->tensors[i].name;
        if (!bb_starts_with(p, "blk.")) continue;
        for (p += 4; *p >= '0' && *p <= '9' && n < INT32_MAX; p++) n = n * 10 + (uint64_t)(*p - '0');
        most = bb_max_u64(most, n + 1);
    }
    return most;
}

static bool alloc_tensors(bb_subject *s, size_t n) {
    s->tensors = bb_alloc(n, sizeof *s->tensors);
    s->layers = bb_alloc(n, sizeof *s->layers);
    s->n_tensors = n;
    return s->tensors && s->layers;
}

static bb_status take_file(bb_subject *s, const bb_file *f) {
    s->file_types = bb_alloc(f->n_tensors, sizeof *s->file_types);
    if (!alloc_tensors(s, f->n_tensors) || !s->file_types) return BB_E_NOMEM;
    s->from_file = true;
    if (!s->n_layers) s->n_layers = count_layers(f);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const bb_tensor *t = &f->tensors[i];
        bb_mix_tensor *m = &s->tensors[i];
        *m = (bb_mix_tensor){.name = t->name, .n_dims = t->n_dims > 4 ? 4 : t->n_dims, .type = t->type};
        for (uint32_t d = 0; d < m->n_dims; d++) m->dims[d] = t->dims[d];
        s->file_types[i] = t->type;
        s->layers[i] = place_of(t->name, s->n_layers);
    }
    return BB_OK;
}

static bb_status take_graph(bb_subject *s) {
    size_t n;
    bb_status st = bb_graph_tensors(&s->graph, false, &s->graph_names, &n);
    if (st) return st;
    if (!alloc_tensors(s, n)) return BB_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const bb_graph_tensor *t = &s->graph_names[i];
        s->tensors[i] = (bb_mix_tensor){.name = t->name, .n_dims = t->n_dims};
        memcpy(s->tensors[i].dims, t->dims, sizeof t->dims);
        s->layers[i] = place_of(t->name, s->n_layers);
    }
    return BB_OK;
}

/* Whether the file holds something else than its architecture says; tables that code makes again do not count. Then a
 * number that follows from the one is not that of the other. */
static bb_status compare(bb_subject *s, bb_error *err) {
    const bb_model *m = s->model;
    bb_stored_list stored = {0};
    bb_difference *list = NULL;
    size_t n = 0;
    if (!m->file || m->file->names_only || !s->graph.n_nodes || !bb_quantization_known(&m->quant)) return BB_OK;
    bb_status st = is_gguf(m) ? BB_OK : bb_stored_hf(&s->graph, &m->quant, m->arch->dtype, &stored, err);
    if (!st) st = bb_graph_differences(&s->graph, &stored, m->file, &list, &n, err);
    for (size_t i = 0; i < n && !st; i++) {
        if (list[i].reason == BB_DIFF_BUFFER) continue;
        if (!*s->differs) (void)snprintf(s->differs, sizeof s->differs, "%s", list[i].text);
    }
    free(list);
    bb_stored_clear(&stored);
    return st == BB_E_NOMEM ? st : BB_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const bb_graph_tensor *)a)->name, ((const bb_graph_tensor *)b)->name);
}

/* Which weight of the graph each tensor of a file is. */
static bb_status match_file(bb_subject *s) {
    bb_graph_tensor *list, key = {0};
    size_t n;
    bb_status st = bb_graph_tensors(&s->graph, false, &list, &n);
    if (st) return st;
    qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0; i < s->n_tensors; i++) {
        (void)snprintf(key.name, sizeof key.name, "%s", s->tensors[i].name);
        const bb_graph_tensor *t = bsearch(&key, list, n, sizeof *list, by_name);
        s->weight_of[i] = t ? t->weight : BB_NO_WEIGHT;
    }
    free(list);
    return BB_OK;
}

/* What planning writes into. */
static bb_status make_room(bb_subject *s, bb_error *err) {
    bb_status st = BB_OK;
    if (s->n_layers > MAX_LAYERS)
        return bb_fail(err, BB_E_LIMIT, "%s would have %llu layers: at most %d are planned", s->model->title,
                       (unsigned long long)s->n_layers, MAX_LAYERS);
    s->layer_device = bb_alloc(2 * (s->n_layers + 1), 1);
    s->weight_of = bb_alloc(s->n_tensors, sizeof *s->weight_of);
    s->homes = bb_alloc(s->graph.n_weights * (s->graph.n_layers + 1), sizeof *s->homes);
    if (!s->layer_device || !s->weight_of || !s->homes) st = BB_E_NOMEM;
    if (!st && s->from_file && s->graph.n_nodes) st = match_file(s);
    for (size_t i = 0; !st && !s->from_file && i < s->n_tensors; i++) s->weight_of[i] = s->graph_names[i].weight;
    return st ? bb_fail(err, st, "no memory for the layers of %s", s->model->title) : BB_OK;
}

static bb_status fill(bb_subject *s, bb_error *err) {
    const bb_model *m = s->model;
    bb_status st = BB_OK;
    s->parameters = m->parameters;
    if (m->arch && bb_arch_known(m->arch->family)) {
        uint64_t total;
        st = bb_graph_build(m->arch, &s->graph, err);
        if (!st) st = bb_graph_parameters(&s->graph, &total, &s->active_parameters);
        if (st == BB_E_OVERFLOW) bb_fail(err, st, "the parameters of %s pass 2^64", m->title);
        if (st) return st;
        if (m->kind != BB_MODEL_FILE) s->parameters = total;
        s->n_layers = m->arch->layers;
    } else if (m->arch && m->kind != BB_MODEL_FILE) {
        return bb_arch_check(m->arch, m->title, err);
    } else if (m->arch) {
        s->n_layers = m->arch->layers;
    }
    if (is_gguf(m))
        st = take_file(s, m->file);
    else if (s->graph.n_nodes)
        st = take_graph(s);
    if (st == BB_E_LIMIT) return bb_fail(err, st, "%s would have more than 2^18 tensors", m->title);
    if (st) return bb_fail(err, st, "no memory for the tensors of %s", m->title);
    if ((st = compare(s, err))) return st;
    if (!s->active_parameters) s->active_parameters = s->parameters;
    for (size_t i = 0; i < s->n_tensors; i++)
        if (strcmp(s->tensors[i].name, "output.weight") == 0) s->has_output = true;
    strcpy(s->weights, s->from_file ? "file" : "");
    s->family = m->arch ? bb_family_find(m->arch->family) : NULL;
    return make_room(s, err);
}

bb_status bb_subject_init(bb_subject *s, const bb_model *model, const bb_catalogue *cat, bb_error *err) {
    bb_subject made = {.model = model, .cat = cat};
    bb_status st = fill(&made, err);
    if (st)
        bb_subject_clear(&made);
    else
        *s = made;
    return st;
}

void bb_subject_clear(bb_subject *s) {
    bb_graph_clear(&s->graph);
    free(s->costs);
    free(s->tensors);
    free(s->layers);
    free(s->file_types);
    free(s->graph_names);
    free(s->layer_device);
    free(s->weight_of);
    free(s->homes);
    bb_reserver_free(s->reserver);
    bb_weight_sets_free(s);
    *s = (bb_subject){0};
}

const char *bb_plan_only_llama(const bb_plan_request *r, char *buf) {
    const struct {
        const char *option;
        bool asked;
    } options[] = {{"--gpu-layers", r->gpu_layers_set},
                   {"--batch", r->batch && r->engine != BB_ENGINE_VLLM},
                   {"--ubatch", r->ubatch != 0},
                   {"--kv-unified", r->kv_unified},
                   {"--split-mode", r->split_mode != BB_SPLIT_LAYER},
                   {"--main-gpu", r->main_gpu != 0},
                   {"--no-kv-offload", r->kv_on_host},
                   {"--swa-full", r->swa_full},
                   {"--no-op-offload", r->no_op_offload},
                   {"--no-mmap", r->no_mmap},
                   {"--n-cpu-moe", r->cpu_moe_layers != 0},
                   {"--override-tensor", *r->override_tensor != '\0'},
                   {"--dry-run-rule", r->dry_run_rule},
                   {"--imatrix", r->imatrix}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].asked) return options[i].option;
    const char *const kv[] = {r->kv_k, r->kv_v};
    for (size_t i = 0; i < 2; i++) {
        const bb_dtype *t = bb_dtype_find(kv[i], NULL);
        if (!t || t->block == 1 || t->gguf_id == BB_NO_GGUF_ID) continue;
        (void)snprintf(buf, 32, "--kv %s", t->name); /* its size, by the header */
        return buf;
    }
    return NULL;
}

/* Whether something is asked that only vLLM has. */
static bool only_vllm(const bb_plan_request *r) {
    return r->utilization > 0 || r->tensor_parallel || r->pipeline_parallel || r->kv_block || r->eager || r->long_ctx;
}

bb_engine bb_engine_default(const bb_subject *s, const bb_plan_request *r) {
    char buf[32];
    if (s->model->kind == BB_MODEL_COUNT) return BB_ENGINE_SIMPLE;
    if (is_gguf(s->model)) return BB_ENGINE_LLAMA_CPP;
    if (s->graph.n_nodes && only_vllm(r)) return BB_ENGINE_VLLM;
    if (bb_plan_only_llama(r, buf)) return BB_ENGINE_LLAMA_CPP;
    if (s->graph.n_nodes && !s->n_tensors) return BB_ENGINE_HF; /* a family that llama.cpp does not load */
    if (!*r->weights || strcmp(r->weights, "file") == 0) return BB_ENGINE_HF;
    const bb_dtype *t = bb_dtype_find(r->weights, NULL);
    if (t && t->block == 1) return BB_ENGINE_HF; /* f32, f16, bf16, int8, fp8: both worlds have them */
    return bb_ftype_find(r->weights, NULL) || (t && t->gguf_id != BB_NO_GGUF_ID) ? BB_ENGINE_LLAMA_CPP : BB_ENGINE_HF;
}

bb_status bb_subject_types(bb_subject *s, const char *weights, bool imatrix, char *used, bb_error *err) {
    bool own = !*weights || strcmp(weights, "file") == 0;
    char name[sizeof s->weights];
    if (own && s->from_file) {
        strcpy(name, "file");
    } else {
        const char *asked = own ? "q4_K_M" : weights; /* design.md, options of plan */
        bb_error why;
        const bb_ftype *ft = bb_ftype_find(asked, &why);
        if (!ft) {
            bb_flavour flavour;
            if (bb_dtype_find(asked, NULL) || !bb_flavour_find(asked, &flavour, NULL))
                return bb_fail(err, BB_E_UNSUPPORTED, "llama-quantize makes no files of type '%s'; engine hf takes it",
                               asked);
            if (err) *err = why;
            return BB_E_NAME;
        }
        (void)snprintf(name, sizeof name, "%s", ft->name);
        if (strcmp(name, s->weights) != 0 || imatrix != s->imatrix) {
            if (!s->graph.n_nodes)
                return bb_fail(err, BB_E_UNSUPPORTED,
                               "%s: the types of '%s' need an architecture that is known; as in the file goes",
                               s->model->title, name);
            s->weights[0] = '\0';
            bb_status st = bb_mixture(ft, s->model->arch, imatrix, s->tensors, s->n_tensors, err);
            if (st) return st;
        }
    }
    if (strcmp(name, s->weights) != 0) {
        if (strcmp(name, "file") == 0)
            for (size_t i = 0; i < s->n_tensors; i++) s->tensors[i].type = s->file_types[i];
        strcpy(s->weights, name);
    }
    s->imatrix = imatrix;
    strcpy(used, name);
    return BB_OK;
}

bb_status bb_subject_tensor(const bb_subject *s, size_t i, const bb_dtype *type, uint64_t *bytes, uint64_t *elements,
                            bb_error *err) {
    const bb_mix_tensor *t = &s->tensors[i];
    uint64_t row, rows = 1, b, e;
    char shown[80];
    if (!type)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' has a type of unknown size",
                       bb_escape_buf(t->name, shown, sizeof shown));
    bb_status st = bb_dtype_row_bytes(type, t->n_dims ? t->dims[0] : 1, &row);
    if (st)
        return bb_fail(err, st, "a row of '%s' has %llu elements, which blocks of %u (%s) do not divide",
                       bb_escape_buf(t->name, shown, sizeof shown), (unsigned long long)t->dims[0],
                       (unsigned)type->block, type->name);
    bool ok = true;
    for (uint32_t d = 1; d < t->n_dims; d++) ok = ok && bb_mul_u64(rows, t->dims[d], &rows);
    if (!ok || !bb_mul_u64(row, rows, &b) || !bb_mul_u64(t->n_dims ? t->dims[0] : 1, rows, &e))
        return bb_fail(err, BB_E_OVERFLOW, "the bytes of tensor '%s' pass 2^64",
                       bb_escape_buf(t->name, shown, sizeof shown));
    *bytes = b;
    *elements = e;
    return BB_OK;
}

void bb_tally_add(bb_type_tally *t, const bb_dtype *type) {
    size_t i = 0;
    while (i < t->n && t->row[i].type != type) i++;
    if (i == sizeof t->row / sizeof *t->row) return;
    if (i == t->n) {
        t->row[i].type = type;
        t->row[i].n = 0;
        t->n++;
    }
    t->row[i].n++;
}

void bb_tally_text(const bb_type_tally *t, char *out, size_t size) {
    bool done[sizeof t->row / sizeof *t->row] = {false};
    bb_str text;
    bb_str_init(&text);
    for (size_t k = 0; k < t->n; k++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < t->n; i++)
            if (!done[i] && (best == SIZE_MAX || t->row[i].n > t->row[best].n)) best = i;
        done[best] = true;
        bb_str_addf(&text, "%s %llu ", t->row[best].type->name, (unsigned long long)t->row[best].n);
    }
    bb_str_add(&text, t->n == 1 && t->row[0].n == 1 ? "tensor" : "tensors");
    (void)snprintf(out, size, "%s", bb_str_c(&text));
    bb_str_clear(&text);
}
