/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink_parts.c - target, temporary, space and syncing of outputs. */
#define _GNU_SOURCE /* fallocate */
#include "base/sink_parts.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/units.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

bb_status bb_write_failed(const char *shown, bb_error *err) {
    return bb_fail(err, errno == ENOMEM ? BB_E_NOMEM : BB_E_WRITE, "%s: %s", shown, strerror(errno));
}

bb_status bb_exists_failed(const char *shown, bb_error *err) {
    bb_status status = bb_fail(err, BB_E_EXISTS, "%s: exists already", shown);
    bb_hint(err, "--force replaces it");
    return status;
}

char *bb_parent_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return bb_strdup(".");
    return slash == path ? bb_strdup("/") : bb_strndup(path, (size_t)(slash - path));
}

bb_status bb_output_target(const char *path, const char *shown, bool folder, bool force, char **target, mode_t *mode,
                           bb_error *err) {
    struct stat st;
    size_t n = strlen(path);
    char *found = NULL;
    mode_t its = 0;
    if (n == 0) return bb_fail(err, BB_E_WRITE, "the name of the output is empty");
    if (stat(path, &st) == 0) {
        if (folder && !S_ISDIR(st.st_mode)) return bb_fail(err, BB_E_WRITE, "%s: exists and is not a folder", shown);
        if (!folder && S_ISDIR(st.st_mode))
            return bb_fail(err, BB_E_WRITE, "%s: is a directory, expected a file", shown);
        if (!folder && !S_ISREG(st.st_mode))
            return bb_fail(err, BB_E_WRITE, "%s: exists and is not a regular file", shown);
        if (!force) return bb_exists_failed(shown, err);
        its = st.st_mode & 0777;
        if (!(found = realpath(path, NULL))) return bb_write_failed(shown, err);
    } else {
        if (errno != ENOENT) return bb_write_failed(shown, err);
        while (folder && n > 1 && path[n - 1] == '/') n--;
        if (path[n - 1] == '/') return bb_fail(err, BB_E_WRITE, "%s: names a folder, expected a file", shown);
        if (!(found = bb_strndup(path, n))) return bb_fail(err, BB_E_NOMEM, "out of memory");
        if (lstat(found, &st) == 0) {
            free(found);
            return bb_fail(err, BB_E_WRITE, "%s: is a symbolic link to nothing", shown);
        }
    }
    *target = found;
    *mode = its;
    return BB_OK;
}

bb_status bb_temporary_make(const char *target, const char *shown, mode_t mode, char **path, int *slot, int *fd,
                            bb_error *err) {
    enum { TRIES = 100, RANDOM = 6 };
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const char *slash = strrchr(target, '/');
    char *folder = bb_parent_of(target);
    size_t size = strlen(target) + RANDOM + 8;
    char *name = bb_alloc(size, 1);
    if (!folder || !name) {
        free(folder);
        free(name);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    int head = snprintf(name, size, "%s/.%.*s.", folder, BB_HIDDEN_NAME, slash ? slash + 1 : target);
    free(folder);
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + ((uint64_t)getpid() << 40);
    int made = -1, listed = -1;
    for (unsigned try = 0; try < TRIES; try++) {
        /* the address tells two threads apart that begin in the same nanosecond */
        uint64_t r = bb_random_u64(seed ^ (uint64_t)(uintptr_t)name, try);
        for (size_t i = 0; i < RANDOM; i++, r /= sizeof letters - 1)
            name[(size_t)head + i] = letters[r % (sizeof letters - 1)];
        name[head + RANDOM] = 0;
        /* in the list before it exists, so that a signal at any moment finds it */
        listed = bb_emergency_add(name, !fd);
        made = fd ? open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode ? 0600 : 0666)
                  : mkdir(name, mode ? 0700 : 0777);
        if (made >= 0) break;
        int why = errno;
        bb_emergency_drop(listed);
        errno = why;
        if (why != EEXIST && why != EINTR) break;
    }
    if (made >= 0 && (!mode || (fd ? fchmod(made, mode) : chmod(name, mode)) == 0)) {
        *path = name;
        *slot = listed;
        if (fd) *fd = made;
        return BB_OK;
    }
    bb_status status = bb_write_failed(shown, err);
    if (made >= 0) {
        if (fd) close(made);
        (void)(fd ? unlink(name) : rmdir(name));
        bb_emergency_drop(listed);
    }
    free(name);
    return status;
}

static bb_status no_space(const char *shown, uint64_t need, uint64_t have, bb_error *err) {
    char a[32], b[32];
    return bb_fail(err, BB_E_WRITE, "%s: needs %s, but only %s are free", shown, bb_bytes_text(need, false, a),
                   bb_bytes_text(have, false, b));
}

static uint64_t free_bytes(const struct statvfs *fs) { return (uint64_t)fs->f_bavail * fs->f_frsize; }

bb_status bb_space_check(const char *folder, const char *shown, uint64_t size, bb_error *err) {
    struct statvfs fs;
    if (statvfs(folder, &fs) != 0 || free_bytes(&fs) >= size) return BB_OK;
    return no_space(shown, size, free_bytes(&fs), err);
}

bb_status bb_space_reserve(int fd, const char *shown, uint64_t size, bb_error *err) {
    if (size == 0) return BB_OK;
    int rc;
    struct statvfs fs;
    struct stat st;
    bool known = fstatvfs(fd, &fs) == 0 && fstat(fd, &st) == 0;
    uint64_t there = known ? (uint64_t)st.st_blocks * 512 : 0;
    /* Asked first: a reservation that fails takes all that is free until then, from everyone. Even what only root may
     * use is counted. */
    if (known && there < size && (uint64_t)fs.f_bfree * fs.f_frsize < size - there)
        return no_space(shown, size - there, free_bytes(&fs), err);
    /* not posix_fallocate, which where the file system does not help reads and writes bytes that others may be writing
     */
    do rc = size > INT64_MAX ? EFBIG : fallocate(fd, 0, 0, (off_t)size) == 0 ? 0 : errno;
    while (rc == EINTR);
    if (rc == EOPNOTSUPP || rc == EINVAL || rc == ENOSYS) { /* a file system without reservations */
        if (known && there < size && free_bytes(&fs) < size - there)
            return no_space(shown, size - there, free_bytes(&fs), err);
        if (known && (uint64_t)st.st_size >= size) return BB_OK;
        do rc = ftruncate(fd, (off_t)size) == 0 ? 0 : errno;
        while (rc == EINTR);
    }
    if (rc == 0) return BB_OK;
    if (rc == ENOSPC && known) return no_space(shown, size > there ? size - there : size, free_bytes(&fs), err);
    char need[32];
    return bb_fail(err, BB_E_WRITE, "%s: cannot reserve %s: %s", shown, bb_bytes_text(size, false, need), strerror(rc));
}

bb_status bb_write_all(int fd, const char *shown, uint64_t offset, const void *data, size_t n, bb_error *err) {
    const unsigned char *p = data;
    if (offset > INT64_MAX || n > INT64_MAX - offset)
        return bb_fail(err, BB_E_WRITE, "%s: an offset past what files can hold", shown);
    while (n > 0) {
        ssize_t done = pwrite(fd, p, n > 0x40000000 ? 0x40000000 : n, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return bb_write_failed(shown, err);
        if (done == 0) return bb_fail(err, BB_E_WRITE, "%s: nothing was written", shown);
        p += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return BB_OK;
}

bb_status bb_sync_file(int fd, const char *shown, bb_error *err) {
    int rc;
    do rc = fsync(fd);
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? BB_OK : bb_write_failed(shown, err);
}

void bb_sync_parent(const char *path) {
    char *folder = bb_parent_of(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}
