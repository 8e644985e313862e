/* SPDX-License-Identifier: GPL-3.0-or-later */
/* made_folder.h - a folder of its own for each test of an output, and what lies in it. */
#ifndef BB_TESTS_BASE_MADE_FOLDER_H
#define BB_TESTS_BASE_MADE_FOLDER_H
#include "base/source.h"
#include "harness.h"
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static char folder[64];

static inline void make_folder(void) {
    strcpy(folder, "/tmp/bb-sink-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void remove_folder(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* name in the folder; good for four calls */
static inline const char *in(const char *name) {
    static char paths[4][600];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline size_t entries_of(const char *path) {
    size_t n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d) closedir(d);
    return n;
}
static inline size_t entries(void) { return entries_of(folder); }

static inline void wait_microseconds(unsigned n) { nanosleep(&(struct timespec){0, (long)n * 1000}, NULL); }

static inline void put(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static inline void holds(const char *path, const char *text) {
    char *data = NULL;
    size_t n;
    bb_error err = {0};
    ck_assert_msg(bb_source_slurp(path, 1000, &data, &n, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(n == strlen(text) && memcmp(data, text, n + 1) == 0, "%s: %s", path, data);
    free(data);
}
#endif
