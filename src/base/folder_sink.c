/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_sink.c - output folders that are absent, old or complete. */
#define _GNU_SOURCE /* renameat2 */
#include "base/folder_sink.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/sink_parts.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bb_folder_sink {
    int slot; /* in the emergency list, or -1 */
    bool force;
    bb_folder_entry_fn *kind_of;
    char *target, *temporary; /* temporary NULL when there is none any more */
    char shown[256];
};

static void discard(bb_folder_sink *f) {
    if (!f) return;
    if (f->temporary) bb_flat_folder_remove(f->temporary);
    bb_emergency_drop(f->slot);
    free(f->target);
    free(f->temporary);
    free(f);
}

void bb_folder_abandon(bb_folder_sink *folder) { discard(folder); }

static bb_status refuse(const bb_folder_sink *f, bb_error *err, const char *name, const char *why) {
    char shown[160];
    if (name)
        bb_fail(err, BB_E_WRITE, "%s: holds '%s', which is no %s: it is not replaced", f->shown,
                bb_escape_buf(name, shown, sizeof shown), why);
    else
        bb_fail(err, BB_E_WRITE, "%s: holds %s: it is not replaced", f->shown, why);
    bb_hint(err, "choose another name, or remove what is in it first");
    return BB_E_WRITE;
}

/* Only a folder like those that are made is replaced, and only when its files can be removed; an empty one always. */
static bb_status check_old(const bb_folder_sink *f, bb_error *err) {
    bb_status status = BB_OK;
    bool any = false, sure = false;
    DIR *dir = opendir(f->target);
    if (!dir) return bb_write_failed(f->shown, err);
    if (faccessat(dirfd(dir), ".", W_OK | X_OK, 0) != 0) status = bb_write_failed(f->shown, err);
    for (struct dirent *e; status == BB_OK && (e = readdir(dir));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        any = true;
        if (!f->force) break;
        bb_folder_entry_kind kind = f->kind_of(e->d_name);
        sure |= kind == BB_ENTRY_SURE;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            status = refuse(f, err, e->d_name, "plain file");
        else if (kind == BB_ENTRY_FOREIGN)
            status = refuse(f, err, e->d_name, "part of a checkpoint");
    }
    closedir(dir);
    if (status == BB_OK && any && !f->force) return bb_exists_failed(f->shown, err);
    if (status == BB_OK && any && !sure) return refuse(f, err, NULL, "no weights of a checkpoint");
    return status;
}

bb_status bb_folder_open(const char *path, uint64_t size, bool force, bb_folder_entry_fn *kind_of,
                         bb_folder_sink **folder, bb_error *err) {
    mode_t mode = 0;
    struct stat st;
    bb_folder_sink *f = bb_alloc(1, sizeof *f);
    if (!f) return bb_fail(err, BB_E_NOMEM, "out of memory");
    f->slot = -1;
    f->force = force;
    f->kind_of = kind_of;
    bb_escape_buf(path, f->shown, sizeof f->shown);
    bb_status status = bb_output_target(path, f->shown, true, true, &f->target, &mode, err);
    if (status == BB_OK && strcmp(f->target, "/") == 0)
        status = bb_fail(err, BB_E_WRITE, "%s: is the root folder", f->shown);
    if (status == BB_OK && stat(f->target, &st) == 0) status = check_old(f, err);
    if (status == BB_OK) status = bb_temporary_make(f->target, f->shown, mode, &f->temporary, &f->slot, NULL, err);
    if (status == BB_OK) status = bb_space_check(f->temporary, f->shown, size, err);
    if (status != BB_OK) {
        discard(f);
        return status;
    }
    *folder = f;
    return BB_OK;
}

static char *inside(const char *path, const char *name) {
    size_t n = strlen(path) + strlen(name) + 2;
    char *both = bb_alloc(n, 1);
    if (both) snprintf(both, n, "%s/%s", path, name);
    return both;
}

bb_status bb_folder_file(bb_folder_sink *f, const char *name, uint64_t size, bb_sink **sink, bb_error *err) {
    char shown[160];
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return bb_fail(err, BB_E_ARG, "'%s' is no name of a file in %s", bb_escape_buf(name, shown, sizeof shown),
                       f->shown);
    char *path = inside(f->temporary, name), *final = inside(f->target, name);
    bb_status status = path && final ? bb_sink_open_as(path, final, size, false, sink, err)
                                     : bb_fail(err, BB_E_NOMEM, "out of memory");
    free(path);
    free(final);
    return status;
}

/* Whether a flag of renameat2 is what failed, and not the renaming. */
static bool no_such_flag(void) { return errno == EINVAL || errno == ENOSYS; }

/* Without the one step: the old one steps aside first, and back when the new one cannot take its place. */
static bb_status swap_by_hand(const bb_folder_sink *f, char **old, bb_error *err) {
    static const char end[] = ".old";
    size_t n = strlen(f->temporary);
    char *aside = bb_alloc(n + sizeof end, 1);
    if (!aside) return bb_fail(err, BB_E_NOMEM, "out of memory");
    memcpy(aside, f->temporary, n);
    memcpy(aside + n, end, sizeof end);
    bb_status status = rename(f->target, aside) == 0 ? BB_OK : bb_write_failed(f->shown, err);
    if (status == BB_OK && rename(f->temporary, f->target) != 0) {
        status = bb_write_failed(f->shown, err);
        (void)rename(aside, f->target);
    }
    if (status == BB_OK)
        *old = aside;
    else
        free(aside);
    return status;
}

/* *old is the path of what was replaced, or NULL. */
static bb_status put_in_place(const bb_folder_sink *f, char **old, bb_error *err) {
    /* in the place of nothing, or of an empty folder */
    if (rename(f->temporary, f->target) == 0) return BB_OK;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) return bb_write_failed(f->shown, err);
    if (!f->force) return bb_exists_failed(f->shown, err);
    bb_status status = check_old(f, err);
    if (status != BB_OK) return status;
    char *same = bb_strdup(f->temporary);
    if (!same) return bb_fail(err, BB_E_NOMEM, "out of memory");
    if (renameat2(AT_FDCWD, f->temporary, AT_FDCWD, f->target, RENAME_EXCHANGE) == 0) {
        *old = same;
        return BB_OK;
    }
    status = no_such_flag() ? swap_by_hand(f, old, err) : bb_write_failed(f->shown, err);
    free(same);
    return status;
}

bb_status bb_folder_commit(bb_folder_sink *f, bb_error *err) {
    char *old = NULL;
    bb_status status = put_in_place(f, &old, err);
    if (status == BB_OK) {
        bb_sync_parent(f->target);
        free(f->temporary);
        f->temporary = NULL;
        if (old && !bb_flat_folder_remove(old)) {
            char shown[256];
            status = bb_fail(err, BB_E_WRITE, "%s: is complete, but what it replaced cannot be removed: %s", f->shown,
                             bb_escape_buf(old, shown, sizeof shown));
        }
        free(old);
    }
    discard(f);
    return status;
}
