/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hub.c - the cache of the Hugging Face hub: models--ORG--NAME/{refs,snapshots,blobs}. */
#include "model/hub.h"
#include "base/escape.h"
#include "base/source.h"
#include "base/str.h"
#include "model/arch_fields.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPO_START "models--"
enum { REF_MAX_BYTES = 256, COMMIT_SIZE = 65 };

/* ---- names ---- */

static bool repo_title(const char *name, size_t len, char *title, size_t size) {
    char plain[256];
    size_t lead = sizeof REPO_START - 1, n = 0;
    if (len <= lead || len >= sizeof plain || memcmp(name, REPO_START, lead) != 0) return false;
    bool slash = false; /* the first "--" stands for it: the hub has no owner with two hyphens */
    for (size_t i = lead; i < len; i++) {
        if (!slash && i > lead && i + 2 < len && name[i] == '-' && name[i + 1] == '-') {
            plain[n++] = '/';
            slash = true;
            i++;
        } else
            plain[n++] = name[i];
    }
    plain[n] = '\0';
    bb_escape_field(plain, title, size);
    return true;
}

bool bb_hub_is_repo(const char *path, char *title, size_t size) {
    size_t len;
    const char *last = bb_path_last(path, &len);
    return repo_title(last, len, title, size);
}

bool bb_hub_is_snapshot(const char *path, char *title, size_t size) {
    char up[BB_PATH_SIZE];
    size_t len, n;
    const char *last = bb_path_last(path, &len);
    for (int level = 0; level < 2; level++) {
        n = (size_t)(last - path);
        if (n == 0 || n >= sizeof up) return false;
        memcpy(up, path, n);
        up[n] = '\0';
        last = bb_path_last(up, &len);
        last = path + (last - up);
        if (level == 0 && (len != 9 || memcmp(last, "snapshots", 9) != 0)) return false;
    }
    return repo_title(last, len, title, size);
}

static bool is_commit(const char *text) {
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    return n > 0 && n < COMMIT_SIZE && !text[n];
}

/* ---- snapshots ---- */

/* The commit that refs/NAME holds into commit, "" when there is no such reference or it holds none. */
static bb_status read_ref(const char *repo, const char *name, char *commit, bb_error *err) {
    char refs[BB_PATH_SIZE], path[BB_PATH_SIZE], *text = NULL;
    size_t n = 0;
    *commit = '\0';
    if (!bb_path_join(repo, "refs", refs) || !bb_path_join(refs, name, path)) return BB_OK;
    bb_status st = bb_source_slurp(path, REF_MAX_BYTES, &text, &n, NULL);
    if (st == BB_E_NOMEM) return bb_fail(err, st, "no memory for a reference");
    if (st) return BB_OK;
    while (n > 0 && strchr(" \r\n\t", text[n - 1])) text[--n] = '\0';
    if (strlen(text) == n && is_commit(text)) strcpy(commit, text);
    free(text);
    return BB_OK;
}

typedef struct search { /* among the snapshots */
    const char *start;  /* of the name, or NULL for the newest */
    char commit[COMMIT_SIZE];
    struct timespec time;
    size_t n;
} search;

static bool newer(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static bool visit_snapshot(void *ctx, int dir, const char *name) {
    search *s = ctx;
    struct stat st;
    if (!is_commit(name) || (s->start && strncmp(name, s->start, strlen(s->start)) != 0)) return true;
    if (fstatat(dir, name, &st, 0) != 0 || !S_ISDIR(st.st_mode)) return true;
    bool same = st.st_mtim.tv_sec == s->time.tv_sec && st.st_mtim.tv_nsec == s->time.tv_nsec;
    if (!s->n++ || newer(&st.st_mtim, &s->time) || (same && strcmp(name, s->commit) > 0)) {
        strcpy(s->commit, name);
        s->time = st.st_mtim;
    }
    return true;
}

bb_status bb_hub_snapshot(const char *repo, const char *revision, char *path, char *note, size_t note_size,
                          bb_error *err) {
    char snapshots[BB_PATH_SIZE], commit[COMMIT_SIZE], shown[256], rev[96];
    search s = {.start = revision};
    bb_escape_buf(repo, shown, sizeof shown);
    if (!bb_path_join(repo, "snapshots", snapshots)) return bb_fail(err, BB_E_OPEN, "%s: the path is too long", shown);
    bb_status st = read_ref(repo, revision ? revision : "main", commit, err);
    if (st) return st;
    if (*commit && bb_path_join(snapshots, commit, path) && bb_is_folder(path)) return BB_OK;
    if (!bb_is_folder(snapshots) || (revision && !is_commit(revision)))
        s.n = 0;
    else if ((st = bb_folder_each(snapshots, visit_snapshot, &s, err)))
        return st;
    if (revision && s.n != 1)
        return bb_fail(err, BB_E_OPEN, "%s: %s revision '%s' is in the cache", shown, s.n ? "more than one" : "no",
                       bb_escape_buf(revision, rev, sizeof rev));
    if (!s.n)
        return bb_fail(err, BB_E_OPEN, "%s: the cache holds no snapshot, perhaps of a download that was interrupted",
                       shown);
    if (!bb_path_join(snapshots, s.commit, path)) return bb_fail(err, BB_E_OPEN, "%s: the path is too long", shown);
    if (!revision && s.n > 1)
        (void)snprintf(note, note_size, "refs/main leads to no snapshot: the newest of %zu was taken, %.12s", s.n,
                       s.commit);
    return BB_OK;
}

static bool visit_unfinished(void *ctx, int dir, const char *name) {
    (void)dir;
    if (bb_ends_with(name, ".incomplete")) ++*(size_t *)ctx;
    return true;
}

size_t bb_hub_unfinished(const char *folder) {
    static const char *const places[] = {"../../blobs", ".cache/huggingface/download"};
    char title[8], path[BB_PATH_SIZE];
    size_t n = 0;
    bool snapshot = bb_hub_is_snapshot(folder, title, sizeof title);
    if (bb_path_join(folder, places[snapshot ? 0 : 1], path)) (void)bb_folder_each(path, visit_unfinished, &n, NULL);
    return n;
}

/* ---- finding by name ---- */

typedef struct wanted {
    const char *name;
    char found[256];
} wanted;

static bool visit_repo(void *ctx, int dir, const char *name) {
    wanted *w = ctx;
    (void)dir;
    if (bb_name_eq(name, w->name) && strlen(name) < sizeof w->found && (!*w->found || strcmp(name, w->found) < 0))
        strcpy(w->found, name);
    return true;
}

/* One part of a name of the hub: letters, digits, '-', '_' and '.', which does not lead. */
static bool name_part(const char *s, size_t n) {
    if (n == 0 || n > 96 || *s == '.' || *s == '-') return false;
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
              s[i] == '-' || s[i] == '_' || s[i] == '.'))
            return false;
    return true;
}

/* Splits "org/name", "name", each perhaps with "@revision" or "/file" behind. False when it is no such name. */
static bool split(const char *text, char *folder, size_t size, const char **revision, const char **file) {
    size_t first = strcspn(text, "/@"), second = 0;
    *revision = *file = NULL;
    if (!name_part(text, first)) return false;
    const char *rest = text + first;
    if (*rest == '/') {
        second = strcspn(rest + 1, "/@");
        if (!name_part(rest + 1, second)) return false;
        rest += 1 + second;
    }
    if (*rest == '@') *revision = rest + 1;
    if (*rest == '/') *file = rest + 1;
    if (*rest && !bb_path_inside(rest + 1)) return false;
    int n = second ? snprintf(folder, size, REPO_START "%.*s--%.*s", (int)first, text, (int)second, text + first + 1)
                   : snprintf(folder, size, REPO_START "%.*s", (int)first, text);
    return n > 0 && (size_t)n < size;
}

bb_status bb_hub_find(const char *root, const char *text, bool *found, bb_place *place, bb_error *err) {
    char folder[256], repo[BB_PATH_SIZE], shown[192];
    const char *revision, *file;
    struct stat s;
    bb_place p = {.kind = BB_STORE_HUB};
    if (!split(text, folder, sizeof folder, &revision, &file) || !bb_path_join(root, folder, repo)) return BB_OK;
    if (!bb_is_folder(repo)) {
        wanted w = {.name = folder};
        if (!bb_is_folder(root)) return BB_OK;
        bb_status st = bb_folder_each(root, visit_repo, &w, err);
        if (st || !*w.found) return st;
        if (!bb_path_join(root, w.found, repo) || !bb_is_folder(repo)) return BB_OK;
    }
    (void)bb_hub_is_repo(repo, p.title, sizeof p.title);
    bb_status st = bb_hub_snapshot(repo, revision, p.path, p.note, sizeof p.note, err);
    if (st) return st;
    if (file) {
        char whole[BB_PATH_SIZE];
        if (!bb_path_join(p.path, file, whole) || lstat(whole, &s) != 0)
            return bb_fail(err, BB_E_OPEN, "%s: the snapshot in the cache holds no such file",
                           bb_escape_buf(text, shown, sizeof shown));
        memcpy(p.path, whole, sizeof whole);
    }
    *place = p;
    *found = true;
    return BB_OK;
}
