/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_inputs.c - activations from a seed and from .npy files. */
#include "study/error_inputs.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/random.h"
#include "study/error_parts.h"
#include "study/study_parts.h"
#include "study/tensor_rows.h"
#include <gsl/gsl_cdf.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FREEDOM = 3, CHANNELS = 1024, PATH_SIZE = 4096 };
static const float OUTLIER = 20;

const char *bb_inputs_name(bb_inputs_kind kind) {
    static const char *const names[] = {"normal", "heavy", "outliers", "npy", "npy", "text"};
    return names[kind];
}

bb_inputs_kind bb_inputs_kind_of(const bb_inputs *in) { return in ? in->kind : BB_INPUTS_NORMAL; }
uint64_t bb_inputs_seed(const bb_inputs *in) { return in ? in->seed : 1; }

bb_status bb_inputs_make(bb_inputs_kind kind, uint64_t seed, bb_inputs **inputs, bb_error *err) {
    bb_inputs *in = bb_alloc(1, sizeof *in);
    if (!in) return bb_fail(err, BB_E_NOMEM, "out of memory");
    *in = (bb_inputs){.kind = kind, .seed = seed};
    *inputs = in;
    return BB_OK;
}

void bb_inputs_free(bb_inputs *in) {
    if (!in) return;
    bb_file_close(in->array);
    bb_inputs_text_clear(in);
    free(in->path);
    free(in->gguf);
    free(in->hf);
    free(in);
}

void bb_inputs_tell(const bb_inputs *in, uint64_t tokens, bb_str *out) {
    uint64_t seed = bb_inputs_seed(in);
    char name[128];
    switch (bb_inputs_kind_of(in)) {
    case BB_INPUTS_NORMAL:
        bb_str_addf(out, "%" PRIu64 " rows of N(0,1), seed %" PRIu64 ", not those of a text", tokens, seed);
        break;
    case BB_INPUTS_HEAVY:
        bb_str_addf(out, "%" PRIu64 " rows of Student's t, %d degrees of freedom, seed %" PRIu64, tokens, FREEDOM,
                    seed);
        break;
    case BB_INPUTS_OUTLIERS:
        bb_str_addf(out, "%" PRIu64 " rows of N(0,1), 1 channel in %d times %g, seed %" PRIu64, tokens, CHANNELS,
                    (double)OUTLIER, seed);
        break;
    case BB_INPUTS_ARRAY:
    case BB_INPUTS_FOLDER:
        bb_str_addf(out, "up to %" PRIu64 " rows %s %s", tokens, in->array ? "of" : "of the arrays in",
                    bb_escape_buf(in->path, name, sizeof name));
        break;
    case BB_INPUTS_TEXT:
        bb_inputs_tell_text(in, tokens, out);
        break;
    }
}

/* ---- made ---- */

/* Channels that are far larger than the rest, one in each CHANNELS columns: which, by the seed. The stream is that of
 * another key than the values'. */
static void make_outliers(uint64_t seed, float *x, size_t rows, size_t cols) {
    size_t n = cols / CHANNELS + (cols % CHANNELS != 0);
    for (size_t i = 0; i < n; i++) {
        size_t left = cols - i * CHANNELS, width = left < CHANNELS ? left : CHANNELS;
        size_t channel = i * CHANNELS + (size_t)(bb_random_unit(~seed, i) * (double)width);
        for (size_t r = 0; r < rows; r++) x[r * cols + channel] *= OUTLIER;
    }
}

static void make(const bb_inputs *in, float *x, size_t rows, size_t cols) {
    uint64_t seed = bb_inputs_seed(in);
    if (bb_inputs_kind_of(in) == BB_INPUTS_HEAVY) {
        for (size_t i = 0; i < rows * cols; i++) x[i] = (float)gsl_cdf_tdist_Pinv(bb_random_unit(seed, i), FREEDOM);
        return;
    }
    bb_study_gaussian(seed, 0, x, rows * cols);
    if (bb_inputs_kind_of(in) == BB_INPUTS_OUTLIERS) make_outliers(seed, x, rows, cols);
}

/* ---- read ---- */

static bb_status open_array(const char *path, bb_file **file, bb_error *err) {
    bb_file *f = NULL;
    char safe[160];
    bb_status status = bb_file_open(path, &f, err);
    if (status != BB_OK) return status;
    if (strcmp(bb_file_format(f), "npy") != 0 || bb_file_tensor_count(f) != 1) {
        bb_file_close(f);
        return bb_fail(err, BB_E_INVALID, "%s: expected a NumPy array (.npy) of inputs",
                       bb_escape_buf(path, safe, sizeof safe));
    }
    *file = f;
    return BB_OK;
}

/* The names of a checkpoint's tensors as a GGUF has them; an architecture that is not known has none. */
static bb_status list_names(bb_inputs *in, const bb_arch *arch) {
    bb_graph graph = {0};
    bb_status status = bb_graph_build(arch, &graph, NULL);
    if (status == BB_OK) status = bb_graph_tensors(&graph, false, &in->gguf, &in->n_gguf);
    if (status == BB_OK) status = bb_graph_tensors(&graph, true, &in->hf, &in->n_hf);
    bb_graph_clear(&graph);
    return status == BB_E_NOMEM ? status : BB_OK;
}

bb_status bb_inputs_read(const char *path, const bb_arch *arch, bb_inputs **inputs, bb_error *err) {
    struct stat st;
    bb_file *array = NULL;
    bb_inputs *in = NULL;
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    bb_status status = folder ? BB_OK : open_array(path, &array, err);
    if (status == BB_OK) status = bb_inputs_make(folder ? BB_INPUTS_FOLDER : BB_INPUTS_ARRAY, 0, &in, err);
    if (status != BB_OK) {
        bb_file_close(array);
        return status;
    }
    in->array = array;
    in->path = bb_strdup(path);
    if (!in->path || (folder && arch && list_names(in, arch) != BB_OK)) {
        bb_inputs_free(in);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    *inputs = in;
    return BB_OK;
}

/* At most `most` rows of an array of this many columns. */
static bb_status read_rows(const bb_file *file, size_t cols, size_t most, float **x, size_t *rows, bb_error *err) {
    const bb_tensor *t = bb_file_tensor(file, 0);
    size_t n = t->rows < most ? (size_t)t->rows : most, all;
    char why[96];
    if (file->column_major)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: it lies column by column (Fortran order): save it in C order",
                       bb_file_part_path(file, 0));
    if (bb_tensor_unreadable(t, why, sizeof why))
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: %s", bb_file_part_path(file, 0), why);
    if (!bb_mul_size(n, cols, &all)) return bb_fail(err, BB_E_OVERFLOW, "rows too long");
    *x = bb_alloc(all, sizeof **x);
    if (!*x) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status status = BB_OK;
    for (size_t i = 0; i < n && status == BB_OK; i++)
        status = bb_tensor_read(file, t, bb_spaced_row(i, n, t->rows) * cols, cols, *x + i * cols, NULL, err);
    *rows = n;
    return status;
}

/* Of a tensor of a checkpoint that is one tensor there and here; NULL where it is none. The checkpoint of a base class
 * leaves the first part of a name out. */
static const char *gguf_name(const bb_inputs *in, const char *name) {
    const bb_graph_tensor *hf = NULL, *own = NULL;
    size_t alike = 0;
    for (size_t i = 0; i < in->n_hf && !hf; i++) {
        const char *dot = strchr(in->hf[i].name, '.');
        if (strcmp(in->hf[i].name, name) == 0 || (dot && strcmp(dot + 1, name) == 0)) hf = &in->hf[i];
    }
    for (size_t i = 0; hf && i < in->n_hf; i++) alike += in->hf[i].layer == hf->layer && in->hf[i].weight == hf->weight;
    for (size_t i = 0; hf && i < in->n_gguf && !own; i++)
        if (in->gguf[i].layer == hf->layer && in->gguf[i].weight == hf->weight) own = &in->gguf[i];
    return own && alike == 1 ? own->name : NULL;
}

/* NULL without an error where there is no such file: a name with '/' is none of a file in the folder. */
static bb_status open_named(const bb_inputs *in, const char *name, bb_file **file, bb_error *err) {
    char path[PATH_SIZE];
    struct stat st;
    int n = name ? snprintf(path, sizeof path, "%s/%s.npy", in->path, name) : -1;
    if (n < 0 || (size_t)n >= sizeof path || strchr(name, '/') || stat(path, &st) != 0) return BB_OK;
    return open_array(path, file, err);
}

static bb_status read_array(const bb_inputs *in, const bb_tensor *t, size_t cols, size_t most, float **x, size_t *rows,
                            char *why, size_t why_size, bool *other_shape, bb_error *err) {
    bb_file *own = NULL;
    bb_status status = in->array ? BB_OK : open_named(in, t->name, &own, err);
    if (status == BB_OK && !in->array && !own) status = open_named(in, gguf_name(in, t->name), &own, err);
    const bb_file *file = in->array ? in->array : own;
    const bb_tensor *a = status == BB_OK && file ? bb_file_tensor(file, 0) : NULL;
    if (status == BB_OK && !a)
        snprintf(why, why_size, "the folder of inputs has none of its name");
    else if (status == BB_OK && (a->cols != cols || !a->elements)) {
        snprintf(why, why_size, "the inputs have %llu columns", (unsigned long long)a->cols);
        *other_shape = true;
    } else if (status == BB_OK)
        status = read_rows(file, cols, most, x, rows, err);
    bb_file_close(own);
    return status;
}

bb_status bb_inputs_rows(const bb_inputs *in, const bb_tensor *t, size_t cols, size_t most, float **x, size_t *rows,
                         char *why, size_t why_size, bool *other_shape, bb_error *err) {
    size_t n = 0, all;
    float *values = NULL;
    bool other = false;
    bb_status status = BB_OK;
    switch (bb_inputs_kind_of(in)) {
    case BB_INPUTS_NORMAL:
    case BB_INPUTS_HEAVY:
    case BB_INPUTS_OUTLIERS:
        if (!bb_mul_size(most, cols, &all)) return bb_fail(err, BB_E_OVERFLOW, "rows too long");
        values = bb_alloc(all, sizeof *values);
        if (!values) return bb_fail(err, BB_E_NOMEM, "out of memory");
        make(in, values, n = most, cols);
        break;
    case BB_INPUTS_ARRAY:
    case BB_INPUTS_FOLDER:
        status = read_array(in, t, cols, most, &values, &n, why, why_size, &other, err);
        break;
    case BB_INPUTS_TEXT:
        status = bb_inputs_text_rows(in, t, cols, most, &values, &n, why, why_size, err);
        break;
    }
    if (status != BB_OK) {
        free(values);
        return status;
    }
    *x = values;
    *rows = n;
    *other_shape = other;
    return BB_OK;
}
