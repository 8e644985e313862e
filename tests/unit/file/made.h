/* SPDX-License-Identifier: GPL-3.0-or-later */
/* made.h - folders of small files made by a test, and what opening one of them must say. */
#ifndef BB_TESTS_FILE_MADE_H
#define BB_TESTS_FILE_MADE_H
#include "file/file.h"
#include "harness.h"
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static char made_folder[64];

static inline void made_begin(void) {
    strcpy(made_folder, "/tmp/bb-test-XXXXXX");
    ck_assert_ptr_ne(mkdtemp(made_folder), NULL);
}

static inline const char *made_path(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", made_folder, name);
    return path;
}

static inline void made_end(void) {
    DIR *dir = opendir(made_folder);
    struct dirent *e;
    while (dir && (e = readdir(dir)))
        if (e->d_name[0] != '.') unlink(made_path(e->d_name));
    if (dir) closedir(dir);
    rmdir(made_folder);
}

static inline void made_file(const char *name, const void *data, size_t n) {
    FILE *f = fopen(made_path(name), "wb");
    ck_assert_ptr_ne(f, NULL);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    fclose(f);
}

static inline bb_file *made_open(const char *name) {
    bb_file *f = NULL;
    bb_error err = {0};
    bb_status status = bb_file_open(made_path(name), &f, &err);
    ck_assert_msg(status == BB_OK, "%s: %s", name, err.text);
    return f;
}

/* Opening `name` is exit status `code`, and the sentence names the file and has `part` in it. */
static inline void made_refuse(const char *name, int code, const char *part) {
    bb_file *f = NULL;
    bb_error err = {0};
    bb_status status = bb_file_open(made_path(name), &f, &err);
    ck_assert_msg(status != BB_OK, "%s was accepted, expected a sentence with '%s'", name, part);
    ck_assert_msg(bb_status_exit(status) == code, "%s: %s: exit status %d", name, err.text, bb_status_exit(status));
    ck_assert_msg(strstr(err.text, part) != NULL, "'%s' lacks '%s'", err.text, part);
    ck_assert_msg(strstr(err.text, name) != NULL, "'%s' lacks '%s'", err.text, name);
    ck_assert_ptr_eq(f, NULL);
}

static inline bool made_warned(const bb_file *f, const char *part) {
    for (size_t i = 0; i < f->n_warnings; i++)
        if (strstr(f->warnings[i], part)) return true;
    return false;
}
#endif
