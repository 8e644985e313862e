/* SPDX-License-Identifier: GPL-3.0-or-later */
/* differences.c - matching the names of a file with those of a graph, and telling why one is left over. */
#include "graph/differences.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/packed.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word, *text;
} reasons[BB_DIFF_REASONS] = {
    [BB_DIFF_BUFFER] = {"buffer", "made again by the code, no parameters"},
    [BB_DIFF_TIED_HEAD] = {"tied-head", "the head is the embedding, stored a second time"},
    [BB_DIFF_MTP] = {"mtp", "layers behind the last that predict further tokens; not counted"},
    [BB_DIFF_TOWER] = {"tower", "of another part of the model (vision, audio); not counted"},
    [BB_DIFF_ADAPTER] = {"adapter", "of an adapter"},
    [BB_DIFF_TASK_HEAD] = {"task-head", "a matrix of another task on top of the layers"},
    [BB_DIFF_SCALES] = {"scales", "scales or zeros of a quantization that the config does not tell of"},
    [BB_DIFF_CACHE_SCALES] = {"cache-scales", "scales of a KV cache of 8 bits, no parameters"},
    [BB_DIFF_ZERO_BIAS] = {"zero-bias", "biases that AutoGPTQ writes for every matrix; the architecture has none"},
    [BB_DIFF_UNKNOWN] = {"unknown", "not of this architecture"},
    [BB_DIFF_MISSING] = {"missing", "of the architecture, not in the file"},
    [BB_DIFF_SHAPE] = {"shape", "of another shape than the architecture gives"},
    [BB_DIFF_TYPE] = {"type", "of another type than the config says"},
    [BB_DIFF_TOTAL_SIZE] = {"total-size", ""},
    [BB_DIFF_TOTAL_PARAMETERS] = {"total-parameters", ""},
};

const char *bb_diff_word(bb_diff_reason reason) { return reasons[reason].word; }

/* Where the language model's names begin in this file. */
typedef struct prefix {
    const char *add; /* put before every name of the graph */
    size_t drop;     /* characters of the graph's own base ("model.") that the file leaves out */
    bool several;    /* the file holds other towers beside this one */
} prefix;

typedef struct matcher {
    const bb_graph *g;
    const bb_file *f;
    const bb_stored_list *want;
    const bb_stored **sorted; /* [want->n] by name */
    bool *seen;               /* [want->n] by place in `sorted` */
    prefix at;
    bool gguf;
    bb_difference found[BB_DIFF_REASONS];
    uint64_t known_buffer_bytes, absent_bytes;
} matcher;

static int by_name(const void *a, const void *b) {
    return strcmp((*(const bb_stored *const *)a)->name, (*(const bb_stored *const *)b)->name);
}

/* The checkpoint of a base class leaves out the first part of each name, one of several towers puts more before it. */
static prefix find_prefix(const matcher *m) {
    static const char *const before[] = {"language_model.", "model.language_model.", "text_model.", "transformer."};
    const char *name = m->want->t[0].name, *dot = strchr(name, '.');
    char tried[BB_GRAPH_NAME + 96];
    size_t base = dot ? (size_t)(dot - name) + 1 : 0;
    if (m->gguf || bb_file_find(m->f, name)) return (prefix){"", 0, false};
    if (bb_file_find(m->f, name + base)) return (prefix){"", base, false};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        for (size_t k = 0; k < 2; k++) {
            (void)snprintf(tried, sizeof tried, "%s%s", before[i], name + (k ? base : 0));
            if (bb_file_find(m->f, tried)) return (prefix){before[i], k ? base : 0, true};
        }
    return (prefix){"", 0, false};
}

/* The graph's name for a name of the file into *own; false for one outside the prefix. The head of several towers
 * stands beside them, and a base that is left out is left out of the names that have it only. */
static bool graph_name(const matcher *m, const char *name, const char **own, char *buf, size_t size) {
    size_t n = strlen(m->at.add);
    bool head = n && bb_starts_with(name, "lm_head.");
    *own = name;
    if (head) return true;
    if (n && !bb_starts_with(name, m->at.add)) return false;
    *own = name + n;
    if (!m->at.drop) return true;
    (void)snprintf(buf, size, "%.*s%s", (int)m->at.drop, m->want->t[0].name, name + n);
    *own = buf;
    return true;
}

static size_t find(const matcher *m, const char *name) {
    size_t lo = 0, hi = m->want->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(name, m->sorted[mid]->name);
        if (c == 0) return mid;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return SIZE_MAX;
}

static void add(matcher *m, bb_diff_reason reason, const char *name, uint64_t elements, uint64_t bytes) {
    bb_difference *d = &m->found[reason];
    if (!d->tensors) bb_escape_buf(name, d->example, sizeof d->example);
    d->reason = reason;
    d->tensors++;
    if (!bb_add_u64(d->elements, elements, &d->elements)) d->elements = UINT64_MAX;
    if (!bb_add_u64(d->bytes, bytes, &d->bytes)) d->bytes = UINT64_MAX;
}

/* ---- why a tensor of the file is left over ---- */

static bool is_buffer(const char *name) {
    static const char *const tails[] = {
        "rotary_emb.inv_freq", "rotary_pos_emb.inv_freq", ".masked_bias",         ".attn.bias", "attention.bias",
        "position_ids",        "rotary_emb.cos_cached",   "rotary_emb.sin_cached"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        if (bb_ends_with(name, tails[i])) return true;
    return false;
}

/* Number of the layer in "...layers.61.x" or "...h.61.x"; false without one. */
static bool layer_number(const char *name, uint64_t *n) {
    static const char *const marks[] = {"layers.", ".h.", "blk.", "layer."};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *p = strstr(name, marks[i]);
        if (!p || *(p += strlen(marks[i])) < '0' || *p > '9') continue;
        for (*n = 0; *p >= '0' && *p <= '9' && *n < 1000000; p++) *n = *n * 10 + (uint64_t)(*p - '0');
        return true;
    }
    return false;
}

static bool is_tower(const char *name) {
    static const char *const parts[] = {"vision_tower.",
                                        "vision_model.",
                                        "visual.",
                                        "multi_modal_projector.",
                                        "audio_tower.",
                                        "vision_backbone",
                                        "image_newline",
                                        "mm_projector.",
                                        "vision_encoder",
                                        "v.",
                                        "mm."};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (bb_starts_with(name, parts[i]) || (strlen(parts[i]) > 3 && strstr(name, parts[i]))) return true;
    return false;
}

/* Companions of packed matrices, and the matrices themselves under their names. */
static bool is_scales(const char *name) {
    static const char *const tails[] = {".qweight", ".biases", ".weight_packed", "_blocks"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        if (bb_ends_with(name, tails[i])) return true;
    return bb_packed_companion(name);
}

/* A bias beside packed words of GPTQ; it may hold more than zeros only where the architecture has one. */
static bool is_zero_bias(const bb_file *f, const char *name) {
    char words[BB_GRAPH_NAME + 96];
    if (!bb_ends_with(name, ".bias")) return false;
    int n = snprintf(words, sizeof words, "%.*s.qweight", (int)(strlen(name) - 5), name);
    return n > 0 && (size_t)n < sizeof words && bb_file_find(f, words);
}

/* PEFT's names (LoRA, DoRA, trainable copies) and diffusers'. */
static bool is_adapter(const char *name) {
    static const char *const parts[] = {".lora_A",    ".lora_B",  ".lora_embedding_", ".lora_magnitude_vector",
                                        ".lora_down", ".lora_up", ".modules_to_save."};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(name, parts[i])) return true;
    return false;
}

static bb_diff_reason reason_of(const matcher *m, const char *full, const char *name, bool outside) {
    static const char *const heads[] = {"score.",          "classifier.",     "v_head.",   "cls.",
                                        "pre_classifier.", "qa_outputs.",     "out_proj.", "value_head.",
                                        "reward_head.",    "regression_head."};
    uint64_t layer;
    const bb_arch *a = m->g->arch;
    if (is_buffer(name)) return BB_DIFF_BUFFER;
    if (strcmp(name, "lm_head.weight") == 0 || strcmp(name, "embed_out.weight") == 0 ||
        strcmp(name, "output.weight") == 0 || strcmp(name, "proj_out.weight") == 0)
        return a->tied ? BB_DIFF_TIED_HEAD : a->head != BB_HEAD_LM ? BB_DIFF_TASK_HEAD : BB_DIFF_UNKNOWN;
    if (is_adapter(name)) return BB_DIFF_ADAPTER;
    if (bb_packed_cache_scale(name)) return BB_DIFF_CACHE_SCALES;
    if (outside || is_tower(name)) return BB_DIFF_TOWER;
    if (bb_starts_with(name, "mtp.") || bb_starts_with(name, "model.mtp") ||
        (layer_number(name, &layer) && layer >= a->layers))
        return BB_DIFF_MTP;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (bb_starts_with(name, heads[i])) return BB_DIFF_TASK_HEAD;
    if (is_zero_bias(m->f, full)) return BB_DIFF_ZERO_BIAS;
    return is_scales(name) ? BB_DIFF_SCALES : BB_DIFF_UNKNOWN;
}

/* ---- one tensor of the file ---- */

static bool same_shape(const bb_tensor *t, const bb_stored *s) {
    if (t->n_dims != s->n_dims) return false;
    for (uint32_t i = 0; i < t->n_dims; i++)
        if (t->dims[i] != s->dims[i]) return false;
    return true;
}

static bool is_float(const char *type) {
    return strcmp(type, "f32") == 0 || strcmp(type, "f16") == 0 || strcmp(type, "bf16") == 0;
}

/* No config says in which float compressed-tensors keeps its scales: some have the model's, some F32. */
static bool float_scale(const bb_tensor *t, const bb_stored *s) {
    return bb_ends_with(t->name, ".weight_scale") && is_float(t->type->name) && is_float(s->type);
}

static void match(matcher *m, const bb_tensor *t) {
    char buf[BB_GRAPH_NAME + 160];
    const char *name;
    bool inside = graph_name(m, t->name, &name, buf, sizeof buf);
    size_t i = inside ? find(m, name) : SIZE_MAX;
    /* what the base class leaves out may stand under its full name too: the head */
    if (i == SIZE_MAX && m->at.drop) i = find(m, t->name);
    if (i == SIZE_MAX) {
        bb_diff_reason why = reason_of(m, t->name, name, !inside);
        /* of the full rotation, whose length follows from the head */
        if (why == BB_DIFF_BUFFER && bb_ends_with(t->name, "inv_freq"))
            m->known_buffer_bytes += m->g->arch->head_dim / 2 * 4;
        add(m, why, t->name, t->elements, t->bytes);
        return;
    }
    m->seen[i] = true;
    if (m->f->names_only) return;
    const bb_stored *s = m->sorted[i];
    if (!same_shape(t, s) && !s->about) add(m, BB_DIFF_SHAPE, t->name, t->elements, t->bytes);
    if (!m->gguf && t->type && strcmp(t->type->name, s->type) != 0 && !float_scale(t, s))
        add(m, BB_DIFF_TYPE, t->name, t->elements, t->bytes);
}

static void missing(matcher *m) {
    for (size_t i = 0; i < m->want->n; i++) {
        uint64_t n = 1;
        const bb_stored *s = m->sorted[i];
        if (m->seen[i]) continue;
        if (bb_ends_with(s->name, ".g_idx")) { /* readers make it from the group: GPTQModel and others leave it out */
            m->absent_bytes += s->bytes;
            continue;
        }
        for (uint32_t k = 0; k < s->n_dims; k++)
            if (!bb_mul_u64(n, s->dims[k], &n)) n = UINT64_MAX;
        add(m, BB_DIFF_MISSING, s->name, n, s->bytes);
    }
}

/* ---- totals of an index ---- */

static void totals(matcher *m) {
    uint64_t size, count, want = m->want->bytes + m->known_buffer_bytes - m->absent_bytes;
    bb_difference *d = &m->found[BB_DIFF_TOTAL_SIZE];
    if (!m->f->names_only) want = bb_file_tensor_bytes(m->f);
    /* bitbudget knows the bytes of names alone when nothing is left over, or only buffers of a known length */
    bool complete = true;
    for (size_t i = BB_DIFF_TIED_HEAD; i <= BB_DIFF_MISSING; i++) complete &= m->found[i].tensors == 0;
    if (bb_meta_u64(m->f, "total_size", &size) && size != want && (complete || !m->f->names_only)) {
        *d = (bb_difference){.reason = BB_DIFF_TOTAL_SIZE, .bytes = size};
        uint64_t other = m->want->parameters * (strcmp(m->g->arch->dtype, "f32") == 0 ? 2 : 4);
        (void)snprintf(d->text, sizeof d->text, "total_size says %" PRIu64 " bytes, the tensors have %s%" PRIu64 "%s",
                       size, m->want->about ? "about " : "", want,
                       m->f->names_only && size == other ? ": the files' type is not the config's" : "");
        if (m->f->names_only && m->want->about && size + 8 * m->want->n > want && want + 8 * m->want->n > size)
            d->text[0] = '\0';
    }
    d = &m->found[BB_DIFF_TOTAL_PARAMETERS];
    if (bb_meta_u64(m->f, "total_parameters", &count) && count != m->want->parameters) {
        *d = (bb_difference){.reason = BB_DIFF_TOTAL_PARAMETERS, .elements = count};
        (void)snprintf(d->text, sizeof d->text, "total_parameters says %" PRIu64 ", the architecture has %" PRIu64,
                       count, m->want->parameters);
    }
}

static void describe(bb_difference *d) {
    bb_str s;
    if (!d->tensors) return;
    bb_str_init(&s);
    bb_str_addf(&s, "%" PRIu64 " tensor%s", d->tensors, d->tensors == 1 ? "" : "s");
    if (d->elements) bb_str_addf(&s, " (%" PRIu64 " elements)", d->elements);
    bb_str_addf(&s, " %s: %s", reasons[d->reason].text, d->example);
    if (d->tensors > 1) bb_str_add(&s, ", ...");
    (void)snprintf(d->text, sizeof d->text, "%s", bb_str_c(&s));
    bb_str_clear(&s);
}

/* The graph's GGUF tensors in the form of a checkpoint's. */
static bb_status gguf_list(const bb_graph *g, bb_stored_list *list) {
    bb_graph_tensor *t = NULL;
    size_t n = 0;
    bb_status st = bb_graph_tensors(g, false, &t, &n);
    if (st) return st;
    list->t = bb_alloc(n, sizeof *list->t);
    for (size_t i = 0; list->t && i < n; i++) {
        bb_stored *s = &list->t[list->n++];
        *s = (bb_stored){.type = "", .n_dims = t[i].n_dims};
        memcpy(s->name, t[i].name, sizeof t[i].name);
        memcpy(s->dims, t[i].dims, sizeof s->dims);
    }
    free(t);
    return list->t ? BB_OK : BB_E_NOMEM;
}

static bb_status compare(matcher *m) {
    size_t n = m->want->n;
    m->sorted = bb_alloc(n + 1, sizeof *m->sorted);
    m->seen = bb_alloc(n + 1, sizeof *m->seen);
    if (!m->sorted || !m->seen) return BB_E_NOMEM;
    for (size_t i = 0; i < n; i++) m->sorted[i] = &m->want->t[i];
    qsort(m->sorted, n, sizeof *m->sorted, by_name);
    if (!n) return BB_OK; /* a family without names in this container */
    m->at = find_prefix(m);
    for (size_t i = 0; i < bb_file_tensor_count(m->f); i++) match(m, bb_file_tensor(m->f, i));
    missing(m);
    if (!m->gguf) totals(m);
    for (size_t i = 0; i < BB_DIFF_REASONS; i++) describe(&m->found[i]);
    return BB_OK;
}

bb_status bb_graph_differences(const bb_graph *graph, const bb_stored_list *stored, const bb_file *file,
                               bb_difference **list, size_t *n, bb_error *err) {
    bb_stored_list own = {0};
    bool gguf = strcmp(bb_file_format(file), "gguf") == 0;
    bb_status st = gguf ? gguf_list(graph, &own) : BB_OK;
    matcher *m = st ? NULL : bb_alloc(1, sizeof *m);
    bb_difference *made = st ? NULL : bb_alloc(BB_DIFF_REASONS, sizeof *made);
    if (!st && (!m || !made)) st = BB_E_NOMEM;
    if (!st) {
        *m = (matcher){.g = graph, .f = file, .want = gguf ? &own : stored, .at = {"", 0, false}, .gguf = gguf};
        st = compare(m);
    }
    size_t used = 0;
    for (size_t i = 0; !st && i < BB_DIFF_REASONS; i++)
        if (*m->found[i].text) made[used++] = m->found[i];
    if (m) {
        free(m->sorted);
        free(m->seen);
    }
    free(m);
    bb_stored_clear(&own);
    if (st) {
        free(made);
        return st == BB_E_NOMEM ? bb_fail(err, st, "no memory to compare a file with its architecture") : st;
    }
    *list = made;
    *n = used;
    return BB_OK;
}
