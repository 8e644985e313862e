/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_outputs.c - the files that a quantizing run writes: one, the parts of a split, or its share of a file that
 * several runs write together. */
#include "base/escape.h"
#include "base/mem.h"
#include "study/quantize_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NAME-00001-of-00003.gguf from NAME.gguf, as llama.cpp looks for the parts of a split. */
static char *part_path(const bb_quantize_job *job, const char *path, size_t part) {
    if (job->n_files == 1) return bb_strdup(path);
    size_t len = strlen(path);
    if (bb_ends_with(path, ".gguf")) len -= strlen(".gguf");
    size_t size = len + sizeof "-00001-of-00001.gguf" + 16;
    char *out = bb_alloc(size, 1);
    if (out) snprintf(out, size, "%.*s-%05zu-of-%05zu.gguf", (int)len, path, part + 1, job->n_files);
    return out;
}

static bb_status refuse_inputs(const bb_quantize_job *job, const char *path, bb_error *err) {
    const bb_file *files[] = {job->model->file, job->opts.vocab};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++)
        for (size_t i = 0; files[f] && i < files[f]->n_parts; i++) {
            if (!files[f]->parts[i].src) continue;
            bb_status status = bb_sink_refuse_source(path, files[f]->parts[i].src, err);
            if (status != BB_OK) return status;
        }
    const char *names[] = {job->opts.imatrix_path, job->conversion.t ? job->model->config_path : NULL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bb_status status = names[i] ? bb_sink_refuse_name(path, names[i], err) : BB_OK;
        if (status != BB_OK) return status;
    }
    return BB_OK;
}

static bb_status open_sinks(bb_quantize_outputs *o, const bb_quantize_job *job, const char *path, bool force,
                            bb_error *err) {
    o->sinks = bb_alloc(job->n_files, sizeof *o->sinks);
    if (!o->sinks) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status status = BB_OK;
    for (size_t i = 0; i < job->n_files && status == BB_OK; i++) {
        char *name = part_path(job, path, i);
        if (!name) return bb_fail(err, BB_E_NOMEM, "out of memory");
        status = refuse_inputs(job, name, err);
        if (status == BB_OK) status = bb_sink_open(name, job->file_bytes[i], force, &o->sinks[i], err);
        if (status == BB_OK) status = bb_sink_write(o->sinks[i], 0, job->headers[i], job->header_bytes[i], err);
        free(name);
    }
    return status;
}

static uint64_t hash(uint64_t h, const void *data, size_t n) {
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001B3u; /* FNV-1a */
    return h;
}

/* Some pieces of a file, evenly spaced, both ends among them. */
static bb_status hash_file(const bb_source *src, uint64_t *h, bb_error *err) {
    enum { PIECE = 4096, PIECES = 256 };
    unsigned char piece[PIECE];
    uint64_t size = bb_source_size(src);
    bb_status status = BB_OK;
    for (uint64_t i = 0; i < PIECES && status == BB_OK; i++) {
        size_t n = size < PIECE ? (size_t)size : PIECE;
        uint64_t last = size - n, at = last / (PIECES - 1) * i + last % (PIECES - 1) * i / (PIECES - 1);
        status = bb_source_read(src, at, piece, n, err);
        if (status == BB_OK) *h = hash(*h, piece, n);
    }
    return status;
}

/* Parts of one output are told from those of another by all that decides it: the header, how scales are searched,
 * importance, and samples of the input. */
static bb_status identity(const bb_quantize_job *job, uint64_t *out, bb_error *err) {
    uint64_t h = 0xCBF29CE484222325u;
    const bb_file *f = job->model->file;
    uint64_t numbers[] = {job->file_bytes[0], job->source_bytes, job->opts.parts, (uint64_t)job->opts.quant.search};
    bb_status status = BB_OK;
    h = hash(h, job->headers[0], job->header_bytes[0]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (int b = 0; b < 64; b += 8) {
            unsigned char byte = (unsigned char)(numbers[i] >> b);
            h = hash(h, &byte, 1);
        }
    for (size_t i = 0; i < f->n_parts && status == BB_OK; i++)
        if (f->parts[i].src) status = hash_file(f->parts[i].src, &h, err);
    for (size_t i = 0; i < job->n; i++) {
        const bb_quantize_place *p = &job->places[i];
        size_t experts = (size_t)(p->importance ? p->rows / p->importance_rows : 0);
        h = hash(h, p->importance, experts * (size_t)p->cols * sizeof(float));
    }
    *out = h;
    return status;
}

static bb_status open_stage(bb_quantize_outputs *o, const bb_quantize_job *job, const char *path, bool force,
                            bb_error *err) {
    if (job->n_files > 1) return bb_fail(err, BB_E_ARG, "--part writes one file: not together with a split output");
    uint64_t id = 0;
    bb_status status = refuse_inputs(job, path, err);
    if (status == BB_OK) status = identity(job, &id, err);
    if (status == BB_OK)
        status = bb_stage_open(path, job->file_bytes[0], id, job->opts.part, job->opts.parts, force, &o->stage, err);
    if (status == BB_OK && job->opts.part == 1)
        status = bb_stage_write(o->stage, 0, job->headers[0], job->header_bytes[0], err);
    return status;
}

static bb_status inputs_unchanged(const bb_quantize_job *job, bb_error *err) {
    const bb_file *f = job->model->file;
    for (size_t i = 0; i < f->n_parts; i++) {
        bb_status status = f->parts[i].src ? bb_source_unchanged(f->parts[i].src, err) : BB_OK;
        if (status != BB_OK) return status;
    }
    return BB_OK;
}

bb_status bb_quantize_outputs_commit(bb_quantize_outputs *o, bb_quantize_job *job, bb_error *err) {
    bb_status status = inputs_unchanged(job, err);
    if (status != BB_OK) return status;
    if (o->stage) {
        status = bb_stage_commit(o->stage, &job->complete, err);
        o->stage = NULL;
        return status;
    }
    for (size_t i = 0; i < job->n_files && job->n_files > 1 && status == BB_OK; i++)
        status = bb_sink_sync(o->sinks[i], err);
    for (size_t i = job->n_files; i-- > 0 && status == BB_OK;) { /* the first, which leads to the others, last */
        status = bb_sink_commit(o->sinks[i], err);
        o->sinks[i] = NULL;
    }
    job->complete = status == BB_OK;
    return status;
}

bb_status bb_quantize_outputs_open(bb_quantize_outputs *o, const bb_quantize_job *job, const char *path, bool force,
                                   bb_error *err) {
    return job->opts.parts ? open_stage(o, job, path, force, err) : open_sinks(o, job, path, force, err);
}

bb_status bb_quantize_outputs_write(const bb_quantize_outputs *o, size_t file, uint64_t at, const void *data, size_t n,
                                    bb_error *err) {
    return o->stage ? bb_stage_write(o->stage, at, data, n, err) : bb_sink_write(o->sinks[file], at, data, n, err);
}

void bb_quantize_outputs_abandon(bb_quantize_outputs *o, const bb_quantize_job *job) {
    for (size_t i = 0; o->sinks && i < job->n_files; i++) bb_sink_abandon(o->sinks[i]);
    bb_stage_abandon(o->stage);
    free(o->sinks);
    *o = (bb_quantize_outputs){NULL, NULL};
}
