/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink.c - output files that are absent, old or complete. */
#define _GNU_SOURCE /* getdents64, sync_file_range */
#include "base/sink.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/sink_parts.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bb_sink {
    int fd;   /* -1 when there is no temporary */
    int slot; /* in the emergency list, or -1 */
    bool force;
    atomic_uint_fast64_t waiting; /* bytes since the system was last asked to write them to the disk */
    char *target, *temporary;
    char shown[256];
};

/* The one piece of global state: temporaries that a signal handler must remove. A slot is live while its flag is set;
 * the lock is for those who look for a free one, never for the handler. A split of many parts takes more blocks, which
 * stay for the next. */
enum { EMERGENCY_SLOTS = 16 };
typedef struct emergency_block {
    struct {
        volatile sig_atomic_t live;
        bool folder;
        char path[PATH_MAX];
    } slot[EMERGENCY_SLOTS];
    struct emergency_block *_Atomic next;
} emergency_block;
static emergency_block emergency;
static pthread_mutex_t emergency_lock = PTHREAD_MUTEX_INITIALIZER;

static emergency_block *emergency_block_of(int slot) {
    emergency_block *b = &emergency;
    for (; slot >= EMERGENCY_SLOTS; slot -= EMERGENCY_SLOTS) b = atomic_load(&b->next);
    return b;
}

int bb_emergency_add(const char *path, bool folder) {
    int slot = -1;
    size_t size = strlen(path) + 1;
    if (size > sizeof emergency.slot[0].path) return -1;
    pthread_mutex_lock(&emergency_lock);
    int before = 0;
    for (emergency_block *b = &emergency; b && slot < 0; b = atomic_load(&b->next), before += EMERGENCY_SLOTS) {
        for (int i = 0; i < EMERGENCY_SLOTS && slot < 0; i++) {
            if (b->slot[i].live) continue;
            memcpy(b->slot[i].path, path, size);
            b->slot[i].folder = folder;
            atomic_signal_fence(memory_order_seq_cst); /* the path stands before the flag says so */
            b->slot[i].live = 1;
            slot = before + i;
        }
        if (slot < 0 && !atomic_load(&b->next)) atomic_store(&b->next, bb_alloc(1, sizeof *b));
    }
    pthread_mutex_unlock(&emergency_lock);
    return slot;
}

void bb_emergency_drop(int slot) {
    if (slot < 0) return;
    pthread_mutex_lock(&emergency_lock);
    emergency_block_of(slot)->slot[slot % EMERGENCY_SLOTS].live = 0;
    pthread_mutex_unlock(&emergency_lock);
}

/* opendir allocates, which a handler must not: the system call itself does not. */
bool bb_flat_folder_remove(const char *path) {
    enum { ROUNDS = 4 }; /* other threads may still make files */
    _Alignas(struct dirent64) char buf[4096];
    for (int i = 0; i < ROUNDS; i++) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) return errno == ENOENT;
        ssize_t n;
        while ((n = getdents64(fd, buf, sizeof buf)) > 0)
            for (ssize_t at = 0; at < n;) {
                const struct dirent64 *e = (const struct dirent64 *)(const void *)(buf + at);
                if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) unlinkat(fd, e->d_name, 0);
                at += e->d_reclen;
            }
        close(fd);
        if (rmdir(path) == 0) return true;
    }
    return false;
}

void bb_sink_emergency(void) {
    int saved = errno;
    for (emergency_block *b = &emergency; b; b = atomic_load(&b->next))
        for (int i = 0; i < EMERGENCY_SLOTS; i++) {
            if (!b->slot[i].live) continue;
            if (b->slot[i].folder)
                bb_flat_folder_remove(b->slot[i].path);
            else
                unlink(b->slot[i].path);
        }
    errno = saved;
}

/* Removes the temporary, if there is one still, and frees all. */
static void discard(bb_sink *s) {
    if (!s) return;
    if (s->fd >= 0) {
        close(s->fd);
        unlink(s->temporary);
    }
    bb_emergency_drop(s->slot);
    free(s->target);
    free(s->temporary);
    free(s);
}

void bb_sink_abandon(bb_sink *sink) { discard(sink); }

bb_status bb_sink_open_as(const char *path, const char *shown, uint64_t size, bool force, bb_sink **sink,
                          bb_error *err) {
    mode_t mode = 0;
    bb_sink *s = bb_alloc(1, sizeof *s);
    if (!s) return bb_fail(err, BB_E_NOMEM, "out of memory");
    s->fd = s->slot = -1;
    s->force = force;
    bb_escape_buf(shown, s->shown, sizeof s->shown);
    bb_status status = bb_output_target(path, s->shown, false, force, &s->target, &mode, err);
    if (status == BB_OK) status = bb_temporary_make(s->target, s->shown, mode, &s->temporary, &s->slot, &s->fd, err);
    if (status == BB_OK) status = bb_space_reserve(s->fd, s->shown, size, err);
    if (status != BB_OK) {
        discard(s);
        return status;
    }
    *sink = s;
    return BB_OK;
}

bb_status bb_sink_probe(const char *path, bool force, bb_error *err) {
    char shown[256];
    struct stat st;
    if (force || stat(path, &st) != 0) return BB_OK;
    return bb_exists_failed(bb_escape_buf(path, shown, sizeof shown), err);
}

bb_status bb_sink_open(const char *path, uint64_t size, bool force, bb_sink **sink, bb_error *err) {
    return bb_sink_open_as(path, path, size, force, sink, err);
}

/* The disk begins while the rest is computed, so that the fsync at the end has little left to wait for. */
static void begin_writing(bb_sink *s, size_t n) {
    enum { PIECE = 32 << 20 };
    if (atomic_fetch_add(&s->waiting, n) + n < PIECE) return;
    atomic_store(&s->waiting, 0);
#if defined(__linux__)
    (void)sync_file_range(s->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
}

bb_status bb_sink_write(bb_sink *s, uint64_t offset, const void *data, size_t n, bb_error *err) {
    bb_status status = bb_write_all(s->fd, s->shown, offset, data, n, err);
    if (status == BB_OK) begin_writing(s, n);
    return status;
}

/* Gives the finished temporary its name. Without force a target that appeared meanwhile is not replaced: link fails
 * where rename would not; some file systems have no links. */
static bb_status put_in_place(const bb_sink *s, bb_error *err) {
    if (!s->force) {
        if (link(s->temporary, s->target) == 0) {
            unlink(s->temporary);
            return BB_OK;
        }
        if (errno == EEXIST) return bb_exists_failed(s->shown, err);
    }
    return rename(s->temporary, s->target) == 0 ? BB_OK : bb_write_failed(s->shown, err);
}

bb_status bb_sink_sync(bb_sink *s, bb_error *err) { return bb_sync_file(s->fd, s->shown, err); }

bb_status bb_sink_commit(bb_sink *s, bb_error *err) {
    bb_status status = bb_sync_file(s->fd, s->shown, err);
    /* close may be the first to tell of a lost write; after it the number of the descriptor is not ours any more */
    if (status == BB_OK) {
        int rc = close(s->fd);
        s->fd = -1;
        if (rc != 0 && errno != EINTR) status = bb_write_failed(s->shown, err);
        if (status == BB_OK) status = put_in_place(s, err);
        if (status != BB_OK) unlink(s->temporary);
        bb_emergency_drop(s->slot);
        s->slot = -1;
    }
    if (status == BB_OK) bb_sync_parent(s->target);
    discard(s);
    return status;
}

static bb_status is_input(const char *path, bb_error *err) {
    char shown[256];
    return bb_fail(err, BB_E_ARG, "%s is the input itself", bb_escape_buf(path, shown, sizeof shown));
}

bb_status bb_sink_refuse_name(const char *path, const char *input, bb_error *err) {
    struct stat a, b;
    if (stat(path, &a) != 0 || stat(input, &b) != 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino) return BB_OK;
    return is_input(path, err);
}

bb_status bb_sink_refuse_source(const char *path, const bb_source *src, bb_error *err) {
    if (bb_source_is_at(src, path)) return is_input(path, err);
    bb_status status = BB_OK;
    DIR *dir = opendir(path);
    if (!dir && errno != ENOENT && errno != ENOTDIR) {
        char shown[256];
        return bb_write_failed(bb_escape_buf(path, shown, sizeof shown), err);
    }
    size_t head = strlen(path);
    for (struct dirent *e; status == BB_OK && dir && (e = readdir(dir));) {
        size_t size = head + strlen(e->d_name) + 2;
        char *inner = bb_alloc(size, 1);
        if (!inner) {
            status = bb_fail(err, BB_E_NOMEM, "out of memory");
            continue;
        }
        snprintf(inner, size, "%s/%s", path, e->d_name);
        if (bb_source_is_at(src, inner)) status = is_input(inner, err);
        free(inner);
    }
    if (dir) closedir(dir);
    return status;
}
