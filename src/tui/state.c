/* SPDX-License-Identifier: GPL-3.0-or-later */
/* state.c - files of the screens: what was last looked at, and the folder of reports (XDG base directories). */
#include "tui/state.h"
#include "base/escape.h"
#include "base/sink.h"
#include "base/source.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { STATE_MAX = 4096, PATH_SIZE = 512, NAMES_MAX = 10000 };

/* $VARIABLE/bitbudget, or ~/FALLBACK/bitbudget; relative values do not count (XDG base directory specification). */
static bool folder(const char *variable, const char *fallback, char *path, size_t size) {
    const char *base = getenv(variable), *home = getenv("HOME");
    int n = -1;
    if (base && base[0] == '/')
        n = snprintf(path, size, "%s/bitbudget", base);
    else if (home && home[0] == '/')
        n = snprintf(path, size, "%s/%s/bitbudget", home, fallback);
    return n > 0 && (size_t)n < size;
}

/* Makes the folders above and including path. */
static bool make_folders(const char *path) {
    char part[PATH_SIZE];
    size_t n = strlen(path);
    if (n >= sizeof part) return false;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0700) != 0 && errno != EEXIST) return false;
    }
    return true;
}

static bool state_path(char *path, size_t size) {
    char dir[PATH_SIZE - 8];
    if (!folder("XDG_STATE_HOME", ".local/state", dir, sizeof dir)) return false;
    return snprintf(path, size, "%s/state", dir) > 0;
}

void bb_state_read(bb_str *text) {
    char path[PATH_SIZE], *content = NULL;
    size_t n = 0;
    if (!state_path(path, sizeof path) || bb_source_slurp(path, STATE_MAX, &content, &n, NULL) != BB_OK) return;
    if (memchr(content, 0, n) == NULL) bb_str_addn(text, content, n);
    free(content);
}

void bb_state_write(const char *text, size_t n) {
    char path[PATH_SIZE];
    if (n > STATE_MAX || !state_path(path, sizeof path)) return;
    char *slash = strrchr(path, '/');
    *slash = 0;
    if (!make_folders(path)) return;
    *slash = '/';
    bb_sink *sink = NULL;
    if (bb_sink_open(path, n, true, &sink, NULL) != BB_OK) return;
    if (bb_sink_write(sink, 0, text, n, NULL) == BB_OK)
        (void)bb_sink_commit(sink, NULL);
    else
        bb_sink_abandon(sink);
}

bb_status bb_report_save(const char *kind, const char *text, size_t n, char *path, size_t size, bb_error *err) {
    char dir[PATH_SIZE - 64];
    if (!folder("XDG_DATA_HOME", ".local/share", dir, sizeof dir - 8))
        return bb_fail(err, BB_E_WRITE, "no folder for reports: neither XDG_DATA_HOME nor HOME is an absolute path");
    strcat(dir, "/reports");
    if (!make_folders(dir)) {
        char shown[PATH_SIZE];
        int cause = errno;
        return bb_fail(err, BB_E_WRITE, "folder %s cannot be made: %s", bb_escape_buf(dir, shown, sizeof shown),
                       strerror(cause));
    }
    for (unsigned i = 1; i < NAMES_MAX; i++) {
        bb_sink *sink = NULL;
        (void)snprintf(path, size, "%s/%s-%03u.csv", dir, kind, i);
        struct stat there;
        if (lstat(path, &there) == 0) continue;
        bb_status st = bb_sink_open(path, n, false, &sink, err);
        if (st == BB_E_EXISTS) continue;
        if (st != BB_OK) return st;
        st = bb_sink_write(sink, 0, text, n, err);
        if (st == BB_OK) return bb_sink_commit(sink, err);
        bb_sink_abandon(sink);
        return st;
    }
    return bb_fail(err, BB_E_WRITE, "%d reports called %s are there already", NAMES_MAX - 1, kind);
}
