/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_file.c - containers made here byte by byte: what must be read, what must be refused and with which sentence. */
#include "file/file.h"
#include "harness.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

typedef struct bytes {
    unsigned char data[8192];
    size_t n;
} bytes;

static void put(bytes *b, const void *p, size_t n) {
    memcpy(b->data + b->n, p, n);
    b->n += n;
}

static void put_le(bytes *b, uint64_t v, size_t n) {
    for (size_t i = 0; i < n; i++) b->data[b->n++] = (unsigned char)(v >> 8 * i);
}

static void put_text(bytes *b, const char *s) {
    put_le(b, strlen(s), 8);
    put(b, s, strlen(s));
}

static void gguf(bytes *b, uint32_t version, uint64_t tensors, uint64_t metas) {
    b->n = 0;
    put(b, "GGUF", 4);
    put_le(b, version, 4);
    put_le(b, tensors, version == 1 ? 4 : 8);
    put_le(b, metas, version == 1 ? 4 : 8);
}

static void tensor(bytes *b, const char *name, uint32_t dims, uint64_t d0, uint64_t d1, uint32_t type,
                   uint64_t offset) {
    put_text(b, name);
    put_le(b, dims, 4);
    if (dims > 0) put_le(b, d0, 8);
    if (dims > 1) put_le(b, d1, 8);
    put_le(b, type, 4);
    put_le(b, offset, 8);
}

static void data(bytes *b, size_t n) {
    while (b->n % 32) b->data[b->n++] = 0;
    memset(b->data + b->n, 0, n);
    b->n += n;
}

static char path[] = "/tmp/bb-test-XXXXXX";

static bb_status open_bytes(const void *p, size_t n, bb_file **f, bb_error *err) {
    strcpy(path, "/tmp/bb-test-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
    close(fd);
    bb_status status = bb_file_open(path, f, err);
    unlink(path);
    return status;
}

static void refuse(const bytes *b, const char *part) {
    bb_file *f = NULL;
    bb_error err = {0};
    bb_status status = open_bytes(b->data, b->n, &f, &err);
    ck_assert_msg(status != BB_OK, "accepted, expected a sentence with '%s'", part);
    ck_assert_msg(bb_status_exit(status) == 3, "status %d", status);
    ck_assert_msg(strstr(err.text, part) != NULL, "'%s' lacks '%s'", err.text, part);
    ck_assert_ptr_eq(f, NULL);
}

START_TEST(gguf_good) {
    bytes b;
    bb_file *f = NULL;
    bb_error err = {0};
    gguf(&b, 3, 3, 2);
    put_text(&b, "general.architecture");
    put_le(&b, 8, 4);
    put_text(&b, "llama");
    put_text(&b, "a.list");
    put_le(&b, 9, 4);
    put_le(&b, 5, 4);
    put_le(&b, 2, 8);
    put_le(&b, 0xFFFFFFFF, 4);
    put_le(&b, 7, 4);
    tensor(&b, "w", 2, 64, 3, 2, 0); /* q4_0: 3 rows of 2 blocks of 18 bytes = 108 */
    tensor(&b, "rope_freqs.weight", 1, 4, 0, 0, 128);
    tensor(&b, "n\x1b[2J", 1, 3, 0, 1, 160); /* f16 */
    data(&b, 166);
    ck_assert_msg(open_bytes(b.data, b.n, &f, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(bb_file_parameters(f), 64 * 3 + 3);
    ck_assert_uint_eq(bb_file_tensor_bytes(f), 108 + 16 + 6);
    ck_assert_str_eq(bb_meta_text(f, "general.architecture"), "llama");
    const bb_meta *list = bb_file_meta(f, "a.list");
    ck_assert(list && list->v.array.count == 2 && list->v.array.numbers[0] == -1 && list->v.array.numbers[1] == 7);
    const bb_tensor *w = bb_file_find(f, "w");
    ck_assert(w && w->rows == 3 && w->cols == 64 && strcmp(w->type->name, "q4_0") == 0);
    float x[64];
    ck_assert_int_eq(bb_file_read_rows(f, w, 0, 1, x, &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_file_read_rows(f, bb_file_find(f, "n\x1b[2J"), 0, 1, x, &err), BB_OK);
    ck_assert_ptr_eq(bb_file_find(f, "absent"), NULL);
    ck_assert_uint_eq(f->n_warnings, 0);
    bb_file_close(f);
    /* every shorter prefix is refused: nothing is read past the end */
    for (size_t n = 0; n < b.n; n++) {
        f = NULL;
        bb_status status = open_bytes(b.data, n, &f, &err);
        ck_assert_msg(status != BB_OK && f == NULL, "a prefix of %zu bytes was accepted", n);
    }
}
END_TEST

START_TEST(gguf_bad) {
    bytes b;
    gguf(&b, 0, 0, 0);
    refuse(&b, "version 0");
    gguf(&b, 4, 0, 0);
    refuse(&b, "version 4");
    gguf(&b, 0x03000000, 0, 0);
    refuse(&b, "big-endian");
    gguf(&b, 3, UINT64_MAX, 0);
    refuse(&b, "tensors announced");
    gguf(&b, 3, 0, 1ull << 63);
    refuse(&b, "entries announced");
    static const struct {
        uint64_t d0, d1;
        uint32_t type;
        const char *part;
    } shapes[] = {
        {1ull << 32, 1ull << 32, 0, "2^63 elements"},
        {1ull << 32, 1ull << 31, 0, "2^63 elements"},
        {(uint64_t)-8, 1, 0, "dimension -8"},
        {33, 1, 2, "blocks of q4_0 have 32"},
        {1ull << 62, 1, 0, "2^64 bytes"},
        {1000, 1000, 0, "but the file has"},
        {4, 1, 0xFFFFFFFF, "type -1"},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        gguf(&b, 3, 1, 0);
        tensor(&b, "t", 2, shapes[i].d0, shapes[i].d1, shapes[i].type, 0);
        data(&b, 64);
        refuse(&b, shapes[i].part);
    }
    gguf(&b, 3, 2, 0);
    tensor(&b, "t", 1, 8, 0, 0, 0);
    tensor(&b, "t", 1, 8, 0, 0, 32);
    data(&b, 64);
    refuse(&b, "stands twice");
    gguf(&b, 3, 2, 0);
    tensor(&b, "t", 1, 16, 0, 0, 0);
    tensor(&b, "u", 1, 16, 0, 0, 32);
    data(&b, 128);
    refuse(&b, "overlap");
    gguf(&b, 3, 1, 0);
    tensor(&b, "t", 1, 8, 0, 0, 16);
    data(&b, 64);
    refuse(&b, "alignment 32");
    gguf(&b, 3, 0, 1);
    put_text(&b, "general.alignment");
    put_le(&b, 4, 4);
    put_le(&b, 24, 4);
    put_le(&b, 0, 4);
    refuse(&b, "power of two");
    gguf(&b, 3, 0, 1);
    put_text(&b, "k");
    put_le(&b, 7, 4);
    put_le(&b, 2, 1);
    refuse(&b, "expected 0 or 1");
    gguf(&b, 3, 0, 2);
    for (int i = 0; i < 2; i++) {
        put_text(&b, "same");
        put_le(&b, 0, 4);
        put_le(&b, 1, 1);
    }
    refuse(&b, "stands twice");
}
END_TEST

START_TEST(not_a_container) {
    static const struct {
        const char *text;
        size_t n;
        const char *part;
    } cases[] = {
        {"", 0, "empty"},
        {"hello, world, this is text\n", 27, "is text"},
        {"<!DOCTYPE html><html>", 21, "HTML"},
        {"PK\x03\x04 and so on and on", 21, "zip"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "LFS"},
        {"\x80\x02}q\x00(X", 8, "pickle"},
        {"GGUF", 4, "ends inside"},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, "zeros"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b = {.n = 0};
        put(&b, cases[i].text, cases[i].n);
        refuse(&b, cases[i].part);
    }
    bb_file *f = NULL;
    bb_error err = {0};
    ck_assert_int_eq(bb_file_open("/tmp", &f, &err), BB_E_OPEN);
    ck_assert(strstr(err.text, "directory") != NULL);
    ck_assert_int_eq(bb_file_open("/dev/zero", &f, &err), BB_E_OPEN);
    ck_assert(strstr(err.text, "device") != NULL);
    char fifo[] = "/tmp/bb-fifo-XXXXXX";
    ck_assert_ptr_ne(mkdtemp(fifo), NULL);
    char name[64];
    snprintf(name, sizeof name, "%s/f", fifo);
    ck_assert_int_eq(mkfifo(name, 0600), 0);
    ck_assert_int_eq(bb_file_open(name, &f, &err), BB_E_OPEN); /* and does not wait for a writer */
    unlink(name);
    rmdir(fifo);
}
END_TEST

static void safetensors(bytes *b, const char *header, size_t data_bytes) {
    b->n = 0;
    put_le(b, strlen(header), 8);
    put(b, header, strlen(header));
    memset(b->data + b->n, 0, data_bytes);
    b->n += data_bytes;
}

START_TEST(safetensors_good) {
    bytes b;
    bb_file *f = NULL;
    bb_error err = {0};
    safetensors(
        &b,
        "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"BF16\",\"shape\":[2,3,4],\"data_offsets\":[0,48]},"
        "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[48,52]}}  ",
        52);
    ck_assert_msg(open_bytes(b.data, b.n, &f, &err) == BB_OK, "%s", err.text);
    const bb_tensor *a = bb_file_find(f, "a"), *s = bb_file_find(f, "s");
    ck_assert(a && a->rows == 2 && a->cols == 12 && a->elements == 24);
    ck_assert(s && s->rows == 1 && s->cols == 1 && s->elements == 1);
    ck_assert_str_eq(bb_meta_text(f, "format"), "pt");
    float x[24];
    ck_assert_int_eq(bb_file_read_rows(f, a, 0, 2, x, &err), BB_OK);
    bb_file_close(f);
}
END_TEST

START_TEST(safetensors_bad) {
    static const struct {
        const char *header;
        size_t n;
        const char *part;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 12, "the file has"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 20, "belong to none"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[4,20]}}", 20, "belong to none"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}}", 16, "do not take"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}", 16, "not negative"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4.0],\"data_offsets\":[0,16]}}", 16, "integers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", 16, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "2^63 elements"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],"
         "\"data_offsets\":[4,8]}}",
         8, "twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],"
         "\"data_offsets\":[4,12]}}",
         12, "overlap"},
        {"{\"a\":[1,2]}", 0, "expected an object"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", 4, "expected"},
        {"{\"__metadata__\":{\"n\":1}}", 0, "texts"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b;
        safetensors(&b, cases[i].header, cases[i].n);
        refuse(&b, cases[i].part);
    }
}
END_TEST

START_TEST(real_files) {
    static const struct {
        const char *name;
        uint64_t parameters;
    } files[] = {{"models/stories260K/model-f32.gguf", 260032}, {"models/stories260K/model.safetensors", 260032}};
    char where[512];
    bb_file *f = NULL;
    bb_error err = {0};
    ck_assert_int_eq(bb_file_open("data/demo.gguf", &f, &err), BB_OK);
    ck_assert_uint_eq(bb_file_parameters(f), 3672320);
    bb_file_close(f);
    for (size_t i = 0; i < 2; i++) {
        if (!shared_path(files[i].name, where, sizeof where)) {
            skip_shared(files[i].name);
            continue;
        }
        ck_assert_msg(bb_file_open(where, &f, &err) == BB_OK, "%s", err.text);
        ck_assert_uint_eq(bb_file_parameters(f), files[i].parameters);
        bb_file_close(f);
    }
    if (!shared_path("models/truncated.safetensors", where, sizeof where)) {
        skip_shared("models/truncated.safetensors");
        return;
    }
    ck_assert_int_eq(bb_file_open(where, &f, &err), BB_E_TRUNCATED);
    ck_assert(strstr(err.text, "ends at 47689880 but the file has 851968 bytes") != NULL);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("file");
    TCase *t = tcase_create("file");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, gguf_good);
    tcase_add_test(t, gguf_bad);
    tcase_add_test(t, not_a_container);
    tcase_add_test(t, safetensors_good);
    tcase_add_test(t, safetensors_bad);
    tcase_add_test(t, real_files);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
