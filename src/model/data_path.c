/* SPDX-License-Identifier: GPL-3.0-or-later */
/* data_path.c - where the files of data/ are: beside the sources of a build, beside the program's own bin folder, else
 * where this build was configured to install them. */
#include "model/locate.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef BB_DATADIR
#define BB_DATADIR "/usr/local/share/bitbudget"
#endif

enum { LEVELS = 7 }; /* build/asan/tests/unit/room/test_x stands six folders below the sources */

/* dir/data/name, when dir is the root of the sources. */
static bool in_sources(const char *dir, const char *name, char *path, size_t size) {
    int n = snprintf(path, size, "%s/src/bitbudget.h", dir);
    if (n < 0 || (size_t)n >= size || access(path, F_OK) != 0) return false;
    n = snprintf(path, size, "%s/data/%s", dir, name);
    return n > 0 && (size_t)n < size && access(path, R_OK) == 0;
}

bb_status bb_data_path(const char *name, char *path, size_t size, bb_error *err) {
    char dir[512], found[640];
    if (strchr(name, '/') || !*name) return bb_fail(err, BB_E_ARG, "'%s' is not the name of a file of data/", name);
    ssize_t len = readlink("/proc/self/exe", dir, sizeof dir - 1);
    if (len > 0) {
        dir[len] = '\0';
        for (int level = 0; level < LEVELS; level++) {
            char *slash = strrchr(dir, '/');
            if (!slash || slash == dir) break;
            *slash = '\0';
            if (in_sources(dir, name, found, sizeof found)) goto out;
            /* prefix/bin/bitbudget and prefix/share/bitbudget, wherever the prefix was moved to */
            if (level == 0 && (slash = strrchr(dir, '/')) && strcmp(slash, "/bin") == 0) {
                int k = snprintf(found, sizeof found, "%.*s/share/bitbudget/%s", (int)(slash - dir), dir, name);
                if (k > 0 && (size_t)k < sizeof found && access(found, R_OK) == 0) goto out;
            }
        }
    }
    int n = snprintf(found, sizeof found, "%s/%s", BB_DATADIR, name);
    if (n < 0 || (size_t)n >= sizeof found || access(found, R_OK) != 0)
        return bb_fail(err, BB_E_OPEN, "%s is neither beside the sources nor in " BB_DATADIR, name);
out:
    if (strlen(found) >= size)
        return bb_fail(err, BB_E_LIMIT, "the path of %s has more than %zu bytes", name, size - 1);
    strcpy(path, found);
    return BB_OK;
}
