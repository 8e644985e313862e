/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_folder.c - the plan of a quantized checkpoint, to the byte, and the run that fills it. */
#include "study/quantize_folder.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "model/folder.h"
#include "study/folder_parts.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { COPY_BYTES = 1 << 16 };

void bb_folder_opts_init(bb_folder_opts *o) {
    *o = (bb_folder_opts){.block = BB_BNB_BLOCK, .outlier_threshold = 6.0, .shard_bytes = 5000000000u};
}

bb_status bb_folder_warn(bb_folder_job *job, bb_error *err, const char *fmt, ...) {
    if (!bb_grow((void **)&job->warnings, job->n_warnings, &job->cap_warnings, sizeof *job->warnings))
        return bb_folder_no_memory(err);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(job->warnings[job->n_warnings++], sizeof *job->warnings, fmt, ap);
    va_end(ap);
    return BB_OK;
}

uint64_t bb_folder_unit(const bb_folder_opts *o, const bb_tensor *t) {
    switch (o->method) {
    case BB_FOLDER_INT8:
        return o->granularity == BB_PER_TENSOR ? 1 : o->granularity == BB_PER_GROUP ? o->group : t->cols;
    case BB_FOLDER_LLM_INT8:
        return t->cols;
    case BB_FOLDER_NF4:
    case BB_FOLDER_FP4:
        break;
    }
    return o->block;
}

static bool is_4bit(const bb_folder_opts *o) { return o->method == BB_FOLDER_NF4 || o->method == BB_FOLDER_FP4; }

/* ---- what is asked ---- */

static bb_status check_opts(bb_folder_opts *o, bb_error *err) {
    uint64_t b = o->block;
    if (o->method == BB_FOLDER_INT8 && o->granularity == BB_PER_GROUP && (o->group < 2 || o->group > BB_FOLDER_SLAB))
        return bb_fail(err, BB_E_VALUE, "a group of %llu inputs: 2 to %d are possible", (unsigned long long)o->group,
                       BB_FOLDER_SLAB);
    if (is_4bit(o) && (b < 64 || b > 4096 || (b & (b - 1))))
        return bb_fail(err, BB_E_VALUE, "blocks of %llu: bitsandbytes has powers of two from 64 to 4096",
                       (unsigned long long)b);
    if (!(o->outlier_threshold >= 0) || o->outlier_threshold > 1e6)
        return bb_fail(err, BB_E_VALUE, "the outlier threshold is from 0 (none) to 1000000");
    if (o->rest && strcmp(o->rest->name, "f32") != 0 && strcmp(o->rest->name, "f16") != 0 &&
        strcmp(o->rest->name, "bf16") != 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "what is not quantized can be f32, f16 or bf16, not %s", o->rest->name);
    if (!o->shard_bytes) o->shard_bytes = UINT64_MAX;
    o->double_quant = o->double_quant && is_4bit(o);
    o->asymmetric = o->asymmetric && o->method == BB_FOLDER_INT8;
    return BB_OK;
}

/* A checkpoint that is known by its index alone. */
static bb_status refuse_missing(const bb_model *m, bb_error *err) {
    struct stat s;
    char shown[160] = "";
    size_t missing = 0, length, parts = bb_file_parts(m->listed);
    for (size_t i = 0; i < parts; i++) {
        const char *path = bb_file_part_path(m->listed, i);
        if (stat(path, &s) != 0 && !missing++) bb_escape_buf(bb_path_last(path, &length), shown, sizeof shown);
    }
    return bb_fail(err, BB_E_OPEN, "%s: %zu of the %zu shards that its index names are not there: '%s'%s", m->path,
                   missing, parts, shown, missing > 1 ? " and others" : "");
}

static bb_status check_model(const bb_model *m, bb_error *err) {
    const char *format = m->file ? bb_file_format(m->file) : "";
    if (!m->file && m->listed) return refuse_missing(m, err);
    if (strcmp(format, "gguf") == 0)
        return bb_fail(err, BB_E_UNSUPPORTED,
                       "%s: is a GGUF; int8, nf4 and fp4 are made from a Hugging Face folder of safetensors", m->path);
    if (strcmp(format, "safetensors") != 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: int8, nf4 and fp4 are made from safetensors files", m->path);
    if (m->quant.method != BB_QUANT_NONE)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: is quantized already (%s)", m->path, m->quant.label);
    return BB_OK;
}

static void set_title(bb_folder_job *job) {
    static const char *const names[] = {"int8", "LLM.int8()", "nf4", "fp4"};
    static const char *const parts[] = {"row", "tensor", "group"};
    const bb_folder_opts *o = &job->opts;
    char group[32] = "";
    if (o->granularity == BB_PER_GROUP) (void)snprintf(group, sizeof group, " of %llu", (unsigned long long)o->group);
    if (o->method == BB_FOLDER_INT8)
        (void)snprintf(job->title, sizeof job->title, "int8 per %s%s, %s", parts[o->granularity], group,
                       o->asymmetric ? "asymmetric" : "symmetric");
    else
        (void)snprintf(job->title, sizeof job->title, "%s%s", names[o->method], o->double_quant ? ", double" : "");
}

/* The folder of the checkpoint: that of the file that was opened. */
static bb_status set_folder(bb_folder_job *job, bb_error *err) {
    const char *path = bb_source_name(job->model->file->src), *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof job->folder) return bb_fail(err, BB_E_OPEN, "the path is too long");
    memcpy(job->folder, path, n);
    if (!slash) strcpy(job->folder, ".");
    if (slash == path) strcpy(job->folder, "/");
    return BB_OK;
}

/* ---- the tensors that come out ---- */

/* tail is put behind the module ("a.b"), or behind the whole name for a copied tensor. */
static bb_status add(bb_folder_job *job, size_t i, bb_role role, const char *tail, const char *type, uint32_t n_dims,
                     uint64_t d0, uint64_t d1, bb_error *err) {
    bb_folder_item *it = &job->items[i];
    bb_folder_entry *e = &it->entries[role];
    size_t len = bb_module_length(it->source->name);
    bb_str name = {0};
    bb_str_addn(&name, it->source->name, len);
    bb_str_add(&name, tail);
    *e = (bb_folder_entry){.name = name.data,
                           .type = bb_dtype_find(type, NULL),
                           .n_dims = n_dims,
                           .dims = {d0, d1},
                           .item = i,
                           .used = true};
    if (name.failed) return bb_folder_no_memory(err);
    uint64_t n = (n_dims > 0 ? d0 : 1) * (n_dims > 1 ? d1 : 1); /* at most the elements of the matrix */
    e->bytes = n * e->type->block_bytes;
    return BB_OK;
}

static bb_status add_int8(bb_folder_job *job, size_t i, bb_error *err) {
    const bb_folder_opts *o = &job->opts;
    const bb_tensor *t = job->items[i].source;
    bool whole = o->granularity == BB_PER_TENSOR;
    uint64_t rows = whole ? 1 : t->rows, groups = o->granularity == BB_PER_GROUP ? t->cols / o->group : 1;
    bb_status status = add(job, i, BB_ROLE_WEIGHT, ".weight", "i8", 2, t->rows, t->cols, err);
    if (status == BB_OK) status = add(job, i, BB_ROLE_SCALE, ".weight_scale", "f32", whole ? 1 : 2, rows, groups, err);
    if (status == BB_OK && o->asymmetric)
        status = add(job, i, BB_ROLE_ZERO, ".weight_zero_point", "i8", whole ? 1 : 2, rows, groups, err);
    return status;
}

static bb_status add_4bit(bb_folder_job *job, size_t i, bb_error *err) {
    const bb_folder_opts *o = &job->opts;
    const bb_tensor *t = job->items[i].source;
    uint64_t blocks = (t->elements + o->block - 1) / o->block;
    char state[512], tail[64];
    size_t length = bb_quant_state_text(job, t, 0, state, sizeof state);
    (void)snprintf(tail, sizeof tail, ".weight.quant_state.bitsandbytes__%s",
                   o->method == BB_FOLDER_NF4 ? "nf4" : "fp4");
    bb_status status = add(job, i, BB_ROLE_WEIGHT, ".weight", "u8", 2, (t->elements + 1) / 2, 1, err);
    if (status == BB_OK)
        status = add(job, i, BB_ROLE_SCALE, ".weight.absmax", o->double_quant ? "u8" : "f32", 1, blocks, 0, err);
    if (status == BB_OK) status = add(job, i, BB_ROLE_MAP, ".weight.quant_map", "f32", 1, 16, 0, err);
    if (status == BB_OK && o->double_quant)
        status = add(job, i, BB_ROLE_NESTED, ".weight.nested_absmax", "f32", 1,
                     (blocks + BB_BNB_NESTED_BLOCK - 1) / BB_BNB_NESTED_BLOCK, 0, err);
    if (status == BB_OK && o->double_quant)
        status = add(job, i, BB_ROLE_NESTED_MAP, ".weight.nested_quant_map", "f32", 1, 256, 0, err);
    if (status == BB_OK) status = add(job, i, BB_ROLE_STATE, tail, "u8", 1, length, 0, err);
    return status;
}

/* A tensor that keeps its name and shape. */
static bb_status add_same(bb_folder_job *job, size_t i, bb_error *err) {
    bb_folder_item *it = &job->items[i];
    const bb_tensor *t = it->source;
    char shown[160];
    if (!t->type)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' has a type that is not known",
                       bb_escape_buf(t->name, shown, sizeof shown));
    const bb_dtype *type = it->form == BB_FORM_CONVERT ? job->opts.rest : t->type;
    it->entries[BB_ROLE_WEIGHT] = (bb_folder_entry){.name = bb_strdup(t->name),
                                                    .type = type,
                                                    .n_dims = t->n_dims,
                                                    .long_dims = t->dims,
                                                    .item = i,
                                                    .used = true,
                                                    .bytes = t->elements * type->block_bytes};
    return it->entries[BB_ROLE_WEIGHT].name ? BB_OK : bb_folder_no_memory(err);
}

static bb_status add_entries(bb_folder_job *job, size_t i, bb_error *err) {
    const bb_tensor *t = job->items[i].source;
    if (job->items[i].form != BB_FORM_QUANTIZE) return add_same(job, i, err);
    if (is_4bit(&job->opts)) return add_4bit(job, i, err);
    if (job->opts.method == BB_FOLDER_INT8) return add_int8(job, i, err);
    bb_status status = add(job, i, BB_ROLE_WEIGHT, ".weight", "i8", 2, t->rows, t->cols, err);
    if (status == BB_OK) status = add(job, i, BB_ROLE_SCALE, ".SCB", "f32", 1, t->rows, 0, err);
    if (status == BB_OK) status = add(job, i, BB_ROLE_FORMAT, ".weight_format", "u8", 0, 0, 0, err);
    return status;
}

static void fill_row(bb_folder_job *job, size_t i) {
    static const char *const types[] = {"int8", "int8", "nf4", "bnb_fp4"};
    const bb_folder_item *it = &job->items[i];
    const bb_tensor *t = it->source;
    bb_quantize_row *r = &job->rows[i];
    (void)bb_escape_buf(t->name, r->name, sizeof r->name);
    r->from = t->type;
    r->to =
        it->form == BB_FORM_QUANTIZE ? bb_dtype_find(types[job->opts.method], NULL) : it->entries[BB_ROLE_WEIGHT].type;
    r->n_dims = t->n_dims < 4 ? t->n_dims : 4;
    for (uint32_t d = 0; d < r->n_dims; d++) r->dims[d] = t->dims[t->n_dims - 1 - d];
    r->elements = t->elements;
    r->from_bytes = t->bytes;
    r->quantized = it->form != BB_FORM_COPY;
    for (size_t k = 0; k < BB_ROLES; k++) r->bytes += it->entries[k].used ? it->entries[k].bytes : 0;
    atomic_init(&r->state, BB_ROW_WAITING);
}

/* ---- the files ---- */

/* What one tensor becomes stays together; a new file begins where the next would pass the limit, as transformers'
 * split_torch_state_dict cuts. */
static bb_status share_out(bb_folder_job *job, bb_error *err) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < job->n; i++) {
        uint64_t more = job->rows[i].bytes;
        if (!job->n_shards || (bytes && (more > job->opts.shard_bytes || bytes > job->opts.shard_bytes - more))) {
            if (!bb_grow((void **)&job->shards, job->n_shards, &job->cap_shards, sizeof *job->shards))
                return bb_folder_no_memory(err);
            job->shards[job->n_shards++] = (bb_folder_shard){0};
            bytes = 0;
        }
        bytes += more;
        for (size_t k = 0; k < BB_ROLES; k++) job->items[i].entries[k].shard = job->n_shards - 1;
        if (!bb_add_u64(job->tensor_bytes, more, &job->tensor_bytes))
            return bb_fail(err, BB_E_OVERFLOW, "the sizes pass 2^64");
    }
    return BB_OK;
}

/* Wide elements first, so that all are aligned, as the safetensors library orders them. */
static int by_shard_and_width(const void *a, const void *b) {
    const bb_folder_entry *x = *(bb_folder_entry *const *)a, *y = *(bb_folder_entry *const *)b;
    if (x->shard != y->shard) return x->shard < y->shard ? -1 : 1;
    if (x->type->block_bytes != y->type->block_bytes) return x->type->block_bytes > y->type->block_bytes ? -1 : 1;
    if (x->item != y->item) return x->item < y->item ? -1 : 1;
    return x < y ? -1 : x > y; /* of one item: one array, by role */
}

static bb_status seal(bb_folder_job *job, size_t k, bb_folder_entry **list, size_t n, bb_error *err) {
    bb_folder_shard *s = &job->shards[k];
    if (job->n_shards == 1)
        strcpy(s->name, "model.safetensors");
    else
        (void)snprintf(s->name, sizeof s->name, "model-%05zu-of-%05zu.safetensors", k + 1, job->n_shards);
    bb_status status = bb_st_out_new(&s->head, err);
    if (status == BB_OK) status = bb_st_out_meta(s->head, "format", "pt", err); /* transformers refuses files without */
    for (size_t i = 0; i < n && status == BB_OK; i++)
        status = bb_st_out_tensor(s->head, list[i]->name, list[i]->n_dims,
                                  list[i]->long_dims ? list[i]->long_dims : list[i]->dims, list[i]->type, err);
    if (status == BB_OK) status = bb_st_out_seal(s->head, &s->header, &s->header_bytes, &s->file_bytes, err);
    for (size_t i = 0; i < n && status == BB_OK; i++) list[i]->offset = bb_st_out_offset(s->head, i);
    return status;
}

static bb_status lay_out(bb_folder_job *job, bb_error *err) {
    size_t n = 0;
    bb_status status = BB_OK;
    bb_folder_entry **list = bb_alloc(job->n, BB_ROLES * sizeof *list);
    if (!list) return bb_folder_no_memory(err);
    for (size_t i = 0; i < job->n; i++)
        for (size_t k = 0; k < BB_ROLES; k++)
            if (job->items[i].entries[k].used) list[n++] = &job->items[i].entries[k];
    qsort(list, n, sizeof *list, by_shard_and_width);
    for (size_t k = 0, from = 0, to; k < job->n_shards && status == BB_OK; k++, from = to) {
        for (to = from; to < n && list[to]->shard == k; to++) {
        }
        status = seal(job, k, list + from, to - from, err);
    }
    free(list);
    return status;
}

static bb_status add_up(bb_folder_job *job, bb_error *err) {
    bool fits = true;
    job->file_bytes = job->config.len + job->index.len;
    for (size_t k = 0; k < job->n_shards; k++)
        fits = fits && bb_add_u64(job->file_bytes, job->shards[k].file_bytes, &job->file_bytes);
    for (size_t k = 0; k < job->n_small; k++)
        fits = fits && bb_add_u64(job->file_bytes, job->small[k].bytes, &job->file_bytes);
    return fits ? BB_OK : bb_fail(err, BB_E_OVERFLOW, "the sizes pass 2^64");
}

static bb_status warn_of_loaders(bb_folder_job *job, bb_error *err) {
    const bb_folder_opts *o = &job->opts;
    if (o->method != BB_FOLDER_INT8 || (!o->asymmetric && o->granularity != BB_PER_GROUP && !o->weight_only))
        return BB_OK;
    return bb_folder_warn(job, err,
                          "transformers loads this layout; vLLM takes int8 only symmetric, per tensor or row, with "
                          "inputs of 8 bits");
}

static bb_status make_plan(const bb_model *model, const bb_folder_opts *opts, bb_folder_job **job, bb_error *err) {
    bb_status status = check_model(model, err);
    if (status != BB_OK) return status;
    bb_folder_job *j = bb_alloc(1, sizeof *j);
    if (!j) return bb_folder_no_memory(err);
    *j = (bb_folder_job){.model = model, .opts = *opts, .n = bb_file_tensor_count(model->file)};
    j->items = bb_alloc(j->n, sizeof *j->items);
    j->rows = bb_alloc(j->n, sizeof *j->rows);
    status = j->items && j->rows ? check_opts(&j->opts, err) : bb_folder_no_memory(err);
    if (status == BB_OK) status = set_folder(j, err);
    for (size_t i = 0; i < j->n && status == BB_OK; i++) j->items[i].source = bb_file_tensor(model->file, i);
    if (status == BB_OK) status = bb_folder_choose(j, err);
    for (size_t i = 0; i < j->n && status == BB_OK; i++) {
        status = add_entries(j, i, err);
        if (status == BB_OK) fill_row(j, i);
    }
    if (status == BB_OK) set_title(j);
    if (status == BB_OK) status = share_out(j, err);
    if (status == BB_OK) status = lay_out(j, err);
    if (status == BB_OK) status = bb_folder_config(j, err);
    if (status == BB_OK) status = bb_folder_index(j, err);
    if (status == BB_OK) status = bb_folder_small_files(j, err);
    if (status == BB_OK) status = add_up(j, err);
    if (status == BB_OK) status = warn_of_loaders(j, err);
    if (status == BB_OK)
        *job = j;
    else
        bb_folder_quantize_free(j);
    return status;
}

/* What is computed, or told in decimals, must not depend on a rounding mode that the caller has. */
bb_status bb_folder_quantize_plan(const bb_model *model, const bb_folder_opts *opts, bb_folder_job **job,
                                  bb_error *err) {
    fenv_t env;
    bb_fp_enter(&env);
    bb_status status = make_plan(model, opts, job, err);
    bb_fp_leave(&env);
    return status;
}

void bb_folder_quantize_free(bb_folder_job *j) {
    if (!j) return;
    for (size_t i = 0; j->items && i < j->n; i++)
        for (size_t k = 0; k < BB_ROLES; k++) free(j->items[i].entries[k].name);
    for (size_t i = 0; i < j->n_kept; i++) free(j->kept[i]);
    for (size_t i = 0; i < j->n_shards; i++) bb_st_out_free(j->shards[i].head);
    for (size_t i = 0; i < j->n_small; i++) free(j->small[i].name);
    bb_str_clear(&j->config);
    bb_str_clear(&j->index);
    free(j->kept);
    free(j->items);
    free(j->rows);
    free(j->shards);
    free(j->small);
    free(j->warnings);
    free(j);
}

size_t bb_folder_quantize_count(const bb_folder_job *job) { return job->n; }
const bb_quantize_row *bb_folder_quantize_at(const bb_folder_job *job, size_t i) {
    return i < job->n ? &job->rows[i] : NULL;
}
uint64_t bb_folder_quantize_bytes(const bb_folder_job *job) { return job->file_bytes; }
uint64_t bb_folder_quantize_tensor_bytes(const bb_folder_job *job) { return job->tensor_bytes; }
size_t bb_folder_quantize_shards(const bb_folder_job *job) { return job->n_shards; }
const char *bb_folder_quantize_title(const bb_folder_job *job) { return job->title; }
const char *bb_folder_quantize_warning(const bb_folder_job *job, size_t i) {
    return i < job->n_warnings ? job->warnings[i] : NULL;
}

/* ---- the run ---- */

static bb_status end_file(bb_sink *sink, bb_status status, bb_error *err) {
    if (status == BB_OK) return bb_sink_commit(sink, err);
    bb_sink_abandon(sink);
    return status;
}

static bb_status write_text(bb_folder_sink *folder, const char *name, const bb_str *text, bb_error *err) {
    bb_sink *sink = NULL;
    if (!text->len) return BB_OK;
    bb_status status = bb_folder_file(folder, name, text->len, &sink, err);
    if (status != BB_OK) return status;
    return end_file(sink, bb_sink_write(sink, 0, text->data, text->len, err), err);
}

static bb_status copy_small(const bb_folder_job *job, bb_folder_sink *folder, const bb_small_file *f, bb_error *err) {
    unsigned char buf[COPY_BYTES];
    bb_source *src = NULL;
    bb_sink *sink = NULL;
    bb_str path = {0};
    bb_str_addf(&path, "%s/%s", job->folder, f->name);
    bb_status status = path.failed ? bb_folder_no_memory(err) : bb_source_open(bb_str_c(&path), &src, err);
    bb_str_clear(&path);
    if (status != BB_OK) return status;
    status = bb_folder_file(folder, f->name, f->bytes, &sink, err);
    for (uint64_t at = 0; at < f->bytes && status == BB_OK; at += sizeof buf) {
        size_t n = f->bytes - at < sizeof buf ? (size_t)(f->bytes - at) : sizeof buf;
        status = bb_source_read(src, at, buf, n, err);
        if (status == BB_OK) status = bb_sink_write(sink, at, buf, n, err);
    }
    bb_source_close(src);
    return sink ? end_file(sink, status, err) : status;
}

static bb_status write_shard(bb_folder_desk *desk, const bb_folder_job *job, size_t k, bb_folder_sink *folder,
                             bb_progress *progress, bb_error *err) {
    const bb_folder_shard *s = &job->shards[k];
    bb_sink *sink = NULL;
    bb_status status = bb_folder_file(folder, s->name, s->file_bytes, &sink, err);
    if (status != BB_OK) return status;
    status = bb_sink_write(sink, 0, s->header, s->header_bytes, err);
    for (size_t i = 0; i < job->n && status == BB_OK; i++) {
        if (job->items[i].entries[BB_ROLE_WEIGHT].shard != k) continue;
        if (progress) atomic_store(&progress->now, job->rows[i].name);
        status = bb_folder_do_item(desk, i, sink, err);
    }
    return end_file(sink, status, err);
}

/* Bytes that are read: those of a matrix twice where its scale, or its error, is known after a first pass only. */
static uint64_t bytes_to_read(const bb_folder_job *job) {
    const bb_folder_opts *o = &job->opts;
    bool twice = o->double_quant || (o->method == BB_FOLDER_INT8 && o->granularity == BB_PER_TENSOR);
    uint64_t sum = 0;
    for (size_t i = 0; i < job->n; i++)
        sum += job->rows[i].from_bytes * (twice && job->items[i].form == BB_FORM_QUANTIZE ? 2 : 1);
    return sum;
}

static bb_status input_unchanged(const bb_folder_job *job, bb_error *err) {
    const bb_file *file = job->model->file;
    bb_status status = BB_OK;
    for (size_t i = 0; i < file->n_parts && status == BB_OK; i++) status = bb_source_unchanged(file->parts[i].src, err);
    return status;
}

static bb_status write_all(bb_folder_job *job, bb_folder_desk *desk, bb_folder_sink *folder, bb_progress *progress,
                           bb_error *err) {
    bb_status status = write_text(folder, "config.json", &job->config, err);
    if (status == BB_OK) status = write_text(folder, "model.safetensors.index.json", &job->index, err);
    for (size_t k = 0; k < job->n_small && status == BB_OK; k++) status = copy_small(job, folder, &job->small[k], err);
    for (size_t k = 0; k < job->n_shards && status == BB_OK; k++)
        status = write_shard(desk, job, k, folder, progress, err);
    return status == BB_OK ? input_unchanged(job, err) : status;
}

/* With force an output would replace what it is made from. */
static bb_status refuse_input(const bb_folder_job *job, const char *path, bb_error *err) {
    const bb_file *file = job->model->file;
    bb_status status = bb_sink_refuse_source(path, file->src, err);
    for (size_t i = 0; i < file->n_parts && status == BB_OK; i++)
        status = bb_sink_refuse_source(path, file->parts[i].src, err);
    return status;
}

static void forget_products(bb_folder_job *job) {
    job->dispatch = (bb_dispatch){{0}};
    for (size_t i = 0; i < job->n; i++) {
        job->rows[i].output_rel = (double)NAN;
        job->rows[i].output_rows = 0;
        job->rows[i].kernel = NULL;
    }
}

static bb_status write_and_measure(bb_folder_job *job, const char *path, bool force, bb_progress *progress,
                                   bb_error *err) {
    bb_pool *pool = NULL;
    bb_folder_desk *desk = NULL;
    bb_folder_sink *folder = NULL;
    bb_status status = refuse_input(job, path, err);
    if (status != BB_OK) return status;
    forget_products(job);
    if (progress) {
        (void)snprintf(progress->what, sizeof progress->what, "quantize %.80s", job->title);
        atomic_store(&progress->total, bytes_to_read(job));
    }
    status = bb_pool_new(job->opts.threads, &pool);
    if (status == BB_OK && bb_pool_threads(pool) > BB_FOLDER_THREADS) {
        bb_pool_free(pool);
        pool = NULL;
        status = bb_pool_new(BB_FOLDER_THREADS, &pool);
    }
    if (status != BB_OK) return bb_fail(err, status, "%s", bb_status_text(status));
    status = bb_folder_desk_new(job, pool, progress, &desk, err);
    if (status == BB_OK) status = bb_folder_open(path, job->file_bytes, force, bb_folder_kind_of, &folder, err);
    if (status == BB_OK) {
        status = write_all(job, desk, folder, progress, err);
        if (status == BB_OK)
            status = bb_folder_commit(folder, err);
        else
            bb_folder_abandon(folder);
    }
    if (progress) atomic_store(&progress->now, NULL);
    bb_folder_desk_free(desk);
    bb_pool_free(pool);
    return status;
}

const bb_dispatch *bb_folder_quantize_dispatch(const bb_folder_job *job) { return &job->dispatch; }

bb_status bb_folder_quantize_run(bb_folder_job *job, const char *path, bool force, bb_progress *progress,
                                 bb_error *err) {
    fenv_t env;
    bb_fp_enter(&env);
    bb_status status = write_and_measure(job, path, force, progress, err);
    bb_fp_leave(&env);
    return status;
}
