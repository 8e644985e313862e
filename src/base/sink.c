/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink.c - output files that are absent, old or complete. */
#include "base/sink.h"
#include "base/escape.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct bb_sink {
    int fd;
    int slot; /* in the emergency list, or -1 */
    bool force;
    char *target, *temporary;
    char shown[256];
};

/* The one piece of global state: temporaries that a signal handler must remove. A slot is live while its flag is set.
 */
enum { EMERGENCY_SLOTS = 16 };
static struct {
    volatile sig_atomic_t live;
    char path[PATH_MAX];
} emergency[EMERGENCY_SLOTS];
static pthread_mutex_t emergency_lock = PTHREAD_MUTEX_INITIALIZER;

static int emergency_add(const char *path) {
    int slot = -1;
    pthread_mutex_lock(&emergency_lock);
    for (int i = 0; i < EMERGENCY_SLOTS && slot < 0; i++) {
        if (emergency[i].live || strlen(path) >= sizeof emergency[i].path) continue;
        strcpy(emergency[i].path, path);
        emergency[i].live = 1;
        slot = i;
    }
    pthread_mutex_unlock(&emergency_lock);
    return slot;
}

static void emergency_drop(int slot) {
    if (slot >= 0) emergency[slot].live = 0;
}

void bb_sink_emergency(void) {
    for (int i = 0; i < EMERGENCY_SLOTS; i++)
        if (emergency[i].live) unlink(emergency[i].path);
}

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return bb_strdup(".");
    return slash == path ? bb_strdup("/") : bb_strndup(path, (size_t)(slash - path));
}

/* Reserves the space, so that a full disk shows before the work and not after it. */
static bb_status reserve(const bb_sink *s, uint64_t size, bb_error *err) {
    if (size == 0) return BB_OK;
    int rc = size > INT64_MAX ? EFBIG : posix_fallocate(s->fd, 0, (off_t)size);
    if (rc == 0 || rc == EOPNOTSUPP || rc == EINVAL) return BB_OK;
    struct statvfs fs;
    unsigned long long avail = fstatvfs(s->fd, &fs) == 0 ? (unsigned long long)fs.f_bavail * fs.f_frsize : 0;
    return bb_fail(err, BB_E_WRITE, "%s: needs %llu bytes, %llu are free: %s", s->shown, (unsigned long long)size,
                   avail, strerror(rc));
}

static void discard(bb_sink *s) {
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    if (s->fd >= 0 && s->temporary) unlink(s->temporary);
    emergency_drop(s->slot);
    free(s->target);
    free(s->temporary);
    free(s);
}

void bb_sink_abandon(bb_sink *sink) { discard(sink); }

bb_status bb_sink_open(const char *path, uint64_t size, bool force, bb_sink **sink, bb_error *err) {
    bb_status status = BB_OK;
    struct stat st;
    bb_sink *s = bb_alloc(1, sizeof *s);
    if (!s) return bb_fail(err, BB_E_NOMEM, "out of memory");
    s->fd = s->slot = -1;
    s->force = force;
    bb_escape_buf(path, s->shown, sizeof s->shown);
    mode_t mode = 0;
    if (stat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            status = bb_fail(err, BB_E_WRITE, "%s: exists and is not a regular file", s->shown);
        else if (!force) {
            status = bb_fail(err, BB_E_EXISTS, "%s: exists already", s->shown);
            bb_hint(err, "--force replaces it");
        }
        mode = st.st_mode & 0777;
        s->target = realpath(path, NULL); /* through a symbolic link to the file itself */
    } else {
        s->target = bb_strdup(path);
        mode_t mask = umask(0);
        umask(mask);
        mode = 0666 & ~mask;
    }
    char *folder = s->target ? folder_of(s->target) : NULL;
    if (status == BB_OK && !folder) status = bb_fail(err, BB_E_NOMEM, "out of memory");
    if (status == BB_OK) {
        const char *base = strrchr(s->target, '/');
        base = base ? base + 1 : s->target;
        size_t n = strlen(folder) + strlen(base) + 16;
        s->temporary = bb_alloc(n, 1);
        if (!s->temporary)
            status = bb_fail(err, BB_E_NOMEM, "out of memory");
        else {
            snprintf(s->temporary, n, "%s/.%s.XXXXXX", folder, base);
            s->fd = mkstemp(s->temporary);
            if (s->fd < 0) status = bb_fail(err, BB_E_WRITE, "%s: %s", s->shown, strerror(errno));
        }
    }
    free(folder);
    if (status == BB_OK) {
        s->slot = emergency_add(s->temporary);
        fcntl(s->fd, F_SETFD, FD_CLOEXEC);
        if (fchmod(s->fd, mode) != 0) status = bb_fail(err, BB_E_WRITE, "%s: %s", s->shown, strerror(errno));
    }
    if (status == BB_OK) status = reserve(s, size, err);
    if (status != BB_OK) {
        discard(s);
        return status;
    }
    *sink = s;
    return BB_OK;
}

bb_status bb_sink_write(bb_sink *s, uint64_t offset, const void *data, size_t n, bb_error *err) {
    const unsigned char *p = data;
    while (n > 0) {
        ssize_t done = pwrite(s->fd, p, n > 0x40000000 ? 0x40000000 : n, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return bb_fail(err, BB_E_WRITE, "%s: %s", s->shown, done < 0 ? strerror(errno) : "nothing was written");
        p += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return BB_OK;
}

bb_status bb_sink_commit(bb_sink *s, bb_error *err) {
    bb_status status = BB_OK;
    if (fsync(s->fd) != 0) status = bb_fail(err, BB_E_WRITE, "%s: %s", s->shown, strerror(errno));
    /* without force a target that appeared meanwhile is not replaced: link fails where rename would not */
    if (status == BB_OK && !s->force) {
        if (link(s->temporary, s->target) == 0)
            unlink(s->temporary);
        else if (errno == EEXIST)
            status = bb_fail(err, BB_E_EXISTS, "%s: exists already", s->shown);
        else if (rename(s->temporary, s->target) != 0)
            status = bb_fail(err, BB_E_WRITE, "%s: %s", s->shown, strerror(errno));
    } else if (status == BB_OK && rename(s->temporary, s->target) != 0)
        status = bb_fail(err, BB_E_WRITE, "%s: %s", s->shown, strerror(errno));
    if (status == BB_OK) {
        emergency_drop(s->slot);
        s->slot = -1;
        if (close(s->fd) != 0) status = bb_fail(err, BB_E_WRITE, "%s: %s", s->shown, strerror(errno));
        s->fd = -1;
        char *folder = folder_of(s->target);
        int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (fd >= 0) {
            fsync(fd);
            close(fd);
        }
        free(folder);
    }
    discard(s);
    return status;
}
