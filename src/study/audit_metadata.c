/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_metadata.c - findings about a file as a whole: keys, types by the file's own rule, tensors that are absent. */
#include "base/escape.h"
#include "base/mem.h"
#include "graph/differences.h"
#include "model/mixture.h"
#include "study/audit_findings.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys ---- */

/* Of every architecture that graph/ describes: load_hparams of llama-model.cpp and the models' own parts of it
 * (llama.cpp v0.5.0). The counts of heads and the width of the MLP have defaults of 0 there, with which no model of
 * these architectures runs. */
static const char *const required[] = {"context_length", "embedding_length", "block_count", "attention.head_count",
                                       "feed_forward_length"};

static bool missing_key(bb_audit_report *r, const char *key, const char *what) {
    bb_finding *f = bb_audit_add(r, BB_ERROR, "missing-key", NULL, "%s", what);
    if (f) bb_escape_buf(key, f->tensor, sizeof f->tensor);
    return f != NULL;
}

static const bb_meta *key_of(const bb_file *file, const char *family, const char *suffix, char *key, size_t size) {
    snprintf(key, size, "%s.%s", family, suffix);
    return bb_file_meta(file, key);
}

static bool architecture_keys(bb_audit_report *r, const char *family) {
    const bb_file *f = r->model->file;
    char key[160];
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        const bb_meta *m = key_of(f, family, required[i], key, sizeof key);
        bool number = m && (m->kind == BB_META_U64 || m->kind == BB_META_I64 || m->kind == BB_META_ARRAY);
        if (!number && !missing_key(r, key, m ? "is no number: llama.cpp needs it" : "llama.cpp needs it"))
            return false;
    }
    if (key_of(f, family, "attention.layer_norm_epsilon", key, sizeof key) ||
        key_of(f, family, "attention.layer_norm_rms_epsilon", key, sizeof key))
        return true;
    return missing_key(r, key, "llama.cpp needs it, or layer_norm_epsilon");
}

/* llama-vocab.cpp of llama.cpp v0.5.0: impl::load. */
static bool tokenizer_keys(bb_audit_report *r) {
    const bb_file *f = r->model->file;
    const char *model = bb_meta_text(f, "tokenizer.ggml.model"), *pre = bb_meta_text(f, "tokenizer.ggml.pre");
    const bb_meta *tokens = bb_file_meta(f, "tokenizer.ggml.tokens");
    const bb_tensor *embd = bb_file_find(f, "token_embd.weight");
    if (!model) return missing_key(r, "tokenizer.ggml.model", "llama.cpp needs it: no_vocab where there is none");
    if (strcmp(model, "no_vocab") == 0 || strcmp(model, "none") == 0) return true;
    if (!tokens || tokens->kind != BB_META_ARRAY)
        return missing_key(r, "tokenizer.ggml.tokens", "llama.cpp needs it for this tokenizer");
    bool bpe = strcmp(model, "gpt2") == 0;
    if (bpe && !bb_file_meta(f, "tokenizer.ggml.merges") && !(pre && strcmp(pre, "kimi-k2") == 0) &&
        !missing_key(r, "tokenizer.ggml.merges", "llama.cpp needs it for this tokenizer"))
        return false;
    if (bpe && !pre) {
        bb_finding *n = bb_audit_add(r, BB_WARNING, "missing-key", NULL, "llama.cpp splits text as for 'default' then");
        if (!n) return false;
        bb_escape_buf("tokenizer.ggml.pre", n->tensor, sizeof n->tensor);
    }
    if (embd && embd->n_dims == 2 && embd->dims[1] != tokens->v.array.count)
        return bb_audit_add(r, BB_ERROR, "wrong-shape", embd,
                            "%" PRIu64 " rows for the %" PRIu64 " tokens of tokenizer.ggml.tokens", embd->dims[1],
                            tokens->v.array.count) != NULL;
    return true;
}

static bool has_blocks(const bb_file *f) {
    for (size_t i = 0; i < f->n_tensors; i++)
        if (f->tensors[i].type && f->tensors[i].type->block > 1) return true;
    return false;
}

/* ---- types ---- */

static const bb_ftype *ftype_of(uint64_t number) {
    for (size_t i = 0; i < bb_ftype_count(); i++)
        if ((uint64_t)bb_ftype_at(i)->number == number) return bb_ftype_at(i);
    return NULL;
}

/* What llama-quantize would have made of each tensor; tensors [n_tensors]. False when the file is none of its making.
 */
static bool rule_of(const bb_model *m, const bb_ftype *ft, bb_mix_tensor *mix) {
    const bb_file *f = m->file;
    for (size_t i = 0; i < f->n_tensors; i++) {
        const bb_tensor *t = &f->tensors[i];
        if (t->n_dims > 4) return false;
        mix[i] = (bb_mix_tensor){.name = t->name, .n_dims = t->n_dims, .dims = {1, 1, 1, 1}, .source = t->type};
        for (uint32_t k = 0; k < t->n_dims; k++) mix[i].dims[k] = t->dims[k];
    }
    return bb_mixture(ft, m->arch, bb_file_meta(f, "quantize.imatrix.file") != NULL, mix, f->n_tensors, NULL) == BB_OK;
}

/* One finding for each pair of (type, type by the rule). */
static bool differing_types(bb_audit_report *r, const bb_ftype *ft, const bb_mix_tensor *mix) {
    const bb_file *f = r->model->file;
    for (size_t i = 0; i < f->n_tensors; i++) {
        const bb_dtype *is = f->tensors[i].type, *rule = mix[i].type;
        size_t n = 0, k = 0;
        if (!is || is == rule) continue;
        while (k < i && (f->tensors[k].type != is || mix[k].type != rule)) k++;
        if (k < i) continue;
        for (k = i; k < f->n_tensors; k++) n += f->tensors[k].type == is && mix[k].type == rule;
        bb_finding *x = bb_audit_add(r, BB_NOTE, "other-type", &f->tensors[i], "llama-quantize makes %s %s for %s",
                                     n == 1 ? "it" : "them", rule->name, ft->name);
        if (!x) return false;
        x->count = n;
    }
    return true;
}

/* The type in which most bytes are. */
static const bb_dtype *main_type(const bb_file *f) {
    const bb_dtype *best = NULL;
    uint64_t most = 0;
    for (size_t k = 0; k < bb_dtype_count(); k++) {
        uint64_t n = 0;
        for (size_t i = 0; i < f->n_tensors; i++)
            if (f->tensors[i].type == bb_dtype_at(k)) n += f->tensors[i].bytes;
        if (n > most) {
            most = n;
            best = bb_dtype_at(k);
        }
    }
    return best;
}

/* No tensor is of the type that the file's type is named after, where some should be. mix NULL: the rule is not known.
 */
static bool contradiction(bb_audit_report *r, const bb_ftype *ft, const bb_mix_tensor *mix, bool *found) {
    const bb_file *f = r->model->file;
    bool should = !mix;
    *found = false;
    for (size_t i = 0; i < f->n_tensors; i++) {
        if (f->tensors[i].type && strcmp(f->tensors[i].type->name, ft->base) == 0) return true;
        should |= mix && strcmp(mix[i].type->name, ft->base) == 0;
    }
    const bb_dtype *most = main_type(f);
    if (!should || !most) return true;
    *found = true;
    bb_finding *x =
        bb_audit_add(r, BB_WARNING, "wrong-file-type", NULL, "%d is %s, but no tensor is %s; most bytes are %s",
                     (int)ft->number, ft->name, ft->base, most->name);
    if (x) bb_escape_buf("general.file_type", x->tensor, sizeof x->tensor);
    return x != NULL;
}

static bool types(bb_audit_report *r, bool known) {
    const bb_file *f = r->model->file;
    uint64_t number;
    bool contradicts = false, ok;
    if (!bb_meta_u64(f, "general.file_type", &number)) {
        bb_finding *x = bb_audit_add(r, BB_NOTE, "missing-key", NULL, "programs guess it from the tensors");
        if (x) bb_escape_buf("general.file_type", x->tensor, sizeof x->tensor);
        return x != NULL;
    }
    const bb_ftype *ft = ftype_of(number);
    if (!ft) {
        bb_finding *x = bb_audit_add(r, BB_NOTE, "unknown-file-type", NULL,
                                     "%" PRIu64 " is not a file type of llama-quantize", number);
        if (x) bb_escape_buf("general.file_type", x->tensor, sizeof x->tensor);
        return x != NULL;
    }
    bb_mix_tensor *mix = bb_alloc(f->n_tensors, sizeof *mix);
    if (!mix) return false;
    bool rule = known && f->n_tensors && rule_of(r->model, ft, mix);
    ok = contradiction(r, ft, rule ? mix : NULL, &contradicts);
    if (ok && rule && !contradicts) ok = differing_types(r, ft, mix);
    free(mix);
    return ok;
}

/* ---- tensors ---- */

static bb_severity severity_of(bb_diff_reason reason) {
    switch (reason) {
    case BB_DIFF_MISSING:
    case BB_DIFF_SHAPE:
        return BB_ERROR;
    case BB_DIFF_UNKNOWN:
        return BB_WARNING;
    default:
        return BB_NOTE;
    }
}

static bb_status tensors(bb_audit_report *r, bb_error *err) {
    const bb_file *f = r->model->file;
    bb_graph graph = {0};
    bb_difference *list = NULL;
    size_t n = 0;
    bb_error why = {0};
    bb_stored_list stored = {0};
    bool gguf = strcmp(f->format, "gguf") == 0;
    bb_status s = bb_graph_build(r->model->arch, &graph, &why);
    if (s == BB_OK && !gguf) s = bb_stored_hf(&graph, &r->model->quant, r->model->arch->dtype, &stored, &why);
    if (s == BB_OK) s = bb_graph_differences(&graph, gguf ? NULL : &stored, f, &list, &n, &why);
    bb_stored_clear(&stored);
    for (size_t i = 0; s == BB_OK && i < n; i++) {
        const bb_difference *d = &list[i];
        const char *word = d->reason == BB_DIFF_MISSING   ? "missing-tensor"
                           : d->reason == BB_DIFF_SHAPE   ? "wrong-shape"
                           : d->reason == BB_DIFF_UNKNOWN ? "unknown-tensor"
                                                          : bb_diff_word(d->reason);
        bb_finding *x = bb_audit_add(r, severity_of(d->reason), word, NULL, "%s", d->text);
        if (!x) s = BB_E_NOMEM;
        if (!x) break;
        x->count = d->tensors;
        memcpy(x->tensor, d->example, sizeof x->tensor);
    }
    free(list);
    bb_graph_clear(&graph);
    return s == BB_E_NOMEM ? bb_fail(err, s, "no memory for what was found") : BB_OK;
}

/* ---- all of it ---- */

/* Whether the file is a model at all, rather than an importance matrix or an adapter. */
static bool is_model(const bb_file *f) {
    const char *type = bb_meta_text(f, "general.type");
    return !type || strcmp(type, "model") == 0;
}

static bool keys(bb_audit_report *r, bool known) {
    const bb_file *f = r->model->file;
    const char *family = bb_meta_text(f, "general.architecture");
    uint64_t version;
    if (!family && !missing_key(r, "general.architecture", "llama.cpp needs it")) return false;
    if (known && !architecture_keys(r, r->model->arch ? r->model->arch->family : family)) return false;
    if (known && !tokenizer_keys(r)) return false;
    if (family && !known &&
        !bb_audit_add(r, BB_NOTE, "not-judged", NULL,
                      "the architecture '%.64s' is not known: its keys, tensors and types", family))
        return false;
    if (!has_blocks(f) || bb_meta_u64(f, "general.quantization_version", &version)) return true;
    bb_finding *x = bb_audit_add(r, BB_NOTE, "missing-key", NULL, "quantized files have it: 2");
    if (x) bb_escape_buf("general.quantization_version", x->tensor, sizeof x->tensor);
    return x != NULL;
}

bb_status bb_audit_metadata(bb_audit_report *r, bb_error *err) {
    const bb_model *m = r->model;
    const bb_file *f = m->file;
    bool gguf = strcmp(f->format, "gguf") == 0, ok = true;
    bb_status s = BB_OK;
    for (size_t i = 0; ok && i < f->n_warnings; i++)
        ok = bb_audit_add(r, BB_WARNING, "file", NULL, "%s", f->warnings[i]);
    if (ok && gguf && is_model(f) && !f->split_of) {
        const char *family = bb_meta_text(f, "general.architecture");
        bool known = family && bb_arch_known(family);
        ok = keys(r, known);
        if (ok && !f->n_tensors) ok = bb_audit_add(r, BB_NOTE, "no-tensors", NULL, "keys and a vocabulary alone");
        if (ok && f->n_tensors) ok = types(r, known && m->arch);
        /* what a missing key leads to is not told twice */
        if (ok && !m->arch && known && *m->note && !r->by_severity[BB_ERROR])
            ok = bb_audit_add(r, BB_ERROR, "architecture", NULL, "%s", m->note);
        if (ok && known && m->arch && f->n_tensors) s = tensors(r, err);
    } else {
        bool known = m->arch && bb_arch_known(m->arch->family) && bb_quantization_known(&m->quant) && !f->names_only;
        if (ok && *m->note) ok = bb_audit_add(r, BB_NOTE, "file", NULL, "%s", m->note);
        if (ok && !gguf && known && f->n_tensors) s = tensors(r, err);
    }
    return ok ? s : bb_fail(err, BB_E_NOMEM, "no memory for what was found");
}
