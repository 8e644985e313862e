/* SPDX-License-Identifier: GPL-3.0-or-later */
/* locate.c - from the MODEL of a command line to what is known of it. */
#include "model/locate.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "model/arch_fields.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CONFIG_MAX_BYTES = 64 << 20, PATH_BYTES = 4096 };

/* The last part of a path without slashes at its end. */
static void title_from_path(bb_model *m, const char *path) {
    size_t end = strlen(path), start;
    while (end > 1 && path[end - 1] == '/') end--;
    for (start = end; start > 0 && path[start - 1] != '/'; start--) {
    }
    char *last = bb_strndup(path + start, end - start);
    bb_escape_field(last && *last ? last : path, m->title, sizeof m->title);
    free(last);
}

static void take_arch(bb_model *m, bb_arch *arch) {
    m->arch_storage = *arch;
    m->arch = &m->arch_storage;
    bb_arch_free(arch);
}

static void set_note(bb_model *m, const char *text) {
    size_t n = strlen(text);
    if (n >= sizeof m->note) n = sizeof m->note - 1;
    memcpy(m->note, text, n);
    m->note[n] = '\0';
}

static bb_status load_config(bb_model *m, const char *path, bb_error *err) {
    char *text = NULL;
    size_t n = 0;
    bb_arch *arch = NULL;
    bb_status st = bb_source_slurp(path, CONFIG_MAX_BYTES, &text, &n, err);
    if (!st) st = bb_arch_from_config(text, n, path, &arch, err);
    if (!st) {
        memcpy(arch->name, m->title, sizeof arch->name - 1);
        arch->name[sizeof arch->name - 1] = '\0';
        take_arch(m, arch);
    }
    free(text);
    return st;
}

static bool exists(const char *path, struct stat *s) { return stat(path, s) == 0; }

/* dir/name into out; false when it does not fit. An empty dir is the current folder. */
static bool join(const char *dir, const char *name, char *out) {
    const char *slash = !*dir || dir[strlen(dir) - 1] == '/' ? "" : "/";
    int n = snprintf(out, PATH_BYTES, "%s%s%s", dir, slash, name);
    return n > 0 && n < PATH_BYTES;
}

static bool beside(const char *path, const char *name, char *out) {
    char dir[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    if (n >= sizeof dir) return false;
    memcpy(dir, path, n);
    dir[n] = '\0';
    return join(dir, name, out);
}

/* A container: its tensors count even when its architecture is not clear; then the note says why. */
static bb_status load_file(bb_model *m, const char *path, bb_error *err) {
    char config[PATH_BYTES];
    struct stat s;
    bb_error why = {0};
    bb_arch *arch = NULL;
    bb_status st = bb_file_open(path, &m->file, err);
    if (st) return st;
    m->kind = BB_MODEL_FILE;
    m->parameters = bb_file_parameters(m->file);
    if (strcmp(bb_file_format(m->file), "gguf") == 0) {
        st = bb_arch_from_file(m->file, &arch, &why);
        if (!st) take_arch(m, arch);
    } else if (beside(path, "config.json", config) && exists(config, &s)) {
        st = load_config(m, config, &why);
    } else {
        set_note(m, "no config.json stands beside the file: its architecture is not known");
    }
    if (st == BB_E_NOMEM) {
        if (err) *err = why;
        return st;
    }
    if (st) set_note(m, why.text);
    return BB_OK;
}

static bb_status load_folder(bb_model *m, const char *path, bb_error *err) {
    char config[PATH_BYTES], weights[PATH_BYTES], index[PATH_BYTES];
    struct stat s;
    if (!join(path, "config.json", config) || !join(path, "model.safetensors", weights) ||
        !join(path, "model.safetensors.index.json", index))
        return bb_fail(err, BB_E_OPEN, "%s: the path is too long", m->path);
    if (exists(weights, &s)) return load_file(m, weights, err);
    if (!exists(config, &s))
        return bb_fail(err, BB_E_OPEN, "%s: the folder holds neither config.json nor model.safetensors", m->path);
    m->kind = BB_MODEL_CONFIG;
    if (exists(index, &s))
        set_note(m, "counted from config.json: the shards of the checkpoint were not read");
    else
        set_note(m, "counted from config.json: the folder holds no model.safetensors");
    return load_config(m, config, err);
}

/* Whether a regular file holds JSON rather than a container. The first bytes decide; a name that ends in .json only
 * where they are neither, so that the JSON reader says what is wrong. */
static bool holds_json(const char *path) {
    unsigned char head[16] = {0};
    bb_source *src = NULL;
    if (bb_source_open(path, &src, NULL)) return false;
    uint64_t size = bb_source_size(src);
    size_t n = size < sizeof head ? (size_t)size : sizeof head;
    bb_status st = bb_source_read(src, 0, head, n, NULL);
    bb_source_close(src);
    if (st || memcmp(head, "GGUF", 4) == 0) return false;
    /* A safetensors file begins with a length of 8 bytes, little endian, whose upper ones are 0, and a '{'. */
    if (n > 8 && head[8] == '{' && !head[5] && !head[6] && !head[7]) return false;
    size_t i = memcmp(head, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (i < n && head[i] && strchr(" \t\r\n", head[i])) i++;
    if (i < n && head[i] == '{') return true;
    size_t len = strlen(path);
    return len > 5 && strcmp(path + len - 5, ".json") == 0;
}

static bb_status load_path(bb_model *m, const char *path, const struct stat *s, bb_error *err) {
    bb_escape_field(path, m->path, sizeof m->path);
    title_from_path(m, path);
    if (S_ISDIR(s->st_mode)) return load_folder(m, path, err);
    if (!S_ISREG(s->st_mode) || !holds_json(path)) return load_file(m, path, err);
    if (bb_file_is_index(path)) return load_file(m, path, err);
    m->kind = BB_MODEL_CONFIG;
    if (strcmp(m->title, "config.json") == 0) {
        char dir[PATH_BYTES];
        size_t n = strlen(path) - strlen("config.json");
        if (n > 0 && n < sizeof dir) {
            memcpy(dir, path, n);
            dir[n] = '\0';
            title_from_path(m, dir);
        }
    }
    return load_config(m, path, err);
}

/* True for text that only a path can be. */
static bool path_like(const char *text) {
    static const char *const ends[] = {".gguf", ".safetensors", ".json", "/"};
    size_t len = strlen(text);
    if (*text == '/' || *text == '~' || strncmp(text, "./", 2) == 0 || strncmp(text, "../", 3) == 0) return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (len >= n && strcmp(text + len - n, ends[i]) == 0) return true;
    }
    return false;
}

static bb_status load_name(bb_model *m, const bb_catalogue *cat, const char *text, bb_error *err) {
    char shown[256];
    if (path_like(text))
        return bb_fail(err, BB_E_OPEN, "%s: no such file or folder", bb_escape_buf(text, shown, sizeof shown));
    if (bb_looks_like_count(text)) {
        bb_status st = bb_parse_count(text, &m->parameters, err);
        if (st) return st;
        if (!m->parameters) return bb_fail(err, BB_E_VALUE, "a model of 0 parameters has nothing to plan");
        m->kind = BB_MODEL_COUNT;
        bb_escape_field(text, m->title, sizeof m->title);
        return BB_OK;
    }
    const bb_arch *found = bb_catalogue_find(cat, text, err);
    if (!found) {
        if (strchr(text, '/') && err) bb_hint(err, "no file or folder has that name either");
        return BB_E_NAME;
    }
    m->kind = BB_MODEL_CATALOGUE;
    m->arch_storage = *found;
    m->arch = &m->arch_storage;
    memcpy(m->title, found->name, sizeof found->name);
    return BB_OK;
}

bb_status bb_model_locate(const bb_catalogue *cat, const char *text, bb_model **model, bb_error *err) {
    struct stat s;
    char data[PATH_BYTES];
    if (!text || !*text) return bb_fail(err, BB_E_NAME, "the name of a model is empty");
    if (strlen(text) >= PATH_BYTES) return bb_fail(err, BB_E_NAME, "the name of a model has 4096 bytes or more");
    bb_model *m = bb_alloc(1, sizeof *m);
    if (!m) return bb_fail(err, BB_E_NOMEM, "no memory for a model");
    bb_status st;
    if (exists(text, &s)) {
        st = load_path(m, text, &s, err);
    } else if (bb_name_eq(text, "demo")) {
        st = bb_data_path("demo.gguf", data, sizeof data, err);
        if (!st && !exists(data, &s)) st = bb_fail(err, BB_E_OPEN, "%s: cannot be seen", data);
        if (!st) st = load_path(m, data, &s, err);
        if (!st) strcpy(m->title, "demo");
    } else {
        st = load_name(m, cat, text, err);
    }
    if (st)
        bb_model_free(m);
    else
        *model = m;
    return st;
}

bb_status bb_model_find(const char *text, bb_model **model, bb_error *err) {
    bb_catalogue *cat = NULL;
    bb_status st = bb_catalogue_load(NULL, NULL, &cat, err);
    if (!st) st = bb_model_locate(cat, text, model, err);
    bb_catalogue_free(cat);
    return st;
}

void bb_model_free(bb_model *model) {
    if (!model) return;
    if (model->file) bb_file_close(model->file);
    free(model);
}
