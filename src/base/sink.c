/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink.c - output files that are absent, old or complete. */
#include "base/sink.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/units.h"
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
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

struct bb_sink {
    int fd;   /* -1 when there is no temporary */
    int slot; /* in the emergency list, or -1 */
    bool force;
    char *target, *temporary;
    char shown[256];
};

/* The one piece of global state: temporaries that a signal handler must remove. A slot is live while its flag is set;
 * the lock is for those who look for a free one, never for the handler. */
enum { EMERGENCY_SLOTS = 16 };
static struct {
    volatile sig_atomic_t live;
    char path[PATH_MAX];
} emergency[EMERGENCY_SLOTS];
static pthread_mutex_t emergency_lock = PTHREAD_MUTEX_INITIALIZER;

static int emergency_add(const char *path) {
    int slot = -1;
    size_t size = strlen(path) + 1;
    pthread_mutex_lock(&emergency_lock);
    for (int i = 0; i < EMERGENCY_SLOTS && slot < 0; i++) {
        if (emergency[i].live || size > sizeof emergency[i].path) continue;
        memcpy(emergency[i].path, path, size);
        atomic_signal_fence(memory_order_seq_cst); /* the path stands before the flag says so */
        emergency[i].live = 1;
        slot = i;
    }
    pthread_mutex_unlock(&emergency_lock);
    return slot;
}

static void emergency_drop(int slot) {
    if (slot < 0) return;
    pthread_mutex_lock(&emergency_lock);
    emergency[slot].live = 0;
    pthread_mutex_unlock(&emergency_lock);
}

void bb_sink_emergency(void) {
    int saved = errno;
    for (int i = 0; i < EMERGENCY_SLOTS; i++)
        if (emergency[i].live) unlink(emergency[i].path);
    errno = saved;
}

static bb_status failed(const bb_sink *s, bb_error *err) {
    return bb_fail(err, BB_E_WRITE, "%s: %s", s->shown, strerror(errno));
}

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return bb_strdup(".");
    return slash == path ? bb_strdup("/") : bb_strndup(path, (size_t)(slash - path));
}

/* Reserves the space, so that a full disk shows before the work and not after it. */
static bb_status reserve(const bb_sink *s, uint64_t size, bb_error *err) {
    if (size == 0) return BB_OK;
    int rc;
    do rc = size > INT64_MAX ? EFBIG : posix_fallocate(s->fd, 0, (off_t)size);
    while (rc == EINTR);
    if (rc == 0 || rc == EOPNOTSUPP || rc == EINVAL) return BB_OK; /* a file system without reservations */
    char need[32], have[32];
    struct statvfs fs;
    if (rc == ENOSPC && fstatvfs(s->fd, &fs) == 0)
        return bb_fail(err, BB_E_WRITE, "%s: needs %s, but only %s are free", s->shown,
                       bb_bytes_text(size, false, need),
                       bb_bytes_text((uint64_t)fs.f_bavail * fs.f_frsize, false, have));
    return bb_fail(err, BB_E_WRITE, "%s: cannot reserve %s: %s", s->shown, bb_bytes_text(size, false, need),
                   strerror(rc));
}

/* Removes the temporary, if there is one still, and frees all. */
static void discard(bb_sink *s) {
    if (!s) return;
    if (s->fd >= 0) {
        close(s->fd);
        unlink(s->temporary);
    }
    emergency_drop(s->slot);
    free(s->target);
    free(s->temporary);
    free(s);
}

void bb_sink_abandon(bb_sink *sink) { discard(sink); }

/* Where the output goes, and in *mode the permissions of the file that it replaces, 0 when there is none. */
static bb_status find_target(bb_sink *s, const char *path, mode_t *mode, bb_error *err) {
    struct stat st;
    size_t n = strlen(path);
    if (n == 0) return bb_fail(err, BB_E_WRITE, "the name of the output is empty");
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) return bb_fail(err, BB_E_WRITE, "%s: is a directory, expected a file", s->shown);
        if (!S_ISREG(st.st_mode)) return bb_fail(err, BB_E_WRITE, "%s: exists and is not a regular file", s->shown);
        if (!s->force) {
            bb_status status = bb_fail(err, BB_E_EXISTS, "%s: exists already", s->shown);
            bb_hint(err, "--force replaces it");
            return status;
        }
        *mode = st.st_mode & 0777;
        s->target = realpath(path, NULL); /* through a symbolic link to the file itself */
        return s->target ? BB_OK : failed(s, err);
    }
    if (errno != ENOENT) return failed(s, err);
    if (path[n - 1] == '/') return bb_fail(err, BB_E_WRITE, "%s: names a folder, expected a file", s->shown);
    if (lstat(path, &st) == 0) return bb_fail(err, BB_E_WRITE, "%s: is a symbolic link to nothing", s->shown);
    s->target = bb_strdup(path);
    return s->target ? BB_OK : bb_fail(err, BB_E_NOMEM, "out of memory");
}

/* ".NAME.XXXXXX" beside the target, created for us alone. It stands in the emergency list before it exists, so that a
 * signal at any moment finds it. */
static bb_status make_temporary(bb_sink *s, mode_t mode, bb_error *err) {
    enum { TRIES = 100, NAME_SHOWN = 200, RANDOM = 6 }; /* of NAME_MAX 255 */
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const char *slash = strrchr(s->target, '/');
    const char *base = slash ? slash + 1 : s->target;
    char *folder = folder_of(s->target);
    size_t size = strlen(s->target) + RANDOM + 8;
    s->temporary = bb_alloc(size, 1);
    if (!folder || !s->temporary) {
        free(folder);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    int head = snprintf(s->temporary, size, "%s/.%.*s.", folder, NAME_SHOWN, base);
    free(folder);
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + ((uint64_t)getpid() << 40);
    for (unsigned try = 0; try < TRIES; try++) {
        /* the address tells two threads apart that begin in the same nanosecond */
        uint64_t r = bb_random_u64(seed ^ (uint64_t)(uintptr_t)s, try);
        for (size_t i = 0; i < RANDOM; i++, r /= sizeof letters - 1)
            s->temporary[(size_t)head + i] = letters[r % (sizeof letters - 1)];
        s->temporary[head + RANDOM] = 0;
        s->slot = emergency_add(s->temporary);
        s->fd = open(s->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode ? 0600 : 0666);
        if (s->fd >= 0) break;
        int why = errno;
        emergency_drop(s->slot);
        s->slot = -1;
        errno = why;
        if (why != EEXIST && why != EINTR) break;
    }
    if (s->fd < 0 || (mode && fchmod(s->fd, mode) != 0)) return failed(s, err);
    return BB_OK;
}

bb_status bb_sink_open(const char *path, uint64_t size, bool force, bb_sink **sink, bb_error *err) {
    mode_t mode = 0;
    bb_sink *s = bb_alloc(1, sizeof *s);
    if (!s) return bb_fail(err, BB_E_NOMEM, "out of memory");
    s->fd = s->slot = -1;
    s->force = force;
    bb_escape_buf(path, s->shown, sizeof s->shown);
    bb_status status = find_target(s, path, &mode, err);
    if (status == BB_OK) status = make_temporary(s, mode, err);
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
    if (offset > INT64_MAX || n > INT64_MAX - offset)
        return bb_fail(err, BB_E_WRITE, "%s: an offset past what files can hold", s->shown);
    while (n > 0) {
        ssize_t done = pwrite(s->fd, p, n > 0x40000000 ? 0x40000000 : n, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return failed(s, err);
        if (done == 0) return bb_fail(err, BB_E_WRITE, "%s: nothing was written", s->shown);
        p += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return BB_OK;
}

/* Gives the finished temporary its name. Without force a target that appeared meanwhile is not replaced: link fails
 * where rename would not; some file systems have no links. */
static bb_status put_in_place(const bb_sink *s, bb_error *err) {
    if (!s->force) {
        if (link(s->temporary, s->target) == 0) {
            unlink(s->temporary);
            return BB_OK;
        }
        if (errno == EEXIST) {
            bb_status status = bb_fail(err, BB_E_EXISTS, "%s: exists already", s->shown);
            bb_hint(err, "--force replaces it");
            return status;
        }
    }
    return rename(s->temporary, s->target) == 0 ? BB_OK : failed(s, err);
}

/* The new name itself must outlast a power cut too. The file is whole by now: a folder that cannot be synced (some
 * network file systems) is no failure. */
static void sync_folder(const char *target) {
    char *folder = folder_of(target);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

bb_status bb_sink_commit(bb_sink *s, bb_error *err) {
    bb_status status = BB_OK;
    int rc;
    do rc = fsync(s->fd);
    while (rc != 0 && errno == EINTR);
    if (rc != 0) status = failed(s, err);
    /* close may be the first to tell of a lost write; after it the number of the descriptor is not ours any more */
    if (status == BB_OK) {
        rc = close(s->fd);
        s->fd = -1;
        if (rc != 0 && errno != EINTR) status = failed(s, err);
        if (status == BB_OK) status = put_in_place(s, err);
        if (status != BB_OK) unlink(s->temporary);
        emergency_drop(s->slot);
        s->slot = -1;
    }
    if (status == BB_OK) sync_folder(s->target);
    discard(s);
    return status;
}
