/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kl_plan.c - from the name of a type to the types of all matrices, and to the bytes of the file. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "study/kl_parts.h"
#include "study/quantize_folder.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char embedding_name[] = "token_embd.weight", output_name[] = "output.weight";

/* ---- bytes ---- */

uint64_t bb_kl_file_bytes(const bb_file *file) {
    uint64_t sum = 0;
    for (size_t i = 0; i < file->n_parts; i++)
        if (file->parts[i].src) sum += bb_source_size(file->parts[i].src);
    return sum;
}

bool bb_kl_tensor_bytes(const bb_tensor *t, const bb_dtype *type, uint64_t *bytes) {
    uint64_t row;
    return bb_dtype_row_bytes(type, t->cols, &row) == BB_OK && bb_mul_u64(row, t->rows, bytes);
}

uint64_t bb_kl_file_bytes_with(const bb_file *file, const bb_tensor *t, uint64_t bytes, uint64_t file_bytes) {
    uint64_t from = t->bytes, to = bytes;
    /* in a GGUF the next tensor begins on a boundary */
    if (!bb_align_u64(from, file->alignment, &from) || !bb_align_u64(to, file->alignment, &to)) return file_bytes;
    return file_bytes - from + to;
}

bool bb_kl_is_output(const bb_infer *infer, const bb_linear *l) {
    return strcmp(l->name, output_name) == 0 || l->tensor == bb_infer_embedding(infer);
}

/* ---- types of a GGUF ---- */

static const bb_quantize_row *find_row(const bb_quantize_job *job, const char *name) {
    for (size_t i = 0; i < bb_quantize_count(job); i++)
        if (strcmp(bb_quantize_at(job, i)->name, name) == 0) return bb_quantize_at(job, i);
    return NULL;
}

static bb_status by_mixture(const bb_model *model, const bb_infer *infer, const bb_kl_opts *o, const bb_ftype *ftype,
                            bool pure, bb_kl_plan *p, bb_error *err) {
    bb_quantize_opts q = {.recipe = {.ftype = ftype, .pure = pure}, .requantize = true, .quant = {.isa = o->isa}};
    bb_quantize_job *job = NULL;
    if (strcmp(bb_file_format(model->file), "gguf") != 0) q.vocab = o->vocab;
    bb_status st = bb_quantize_plan(model, &q, NULL, &job, err);
    if (st == BB_OK) st = bb_quantize_check(job, err);
    for (size_t i = 0; i < bb_infer_linears(infer) && st == BB_OK; i++) {
        const bb_linear *l = bb_infer_linear(infer, i);
        const bb_quantize_row *r = find_row(job, l->name);
        if (!r) {
            st = bb_fail(err, BB_E_BUG, "the quantized file has no '%s'", l->name);
            break;
        }
        p->types[i] = r->to != l->tensor->type ? r->to : NULL;
        p->other += r->fell_back;
        p->kept += !p->types[i];
    }
    if (st == BB_OK) {
        const bb_quantize_row *r = find_row(job, embedding_name);
        if (r && r->to != bb_infer_embedding(infer)->type) p->embedding = r->to;
        p->file_bytes = bb_quantize_file_bytes(job);
        p->tensor_bytes = bb_quantize_tensor_bytes(job);
    }
    bb_quantize_free(job);
    return st;
}

/* ---- types that a GGUF does not have: the matrices of the layers ---- */

static bb_status by_matrices(const bb_model *model, const bb_infer *infer, const bb_dtype *type, bb_kl_plan *p,
                             bb_error *err) {
    uint64_t bytes;
    p->file_bytes = bb_kl_file_bytes(model->file);
    p->tensor_bytes = bb_file_tensor_bytes(model->file);
    for (size_t i = 0; i < bb_infer_linears(infer); i++) {
        const bb_linear *l = bb_infer_linear(infer, i);
        bool fits = bb_kl_tensor_bytes(l->tensor, type, &bytes);
        p->types[i] = fits && !bb_kl_is_output(infer, l) && type != l->tensor->type ? type : NULL;
        p->kept += !p->types[i];
        if (!p->types[i]) continue;
        p->file_bytes = bb_kl_file_bytes_with(model->file, l->tensor, bytes, p->file_bytes);
        p->tensor_bytes = p->tensor_bytes - l->tensor->bytes + bytes;
    }
    if (p->kept < bb_infer_linears(infer)) return BB_OK;
    return bb_fail(err, BB_E_UNSUPPORTED, "%s: blocks of %u of %s divide the rows of no matrix", model->title,
                   type->block, type->name);
}

/* The bytes of the folder that `quantize` writes, which quantizes the same matrices. */
static bb_status folder_bytes(const bb_model *model, const bb_dtype *type, const bb_kl_opts *opts, bb_kl_plan *p,
                              bb_error *err) {
    static const struct {
        const char *type;
        bb_folder_method method;
    } methods[] = {{"int8", BB_FOLDER_INT8}, {"nf4", BB_FOLDER_NF4}, {"bnb_fp4", BB_FOLDER_FP4}};
    bb_folder_opts o;
    bb_folder_job *job = NULL;
    bb_folder_opts_init(&o);
    o.isa = opts->isa;
    if (strcmp(bb_file_format(model->file), "safetensors") != 0) return BB_OK;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(type->name, methods[i].type) != 0) continue;
        o.method = methods[i].method;
        bb_status st = bb_folder_quantize_plan(model, &o, &job, err);
        if (st != BB_OK) return st;
        p->file_bytes = bb_folder_quantize_bytes(job);
        p->tensor_bytes = bb_folder_quantize_tensor_bytes(job);
        bb_folder_quantize_free(job);
    }
    return BB_OK;
}

/* ---- any of them ---- */

static bool encodes(const bb_dtype *t) {
    const bb_codec *c = bb_codec_find(t, BB_ISA_SCALAR);
    return c && c->encode && c->decode;
}

bb_status bb_kl_plan_make(const bb_model *model, const bb_infer *infer, const bb_kl_opts *opts, const char *type,
                          bb_kl_plan *plan, bb_error *err) {
    bb_kl_plan p = {.name = type};
    const bb_ftype *f = bb_ftype_find(type, err);
    const bb_dtype *t = f ? NULL : bb_dtype_find(type, err);
    if (!f && !t) return BB_E_NAME;
    if (t && !encodes(t)) return bb_fail(err, BB_E_UNSUPPORTED, "there is no quantizer for %s", t->name);
    snprintf(p.title, sizeof p.title, "%s", t ? t->name : f->name);
    p.types = bb_alloc(bb_infer_linears(infer), sizeof *p.types);
    if (!p.types) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status st;
    if (t && t->gguf_id == BB_NO_GGUF_ID) {
        st = by_matrices(model, infer, t, &p, err);
        if (st == BB_OK) st = folder_bytes(model, t, opts, &p, err);
    } else {
        const bb_ftype *of = f ? f : bb_ftype_pure(t);
        st = of ? by_mixture(model, infer, opts, of, !f, &p, err)
                : bb_fail(err, BB_E_UNSUPPORTED, "GGUF has no file type for %s", t->name);
    }
    if (st != BB_OK) {
        bb_kl_plan_clear(&p);
        return st;
    }
    *plan = p;
    return BB_OK;
}

void bb_kl_plan_clear(bb_kl_plan *plan) {
    free(plan->types);
    *plan = (bb_kl_plan){0};
}
