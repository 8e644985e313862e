/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_imatrix.c - importance matrices written by hand in both forms, read back; and each way to be broken. */
#include "harness.h"
#include "model/imatrix.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

/* A file that grows; the machine is little endian like the formats. */
typedef struct out {
    unsigned char data[8192];
    size_t n;
} out;

static void put(out *o, const void *p, size_t n) {
    ck_assert(o->n + n <= sizeof o->data);
    memcpy(o->data + o->n, p, n);
    o->n += n;
}
static void i32(out *o, int32_t v) { put(o, &v, 4); }
static void u64(out *o, uint64_t v) { put(o, &v, 8); }
static void text(out *o, const char *s) {
    u64(o, strlen(s));
    put(o, s, strlen(s));
}
static void pad(out *o) {
    while (o->n % 32) put(o, "", 1);
}

static bb_status open_bytes(const void *data, size_t n, bb_imatrix **im, bb_error *err) {
    char path[] = "/tmp/bb-imatrix-XXXXXX";
    int fd = mkstemp(path);
    ck_assert(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    close(fd);
    bb_status st = bb_imatrix_open(path, im, err);
    unlink(path);
    return st;
}

static void entry(out *o, const char *name, int32_t calls, const float *v, int32_t n) {
    i32(o, (int32_t)strlen(name));
    put(o, name, strlen(name));
    i32(o, calls);
    i32(o, n);
    put(o, v, (size_t)n * 4);
}

static void check(const bb_imatrix *im, const char *name, uint64_t cols, uint64_t experts, const float *expected) {
    uint64_t c = 0, e = 0;
    const float *w = bb_imatrix_weights(im, name, &c, &e);
    ck_assert_msg(w != NULL, "%s", name);
    ck_assert_uint_eq(c, cols);
    ck_assert_uint_eq(e, experts);
    ck_assert_msg(memcmp(w, expected, (size_t)(cols * experts) * sizeof *w) == 0, "%s", name);
}

static void write_dat(out *o, bool origin) {
    i32(o, 3);
    entry(o, "blk.1.ffn_down.weight", 3, (const float[]){1, 2, 10}, 3);
    entry(o, "blk.0.attn_q.weight", 4, (const float[]){2, NAN}, 2);
    entry(o, "output.weight", 0, (const float[]){7}, 1);
    if (!origin) return;
    i32(o, 125);
    i32(o, 8);
    put(o, "wiki.txt", 8);
}

START_TEST(dat) {
    for (int origin = 0; origin < 2; origin++) {
        out o = {.n = 0};
        bb_imatrix *im;
        bb_error err = {.text = ""};
        uint64_t cols, experts;
        write_dat(&o, origin);
        ck_assert_msg(open_bytes(o.data, o.n, &im, &err) == BB_OK, "%s", err.text);
        ck_assert_uint_eq(bb_imatrix_count(im), 3);
        ck_assert_str_eq(bb_imatrix_name(im, 0), "blk.0.attn_q.weight");
        ck_assert_ptr_null(bb_imatrix_name(im, 3));
        check(im, "blk.1.ffn_down.weight", 3, 1, (const float[]){1.0f / 3, 2.0f / 3, 10.0f / 3});
        check(im, "output.weight", 1, 1, (const float[]){7});
        const float *w = bb_imatrix_weights(im, "blk.0.attn_q.weight", &cols, &experts);
        ck_assert(w && isnan(w[1])); /* not hidden: the caller judges */
        ck_assert_ptr_null(bb_imatrix_weights(im, "blk.0.attn_q", &cols, &experts));
        ck_assert_str_eq(bb_imatrix_dataset(im), origin ? "wiki.txt" : "");
        ck_assert_uint_eq(bb_imatrix_chunks(im), origin ? 125 : 0);
        bb_imatrix_free(im);
    }
}
END_TEST

typedef struct tensor {
    const char *name;
    uint64_t dims[2];
    uint32_t type;
    const float *v;
} tensor;

static void write_gguf(out *o, const tensor *t, size_t n, size_t datasets) {
    uint64_t offset = 0;
    put(o, "GGUF", 4);
    i32(o, 3);
    u64(o, n);
    u64(o, 4);
    text(o, "general.type");
    i32(o, 8);
    text(o, "imatrix");
    text(o, "imatrix.datasets");
    i32(o, 9);
    i32(o, 8);
    u64(o, datasets);
    for (size_t i = 0; i < datasets; i++) text(o, i ? "second" : "first.txt");
    text(o, "imatrix.chunk_count");
    i32(o, 4);
    i32(o, 9);
    text(o, "imatrix.chunk_size");
    i32(o, 4);
    i32(o, 512);
    for (size_t i = 0; i < n; i++) {
        text(o, t[i].name);
        i32(o, 2);
        u64(o, t[i].dims[0]);
        u64(o, t[i].dims[1]);
        i32(o, (int32_t)t[i].type);
        u64(o, offset);
        offset += (t[i].dims[0] * t[i].dims[1] * 4 + 31) / 32 * 32;
    }
    pad(o);
    for (size_t i = 0; i < n; i++) {
        put(o, t[i].v, (size_t)(t[i].dims[0] * t[i].dims[1] * 4));
        pad(o);
    }
}

START_TEST(gguf) {
    const tensor t[] = {
        {"blk.0.ffn_up_exps.weight.in_sum2", {3, 3}, 0, (const float[]){2, 4, 8, 5, 6, 7, 0, 3, 0}},
        {"blk.0.ffn_up_exps.weight.counts", {1, 3}, 0, (const float[]){2, 0, 3}},
        {"output.weight.counts", {1, 1}, 0, (const float[]){10}},
        {"output.weight.in_sum2", {2, 1}, 0, (const float[]){1, 2}},
    };
    for (size_t datasets = 0; datasets < 3; datasets++) {
        out o = {.n = 0};
        bb_imatrix *im;
        bb_error err = {.text = ""};
        write_gguf(&o, t, 4, datasets);
        ck_assert_msg(open_bytes(o.data, o.n, &im, &err) == BB_OK, "%s", err.text);
        ck_assert_uint_eq(bb_imatrix_count(im), 2);
        check(im, "blk.0.ffn_up_exps.weight", 3, 3, (const float[]){1, 2, 4, 1, 1, 1, 0, 1, 0});
        check(im, "output.weight", 2, 1, (const float[]){1.0f / 10, 2.0f / 10});
        ck_assert_str_eq(bb_imatrix_dataset(im), datasets ? "first.txt" : "");
        ck_assert_uint_eq(bb_imatrix_chunks(im), 9);
        bb_imatrix_free(im);
    }
}
END_TEST

START_TEST(broken_gguf) {
    static const float v[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    static const struct {
        tensor t[2];
        size_t n;
        const char *says;
    } cases[] = {
        {{{"x.in_sum2", {2, 1}, 0, v}}, 1, "in_sum2 without counts"},
        {{{"x.counts", {1, 1}, 0, v}}, 1, "counts without in_sum2"},
        {{{"x.in_sum2", {3, 1}, 0, v}, {"x.counts", {1, 2}, 0, v}}, 2, "3 sums and 2 counts"},
        {{{"x.in_sum2", {2, 1}, 26, v}, {"x.counts", {1, 1}, 0, v}}, 2, "must be F32"},
        {{{"x.weight", {2, 1}, 0, v}}, 1, "no importance"},
        {{{".in_sum2", {2, 1}, 0, v}, {".counts", {1, 1}, 0, v}}, 2, "no name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        out o = {.n = 0};
        bb_imatrix *im = NULL;
        bb_error err = {.text = ""};
        write_gguf(&o, cases[i].t, cases[i].n, 1);
        ck_assert_int_eq(open_bytes(o.data, o.n, &im, &err), BB_E_INVALID);
        ck_assert_msg(strstr(err.text, cases[i].says) != NULL, "%s", err.text);
        ck_assert_ptr_null(im);
    }
}
END_TEST

/* Every shorter file fails but the one that ends where the origin may be left out, or its length is cut cleanly. */
START_TEST(truncated) {
    out whole = {.n = 0}, plain = {.n = 0};
    write_dat(&whole, true);
    write_dat(&plain, false);
    for (size_t n = 0; n < whole.n; n++) {
        bb_imatrix *im = NULL;
        bb_error err = {.text = ""};
        bb_status st = open_bytes(whole.data, n, &im, &err);
        bool fine = n == plain.n || n == plain.n + 4;
        ck_assert_msg((st == BB_OK) == fine, "%zu bytes: %s", n, err.text);
        if (!fine) ck_assert_msg(st == BB_E_TRUNCATED, "%zu bytes: %s", n, err.text);
        bb_imatrix_free(im);
    }
    put(&whole, "?", 1);
    bb_imatrix *im;
    ck_assert_int_eq(open_bytes(whole.data, whole.n, &im, NULL), BB_E_INVALID);
}
END_TEST

START_TEST(hostile) {
    static const struct {
        int32_t entries, name, values;
        bb_status status;
    } cases[] = {
        {0, 1, 1, BB_E_INVALID},           {-1, 1, 1, BB_E_INVALID},
        {INT32_MAX, 1, 1, BB_E_TRUNCATED}, {1, 0, 1, BB_E_INVALID},
        {1, -5, 1, BB_E_INVALID},          {1, INT32_MAX, 1, BB_E_TRUNCATED},
        {1, 1, 0, BB_E_INVALID},           {1, 1, INT32_MIN, BB_E_INVALID},
        {1, 1, INT32_MAX, BB_E_TRUNCATED}, {1, 1, 0x40000001, BB_E_TRUNCATED},
        {1, 1500, 1, BB_E_LIMIT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const char zeros[2000];
        out o = {.n = 0};
        bb_imatrix *im = NULL;
        i32(&o, cases[i].entries);
        i32(&o, cases[i].name);
        put(&o, "x", 1);
        i32(&o, 1);
        i32(&o, cases[i].values);
        put(&o, zeros, sizeof zeros);
        bb_error err = {.text = ""};
        ck_assert_msg(open_bytes(o.data, o.n, &im, &err) == cases[i].status, "case %zu: %s", i, err.text);
        ck_assert_ptr_null(im);
    }
    out twice = {.n = 0};
    bb_imatrix *im = NULL;
    bb_error err;
    i32(&twice, 2);
    for (int i = 0; i < 2; i++) entry(&twice, "a\x1b[31m", 1, (const float[]){1}, 1);
    ck_assert_int_eq(open_bytes(twice.data, twice.n, &im, &err), BB_E_INVALID);
    ck_assert_msg(strstr(err.text, "twice") && !strchr(err.text, '\x1b'), "%s", err.text);
    out nul = {.n = 0};
    i32(&nul, 1);
    i32(&nul, 2);
    put(&nul, "a\0", 2);
    i32(&nul, 1);
    i32(&nul, 1);
    i32(&nul, 0);
    ck_assert_int_eq(open_bytes(nul.data, nul.n, &im, NULL), BB_E_INVALID);
    ck_assert_int_eq(bb_imatrix_open("/nonexistent/imatrix", &im, NULL), BB_E_OPEN);
    bb_imatrix_free(NULL);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("imatrix");
    TCase *t = tcase_create("imatrix");
    tcase_add_test(t, dat);
    tcase_add_test(t, gguf);
    tcase_add_test(t, broken_gguf);
    tcase_add_test(t, truncated);
    tcase_add_test(t, hostile);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(make_suite)
