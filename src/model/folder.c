/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder.c - what a folder of model files holds, by its names alone. */
#include "model/folder.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/str.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHOICES_SHOWN = 8, FOLDERS_TRIED = 1000 };

/* ---- paths ---- */

bool bb_path_join(const char *dir, const char *name, char *out) {
    const char *slash = !*dir || dir[strlen(dir) - 1] == '/' ? "" : "/";
    int n = snprintf(out, BB_PATH_SIZE, "%s%s%s", dir, slash, name);
    return n > 0 && n < BB_PATH_SIZE;
}

const char *bb_path_last(const char *path, size_t *len) {
    size_t end = strlen(path), start;
    while (end > 1 && path[end - 1] == '/') end--;
    for (start = end; start > 0 && path[start - 1] != '/'; start--) {
    }
    *len = end - start;
    return path + start;
}

bool bb_path_inside(const char *text) {
    for (const char *p = text;;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.')) return false;
        if (!p[n]) return true;
        p += n + 1;
    }
}

bool bb_is_folder(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

bb_status bb_path_refusal(const char *path, int cause, bb_error *err) {
    struct stat s;
    char shown[256];
    bb_escape_buf(path, shown, sizeof shown);
    if (cause == ENOENT && lstat(path, &s) == 0 && S_ISLNK(s.st_mode))
        return bb_fail(err, BB_E_OPEN,
                       "%s: is a link to a file that is not there, perhaps of a download that was interrupted", shown);
    if (cause == ELOOP) return bb_fail(err, BB_E_OPEN, "%s: its links lead to each other in a circle", shown);
    if (cause == ENOENT || cause == ENOTDIR || cause == ENAMETOOLONG) return BB_OK;
    return bb_fail(err, BB_E_OPEN, "%s: %s", shown, strerror(cause));
}

bb_status bb_folder_each(const char *path, bb_entry_fn *visit, void *ctx, bb_error *err) {
    char shown[256];
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int cause = errno;
        bb_status st = bb_fail(err, cause == ENOMEM ? BB_E_NOMEM : BB_E_OPEN, "%s: %s",
                               bb_escape_buf(path, shown, sizeof shown), strerror(cause));
        if (fd >= 0) close(fd);
        return st;
    }
    bb_status st = BB_OK;
    for (const struct dirent *e; (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (++n > BB_FOLDER_ENTRIES) {
            st = bb_fail(err, BB_E_LIMIT, "%s: the folder has more than %d entries",
                         bb_escape_buf(path, shown, sizeof shown), BB_FOLDER_ENTRIES);
            break;
        }
        if (!visit(ctx, fd, e->d_name)) break;
    }
    closedir(dir);
    return st;
}

/* ---- sets ---- */

static bool digits(const char *s, size_t n, uint32_t *v) {
    *v = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        *v = *v * 10 + (uint32_t)(s[i] - '0');
    }
    return true;
}

/* The name of the first part of "x-00002-of-00003.gguf" (llama-gguf-split and Hugging Face write the same form), and
 * the number of parts; the name itself and 1 for any other. */
static void first_part(const char *name, const char *ending, char *first, uint32_t *parts) {
    static const char form[] = "-00001-of-";
    size_t lead = sizeof form - 1 + 5, stem = strlen(name) - strlen(ending);
    uint32_t part;
    (void)snprintf(first, BB_NAME_SIZE, "%s", name);
    *parts = 1;
    if (stem <= lead) return;
    char *tail = first + stem - lead;
    uint32_t all;
    if (tail[0] != '-' || memcmp(tail + 6, "-of-", 4) != 0) return;
    if (!digits(tail + 1, 5, &part) || !digits(tail + 10, 5, &all) || !part || part > all) return;
    memcpy(tail, form, 6);
    *parts = all;
}

/* A folder with very many files keeps the names that come first, whatever the order of its entries. */
static void add_set(bb_sets *sets, const char *name, const char *ending) {
    char first[BB_NAME_SIZE];
    uint32_t parts;
    size_t i = 0;
    int c = 1;
    first_part(name, ending, first, &parts);
    while (i < sets->n && (c = strcmp(sets->at[i].name, first)) < 0) i++;
    if (i < sets->n && c == 0) {
        sets->at[i].present++;
        return;
    }
    if (sets->n == BB_SETS_MAX) {
        sets->more = true;
        if (i == sets->n) return;
        sets->n--;
    }
    memmove(sets->at + i + 1, sets->at + i, (sets->n - i) * sizeof *sets->at);
    sets->at[i] = (bb_weights){.parts = parts, .present = 1};
    strcpy(sets->at[i].name, first);
    sets->n++;
}

void bb_sets_text(const bb_sets *sets, char *out, size_t size) {
    static const char others[] = " and others";
    size_t n = 0, len = 0;
    *out = '\0';
    for (; n < sets->n && n < CHOICES_SHOWN; n++) {
        char name[80];
        bb_escape_buf(sets->at[n].name, name, sizeof name);
        if (len + 2 + strlen(name) + sizeof others > size) break;
        len += (size_t)snprintf(out + len, size - len, "%s%s", n ? ", " : "", name);
    }
    if (n && (sets->more || sets->n > n)) memcpy(out + len, others, sizeof others);
}

/* ---- looking ---- */

/* Whether an entry is there and no folder. A link to nothing is remembered. */
static bool is_file(bb_folder *f, int dir, const char *name) {
    struct stat s;
    if (fstatat(dir, name, &s, 0) == 0) return !S_ISDIR(s.st_mode);
    if (fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW) == 0 && (!*f->dangling || strcmp(name, f->dangling) < 0))
        (void)snprintf(f->dangling, sizeof f->dangling, "%s", name);
    return false;
}

static bool begins_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

/* Of the pickles of a checkpoint only the weights are of interest. */
static bool is_pickle(const char *name) {
    static const char *const others[] = {"training_args", "optimizer", "scheduler", "rng_state", "tokenizer"};
    if (!bb_ends_with(name, ".bin") && !bb_ends_with(name, ".pth") && !bb_ends_with(name, ".pt") &&
        !bb_ends_with(name, ".ckpt"))
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins_with(name, others[i])) return false;
    return true;
}

static void keep_first(char *kept, const char *name) {
    if (!*kept || strcmp(name, kept) < 0) (void)snprintf(kept, 256, "%s", name);
}

static void look_at_gguf(bb_folder *f, const char *name, const char *shown) {
    if (strstr(name, "mmproj"))
        keep_first(f->projector, name);
    else if (!begins_with(name, "imatrix"))
        add_set(&f->gguf, shown, ".gguf");
}

static bool look(void *ctx, int dir, const char *name) {
    bb_folder *f = ctx;
    f->entries++;
    if (strcmp(name, "config.json") == 0)
        f->config = is_file(f, dir, name);
    else if (strcmp(name, "model.safetensors") == 0)
        f->weights = is_file(f, dir, name);
    else if (strcmp(name, "model.safetensors.index.json") == 0)
        f->index = is_file(f, dir, name);
    else if (strcmp(name, "adapter_config.json") == 0)
        f->adapter_config = is_file(f, dir, name);
    else if (strcmp(name, "adapter_model.safetensors") == 0)
        f->adapter = is_file(f, dir, name);
    else if (bb_ends_with(name, ".safetensors")) {
        if (is_file(f, dir, name)) add_set(&f->safetensors, name, ".safetensors");
    } else if (bb_ends_with(name, ".gguf")) {
        if (is_file(f, dir, name)) look_at_gguf(f, name, name);
    } else if (is_pickle(name)) {
        if (is_file(f, dir, name)) keep_first(f->pickled, name);
    } else if (name[0] != '.' && f->tried < FOLDERS_TRIED && f->n_folders < sizeof f->folders / sizeof *f->folders) {
        struct stat s;
        f->tried++;
        if (strlen(name) < sizeof *f->folders && fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(s.st_mode))
            strcpy(f->folders[f->n_folders++], name);
    }
    return true;
}

/* Repositories of GGUF files often have a subfolder for each type. */
typedef struct below {
    bb_folder *f;
    const char *folder;
} below;

static bool look_below(void *ctx, int dir, const char *name) {
    const below *b = ctx;
    char shown[BB_NAME_SIZE];
    if (!bb_ends_with(name, ".gguf") || !is_file(b->f, dir, name)) return true;
    int n = snprintf(shown, sizeof shown, "%s/%s", b->folder, name);
    if (n > 0 && (size_t)n < sizeof shown) look_at_gguf(b->f, name, shown);
    return true;
}

bb_status bb_folder_look(const char *path, bb_folder **folder, bb_error *err) {
    char sub[BB_PATH_SIZE];
    bb_folder *f = bb_alloc(1, sizeof *f);
    if (!f) return bb_fail(err, BB_E_NOMEM, "no memory for a folder");
    bb_status st = bb_folder_each(path, look, f, err);
    if (!st && !f->weights && !f->gguf.n && !f->safetensors.n && !f->config)
        for (size_t i = 0; !st && i < f->n_folders; i++) {
            below b = {f, f->folders[i]};
            /* a subfolder that cannot be read is one that does not count */
            if (bb_path_join(path, f->folders[i], sub) && bb_folder_each(sub, look_below, &b, NULL) == BB_E_NOMEM)
                st = bb_fail(err, BB_E_NOMEM, "no memory for a folder");
        }
    if (st)
        free(f);
    else
        *folder = f;
    return st;
}
