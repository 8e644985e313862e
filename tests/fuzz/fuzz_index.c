/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_index.c - the reader of an index on any bytes, with two shards beside it ("x" holds a and c, "y" holds b) and by
 * the names alone. */
#include "file/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[] = "/tmp/bb-fuzz-XXXXXX";

static const char *path_of(const char *name) {
    static char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *data, size_t n) {
    FILE *f = fopen(path_of(name), "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) abort();
}

static void shard(const char *name, const char *header, size_t data_bytes) {
    unsigned char b[512] = {0};
    size_t len = strlen(header);
    b[0] = (unsigned char)len;
    memcpy(b + 8, header, len);
    write_file(name, b, 8 + len + data_bytes);
}

static void leave(void) {
    unlink(path_of("x"));
    unlink(path_of("y"));
    unlink(path_of("i"));
    rmdir(folder);
}

static void begin(void) {
    if (!mkdtemp(folder)) abort();
    atexit(leave);
    shard("x",
          "{\"c\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
          "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
          3);
    shard("y", "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
}

static void walk(const bb_file *f) {
    float x[2];
    bb_error err;
    for (size_t i = 0; i < bb_file_tensor_count(f); i++) {
        const bb_tensor *t = bb_file_tensor(f, i);
        if (bb_file_find(f, t->name) != t || !bb_file_part_path(f, t->part)) abort();
        if (f->names_only != (bb_file_read_rows(f, t, 0, 1, x, &err) != BB_OK)) abort();
    }
    for (size_t i = 0; i < f->n_meta; i++)
        if (bb_file_meta(f, f->meta[i].key) != &f->meta[i]) abort();
    bb_file_parameters(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static bool begun;
    if (!begun) begin();
    begun = true;
    write_file("i", data, n);
    bool index = bb_file_is_index(path_of("i"));
    for (int needed = 0; needed < 2; needed++) {
        bb_file *f = NULL;
        bb_error err = {0};
        bb_status status = bb_file_open_index(path_of("i"), needed, &f, &err);
        if ((status == BB_OK) != (f != NULL) || (status != BB_OK && !*err.text)) abort();
        if (!f) continue;
        bool whole = strcmp(bb_file_format(f), "index") == 0 || bb_file_parts(f) > 1;
        if (whole && !index) abort(); /* what opens as an index looks like one */
        if (index) walk(f);
        bb_file_close(f);
    }
    return 0;
}
