/* SPDX-License-Identifier: GPL-3.0-or-later */
/* made_tensors.h - a safetensors file in made.h's folder, tensor by tensor; its data is a hole: zeros. */
#ifndef BB_TESTS_FILE_MADE_TENSORS_H
#define BB_TESTS_FILE_MADE_TENSORS_H
#include "base/str.h"
#include "file/made.h"
#include <inttypes.h>

typedef struct made_tensors {
    bb_str header;
    uint64_t bytes;
} made_tensors;

static inline void made_tensors_begin(made_tensors *m) {
    *m = (made_tensors){0};
    bb_str_init(&m->header);
    bb_str_add(&m->header, "{");
}

/* dims end with the first 0. */
static inline void made_tensor(made_tensors *m, const char *name, const char *type, const uint64_t dims[4]) {
    static const struct {
        const char *name, *in_file;
        uint64_t bytes;
    } types[] = {{"f16", "F16", 2}, {"bf16", "BF16", 2}, {"f32", "F32", 4}, {"i32", "I32", 4},       {"u32", "U32", 4},
                 {"i64", "I64", 8}, {"u8", "U8", 1},     {"i8", "I8", 1},   {"e4m3fn", "F8_E4M3", 1}};
    size_t k = 0;
    while (strcmp(types[k].name, type) != 0) k++;
    uint64_t n = types[k].bytes;
    bb_str_addf(&m->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", m->header.len > 1 ? "," : "", name,
                types[k].in_file);
    for (size_t i = 0; i < 4 && dims[i]; n *= dims[i++]) bb_str_addf(&m->header, "%s%" PRIu64, i ? "," : "", dims[i]);
    bb_str_addf(&m->header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", m->bytes, m->bytes + n);
    m->bytes += n;
}

/* Writes and opens it; its data ends with the n > 0 bytes at `last`. */
static inline bb_file *made_tensors_open(made_tensors *m, const char *name, const void *last, size_t n) {
    unsigned char size[8];
    bb_str_add(&m->header, "}");
    for (size_t i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)m->header.len >> 8 * i);
    FILE *f = fopen(made_path(name), "wb");
    ck_assert_ptr_ne(f, NULL);
    fwrite(size, 1, 8, f);
    fwrite(bb_str_c(&m->header), 1, m->header.len, f);
    ck_assert_int_eq(fseek(f, (long)(m->bytes - n), SEEK_CUR), 0);
    fwrite(last, 1, n, f);
    ck_assert_int_eq(fclose(f), 0);
    bb_str_clear(&m->header);
    return made_open(name);
}
#endif
