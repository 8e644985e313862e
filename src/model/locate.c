/* SPDX-License-Identifier: GPL-3.0-or-later */
/* locate.c - from the MODEL of a command line to what is known of it. */
#include "model/locate.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "model/arch_fields.h"
#include "model/flavour.h"
#include "model/folder.h"
#include "model/hub.h"
#include "model/ollama.h"
#include "model/packed.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONFIG_MAX_BYTES = 64 << 20, ADAPTER_MAX_BYTES = 1 << 20 };

/* The last part of a path, or the name that the hub gives to a folder of its cache. */
static void name_from_path(const char *path, char *name, size_t size) {
    size_t len;
    const char *last = bb_path_last(path, &len);
    if (bb_hub_is_repo(path, name, size) || bb_hub_is_snapshot(path, name, size)) return;
    char *copy = bb_strndup(last, len);
    bb_escape_field(copy && *copy ? copy : path, name, size);
    free(copy);
}
static void title_from_path(bb_model *m, const char *path) { name_from_path(path, m->title, sizeof m->title); }

/* Of a model that was named by a file among others: its folder's. "config.json" alone is in the current folder. */
static void call_by_folder(bb_model *m, const char *config) {
    char folder[BB_PATH_SIZE], here[BB_PATH_SIZE];
    const char *slash = strrchr(config, '/');
    size_t n = slash ? (size_t)(slash - config) : 0;
    if (n >= sizeof folder) return;
    memcpy(folder, config, n);
    folder[n] = '\0';
    const char *path = n ? folder : getcwd(here, sizeof here);
    if (path) name_from_path(path, m->called, sizeof m->called);
}

/* As it was before anything was read. */
static void clear(bb_model *m) {
    if (m->file) bb_file_close(m->file);
    if (m->listed) bb_file_close(m->listed);
    bb_quantization_clear(&m->quant);
    free(m->config_path);
    *m = (bb_model){.note = ""};
}

static void take_arch(bb_model *m, bb_arch *arch) {
    m->arch_storage = *arch;
    m->arch = &m->arch_storage;
    bb_arch_free(arch);
}

/* One more sentence behind those that are there. The text is escaped. */
static void add_note(bb_model *m, const char *fmt, ...) BB_PRINTF(2, 3);
static void add_note(bb_model *m, const char *fmt, ...) {
    char text[sizeof m->note + 64];
    bb_error whole; /* its text is cut between characters */
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    bb_fail_text(&whole, BB_OK, "%s%s%s", m->note, *m->note ? "; " : "", text);
    _Static_assert(sizeof m->note >= sizeof whole.text, "a note holds a sentence");
    strcpy(m->note, whole.text);
}

static bb_status load_config(bb_model *m, const char *path, bb_error *err) {
    char *text = NULL;
    size_t n = 0;
    bb_arch *arch = NULL;
    bb_status st = bb_source_slurp(path, CONFIG_MAX_BYTES, &text, &n, err);
    if (!st) st = bb_arch_from_config(text, n, path, &arch, err);
    if (!st) {
        if (arch->towers) add_note(m, "a model of several parts: the language model alone is described and counted");
        st = bb_quantization_read(text, n, path, false, &m->quant, err);
        bool file = bb_ends_with(m->title, ".safetensors") || bb_ends_with(m->title, ".json");
        if (!st && file) call_by_folder(m, path);
        if (!st && !(m->config_path = bb_strdup(path))) st = bb_fail(err, BB_E_NOMEM, "no memory for a model");
        if (st) bb_arch_free(arch);
    }
    if (!st) {
        memcpy(arch->name, m->title, sizeof arch->name - 1);
        arch->name[sizeof arch->name - 1] = '\0';
        take_arch(m, arch);
    }
    free(text);
    return st;
}

static bool exists(const char *path, struct stat *s) { return stat(path, s) == 0; }

static bool beside(const char *path, const char *name, char *out) {
    char dir[BB_PATH_SIZE];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    if (n >= sizeof dir) return false;
    memcpy(dir, path, n);
    dir[n] = '\0';
    return bb_path_join(dir, name, out);
}

/* Files of their own in which older tools of GPTQ and AWQ say what they did. */
static bb_status load_quantization(bb_model *m, const char *path, bb_error *err) {
    static const char *const names[] = {"quantize_config.json", "quant_config.json"};
    char file[BB_PATH_SIZE], *text = NULL;
    struct stat s;
    size_t n = 0;
    bb_status st = BB_OK;
    for (size_t i = 0; i < 2 && !st && m->quant.method == BB_QUANT_NONE; i++) {
        if (!beside(path, names[i], file) || !exists(file, &s)) continue;
        st = bb_source_slurp(file, CONFIG_MAX_BYTES, &text, &n, err);
        if (!st) st = bb_quantization_read(text, n, file, true, &m->quant, err);
        free(text);
        text = NULL;
    }
    return st;
}

/* A container: its tensors count even when its architecture is not clear; then the note says why. */
static bb_status load_file(bb_model *m, const char *path, bb_error *err) {
    char config[BB_PATH_SIZE];
    struct stat s;
    bb_error why = {0};
    bb_arch *arch = NULL;
    bb_status st = bb_file_open(path, &m->file, err);
    if (st) return st;
    m->kind = BB_MODEL_FILE;
    if (strcmp(bb_file_format(m->file), "gguf") == 0) {
        st = bb_arch_from_file(m->file, &arch, &why);
        if (!st) take_arch(m, arch);
    } else if (beside(path, "config.json", config) && exists(config, &s)) {
        st = load_config(m, config, &why);
    } else if (strcmp(bb_file_format(m->file), "npy") != 0) { /* an array alone is no model */
        add_note(m, "no config.json stands beside the file: its architecture is not known");
    }
    if (st == BB_E_NOMEM) {
        if (err) *err = why;
        return st;
    }
    if (st) add_note(m, "%s", why.text);
    if (load_quantization(m, path, &why)) add_note(m, "%s", why.text);
    bb_quantization_from_file(m->file, &m->quant);
    m->parameters = bb_packed_parameters(m->file, &m->quant);
    uint64_t all = 0;
    if (bb_meta_u64(m->file, "split.tensors.count", &all) && all > m->file->n_tensors)
        add_note(m, "%zu of %llu tensors were read: the others are in further parts of the file", m->file->n_tensors,
                 (unsigned long long)all);
    return BB_OK;
}

/* ---- folders ---- */

/* What an index without its shards lists: names, and the total that it claims. An index that cannot be read is told. */
static void list_index(bb_model *m, const char *folder, const char *name) {
    char path[BB_PATH_SIZE];
    struct stat s;
    bb_error why = {0};
    if (m->listed || !bb_path_join(folder, name, path) || !exists(path, &s)) return;
    if (bb_file_open_index(path, false, &m->listed, &why)) add_note(m, "%s", why.text);
}

/* A checkpoint in shards: read when the index and all that it names are there, else counted from its config.json. */
static bb_status load_shards(bb_model *m, const char *path, const char *index, const char *config, const bb_folder *f,
                             const bb_weights *shards, bb_error *err) {
    struct stat s;
    size_t present = 0, parts = 0;
    if (f->index && !f->config) return load_file(m, index, err);
    if (!f->config)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: shards of a checkpoint without their index and config.json",
                       m->path);
    list_index(m, path, "model.safetensors.index.json");
    if (m->listed) parts = bb_file_parts(m->listed);
    for (size_t i = 0; i < parts; i++) present += exists(bb_file_part_path(m->listed, i), &s);
    if (parts && present == parts) {
        bb_file_close(m->listed);
        m->listed = NULL;
        return load_file(m, index, err);
    }
    m->kind = BB_MODEL_CONFIG;
    if (parts && !present)
        add_note(m, "counted from config.json: none of the shards of the checkpoint is in the folder");
    else if (parts)
        add_note(m, "counted from config.json: %zu of %zu shards are in the folder", present, parts);
    else if (shards)
        add_note(m, "counted from config.json: %u of %u shards are in the folder, and no index that can be read",
                 (unsigned)shards->present, (unsigned)shards->parts);
    return load_config(m, config, err);
}

/* The model that an adapter was trained for, escaped. */
static bb_status adapter_base(const char *path, char *base, size_t size, bb_error *err) {
    char *text = NULL, shown[256];
    size_t n = 0;
    bb_json *json = NULL;
    bb_escape_buf(path, shown, sizeof shown);
    bb_status st = bb_source_slurp(path, ADAPTER_MAX_BYTES, &text, &n, err);
    if (!st) st = bb_json_parse(text, n, shown, ADAPTER_MAX_BYTES, true, true, &json, err);
    const char *name =
        !st && bb_json_is_object(json) ? bb_json_text(bb_json_get(json, "base_model_name_or_path")) : NULL;
    bb_escape_field(name && *name ? name : "a model that it does not name", base, size);
    bb_json_free(json);
    free(text);
    return st;
}

static bb_status load_adapter(bb_model *m, const char *path, const bb_folder *f, bb_error *err) {
    char config[BB_PATH_SIZE], file[BB_PATH_SIZE], base[128];
    if (!bb_path_join(path, "adapter_config.json", config) || !bb_path_join(path, "adapter_model.safetensors", file))
        return bb_fail(err, BB_E_OPEN, "%s: the path is too long", m->path);
    bb_status st = adapter_base(config, base, sizeof base, err);
    if (st) return st;
    if (!f->adapter) {
        st = bb_fail(err, BB_E_OPEN, "%s: an adapter of %s, without its adapter_model.safetensors", m->path, base);
        if (*f->pickled) bb_hint(err, "adapter_model.bin is pickled code, which is never read here: convert it");
        return st;
    }
    add_note(m, "an adapter: %s, to which it is added, is not counted", base);
    return load_file(m, file, err);
}

/* One GGUF or safetensors file, or the parts of one. */
static bb_status load_set(bb_model *m, const char *path, const bb_weights *w, bb_error *err) {
    char file[BB_PATH_SIZE], shown[192];
    if (!bb_path_join(path, w->name, file)) return bb_fail(err, BB_E_OPEN, "%s: the path is too long", m->path);
    if (w->present < w->parts)
        return bb_fail(err, BB_E_OPEN, "%s: %u of the %u parts of %s are there", m->path, (unsigned)w->present,
                       (unsigned)w->parts, bb_escape_buf(w->name, shown, sizeof shown));
    return load_file(m, file, err);
}

/* Several models lie there: which one is meant, nobody but the user knows. */
static bb_status which(const bb_model *m, const bb_sets *sets, const char *what, bb_error *err) {
    char names[360], first[160];
    bb_sets_text(sets, names, sizeof names);
    bb_fail(err, BB_E_NAME, "%s: the folder holds several %s files: %s", *m->title ? m->title : m->path, what, names);
    bb_hint(err, "name one, such as %.90s/%s", m->store && strchr(m->title, '/') ? m->title : m->path,
            bb_escape_buf(sets->at[0].name, first, sizeof first));
    return BB_E_NAME;
}

/* The one set that is not another form of the same weights; NULL when there are several or none. */
static const bb_weights *only(const bb_sets *sets) {
    const bb_weights *found = NULL;
    for (size_t i = 0; i < sets->n; i++) {
        if (sets->n > 1 && strncmp(sets->at[i].name, "consolidated", strlen("consolidated")) == 0) continue;
        if (found) return NULL;
        found = &sets->at[i];
    }
    return sets->more ? NULL : found;
}

/* The shards of the checkpoint: those of the usual name before others. */
static const bb_weights *shards_of(const bb_sets *sets) {
    const bb_weights *found = NULL;
    for (size_t i = 0; i < sets->n; i++)
        if (sets->at[i].parts > 1 && (!found || strncmp(sets->at[i].name, "model-", 6) == 0)) found = &sets->at[i];
    return found;
}

static bb_status nothing_to_read(const bb_model *m, const bb_folder *f, bb_error *err) {
    char name[192];
    if (*f->dangling)
        return bb_fail(err, BB_E_OPEN,
                       "%s: %s is a link to a file that is not there, perhaps of a download that was interrupted",
                       m->path, bb_escape_buf(f->dangling, name, sizeof name));
    if (!f->entries) return bb_fail(err, BB_E_OPEN, "%s: the folder is empty", m->path);
    bb_fail(err, BB_E_OPEN, "%s: the folder holds neither config.json nor safetensors nor GGUF files", m->path);
    if (*f->pickled)
        bb_hint(err, "%s is pickled code, which is never read here: convert it to safetensors",
                bb_escape_buf(f->pickled, name, sizeof name));
    return BB_E_OPEN;
}

/* Why there is no more than a config.json. */
static void note_config_alone(bb_model *m, const char *path, const bb_folder *f) {
    char name[160];
    size_t unfinished = bb_hub_unfinished(path);
    if (f->safetensors.n)
        add_note(m, "counted from config.json: which of several safetensors files is the model is not clear");
    else if (*f->dangling)
        add_note(m, "counted from config.json: %s is a link to a file that is not there",
                 bb_escape_buf(f->dangling, name, sizeof name));
    else if (*f->pickled)
        add_note(m, "counted from config.json: the weights (%s) are pickled code, which is never read",
                 bb_escape_buf(f->pickled, name, sizeof name));
    else
        add_note(m, "counted from config.json: the folder holds no weights");
    if (unfinished) add_note(m, "downloads that have not ended: %zu", unfinished);
}

/* What is in the folder decides: model.safetensors, an index of shards, the only safetensors file, the only GGUF file;
 * last config.json alone. */
static bb_status load_held(bb_model *m, const char *path, const bb_folder *f, bb_error *err) {
    char config[BB_PATH_SIZE], file[BB_PATH_SIZE];
    const bb_weights *one = only(&f->safetensors), *shards = shards_of(&f->safetensors);
    if (f->adapter_config && !f->weights && !f->index && !f->safetensors.n) return load_adapter(m, path, f, err);
    if (!bb_path_join(path, "config.json", config) || !bb_path_join(path, "model.safetensors.index.json", file))
        return bb_fail(err, BB_E_OPEN, "%s: the path is too long", m->path);
    if (!f->weights && (f->index || shards)) {
        bb_status st = load_shards(m, path, file, config, f, shards, err);
        size_t unfinished = bb_hub_unfinished(path);
        if (!st && unfinished) add_note(m, "downloads that have not ended: %zu", unfinished);
        return st;
    }
    if (f->weights)
        return bb_path_join(path, "model.safetensors", file)
                   ? load_file(m, file, err)
                   : bb_fail(err, BB_E_OPEN, "%s: the path is too long", m->path);
    if (one) return load_set(m, path, one, err);
    if (!f->safetensors.n && f->gguf.n == 1 && !f->gguf.more) {
        bb_status st = load_set(m, path, &f->gguf.at[0], err);
        if (!st && *f->projector) add_note(m, "the projector beside it is not counted");
        return st;
    }
    if (!f->safetensors.n && f->gguf.n) return which(m, &f->gguf, "GGUF", err);
    if (f->config) {
        m->kind = BB_MODEL_CONFIG;
        note_config_alone(m, path, f);
        list_index(m, path, "pytorch_model.bin.index.json");
        return load_config(m, config, err);
    }
    if (f->safetensors.n) return which(m, &f->safetensors, "safetensors", err);
    if (*f->projector && bb_path_join(path, f->projector, file)) return load_file(m, file, err);
    return nothing_to_read(m, f, err);
}

static bb_status load_folder(bb_model *m, const char *path, bb_error *err) {
    char snapshot[BB_PATH_SIZE], title[sizeof m->title];
    bb_folder *f = NULL;
    if (bb_hub_is_repo(path, title, sizeof title) && bb_path_join(path, "snapshots", snapshot) &&
        bb_is_folder(snapshot)) {
        bb_status st = bb_hub_snapshot(path, NULL, snapshot, m->note, sizeof m->note, err);
        if (st) return st;
        bb_escape_field(snapshot, m->path, sizeof m->path);
        path = snapshot;
    }
    bb_status st = bb_folder_look(path, &f, err);
    if (!st) st = load_held(m, path, f, err);
    free(f);
    return st;
}

/* ---- files ---- */

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

static bb_status load_path(bb_model *m, const char *path, const struct stat *s, bb_error *err);

/* A model that was found by name in a store. */
static bb_status load_place(bb_model *m, const bb_place *place, bb_error *err) {
    struct stat s;
    if (stat(place->path, &s) != 0) {
        bb_status st = bb_path_refusal(place->path, errno, err);
        return st ? st : bb_fail(err, BB_E_OPEN, "%s: is no longer there", place->title);
    }
    m->store = bb_store_name(place->kind);
    if (*place->note) add_note(m, "%s", place->note);
    bb_escape_field(place->title, m->title, sizeof m->title);
    return load_path(m, place->path, &s, err);
}

/* Fills title and path where a store has not given a better one. */
static bb_status load_path(bb_model *m, const char *path, const struct stat *s, bb_error *err) {
    bb_escape_field(path, m->path, sizeof m->path);
    if (!*m->title) title_from_path(m, path);
    if (S_ISDIR(s->st_mode)) return load_folder(m, path, err);
    if (!S_ISREG(s->st_mode) || !holds_json(path)) return load_file(m, path, err);
    if (bb_file_is_index(path)) return load_file(m, path, err);
    if (!m->store) {
        bool manifest = false;
        bb_place *place = bb_alloc(1, sizeof *place);
        if (!place) return bb_fail(err, BB_E_NOMEM, "no memory for a model");
        bb_status st = bb_ollama_from_manifest(path, &manifest, place, err);
        if (!st && manifest) st = load_place(m, place, err);
        free(place);
        if (st || manifest) return st;
    }
    m->kind = BB_MODEL_CONFIG;
    if (strcmp(m->title, "config.json") == 0) {
        char dir[BB_PATH_SIZE];
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

/* ---- names ---- */

static void take_row(bb_model *m, const bb_arch *row) {
    m->kind = BB_MODEL_CATALOGUE;
    m->arch_storage = *row;
    m->arch = &m->arch_storage;
    memcpy(m->title, row->name, sizeof row->name);
    bb_flavour flavour; /* of a name that the catalogue has checked */
    if (*row->layout && !bb_flavour_find(row->layout, &flavour, NULL)) m->quant = flavour.quant;
}

/* "on this disk: a, b or c" as a hint to an error that says that a name is unknown. */
static void hint_at_disk(const bb_stores *stores, const char *text, bb_error *err) {
    bb_names names = {0};
    char near[200] = "";
    for (size_t i = 0; i < stores->n; i++) (void)bb_store_list(&stores->at[i], &names, NULL);
    bb_nearest(text, bb_names_next, &names, near, sizeof near);
    bb_names_clear(&names);
    if (*near) {
        char safe[sizeof near];
        bb_hint(err, "on this disk: %s", bb_escape_buf(near, safe, sizeof safe));
    } else if (strchr(text, '/'))
        bb_hint(err, "no file or folder has that name either");
}

/* A count, a row of the catalogue, or a model that another program keeps. The files of one are the truth: they win
 * over a row that merely has the same hub name, or a name that begins so. */
static bb_status load_name(bb_model *m, const bb_catalogue *cat, const bb_stores *stores, const char *text,
                           bb_error *err) {
    char shown[256];
    bb_error why = {.status = BB_OK};
    bool path = path_like(text), found = false;
    if (!path && bb_looks_like_count(text)) {
        bb_status st = bb_parse_count(text, &m->parameters, err);
        if (st) return st;
        if (!m->parameters) return bb_fail(err, BB_E_VALUE, "a model of 0 parameters has nothing to plan");
        m->kind = BB_MODEL_COUNT;
        bb_escape_field(text, m->title, sizeof m->title);
        return BB_OK;
    }
    const bb_arch *row = path ? NULL : bb_catalogue_find(cat, text, &why);
    if (row && bb_name_like(row->name, text)) {
        take_row(m, row);
        return BB_OK;
    }
    bb_place *place = bb_alloc(1, sizeof *place);
    if (!place) return bb_fail(err, BB_E_NOMEM, "no memory for a model");
    bb_error missing = {.status = BB_OK};
    bb_status st = bb_stores_find(stores, text, &found, place, &missing);
    if (found) st = load_place(m, place, &missing);
    free(place);
    if (found && !st) return st;
    if (st == BB_E_NOMEM ||
        (found && (st != BB_E_OPEN || !row))) { /* a tokenizer alone is no reason to refuse a model that is known */
        if (err) *err = missing;
        return st;
    }
    clear(m);
    if (st && row) add_note(m, "the row of the catalogue was taken: %s", missing.text);
    if (row) {
        take_row(m, row);
        return BB_OK;
    }
    if (!st && path)
        return bb_fail(err, BB_E_OPEN, "%s: no such file or folder", bb_escape_buf(text, shown, sizeof shown));
    if (err) *err = st ? missing : why;
    if ((!st || st == BB_E_NAME) && err && !*err->hint) hint_at_disk(stores, text, err);
    return st ? st : BB_E_NAME;
}

static bb_status load_demo(bb_model *m, bb_error *err) {
    char data[BB_PATH_SIZE];
    struct stat s;
    bb_status st = bb_data_path("demo.gguf", data, sizeof data, err);
    if (!st && !exists(data, &s)) st = bb_fail(err, BB_E_OPEN, "%s: cannot be seen", data);
    if (!st) st = load_path(m, data, &s, err);
    if (!st) strcpy(m->title, "demo");
    return st;
}

static bb_status load_text(bb_model *m, const bb_catalogue *cat, const bb_stores *stores, const char *text,
                           bb_error *err) {
    struct stat s;
    char at_home[BB_PATH_SIZE];
    if (exists(text, &s)) return load_path(m, text, &s, err);
    int cause = errno;
    if (strncmp(text, "~/", 2) == 0 && *stores->home && bb_path_join(stores->home, text + 2, at_home)) {
        if (exists(at_home, &s)) return load_path(m, at_home, &s, err);
        cause = errno;
        text = at_home;
    }
    /* a folder that may not be looked into says nothing about a name */
    if (cause != EACCES || path_like(text)) {
        bb_status st = bb_path_refusal(text, cause, err);
        if (st) return st;
    }
    if (bb_name_eq(text, "demo")) return load_demo(m, err);
    return load_name(m, cat, stores, text, err);
}

bb_status bb_model_locate(const bb_catalogue *cat, const bb_stores *stores, const char *text, bb_model **model,
                          bb_error *err) {
    static const bb_stores none = {.n = 0};
    if (!text || !*text) return bb_fail(err, BB_E_NAME, "the name of a model is empty");
    if (strlen(text) >= BB_PATH_SIZE) return bb_fail(err, BB_E_NAME, "the name of a model has 4096 bytes or more");
    bb_model *m = bb_alloc(1, sizeof *m);
    if (!m) return bb_fail(err, BB_E_NOMEM, "no memory for a model");
    bb_status st = load_text(m, cat, stores ? stores : &none, text, err);
    if (!st && !*m->called) memcpy(m->called, m->title, sizeof m->called);
    if (st)
        bb_model_free(m);
    else
        *model = m;
    return st;
}

bb_status bb_model_find(const char *text, bb_model **model, bb_error *err) {
    bb_catalogue *cat = NULL;
    bb_status st = bb_catalogue_load(NULL, NULL, &cat, err);
    if (!st) st = bb_model_locate(cat, NULL, text, model, err);
    bb_catalogue_free(cat);
    return st;
}

void bb_model_free(bb_model *model) {
    if (!model) return;
    clear(model);
    free(model);
}
