/* SPDX-License-Identifier: GPL-3.0-or-later */
/* source.c - reading user files by pread, and the checked cursor. */
#include "base/source.h"
#include "base/escape.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bb_source {
    int fd;
    uint64_t size;
    dev_t device;
    ino_t inode;
    struct timespec changed;
    char path[512]; /* escaped */
    char *name;
};

static const char *kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
    if (S_ISSOCK(mode)) return "a socket";
    return "not a regular file";
}

bb_status bb_source_open(const char *path, bb_source **src, bb_error *err) {
    bb_source *s = bb_alloc(1, sizeof *s);
    if (!s) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_escape_buf(path, s->path, sizeof s->path);
    s->name = bb_strdup(path);
    struct stat st;
    bb_status status = BB_OK;
    /* O_NONBLOCK: opening a FIFO must not wait for its writer */
    s->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (s->fd < 0 && errno == ENXIO && stat(path, &st) == 0)
        status = bb_fail(err, BB_E_OPEN, "%s: is %s, expected a regular file", s->path, kind_of(st.st_mode));
    else if (s->fd < 0)
        status = bb_fail(err, BB_E_OPEN, "%s: %s", s->path, strerror(errno));
    else if (fstat(s->fd, &st) != 0)
        status = bb_fail(err, BB_E_OPEN, "%s: %s", s->path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        status = bb_fail(err, BB_E_OPEN, "%s: is %s, expected a regular file", s->path, kind_of(st.st_mode));
    else if (!s->name)
        status = bb_fail(err, BB_E_NOMEM, "out of memory");
    if (status != BB_OK) {
        bb_source_close(s);
        return status;
    }
    s->size = (uint64_t)st.st_size;
    s->device = st.st_dev;
    s->inode = st.st_ino;
    s->changed = st.st_mtim;
    *src = s;
    return BB_OK;
}

void bb_source_close(bb_source *src) {
    if (!src) return;
    if (src->fd >= 0) close(src->fd);
    free(src->name);
    free(src);
}

uint64_t bb_source_size(const bb_source *src) { return src->size; }
const char *bb_source_path(const bb_source *src) { return src->path; }
const char *bb_source_name(const bb_source *src) { return src->name; }

bool bb_source_is_at(const bb_source *src, const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && st.st_dev == src->device && st.st_ino == src->inode;
}

bb_status bb_source_unchanged(const bb_source *src, bb_error *err) {
    struct stat st;
    if (fstat(src->fd, &st) != 0) return bb_fail(err, BB_E_READ, "%s: %s", src->path, strerror(errno));
    uint64_t size = (uint64_t)st.st_size;
    if (size < src->size)
        return bb_fail(err, BB_E_TRUNCATED, "%s: shrank from %llu to %llu bytes while it was read", src->path,
                       (unsigned long long)src->size, (unsigned long long)size);
    if (size != src->size || st.st_mtim.tv_sec != src->changed.tv_sec || st.st_mtim.tv_nsec != src->changed.tv_nsec)
        return bb_fail(err, BB_E_READ, "%s: changed while it was read", src->path);
    return BB_OK;
}

bb_status bb_source_read(const bb_source *src, uint64_t offset, void *buf, size_t n, bb_error *err) {
    unsigned char *p = buf;
    while (n > 0) {
        if (offset > INT64_MAX) return bb_fail(err, BB_E_TRUNCATED, "%s: offset past the end", src->path);
        ssize_t got = pread(src->fd, p, n > 0x40000000 ? 0x40000000 : n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return bb_fail(err, BB_E_READ, "%s: reading at %llu: %s", src->path, (unsigned long long)offset,
                           strerror(errno));
        if (got == 0)
            return bb_fail(err, BB_E_TRUNCATED, "%s: ends at %llu, but %zu more bytes were expected", src->path,
                           (unsigned long long)offset, n);
        p += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return BB_OK;
}

bb_status bb_source_slurp(const char *path, size_t max, char **text, size_t *n, bb_error *err) {
    bb_source *src = NULL;
    char *buf = NULL;
    bb_status status = bb_source_open(path, &src, err);
    if (status != BB_OK) return status;
    size_t size = (size_t)src->size;
    if (src->size > max)
        status = bb_fail(err, BB_E_LIMIT, "%s: has %llu bytes, at most %zu are read", src->path,
                         (unsigned long long)src->size, max);
    else if (!(buf = malloc(size + 1)))
        status = bb_fail(err, BB_E_NOMEM, "out of memory");
    else
        status = bb_source_read(src, 0, buf, size, err);
    bb_source_close(src);
    if (status != BB_OK) {
        free(buf);
        return status;
    }
    buf[size] = 0;
    *text = buf;
    *n = size;
    return BB_OK;
}
