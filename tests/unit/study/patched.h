/* SPDX-License-Identifier: GPL-3.0-or-later */
/* patched.h - model files for tests: the demo with some bytes changed, and GGUF files of a few tensors. */
#ifndef BB_TESTS_STUDY_PATCHED_H
#define BB_TESTS_STUDY_PATCHED_H
#include "file/made.h"
#include "model/locate.h"
#include "quant/quant.h"

/* The bytes of data/demo.gguf; the caller frees them. */
static inline unsigned char *demo_bytes(size_t *n) {
    FILE *f = fopen("data/demo.gguf", "rb");
    ck_assert_ptr_ne(f, NULL);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    *n = (size_t)ftell(f);
    rewind(f);
    unsigned char *p = malloc(*n);
    ck_assert(p && fread(p, 1, *n, f) == *n);
    fclose(f);
    return p;
}

/* Where a text of the header stands, as key or name. */
static inline unsigned char *demo_text(unsigned char *p, size_t n, const char *text) {
    size_t len = strlen(text);
    for (size_t i = 8; i + len <= n; i++)
        if (p[i - 8] == len && memcmp(p + i, text, len) == 0) return p + i;
    ck_abort_msg("no '%s' in the demo", text);
    return NULL;
}

/* Where a tensor's data begins, and its bytes. */
static inline unsigned char *demo_data(unsigned char *p, const char *tensor, uint64_t *bytes) {
    bb_file *f = NULL;
    ck_assert_int_eq(bb_file_open("data/demo.gguf", &f, NULL), BB_OK);
    const bb_tensor *t = bb_file_find(f, tensor);
    ck_assert_msg(t != NULL, "%s", tensor);
    uint64_t at = t->offset;
    if (bytes) *bytes = t->bytes;
    bb_file_close(f);
    return p + at;
}

static inline bb_model *found(const char *path) {
    bb_model *m = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_model_find(path, &m, &err) == BB_OK, "%s", err.text);
    ck_assert_ptr_ne(m->file, NULL);
    return m;
}

/* ---- a GGUF of matrices of one type: the rows of x [rows][cols], quantized ---- */

static inline size_t put_u32(unsigned char *p, uint32_t v) {
    memcpy(p, &v, 4);
    return 4;
}
static inline size_t put_u64(unsigned char *p, uint64_t v) {
    memcpy(p, &v, 8);
    return 8;
}
static inline size_t put_text(unsigned char *p, const char *s) {
    size_t n = put_u64(p, strlen(s));
    memcpy(p + n, s, strlen(s));
    return n + strlen(s);
}

/* One tensor "w" of that type in made.h's folder; `blocks` is what it holds. */
static inline void made_gguf(const char *name, const bb_dtype *type, uint64_t rows, uint64_t cols, const void *blocks) {
    static unsigned char head[256];
    uint64_t bytes;
    ck_assert_int_eq(bb_dtype_row_bytes(type, cols, &bytes), BB_OK);
    memset(head, 0, sizeof head);
    memcpy(head, "GGUF", 4);
    size_t n = 4 + put_u32(head + 4, 3);
    n += put_u64(head + n, 1);
    n += put_u64(head + n, 1);
    n += put_text(head + n, "general.architecture");
    n += put_u32(head + n, 8);
    n += put_text(head + n, "none");
    n += put_text(head + n, "w");
    n += put_u32(head + n, 2);
    n += put_u64(head + n, cols);
    n += put_u64(head + n, rows);
    n += put_u32(head + n, (uint32_t)type->gguf_id);
    n += put_u64(head + n, 0);
    FILE *f = fopen(made_path(name), "wb");
    ck_assert_ptr_ne(f, NULL);
    fwrite(head, 1, (n + 31) / 32 * 32, f);
    fwrite(blocks, 1, (size_t)(bytes * rows), f);
    for (uint64_t i = bytes * rows; i % 32; i++) fputc(0, f);
    ck_assert_int_eq(fclose(f), 0);
}
#endif
