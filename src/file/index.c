/* SPDX-License-Identifier: GPL-3.0-or-later */
/* index.c - *.index.json: which shard holds which tensor (format: huggingface_hub's split_torch_state_dict). */
#include "base/escape.h"
#include "base/json.h"
#include "base/mem.h"
#include "file/file_parts.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char map_key[] = "weight_map";

enum { INDEX_MAX = 32 << 20, LOOK_MAX = 1 << 20, SHARDS_MAX = 65536 };

typedef struct reader {
    bb_file *f;
    const char *path; /* escaped */
    size_t cap_tensors, cap_shards;
    char **shards; /* [n_shards] names, owned by the file; a tensor's part is one of them */
    size_t n_shards;
    size_t *order; /* [n_shards] of the shards by name */
    size_t last;   /* the shard of the last entry */
    bool has_map, has_total;
    uint64_t total_bytes;
} reader;

/* ---- metadata ---- */

static bb_status add_meta(reader *r, const char *key, const bb_json *v, size_t room, bb_error *err) {
    bb_file *f = r->f;
    bb_status status = BB_OK;
    bb_meta m = {0};
    bool flag;
    const char *text = bb_json_text(v);
    if (bb_json_u64(v, &m.v.u64)) {
        m.kind = BB_META_U64;
        memcpy(m.type_in_file, "int", sizeof "int");
    } else if (bb_json_f64(v, &m.v.f64)) {
        m.kind = BB_META_F64;
        memcpy(m.type_in_file, "float", sizeof "float");
    } else if (bb_json_is_bool(v, &flag)) {
        m.kind = BB_META_BOOL;
        m.v.b = flag;
        memcpy(m.type_in_file, "bool", sizeof "bool");
    } else if (text) {
        m.kind = BB_META_TEXT;
        memcpy(m.type_in_file, "str", sizeof "str");
        m.v.text.len = strlen(text);
        if (!(m.v.text.data = bb_file_text(f, text, m.v.text.len, &status))) return bb_file_no_memory(f, status, err);
    } else
        return BB_OK; /* lists and objects: nothing that is known puts them here */
    if (!f->meta && !(f->meta = bb_alloc(room, sizeof *f->meta))) return bb_file_no_memory(f, BB_E_NOMEM, err);
    if (!(m.key = bb_file_text(f, key, strlen(key), &status))) return bb_file_no_memory(f, status, err);
    f->meta[f->n_meta++] = m;
    return BB_OK;
}

static bb_status read_metadata(reader *r, const bb_json *v, bb_error *err) {
    if (bb_json_is_null(v)) return BB_OK;
    if (!bb_json_is_object(v)) return bb_fail(err, BB_E_INVALID, "%s: metadata is no object", r->path);
    const bb_json *total = bb_json_get(v, "total_size");
    r->has_total = total != NULL;
    if (total && !bb_json_u64(total, &r->total_bytes))
        return bb_fail(err, BB_E_INVALID, "%s: metadata: total_size is no number of bytes", r->path);
    for (bb_json_iter it = bb_json_first(v); it.key; it = bb_json_next(v, it)) {
        bb_status status = add_meta(r, it.key, it.value, bb_json_size(v), err);
        if (status != BB_OK) return status;
    }
    return BB_OK;
}

static bb_status visit_member(void *ctx, const char *key, const bb_json *v, bb_error *err) {
    reader *r = ctx;
    if (strcmp(key, map_key) == 0) {
        if (v) return bb_fail(err, BB_E_INVALID, "%s: weight_map is no object", r->path);
        r->has_map = true;
        return BB_OK;
    }
    return strcmp(key, "metadata") == 0 ? read_metadata(r, v, err) : BB_OK;
}

/* ---- names and shards ---- */

/* Where name stands, or belongs, in the order of the shards. */
static size_t shard_place(const reader *r, const char *name, bool *found) {
    size_t low = 0, high = r->n_shards;
    *found = false;
    while (low < high && !*found) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(name, r->shards[r->order[mid]]);
        *found = c == 0;
        if (c < 0 || *found)
            high = mid;
        else
            low = mid + 1;
    }
    return high;
}

/* Reading a shard must not lead anywhere but to its folder. */
static bool plain_name(const char *name) {
    return *name && !strchr(name, '/') && !strchr(name, '\\') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bb_status find_shard(reader *r, const char *name, size_t *shard, bb_error *err) {
    char shown[160];
    bool found;
    bb_status status = BB_OK;
    *shard = r->last;
    if (r->n_shards && strcmp(r->shards[r->last], name) == 0) return BB_OK;
    size_t place = shard_place(r, name, &found);
    if (!found) {
        if (!plain_name(name))
            return bb_fail(err, BB_E_INVALID, "%s: the shard '%s' is no plain file name within the folder", r->path,
                           bb_escape_buf(name, shown, sizeof shown));
        if (r->n_shards == SHARDS_MAX) return bb_fail(err, BB_E_LIMIT, "%s: more than %d shards", r->path, SHARDS_MAX);
        size_t cap = r->cap_shards;
        if (!bb_grow((void **)&r->shards, r->n_shards, &cap, sizeof *r->shards) ||
            !bb_grow((void **)&r->order, r->n_shards, &r->cap_shards, sizeof *r->order))
            return bb_file_no_memory(r->f, BB_E_NOMEM, err);
        if (!(r->shards[r->n_shards] = bb_file_text(r->f, name, strlen(name), &status)))
            return bb_file_no_memory(r->f, status, err);
        memmove(r->order + place + 1, r->order + place, (r->n_shards - place) * sizeof *r->order);
        r->order[place] = r->n_shards++;
    }
    *shard = r->last = r->order[place];
    return BB_OK;
}

static bb_status visit_name(void *ctx, const char *name, const bb_json *v, bb_error *err) {
    reader *r = ctx;
    bb_file *f = r->f;
    char shown[160];
    size_t shard;
    const char *file = bb_json_text(v);
    if (!*name) return bb_fail(err, BB_E_INVALID, "%s: weight_map has a tensor without a name", r->path);
    if (!file)
        return bb_fail(err, BB_E_INVALID, "%s: weight_map gives tensor '%s' no file name", r->path,
                       bb_escape_buf(name, shown, sizeof shown));
    bb_status status = find_shard(r, file, &shard, err);
    if (status != BB_OK) return status;
    if (!bb_grow((void **)&f->tensors, f->n_tensors, &r->cap_tensors, sizeof *f->tensors))
        return bb_file_no_memory(f, BB_E_NOMEM, err);
    bb_tensor t = {.type_in_file = "", .part = (uint32_t)shard};
    if (!(t.name = bb_file_text(f, name, strlen(name), &status))) return bb_file_no_memory(f, status, err);
    f->tensors[f->n_tensors++] = t;
    return BB_OK;
}

/* ---- shards ---- */

/* Python's pickles by another name: running them is the only way to read them. */
static bool is_pickle(const char *name) {
    static const char *const ends[] = {".bin", ".pt", ".pth", ".ckpt"};
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (len >= n && strcmp(name + len - n, ends[i]) == 0) return true;
    }
    return false;
}

/* The tensors of all shards in place of the names. */
static bb_status open_shards(reader *r, const char *path, bb_error *err) {
    bb_file *f = r->f;
    bb_status status = BB_OK;
    for (size_t i = 0; i < r->n_shards && status == BB_OK; i++) {
        bb_file *part = NULL;
        char shown[160];
        status = bb_file_open_part(f, path, r->shards[i], &part, err);
        if (status != BB_OK) return status;
        if (strcmp(part->format, "safetensors") == 0) {
            status = bb_file_join(f, part, err);
            continue;
        }
        bb_file_close(part);
        return bb_fail(err, BB_E_INVALID, "%s: its part '%s' is no safetensors file", r->path,
                       bb_escape_buf(r->shards[i], shown, sizeof shown));
    }
    return status;
}

static bb_status not_there(const reader *r, const bb_tensor *named, bb_error *err) {
    char shown[160], where[160];
    return bb_fail(err, BB_E_INVALID, "%s: tensor '%s' is not in '%s', to which weight_map gives it", r->path,
                   bb_escape_buf(named->name, shown, sizeof shown),
                   bb_escape_buf(r->shards[named->part], where, sizeof where));
}

/* Each of the n names of the map is in the shard that it gives; a tensor that the map does not name is worth a word. */
static bb_status compare(reader *r, const bb_tensor *map, const size_t *order, size_t n, bb_error *err) {
    bb_file *f = r->f;
    char shown[160];
    size_t extra = 0, at = 0;
    for (size_t i = 0; i < f->n_tensors; i++) {
        const bb_tensor *t = &f->tensors[f->by_name[i]];
        int c = at < n ? strcmp(t->name, map[order[at]].name) : -1;
        if (c > 0 || (c == 0 && t->part != map[order[at]].part)) return not_there(r, &map[order[at]], err);
        if (c == 0)
            at++;
        else if (extra++ == 0)
            bb_file_warn(f, "tensor '%s' is in a shard, but not in weight_map",
                         bb_escape_buf(t->name, shown, sizeof shown));
    }
    if (at < n) return not_there(r, &map[order[at]], err);
    if (extra > 1) bb_file_warn(f, "so are %zu more", extra - 1);
    return BB_OK;
}

/* Opens the shards and checks the map, which *f holds as tensors, against them. */
static bb_status with_shards(reader *r, const char *path, bb_error *err) {
    bb_file *f = r->f;
    bb_tensor *map = f->tensors;
    size_t n = f->n_tensors, *order = f->by_name;
    f->tensors = NULL;
    f->n_tensors = 0;
    f->by_name = NULL;
    f->format = "safetensors";
    bb_status status = open_shards(r, path, err);
    if (status == BB_OK) status = bb_file_index_names(f, err);
    if (status == BB_OK) status = compare(r, map, order, n, err);
    if (status == BB_OK && r->has_total && bb_file_tensor_bytes(f) != r->total_bytes)
        bb_file_warn(f, "metadata says total_size %" PRIu64 ", but the tensors of the shards have %" PRIu64 " bytes",
                     r->total_bytes, bb_file_tensor_bytes(f));
    free(map);
    free(order);
    return status;
}

static bb_status names_alone(reader *r, const char *path, bb_error *err) {
    bb_file *f = r->f;
    bb_str full;
    bb_status status = BB_OK;
    f->names_only = true;
    bb_str_init(&full);
    for (size_t i = 0; i < r->n_shards && status == BB_OK; i++) {
        bb_str_addn(&full, path, bb_folder_length(path));
        bb_str_add(&full, r->shards[i]);
        status = full.failed ? bb_file_no_memory(f, BB_E_NOMEM, err) : bb_file_add_part(f, bb_str_c(&full), err);
        bb_str_clear(&full);
    }
    return status;
}

static bb_status read_text(reader *r, bb_error *err) {
    bb_file *f = r->f;
    uint64_t size = bb_source_size(f->src);
    if (size > INDEX_MAX)
        return bb_fail(err, BB_E_LIMIT, "%s: has %" PRIu64 " bytes of JSON, at most %d are read", r->path, size,
                       INDEX_MAX);
    char *text = bb_alloc((size_t)size + 1, 1);
    if (!text) return bb_file_no_memory(f, BB_E_NOMEM, err);
    bb_status status = bb_source_read(f->src, 0, text, (size_t)size, err);
    if (status == BB_OK)
        status = bb_json_each_within(text, (size_t)size, r->path, INDEX_MAX, visit_member, map_key, visit_name, r, err);
    free(text);
    return status;
}

bb_status bb_index_read(bb_file *f, const char *path, bool shards_needed, bb_error *err) {
    reader r = {.f = f, .path = bb_source_path(f->src)};
    bb_status status = read_text(&r, err);
    if (status == BB_OK && !r.has_map)
        status = bb_fail(err, BB_E_INVALID, "%s: is JSON without a weight_map, expected an index of shards", r.path);
    if (status == BB_OK) status = bb_file_index_keys(f, err);
    if (status == BB_OK) status = bb_file_index_names(f, err);
    bool pickles = false;
    for (size_t i = 0; i < r.n_shards; i++) pickles |= is_pickle(r.shards[i]);
    if (status == BB_OK && f->n_tensors == 0) bb_file_warn(f, "weight_map is empty");
    if (status == BB_OK && pickles)
        bb_file_warn(f, "its shards are Python pickles, which are never read: tensors are known by their names alone");
    if (status == BB_OK) status = shards_needed && !pickles ? with_shards(&r, path, err) : names_alone(&r, path, err);
    free(r.shards);
    free(r.order);
    return status;
}

/* Stops at the map, whatever it is, which stands behind the metadata at the latest. */
static bb_status look_for_map(void *ctx, const char *key, const bb_json *v, bb_error *err) {
    (void)v;
    (void)err;
    bool *found = ctx;
    *found = strcmp(key, map_key) == 0;
    return *found ? BB_E_CANCELLED : BB_OK;
}

bool bb_file_is_index(const char *path) {
    bb_source *src = NULL;
    bool found = false;
    if (bb_source_open(path, &src, NULL) != BB_OK) return false;
    uint64_t size = bb_source_size(src);
    size_t n = size < LOOK_MAX ? (size_t)size : LOOK_MAX;
    unsigned char head[32];
    size_t first = n < sizeof head ? n : sizeof head;
    char *text = NULL;
    if (bb_source_read(src, 0, head, first, NULL) == BB_OK && bb_file_begins_json(head, first))
        text = bb_alloc(n + 1, 1);
    /* where the text is cut does not matter: the walk ends at the map */
    if (text && bb_source_read(src, 0, text, n, NULL) == BB_OK)
        bb_json_each_within(text, n, path, LOOK_MAX, look_for_map, map_key, look_for_map, &found, NULL);
    bb_source_close(src);
    free(text);
    return found;
}
