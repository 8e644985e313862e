/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ollama.c - models of Ollama: manifests/HOST/NAMESPACE/NAME/TAG and the blobs they name. */
#include "model/ollama.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/source.h"
#include "base/units.h"
#include "model/arch_fields.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "ollama:"
#define HOST   "registry.ollama.ai"
#define SPACE  "library"
enum { MANIFEST_MAX_BYTES = 1 << 20, TAGS_SHOWN = 8, TAG_SIZE = 96, LAYERS_MAX = 4096, HEX_DIGITS = 64 };

typedef struct name { /* NUL-terminated parts, each of which is one part of a path */
    char text[512];
    const char *host, *space, *model, *tag;
    bool tagged;
} name;

static bool part_ok(const char *s) {
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return n > 0 && n <= 128 && !s[n] && s[0] != '.';
}

static bool parse(const char *text, name *n) {
    if (strncmp(text, PREFIX, sizeof PREFIX - 1) == 0) text += sizeof PREFIX - 1;
    if (strlen(text) >= sizeof n->text) return false;
    *n = (name){.host = HOST, .space = SPACE, .tag = "latest"};
    strcpy(n->text, text);
    char *slash = strrchr(n->text, '/'), *model = slash ? slash + 1 : n->text, *colon = strchr(model, ':');
    n->model = model;
    if (colon) {
        *colon = '\0';
        n->tag = colon + 1;
        n->tagged = true;
    }
    if (slash) {
        *slash = '\0';
        char *first = strchr(n->text, '/');
        n->space = n->text;
        if (first) {
            *first = '\0';
            n->host = n->text;
            n->space = first + 1;
        }
    }
    return part_ok(n->host) && part_ok(n->space) && part_ok(n->model) && part_ok(n->tag);
}

bool bb_ollama_is_name(const char *text) {
    name n;
    if (strncmp(text, PREFIX, sizeof PREFIX - 1) == 0) return true;
    return strchr(text, ':') && parse(text, &n) && n.tagged;
}

/* As Ollama itself shows it: without what is the default. */
static void title_of(const char *host, const char *space, const char *model, const char *tag, char *out, size_t size) {
    char text[600];
    bool own_host = strcmp(host, HOST) != 0, own_space = own_host || strcmp(space, SPACE) != 0;
    (void)snprintf(text, sizeof text, "%s%s%s%s%s:%s", own_host ? host : "", own_host ? "/" : "",
                   own_space ? space : "", own_space ? "/" : "", model, tag);
    bb_escape_field(text, out, size);
}

/* ---- manifests ---- */

typedef struct layers {
    const char *digest; /* of the first model layer */
    uint64_t size;
    size_t models, projectors, adapters, tensors;
    uint64_t beside_bytes; /* of projectors and adapters */
} layers;

static bool is_kind(const char *type, const char *kind) {
    static const char lead[] = "application/vnd.ollama.image.";
    return strncmp(type, lead, sizeof lead - 1) == 0 && strcmp(type + sizeof lead - 1, kind) == 0;
}

static bb_status read_layers(const bb_json *root, const char *shown, layers *l, bb_error *err) {
    const bb_json *list = bb_json_get(root, "layers");
    if (!bb_json_is_object(root) || !list || !bb_json_is_array(list))
        return bb_fail(err, BB_E_INVALID, "%s: a manifest of Ollama has a list 'layers', this file has none", shown);
    size_t n = bb_json_size(list);
    if (n > LAYERS_MAX) return bb_fail(err, BB_E_LIMIT, "%s: %zu layers, at most %d are read", shown, n, LAYERS_MAX);
    for (size_t i = 0; i < n; i++) {
        const bb_json *layer = bb_json_at(list, i);
        const char *type = bb_json_is_object(layer) ? bb_json_text(bb_json_get(layer, "mediaType")) : NULL;
        uint64_t size = 0;
        if (!type) return bb_fail(err, BB_E_INVALID, "%s: layer %zu has no mediaType", shown, i);
        bb_json_u64(bb_json_get(layer, "size"), &size);
        bool projector = is_kind(type, "projector"), adapter = is_kind(type, "adapter");
        l->tensors += is_kind(type, "tensor");
        l->projectors += projector;
        l->adapters += adapter;
        /* a sum that wraps is no size that anyone has */
        if (projector || adapter) l->beside_bytes += size < UINT64_MAX / (2 * LAYERS_MAX) ? size : 0;
        if (!is_kind(type, "model")) continue;
        if (l->models++) continue;
        l->size = size;
        l->digest = bb_json_text(bb_json_get(layer, "digest"));
        if (!l->digest) return bb_fail(err, BB_E_INVALID, "%s: the layer of the model has no digest", shown);
    }
    if (!l->models)
        return bb_fail(err, l->tensors ? BB_E_UNSUPPORTED : BB_E_INVALID, "%s: %s", shown,
                       l->tensors ? "the model is kept tensor by tensor, which is not supported"
                                  : "the manifest names no model");
    return BB_OK;
}

/* "sha256:" and 64 hexadecimal digits, as the name of its file; nothing else ever becomes part of a path. */
static bool blob_name(const char *digest, char *out) {
    if (strncmp(digest, "sha256:", 7) != 0 && strncmp(digest, "sha256-", 7) != 0) return false;
    if (strlen(digest) != 7 + HEX_DIGITS || strspn(digest + 7, "0123456789abcdef") != HEX_DIGITS) return false;
    memcpy(out, "sha256-", 7);
    memcpy(out + 7, digest + 7, HEX_DIGITS + 1);
    return true;
}

static bb_status find_blob(const char *root, const layers *l, const char *shown, bb_place *p, bb_error *err) {
    char blobs[BB_PATH_SIZE], file[7 + HEX_DIGITS + sizeof "-partial"], partial[BB_PATH_SIZE], digest[160];
    struct stat s;
    if (!blob_name(l->digest, file))
        return bb_fail(err, BB_E_INVALID, "%s: the digest '%s' is not sha256: and 64 hexadecimal digits", shown,
                       bb_escape_buf(l->digest, digest, sizeof digest));
    if (!bb_path_join(root, "blobs", blobs) || !bb_path_join(blobs, file, p->path))
        return bb_fail(err, BB_E_OPEN, "%s: the path is too long", shown);
    if (stat(p->path, &s) != 0) {
        int cause = errno;
        strcat(file, "-partial");
        if (cause == ENOENT && bb_path_join(blobs, file, partial) && stat(partial, &s) == 0)
            return bb_fail(err, BB_E_OPEN, "%s: the download of its model has not ended", shown);
        return bb_fail(err, BB_E_OPEN, "%s: its model, blobs/%.15s..., cannot be opened: %s", shown, file,
                       strerror(cause));
    }
    if (S_ISREG(s.st_mode) && l->size && (uint64_t)s.st_size != l->size)
        return bb_fail(err, (uint64_t)s.st_size < l->size ? BB_E_TRUNCATED : BB_E_INVALID,
                       "%s: its model has %llu bytes, the manifest says %llu", shown, (unsigned long long)s.st_size,
                       (unsigned long long)l->size);
    return BB_OK;
}

static void note_beside(const layers *l, bb_place *p) {
    char bytes[32], what[96] = "";
    if (!l->projectors && !l->adapters) return;
    if (l->projectors) (void)snprintf(what, sizeof what, "%s", l->projectors > 1 ? "projectors" : "a projector");
    if (l->adapters) {
        size_t n = strlen(what);
        (void)snprintf(what + n, sizeof what - n, "%s%s", n ? " and " : "",
                       l->adapters > 1 ? "adapters" : "an adapter");
    }
    (void)snprintf(p->note, sizeof p->note, "Ollama also loads %s of %s, not counted here", what,
                   bb_bytes_text(l->beside_bytes, false, bytes));
}

static bb_status read_manifest(const char *root, const char *path, bb_place *place, bb_error *err) {
    char shown[256], *text = NULL;
    size_t n = 0;
    bb_json *json = NULL;
    layers l = {0};
    bb_escape_buf(path, shown, sizeof shown);
    bb_status st = bb_source_slurp(path, MANIFEST_MAX_BYTES, &text, &n, err);
    if (!st) st = bb_json_parse(text, n, shown, MANIFEST_MAX_BYTES, false, false, &json, err);
    if (!st) st = read_layers(json, shown, &l, err);
    if (!st) st = find_blob(root, &l, shown, place, err);
    if (!st) note_beside(&l, place);
    bb_json_free(json);
    free(text);
    return st;
}

/* ---- by name, by path ---- */

/* root/manifests/host/space/model, and the tag behind it unless `folder`. */
static bool manifest_path(const char *root, const name *n, bool folder, char *out) {
    char inside[600];
    int k = snprintf(inside, sizeof inside, "manifests/%s/%s/%s%s%s", n->host, n->space, n->model, folder ? "" : "/",
                     folder ? "" : n->tag);
    return k > 0 && (size_t)k < sizeof inside && bb_path_join(root, inside, out);
}

bb_status bb_ollama_find(const char *root, const char *text, bool *found, bb_place *place, bb_error *err) {
    name n;
    char path[BB_PATH_SIZE];
    struct stat s;
    bb_place p = {.kind = BB_STORE_OLLAMA};
    if (!parse(text, &n) || !manifest_path(root, &n, false, path)) return BB_OK;
    if (stat(path, &s) != 0) return bb_path_refusal(path, errno, err);
    if (S_ISDIR(s.st_mode)) return BB_OK;
    bb_status st = read_manifest(root, path, &p, err);
    if (st) return st;
    title_of(n.host, n.space, n.model, n.tag, p.title, sizeof p.title);
    *place = p;
    *found = true;
    return BB_OK;
}

typedef struct tags { /* the first ones by name */
    char at[TAGS_SHOWN][TAG_SIZE];
    size_t n;
} tags;

static bool visit_tag(void *ctx, int dir, const char *tag) {
    tags *t = ctx;
    size_t i = 0;
    (void)dir;
    if (strlen(tag) >= TAG_SIZE) return true;
    while (i < t->n && strcmp(t->at[i], tag) < 0) i++;
    if (i == TAGS_SHOWN) return true;
    if (t->n == TAGS_SHOWN) t->n--;
    memmove(t->at + i + 1, t->at + i, (t->n - i) * sizeof *t->at);
    strcpy(t->at[i], tag);
    t->n++;
    return true;
}

void bb_ollama_tags(const char *root, const char *text, char *out, size_t size) {
    name n;
    char path[BB_PATH_SIZE];
    tags t = {.n = 0};
    *out = '\0';
    if (!parse(text, &n) || !manifest_path(root, &n, true, path) || bb_folder_each(path, visit_tag, &t, NULL)) return;
    bb_str s;
    bb_str_init(&s);
    for (size_t i = 0; i < t.n; i++) {
        if (i) bb_str_add(&s, ", ");
        bb_escape(&s, t.at[i], strlen(t.at[i]), 0);
    }
    (void)snprintf(out, size, "%s", bb_str_c(&s));
    bb_str_clear(&s);
}

bb_status bb_ollama_from_manifest(const char *path, bool *found, bb_place *place, bb_error *err) {
    static const char folder[] = "/manifests/";
    char *real = realpath(path, NULL), *parts[4], *at = real;
    bb_place p = {.kind = BB_STORE_OLLAMA};
    bb_status st = BB_OK;
    if (!real) return errno == ENOMEM ? bb_fail(err, BB_E_NOMEM, "out of memory") : BB_OK;
    char *last = NULL;
    while ((at = strstr(at, folder))) last = at++;
    if (!last) goto out;
    *last = '\0';
    parts[0] = last + sizeof folder - 1;
    for (int i = 1; i < 4; i++) {
        char *slash = strchr(parts[i - 1], '/');
        if (!slash) goto out;
        *slash = '\0';
        parts[i] = slash + 1;
    }
    if (strchr(parts[3], '/') || !bb_path_join(real, "blobs", p.path) || !bb_is_folder(p.path)) goto out;
    st = read_manifest(real, path, &p, err);
    if (st) goto out;
    title_of(parts[0], parts[1], parts[2], parts[3], p.title, sizeof p.title);
    *place = p;
    *found = true;
out:
    free(real);
    return st;
}
