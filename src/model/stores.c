/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stores.c - the folders in which other programs keep models on this disk, and the models in them by name. */
#include "model/stores.h"
#include "base/escape.h"
#include "base/mem.h"
#include "model/arch_fields.h"
#include "model/hub.h"
#include "model/ollama.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 4096, FOLDERS_MAX = 20000, LEVELS_MAX = 4 };

/* ---- where they are ---- */

/* base/rest as one more store, unless it is there already or does not fit. "~/" in base is the home folder. */
static void add(bb_stores *s, bb_store_kind kind, const char *base, const char *rest) {
    char path[BB_PATH_SIZE], whole[BB_PATH_SIZE];
    if (!base || !*base || s->n == BB_STORES_MAX) return;
    if (strncmp(base, "~/", 2) == 0 && *s->home) {
        if (!bb_path_join(s->home, base + 2, path)) return;
    } else {
        if (strlen(base) >= sizeof path) return;
        strcpy(path, base);
    }
    if (*rest && !bb_path_join(path, rest, whole)) return;
    for (size_t i = 0; i < s->n; i++)
        if (s->at[i].kind == kind && strcmp(s->at[i].path, *rest ? whole : path) == 0) return;
    s->at[s->n].kind = kind;
    strcpy(s->at[s->n++].path, *rest ? whole : path);
}

static bool set(const char *value) { return value && *value; }

void bb_stores_init(bb_stores *s, const bb_stores_places *p) {
    const char *home = set(p->home) && p->home[0] == '/' && strlen(p->home) < sizeof s->home ? p->home : "";
    s->n = 0;
    strcpy(s->home, home);
    if (set(p->hf_hub_cache))
        add(s, BB_STORE_HUB, p->hf_hub_cache, "");
    else if (set(p->hf_home))
        add(s, BB_STORE_HUB, p->hf_home, "hub");
    else if (set(p->xdg_cache_home) && p->xdg_cache_home[0] == '/')
        add(s, BB_STORE_HUB, p->xdg_cache_home, "huggingface/hub");
    else
        add(s, BB_STORE_HUB, home, ".cache/huggingface/hub");
    if (set(p->ollama_models)) {
        add(s, BB_STORE_OLLAMA, p->ollama_models, "");
    } else {
        add(s, BB_STORE_OLLAMA, home, ".ollama/models");
        /* the home of the user that Ollama's install script makes for its service */
        add(s, BB_STORE_OLLAMA, "/usr/share/ollama/.ollama/models", "");
    }
    add(s, BB_STORE_LM_STUDIO, home, ".lmstudio/models");
    add(s, BB_STORE_LM_STUDIO, home, ".cache/lm-studio/models");
}

const char *bb_store_name(bb_store_kind kind) {
    return kind == BB_STORE_HUB ? "Hugging Face cache" : kind == BB_STORE_OLLAMA ? "Ollama" : "LM Studio";
}

/* ---- finding ---- */

/* PUBLISHER/REPO or PUBLISHER/REPO/FILE, as they lie there. */
static bb_status find_lm_studio(const char *root, const char *text, bool *found, bb_place *place, bb_error *err) {
    bb_place p = {.kind = BB_STORE_LM_STUDIO};
    struct stat s;
    if (!strchr(text, '/') || !bb_path_inside(text) || !bb_path_join(root, text, p.path)) return BB_OK;
    if (stat(p.path, &s) != 0) return bb_path_refusal(p.path, errno, err);
    bb_escape_field(text, p.title, sizeof p.title);
    *place = p;
    *found = true;
    return BB_OK;
}

static bb_status not_of_ollama(const bb_stores *s, const char *text, bb_error *err) {
    char shown[96], tags[200] = "";
    bool any = false;
    bb_fail(err, BB_E_NAME, "Ollama has no model '%s' on this disk", bb_escape_buf(text, shown, sizeof shown));
    for (size_t i = 0; i < s->n && !*tags; i++) {
        if (s->at[i].kind != BB_STORE_OLLAMA) continue;
        any |= bb_is_folder(s->at[i].path);
        bb_ollama_tags(s->at[i].path, text, tags, sizeof tags);
    }
    if (*tags)
        bb_hint(err, "its tags here: %s", tags);
    else if (!any)
        bb_hint(err, "no folder of Ollama's models was found: bitbudget doctor says where they are looked for");
    return BB_E_NAME;
}

bb_status bb_stores_find(const bb_stores *s, const char *text, bool *found, bb_place *place, bb_error *err) {
    bool ollama = bb_ollama_is_name(text);
    bb_error first = {.status = BB_OK};
    *found = false;
    for (size_t i = 0; i < s->n && !*found; i++) {
        const bb_store *at = &s->at[i];
        bb_error why;
        bb_status st = BB_OK;
        if (ollama != (at->kind == BB_STORE_OLLAMA)) continue;
        if (ollama)
            st = bb_ollama_find(at->path, text, found, place, &why);
        else if (at->kind == BB_STORE_HUB)
            st = bb_hub_find(at->path, text, found, place, &why);
        else
            st = find_lm_studio(at->path, text, found, place, &why);
        /* what one store cannot give, the next one may have */
        if (st && (!first.status || st == BB_E_NOMEM)) first = why;
        if (st == BB_E_NOMEM) break;
    }
    if (*found || (!first.status && !ollama)) return BB_OK;
    if (!first.status) return not_of_ollama(s, text, err);
    if (err) *err = first;
    return first.status;
}

/* ---- listing ---- */

typedef struct listing {
    const bb_store *store;
    bb_names *names;
    const char *folder; /* that is visited now */
    const char *parts[LEVELS_MAX];
    int level, levels;
    size_t folders; /* opened so far */
    bb_status status;
} listing;

static void add_name(listing *l, const char *name) {
    bb_names *n = l->names;
    if (n->n >= NAMES_MAX) {
        n->more = true;
        return;
    }
    char *copy = bb_strdup(name);
    void *array = n->at;
    if (!copy || !bb_grow(&array, n->n, &n->cap, sizeof *n->at)) {
        free(copy);
        l->status = BB_E_NOMEM;
        return;
    }
    n->at = array;
    n->at[n->n++] = copy;
}

/* The name of what the parts of a path stand for; false when they stand for no model. */
static bool name_of(const listing *l, char *out, size_t size) {
    const char *const *p = l->parts;
    int n = 0;
    if (l->store->kind == BB_STORE_HUB) return bb_hub_is_repo(p[0], out, size);
    if (l->store->kind == BB_STORE_LM_STUDIO)
        n = snprintf(out, size, "%s/%s", p[0], p[1]);
    else if (strcmp(p[0], "registry.ollama.ai") != 0)
        n = snprintf(out, size, "%s/%s/%s:%s", p[0], p[1], p[2], p[3]);
    else if (strcmp(p[1], "library") != 0)
        n = snprintf(out, size, "%s/%s:%s", p[1], p[2], p[3]);
    else
        n = snprintf(out, size, "%s:%s", p[2], p[3]);
    return n > 0 && (size_t)n < size;
}

static bool visit(void *ctx, int dir, const char *name) {
    listing *l = ctx;
    char text[1100], path[BB_PATH_SIZE];
    (void)dir;
    if (name[0] == '.') return true;
    l->parts[l->level] = name;
    if (l->level + 1 == l->levels) {
        if (name_of(l, text, sizeof text)) add_name(l, text);
    } else if (bb_path_join(l->folder, name, path)) {
        if (l->folders == FOLDERS_MAX) {
            l->names->more = true;
            return false;
        }
        listing below = *l;
        below.folder = path;
        below.level++;
        below.folders++;
        (void)bb_folder_each(path, visit, &below, NULL); /* what is no folder is passed over */
        l->folders = below.folders;
        l->status = below.status;
    }
    return !l->status && !l->names->more;
}

bb_status bb_store_list(const bb_store *store, bb_names *names, bb_error *err) {
    static const int levels[] = {[BB_STORE_HUB] = 1, [BB_STORE_OLLAMA] = 4, [BB_STORE_LM_STUDIO] = 2};
    char root[BB_PATH_SIZE];
    listing l = {.store = store, .names = names, .folder = root, .levels = levels[store->kind]};
    strcpy(root, store->path);
    if (store->kind == BB_STORE_OLLAMA && !bb_path_join(store->path, "manifests", root))
        return bb_fail(err, BB_E_OPEN, "the path of Ollama's models is too long");
    bb_status st = bb_folder_each(root, visit, &l, err);
    return st ? st : l.status ? bb_fail(err, l.status, "no memory for the names of models") : BB_OK;
}

void bb_names_clear(bb_names *names) {
    for (size_t i = 0; i < names->n; i++) free(names->at[i]);
    free(names->at);
    *names = (bb_names){0};
}

const char *bb_names_next(const void *names, size_t i) {
    const bb_names *n = names;
    return i < n->n ? n->at[i] : NULL;
}
