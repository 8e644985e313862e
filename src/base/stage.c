/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stage.c - one output file written by several processes. */
#include "base/stage.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/sink_parts.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bb_stage {
    int fd;
    dev_t device; /* of the staged file, whatever name it has */
    ino_t inode;
    uint64_t size, identity;
    uint32_t part, parts;
    bool force;
    mode_t mode; /* of the file that is replaced, 0 for none */
    char *target;
    char *staged; /* path of the staged file */
    char *other;  /* room for the path of a mark */
    size_t other_size;
    char shown[256];
};

static void discard(bb_stage *s) {
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    free(s->target);
    free(s->staged);
    free(s->other);
    free(s);
}

void bb_stage_abandon(bb_stage *stage) { discard(stage); }

/* Whether that name is one of the staged file. */
static bool is_ours(const bb_stage *s, const char *path) {
    struct stat st;
    return lstat(path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode;
}

/* The name of a mark; valid until the next call. `more` follows it. */
static const char *mark(bb_stage *s, uint32_t part, const char *more) {
    size_t head = strlen(s->staged) - strlen("stage");
    snprintf(s->other, s->other_size, "%.*s%" PRIu32 "-of-%" PRIu32 "%s", (int)head, s->staged, part, s->parts, more);
    return s->other;
}

/* The identity, and whatever of the name is cut off: outputs of the same content beside each other stay apart. */
static uint64_t hidden_identity(const bb_stage *s, const char *name) {
    uint64_t id = s->identity;
    for (size_t i = BB_HIDDEN_NAME, n = strlen(name); i < n; i++) id = bb_random_u64(id, (unsigned char)name[i]);
    return id;
}

static bb_status make_names(bb_stage *s, bb_error *err) {
    enum { MORE = 80 }; /* identity, part, parts and what makes a name unique */
    const char *slash = strrchr(s->target, '/'), *name = slash ? slash + 1 : s->target;
    char *folder = bb_parent_of(s->target);
    size_t size = strlen(s->target) + MORE;
    s->staged = bb_alloc(size, 1);
    s->other = bb_alloc(size, 1);
    s->other_size = size;
    bool whole = folder && s->staged && s->other;
    if (whole)
        snprintf(s->staged, size, "%s/.%.*s.%016" PRIx64 ".stage", folder, BB_HIDDEN_NAME, name,
                 hidden_identity(s, name));
    free(folder);
    return whole ? BB_OK : bb_fail(err, BB_E_NOMEM, "out of memory");
}

/* Opens the staged file, or makes it. One that is the target already is what a process left that was killed between its
 * last two steps: writing to it would change the target, so that name goes and a new file is begun. */
static bb_status open_staged(bb_stage *s, bool *made, bb_error *err) {
    enum { TRIES = 100 };
    static const int how = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    for (int i = 0; i < TRIES; i++) {
        *made = true;
        s->fd = open(s->staged, how | O_CREAT | O_EXCL, 0666);
        if (s->fd < 0 && errno == EEXIST) {
            *made = false;
            s->fd = open(s->staged, how);
        }
        if (s->fd < 0 && (errno == ENOENT || errno == EINTR)) continue;
        struct stat st;
        if (s->fd < 0 || fstat(s->fd, &st) != 0) return bb_write_failed(s->shown, err);
        s->device = st.st_dev;
        s->inode = st.st_ino;
        if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > s->size)
            return bb_fail(err, BB_E_WRITE, "%s: what stands in its stage is not of this job", s->shown);
        if (!s->force && lstat(s->target, &st) == 0) { /* the others finished while we began */
            if (*made && is_ours(s, s->staged)) unlink(s->staged);
            return bb_exists_failed(s->shown, err);
        }
        if (!is_ours(s, s->target)) return BB_OK;
        unlink(s->staged);
        close(s->fd);
        s->fd = -1;
    }
    return bb_fail(err, BB_E_WRITE, "%s: its stage is removed again and again", s->shown);
}

bb_status bb_stage_open(const char *path, uint64_t size, uint64_t identity, uint32_t part, uint32_t parts, bool force,
                        bb_stage **stage, bb_error *err) {
    if (parts == 0 || parts > BB_STAGE_PARTS_MAX || part == 0 || part > parts)
        return bb_fail(err, BB_E_ARG, "part %" PRIu32 " of %" PRIu32 ": expected 1 to N of at most %d", part, parts,
                       BB_STAGE_PARTS_MAX);
    bb_stage *s = bb_alloc(1, sizeof *s);
    if (!s) return bb_fail(err, BB_E_NOMEM, "out of memory");
    *s = (bb_stage){.fd = -1, .size = size, .identity = identity, .part = part, .parts = parts, .force = force};
    bb_escape_buf(path, s->shown, sizeof s->shown);
    bool made = false;
    bb_status status = bb_output_target(path, s->shown, false, force, &s->target, &s->mode, err);
    if (status == BB_OK) status = make_names(s, err);
    if (status == BB_OK) status = open_staged(s, &made, err);
    if (status == BB_OK) {
        status = bb_space_reserve(s->fd, s->shown, size, err);
        if (status != BB_OK && made && is_ours(s, s->staged)) unlink(s->staged);
    }
    if (status != BB_OK) {
        discard(s);
        return status;
    }
    *stage = s;
    return BB_OK;
}

bb_status bb_stage_write(bb_stage *s, uint64_t offset, const void *data, size_t n, bb_error *err) {
    if (offset > s->size || n > s->size - offset)
        return bb_fail(err, BB_E_BUG, "%s: a part writes past the end", s->shown);
    return bb_write_all(s->fd, s->shown, offset, data, n, err);
}

static bb_status lost(const bb_stage *s, bb_error *err) {
    return bb_fail(err, BB_E_WRITE, "%s: its stage was removed or replaced while part %" PRIu32 " was written",
                   s->shown, s->part);
}

static const char new_mark[] = ".new";

/* The mark of this part. It is made under another name and looked at before it counts: the name of the staged file may
 * lead to another one by now. The same part may be run twice at once: then both take each other's steps, so try again.
 */
static bb_status make_mark(bb_stage *s, bb_error *err) {
    enum { TRIES = 1000 };
    char *made = bb_strdup(mark(s, s->part, new_mark));
    if (!made) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status status = BB_OK;
    bool marked = false;
    for (int i = 0; i < TRIES && status == BB_OK && !marked; i++) {
        unlink(made); /* of a process that was killed */
        if (link(s->staged, made) != 0 && errno != EEXIST) {
            if (errno == ENOENT) break;
            status = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS
                         ? bb_fail(err, BB_E_WRITE, "%s: parts need a file system with hard links", s->shown)
                         : bb_write_failed(s->shown, err);
        } else if (!is_ours(s, s->staged))
            break;
        else if (is_ours(s, made) && rename(made, mark(s, s->part, "")) != 0 && errno != ENOENT)
            status = bb_write_failed(s->shown, err);
        marked = is_ours(s, mark(s, s->part, ""));
    }
    unlink(made); /* rename leaves it when the mark stood already */
    free(made);
    if (status != BB_OK || marked || is_ours(s, s->target)) return status;
    return lost(s, err);
}

/* Gives the file its name, from the mark, which is the file for sure. Others may do the same now: what counts is that
 * the target is this file in the end. */
static bb_status put_in_place(bb_stage *s, bb_error *err) {
    const char *from = mark(s, s->part, "");
    if (s->force && s->mode && fchmod(s->fd, s->mode) != 0) return bb_write_failed(s->shown, err);
    if ((s->force ? rename(from, s->target) : link(from, s->target)) == 0) return BB_OK;
    int why = errno;
    if (is_ours(s, s->target)) return BB_OK;
    errno = why;
    if (why == ENOENT) return lost(s, err);
    return why == EEXIST ? bb_exists_failed(s->shown, err) : bb_write_failed(s->shown, err);
}

bb_status bb_stage_commit(bb_stage *s, bool *complete, bb_error *err) {
    bb_status status = bb_sync_file(s->fd, s->shown, err);
    if (status == BB_OK) status = make_mark(s, err);
    if (status == BB_OK) {
        bb_sync_parent(s->target);
        /* that a mark was just made here also makes network file systems look anew */
        bool all = true;
        for (uint32_t i = 1; i <= s->parts && all; i++) all = is_ours(s, mark(s, i, ""));
        if (all) status = put_in_place(s, err);
    }
    bool done = status == BB_OK && is_ours(s, s->target);
    if (done) {
        bb_sync_parent(s->target);
        /* the staged name first: under it the target could be written to */
        if (is_ours(s, s->staged)) unlink(s->staged);
        for (uint32_t i = 1; i <= s->parts; i++) {
            if (is_ours(s, mark(s, i, ""))) unlink(s->other);
            if (is_ours(s, mark(s, i, new_mark))) unlink(s->other);
        }
    }
    discard(s);
    if (status == BB_OK) *complete = done;
    return status;
}
