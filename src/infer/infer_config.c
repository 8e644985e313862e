/* SPDX-License-Identifier: GPL-3.0-or-later */
/* infer_config.c - the numbers of a model beside its shape, and what does not run (llama.cpp v0.5.0, src/models/,
 * llama_model_rope_type and load_hparams of llama-model.cpp). */
#include "graph/convert_config.h"
#include "infer/infer_parts.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *family;
    bool rope_halves;
} families[] = {{"llama", false}, {"internlm2", false}, {"qwen", true}, {"qwen2", true},
                {"qwen3", true},  {"phi3", true},       {"olmo2", true}};

static bb_status find_family(bb_infer *f, bb_error *err) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].family, f->arch.family) == 0) {
            f->numbers.rope_halves = families[i].rope_halves;
            return BB_OK;
        }
    bb_fail(err, BB_E_UNSUPPORTED, "%s: models of the architecture %s do not run here", f->arch.name, f->arch.family);
    bb_hint(err, "These do: llama (mistral too), internlm2, qwen, qwen2, qwen3, phi3, olmo2.");
    return BB_E_UNSUPPORTED;
}

static bb_status not_run(const bb_infer *f, const char *what, bb_error *err) {
    return bb_fail(err, BB_E_UNSUPPORTED, "%s: %s, which does not run here", f->arch.name, what);
}

static bb_status check_shape(const bb_infer *f, bb_error *err) {
    const bb_arch *a = &f->arch;
    if (a->experts) return not_run(f, "it has experts", err);
    if (a->rope_factors) return not_run(f, "its rope factors depend on the context (longrope)", err);
    if (a->head != BB_HEAD_LM) return not_run(f, "it does not predict tokens", err);
    if (a->towers) return not_run(f, "it has further towers (vision, audio)", err);
    if (a->sliding_window && f->opts.ctx > a->sliding_window)
        return bb_fail(err, BB_E_UNSUPPORTED,
                       "%s: a context of %" PRIu64 " passes its window of %" PRIu64 ", which does not run here",
                       a->name, f->opts.ctx, a->sliding_window);
    return BB_OK;
}

/* ---- the keys of a GGUF ---- */

typedef struct keys {
    const bb_infer *f;
    const char *prefix;
    char key[160];
} keys;

/* False when it is absent; the name stays in k->key. */
static bool get_f64(keys *k, const char *suffix, double *v) {
    int n = snprintf(k->key, sizeof k->key, "%s.%s", k->prefix, suffix);
    return n > 0 && (size_t)n < sizeof k->key && bb_meta_f64(k->f->file, k->key, v);
}

static const char *get_text(keys *k, const char *suffix) {
    int n = snprintf(k->key, sizeof k->key, "%s.%s", k->prefix, suffix);
    return n > 0 && (size_t)n < sizeof k->key ? bb_meta_text(k->f->file, k->key) : NULL;
}

/* Linear unless it is told otherwise, with a factor that an older key may have; 0 is none. */
static bb_status read_scaling(keys *k, bb_infer_numbers *n, bb_error *err) {
    const char *type = get_text(k, "rope.scaling.type");
    double factor = 0, attention = 1;
    n->rope_scale = 1;
    if (get_f64(k, "rope.scaling.attn_factor", &attention) && fabs(attention - 1) > 0)
        return not_run(k->f, "its rope scaling has a factor for attention", err);
    if (type && strcmp(type, "none") == 0) return BB_OK;
    if (type && strcmp(type, "linear") != 0) return not_run(k->f, "its rope scaling is not linear", err);
    if (!get_f64(k, "rope.scaling.factor", &factor)) (void)get_f64(k, "rope.scale_linear", &factor);
    if (!isfinite(factor) || factor < 0)
        return bb_fail(err, BB_E_INVALID, "%s: its rope scaling is not a number of 0 or more", k->f->arch.name);
    if (factor > 0) n->rope_scale = 1 / factor;
    return BB_OK;
}

static bb_status read_keys(bb_infer *f, bb_error *err) {
    keys k = {.f = f, .prefix = bb_meta_text(f->file, "general.architecture")};
    bb_infer_numbers *n = &f->numbers;
    bool causal = true;
    if (!k.prefix) return bb_fail(err, BB_E_INVALID, "%s: general.architecture is missing", f->arch.name);
    (void)snprintf(k.key, sizeof k.key, "%s.attention.causal", k.prefix);
    if (bb_meta_bool(f->file, k.key, &causal) && !causal) return not_run(f, "its attention is not causal", err);
    if (!get_f64(&k, "attention.layer_norm_rms_epsilon", &n->norm_eps))
        return bb_fail(err, BB_E_INVALID, "%s: %s.attention.layer_norm_rms_epsilon is missing", f->arch.name,
                       f->arch.family);
    n->rope_base = 10000;
    (void)get_f64(&k, "rope.freq_base", &n->rope_base);
    return read_scaling(&k, n, err);
}

/* ---- a checkpoint ---- */

static bb_status read_config(bb_infer *f, bb_error *err) {
    bb_convert_config c;
    const char *config = f->opts.config;
    if (!config)
        return bb_fail(err, BB_E_ARG, "%s: a checkpoint runs by its config.json, which is missing", f->arch.name);
    bb_status st = bb_convert_config_read(&f->arch, config, f->opts.config_bytes, &c, err);
    if (st) return st;
    if (c.bidirectional) return not_run(f, "its attention is not causal", err);
    if (c.scaling == BB_ROPE_YARN) return not_run(f, "its rope scaling is yarn", err);
    f->numbers.norm_eps = c.norm_eps;
    f->numbers.rope_base = c.rope[BB_ROPE_THETA];
    f->numbers.rope_scale = c.scaling == BB_ROPE_LINEAR ? 1 / c.rope[BB_ROPE_FACTOR] : 1;
    st = bb_convert_hf(&f->arch, config, f->opts.config_bytes, f->file, &f->conversion, err);
    if (st) return st;
    /* as bb_convert_hf takes it */
    f->arch.rope_freqs = c.scaling == BB_ROPE_LLAMA3;
    if (bb_file_find(f->file, "lm_head.weight")) f->arch.tied = false;
    return BB_OK;
}

bb_status bb_infer_configure(bb_infer *f, bb_error *err) {
    const bb_infer_numbers *n = &f->numbers;
    const char *format = bb_file_format(f->file);
    bb_status st = find_family(f, err);
    if (!st) st = check_shape(f, err);
    if (st) return st;
    if (strcmp(format, "gguf") == 0)
        st = read_keys(f, err);
    else if (strcmp(format, "safetensors") == 0)
        st = read_config(f, err);
    else
        st = bb_fail(err, BB_E_UNSUPPORTED, "%s: a file of %s holds no model that runs", f->arch.name, format);
    if (st) return st;
    if (!isfinite((float)n->norm_eps) || n->norm_eps < 0 || !isfinite(n->rope_base) || n->rope_base <= 0)
        return bb_fail(err, BB_E_INVALID, "%s: the epsilon of its norms or the base of its rope is not a number",
                       f->arch.name);
    return BB_OK;
}
