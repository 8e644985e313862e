/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_plan.c - which tensors a quantized file holds, in what types, and which rows they come from. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "base/source.h"
#include "study/quantize_parts.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX_BYTES = 64 << 20 };

void bb_quantize_warn(bb_quantize_job *job, const char *fmt, ...) {
    char text[sizeof *job->warnings];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    pthread_mutex_lock(&job->lock);
    if (bb_grow((void **)&job->warnings, job->n_warnings, &job->warnings_cap, sizeof *job->warnings))
        memcpy(job->warnings[job->n_warnings++], text, sizeof text);
    pthread_mutex_unlock(&job->lock);
}

/* ---- the tensors of the output ---- */

static bb_status new_rows(bb_quantize_job *job, size_t n, bb_error *err) {
    job->rows = bb_alloc(n + 1, sizeof *job->rows);
    job->places = bb_alloc(n + 1, sizeof *job->places);
    if (!job->rows || !job->places) return bb_fail(err, BB_E_NOMEM, "out of memory");
    job->n = n;
    return BB_OK;
}

/* What llama-quantize takes next: by the number behind "blk.", those without one first, then by name. */
typedef struct order {
    const char *name;
    int64_t layer;
    size_t index;
} order;

static int by_layer(const void *a, const void *b) {
    const order *x = a, *y = b;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* With a split that is kept, tensors stay in their parts and in the order of their offsets there. */
typedef struct place_order {
    const bb_tensor *t;
    size_t index;
} place_order;

static int by_place(const void *a, const void *b) {
    const bb_tensor *x = ((const place_order *)a)->t, *y = ((const place_order *)b)->t;
    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Order of the n tensors of a file or a conversion; an array that the caller frees. */
static size_t *output_order(const bb_quantize_job *job, size_t n) {
    size_t *out = bb_alloc(n + 1, sizeof *out);
    order *o = bb_alloc(n + 1, sizeof *o);
    place_order *p = bb_alloc(n + 1, sizeof *p);
    bool converts = job->conversion.t != NULL;
    for (size_t i = 0; out && o && p && i < n; i++) {
        const bb_tensor *t = converts ? NULL : bb_file_tensor(job->model->file, i);
        const char *name = converts ? job->conversion.t[i].name : t->name;
        o[i] = (order){name, bb_mixture_layer(name), i};
        p[i] = (place_order){t, i};
    }
    if (out && o && p) {
        bool places = !converts && job->opts.keep_split && bb_file_parts(job->model->file) > 1;
        if (places)
            qsort(p, n, sizeof *p, by_place);
        else
            qsort(o, n, sizeof *o, by_layer);
        for (size_t i = 0; i < n; i++) out[i] = places ? p[i].index : o[i].index;
    } else {
        free(out);
        out = NULL;
    }
    free(o);
    free(p);
    return out;
}

static bb_status row_from_file(bb_quantize_job *job, size_t i, const bb_tensor *t, bb_error *err) {
    bb_quantize_row *r = &job->rows[i];
    bb_quantize_place *p = &job->places[i];
    bb_escape_buf(t->name, r->name, sizeof r->name);
    if (!t->type || t->type->gguf_id == BB_NO_GGUF_ID)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' is of type %s, which is not known", r->name,
                       t->type_in_file);
    if (t->n_dims > 4 || t->n_dims == 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' has %u dimensions, expected 1 to 4", r->name, t->n_dims);
    r->from = t->type;
    r->n_dims = t->n_dims;
    for (uint32_t d = 0; d < 4; d++) r->dims[d] = d < t->n_dims ? t->dims[d] : 1;
    r->elements = t->elements;
    r->from_bytes = t->bytes;
    p->only = t;
    p->source = &p->only;
    p->n_sources = 1;
    return BB_OK;
}

static bb_status row_from_checkpoint(bb_quantize_job *job, size_t i, const bb_converted *c, bb_error *err) {
    bb_quantize_row *r = &job->rows[i];
    bb_quantize_place *p = &job->places[i];
    bb_escape_buf(c->name, r->name, sizeof r->name);
    r->n_dims = c->n_dims;
    r->elements = 1;
    for (uint32_t d = 0; d < 4; d++) {
        r->dims[d] = d < c->n_dims ? c->dims[d] : 1;
        if (!bb_mul_u64(r->elements, r->dims[d], &r->elements))
            return bb_fail(err, BB_E_OVERFLOW, "tensor '%s' has more than 2^64 elements", r->name);
    }
    p->source = (const bb_tensor *const *)c->source;
    p->n_sources = c->n_sources;
    p->converted = c;
    p->turned = c->head_rows != 0;
    p->made = c->made;
    r->from = c->n_sources ? c->source[0]->type : bb_dtype_find("f32", NULL);
    if (!c->n_sources) r->from_bytes = r->elements * sizeof(float); /* made, so that many fit into memory */
    for (size_t s = 0; s < c->n_sources; s++) {
        r->from_bytes += c->source[s]->bytes;
        if (c->source[s]->type != r->from || !bb_codec_find(r->from, BB_ISA_SCALAR))
            return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' is made of %s, expected f32, f16 or bf16", r->name,
                           c->source[s]->type_in_file);
    }
    return BB_OK;
}

static bb_status list_rows(bb_quantize_job *job, bb_error *err) {
    bool converts = job->conversion.t != NULL;
    size_t n = converts ? job->conversion.n : bb_file_tensor_count(job->model->file);
    bb_status status = new_rows(job, n, err);
    if (status != BB_OK) return status;
    size_t *index = output_order(job, n);
    if (!index) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n && status == BB_OK; i++) {
        atomic_init(&job->rows[i].state, BB_ROW_WAITING);
        status = converts ? row_from_checkpoint(job, i, &job->conversion.t[index[i]], err)
                          : row_from_file(job, i, bb_file_tensor(job->model->file, index[i]), err);
        bb_quantize_place *p = &job->places[i];
        const bb_quantize_row *r = &job->rows[i];
        p->cols = r->n_dims == 1 && p->turned ? 1 : r->dims[0]; /* the rows of a bias are its elements */
        p->rows = p->cols ? r->elements / p->cols : 0;
        if (job->opts.keep_split && !converts) p->file = bb_file_tensor(job->model->file, index[i])->part;
    }
    free(index);
    return status;
}

/* ---- types ---- */

/* The name that a rule sees: that of the file, not the escaped one. */
static const char *raw_name(const bb_quantize_job *job, size_t i) {
    const bb_quantize_place *p = &job->places[i];
    return job->conversion.t ? job->rows[i].name : p->only->name;
}

/* A checkpoint's tensors have the type that a converter gives them before anything is quantized: F32 for vectors and
 * routers, their own for other matrices. */
static const bb_dtype *given_type(const bb_quantize_job *job, size_t i) {
    const bb_converted *c = job->places[i].converted;
    return c && c->f32 ? bb_dtype_find("f32", NULL) : job->rows[i].from;
}

static bb_status choose_types(bb_quantize_job *job, bb_progress *progress, bb_error *err) {
    static const bb_arch blank = {.family = ""};
    const bb_arch *arch = job->model->arch;
    bb_recipe recipe = job->opts.recipe;
    bool target = job->opts.target_bytes || job->opts.target_bpw > 0;
    if (!arch && !recipe.pure && !target && recipe.ftype->number > 1 && recipe.ftype->number != 32)
        return bb_fail(err, BB_E_UNSUPPORTED, "the mixture %s needs an architecture that is known: %s", job->title,
                       *job->model->note ? job->model->note : "the file names none");
    bb_mix_tensor *mix = bb_alloc(job->n + 1, sizeof *mix);
    if (!mix) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < job->n; i++) {
        const bb_quantize_row *r = &job->rows[i];
        mix[i] = (bb_mix_tensor){.name = raw_name(job, i), .n_dims = r->n_dims, .source = given_type(job, i)};
        memcpy(mix[i].dims, r->dims, sizeof r->dims);
    }
    bb_status status = bb_recipe_types(&recipe, arch ? arch : &blank, mix, job->n, err);
    for (size_t i = 0; i < job->n && status == BB_OK; i++) {
        job->rows[i].to = mix[i].type;
        job->rows[i].fell_back = mix[i].fell_back;
    }
    if (status == BB_OK && target) status = bb_quantize_target(job, mix, progress, err);
    for (size_t i = 0; i < job->n && status == BB_OK; i++)
        job->rows[i].quantized = job->rows[i].to != job->rows[i].from;
    free(mix);
    return status;
}

/* ---- the job ---- */

static bb_status read_config(bb_quantize_job *job, bb_error *err) {
    const bb_model *m = job->model;
    if (!m->arch || !m->config_path)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: a GGUF needs a config.json that tells the architecture: %s", m->path,
                       *m->note ? m->note : "none stands beside the file");
    bb_status status = bb_source_slurp(m->config_path, CONFIG_MAX_BYTES, &job->config, &job->config_bytes, err);
    if (status == BB_OK)
        status = bb_convert_hf(m->arch, job->config, job->config_bytes, m->file, &job->conversion, err);
    if (status == BB_OK && job->conversion.n == 0) status = bb_fail(err, BB_E_INVALID, "%s: no tensors", m->path);
    return status;
}

static void warn_of_input(bb_quantize_job *job) {
    if (job->conversion.t && !job->opts.vocab)
        bb_quantize_warn(job, "no tokenizer: the file says no_vocab; --vocab FILE.gguf takes one from another model");
    if (job->opts.keep_split && (job->conversion.t || bb_file_parts(job->model->file) == 1))
        bb_quantize_warn(job, "--keep-split: %s, so the output is one file",
                         job->conversion.t ? "shards of a checkpoint are not parts of a GGUF"
                                           : "the input is no split");
    if (job->opts.vocab && !job->conversion.t)
        bb_quantize_warn(job, "--vocab is for checkpoints: a GGUF keeps the tokenizer that it has");
}

static void warn_of_rules(bb_quantize_job *job) {
    const bb_type_rules *rules = job->opts.recipe.rules;
    const char *text, *base = job->ftype.base;
    bool plain = strcmp(base, "f16") == 0 || strcmp(base, "bf16") == 0 || strcmp(base, "f32") == 0;
    char shown[96];
    for (size_t k = 0; rules && (text = bb_type_rule_text(rules, k)); k++) {
        size_t decided = 0;
        for (size_t i = 0; i < job->n; i++) decided += bb_type_rule_decides(rules, k, raw_name(job, i));
        bb_escape_buf(text, shown, sizeof shown);
        if (!decided)
            bb_quantize_warn(job, "--tensor-type '%s' takes no tensor; names are those of a GGUF, such as '%s'", shown,
                             job->n ? job->rows[job->n - 1].name : "");
        else if (plain)
            bb_quantize_warn(job, "--tensor-type '%s': %s takes no rules, as in llama-quantize", shown, base);
    }
}

static void warn_of_fallbacks(bb_quantize_job *job) {
    size_t n = 0, first = 0;
    for (size_t i = 0; i < job->n; i++)
        if (job->rows[i].fell_back && !n++) first = i;
    if (n)
        bb_quantize_warn(job,
                         "%zu of %zu tensors fall back to another type, since no block divides their rows; the "
                         "first: '%s' to %s",
                         n, job->n, job->rows[first].name, job->rows[first].to->name);
}

static bb_status make_plan(const bb_model *model, const bb_quantize_opts *opts, bb_progress *progress,
                           bb_quantize_job **out, bb_error *err) {
    if (!model->file)
        return bb_fail(err, BB_E_VALUE,
                       "%s: no tensors to quantize%s%s; expected a GGUF, a safetensors file or a folder with one",
                       model->title, *model->note ? ": " : "", model->note);
    bb_quantize_job *job = bb_alloc(1, sizeof *job);
    if (!job) return bb_fail(err, BB_E_NOMEM, "out of memory");
    if (pthread_mutex_init(&job->lock, NULL) != 0) {
        free(job);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    job->model = model;
    job->opts = *opts;
    job->opts.recipe.has_imatrix = opts->imatrix != NULL;
    job->ftype = *opts->recipe.ftype;
    if (opts->target_bytes)
        snprintf(job->title, sizeof job->title, "a mixture for %" PRIu64 " bytes", opts->target_bytes);
    else if (opts->target_bpw > 0)
        snprintf(job->title, sizeof job->title, "a mixture for %.4g bits", opts->target_bpw);
    else
        snprintf(job->title, sizeof job->title, "%s", job->ftype.name);
    bb_status status = BB_OK;
    const char *format = bb_file_format(model->file);
    if (model->file->names_only)
        status = bb_fail(err, BB_E_OPEN, "%s: the shards of the checkpoint are not there", model->path);
    else if (strcmp(format, "npy") == 0)
        status = bb_fail(err, BB_E_UNSUPPORTED, "%s: an array alone is no model", model->path);
    else if (strcmp(format, "gguf") != 0)
        status = read_config(job, err);
    else if (model->file->split_of > 1)
        status = bb_fail(err, BB_E_UNSUPPORTED,
                         "%s: one part of a split model; name its first part, with all others "
                         "beside it",
                         model->path);
    if (status == BB_OK) status = list_rows(job, err);
    for (size_t i = 0; i < job->n && status == BB_OK && opts->imatrix; i++)
        status = bb_quantize_importance(job, i, err);
    if (status == BB_OK) status = choose_types(job, progress, err);
    for (size_t i = 0; i < job->n && status == BB_OK && opts->imatrix; i++) status = bb_quantize_mend(job, i, err);
    if (status == BB_OK) status = bb_quantize_layout(job, err);
    if (status != BB_OK) {
        bb_quantize_free(job);
        return status;
    }
    warn_of_input(job);
    warn_of_rules(job);
    if (opts->imatrix) bb_quantize_importance_told(job);
    warn_of_fallbacks(job);
    *out = job;
    return BB_OK;
}

/* What is computed, or told in decimals, must not depend on a rounding mode that the caller has. */
bb_status bb_quantize_plan(const bb_model *model, const bb_quantize_opts *opts, bb_progress *progress,
                           bb_quantize_job **out, bb_error *err) {
    fenv_t env;
    bb_fp_enter(&env);
    bb_status status = make_plan(model, opts, progress, out, err);
    bb_fp_leave(&env);
    return status;
}

void bb_quantize_free(bb_quantize_job *job) {
    if (!job) return;
    for (size_t i = 0; i < job->n && job->places; i++) free(job->places[i].importance_owned);
    bb_quantize_layout_clear(job);
    bb_conversion_clear(&job->conversion);
    free(job->config);
    free(job->rows);
    free(job->places);
    free(job->warnings);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

size_t bb_quantize_count(const bb_quantize_job *job) { return job->n; }
const bb_quantize_row *bb_quantize_at(const bb_quantize_job *job, size_t i) {
    return i < job->n ? &job->rows[i] : NULL;
}
size_t bb_quantize_files(const bb_quantize_job *job) { return job->n_files; }
const char *bb_quantize_title(const bb_quantize_job *job) { return job->title; }
const char *bb_quantize_warning(const bb_quantize_job *job, size_t i) {
    return i < job->n_warnings ? job->warnings[i] : NULL;
}

const bb_dispatch *bb_quantize_dispatch(const bb_quantize_job *job) { return &job->dispatch; }
bool bb_quantize_complete(const bb_quantize_job *job) { return job->complete; }

uint64_t bb_quantize_file_bytes(const bb_quantize_job *job) {
    uint64_t sum = 0;
    for (size_t i = 0; i < job->n_files; i++) sum += job->file_bytes[i]; /* checked when they were laid out */
    return sum;
}

uint64_t bb_quantize_tensor_bytes(const bb_quantize_job *job) {
    uint64_t sum = 0;
    for (size_t i = 0; i < job->n; i++) sum += job->rows[i].bytes;
    return sum;
}
