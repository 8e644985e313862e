/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_npy.c - NumPy arrays made here byte by byte. */
#include "made.h"

/* A file of the version with that header, its length as given (or the real one), and n bytes 0, 1, 2, ... of data. */
static void npy(int version, const char *header, size_t length, size_t n) {
    unsigned char b[2048] = "\x93NUMPY";
    size_t at = 8, len = strlen(header);
    b[6] = (unsigned char)version;
    for (int i = 0; i < (version == 1 ? 2 : 4); i++) b[at++] = (unsigned char)((length ? length : len) >> 8 * i);
    memcpy(b + at, header, len);
    at += len;
    for (size_t i = 0; i < n; i++) b[at++] = (unsigned char)i;
    made_file("a.npy", b, at);
}

#define HEADER(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"

START_TEST(good) {
    static const struct {
        const char *header;
        size_t n;
        const char *type; /* NULL: unknown */
        uint64_t elements, bytes;
        uint32_t dims;
    } cases[] = {
        {HEADER("'<f4'", "False", "(2, 3)"), 24, "f32", 6, 24, 2},
        {HEADER("'<f2'", "False", "(5,)"), 10, "f16", 5, 10, 1},
        {HEADER("'|u1'", "False", "()"), 1, "u8", 1, 1, 0},
        {HEADER("'|b1'", "False", "(0, 7)"), 0, "bool", 0, 0, 2},
        {HEADER("'>i1'", "False", "(2,)"), 2, "i8", 2, 2, 1},
        {HEADER("'<c8'", "False", "(2L,)"), 16, "c64", 2, 16, 1},
        {HEADER("'>f4'", "False", "(2,)"), 8, NULL, 2, 8, 1},
        {HEADER("'<U10'", "False", "(2,)"), 80, NULL, 2, 80, 1},
        {HEADER("'<M8[ns]'", "False", "(2,)"), 16, NULL, 2, 16, 1},
        {HEADER("'|V2'", "False", "(2,)"), 4, NULL, 2, 4, 1},
        {"{\"shape\":(1,2,3),\"fortran_order\":False,\"descr\":\"<f8\"}   \n", 48, "f64", 6, 48, 3},
    };
    made_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int version = 1; version <= 3; version++) {
            npy(version, cases[i].header, 0, cases[i].n);
            bb_file *f = made_open("a.npy");
            const bb_tensor *t = bb_file_find(f, "array");
            ck_assert_str_eq(bb_file_format(f), "npy");
            ck_assert(t && bb_file_tensor_count(f) == 1 && bb_file_parts(f) == 1);
            ck_assert_uint_eq(f->version, (unsigned)version);
            ck_assert_uint_eq(t->elements, cases[i].elements);
            ck_assert_uint_eq(t->bytes, cases[i].bytes);
            ck_assert_uint_eq(t->n_dims, cases[i].dims);
            ck_assert_str_eq(t->type ? bb_dtype_name(t->type) : "", cases[i].type ? cases[i].type : "");
            ck_assert_uint_eq(f->n_warnings, cases[i].type ? 0 : 1);
            bb_file_close(f);
        }
    made_end();
}
END_TEST

START_TEST(rows) {
    float x[6];
    bb_error err = {0};
    made_begin();
    npy(1, HEADER("'|u1'", "False", "(2, 3)"), 0, 6);
    bb_file *f = made_open("a.npy");
    ck_assert_int_eq(bb_file_read_rows(f, bb_file_tensor(f, 0), 1, 1, x, &err), BB_OK);
    ck_assert(x[0] == 3 && x[1] == 4 && x[2] == 5);
    bb_file_close(f);
    /* columns lie together: what are rows elsewhere cannot be read as such, except where there is only one */
    npy(1, HEADER("'|u1'", "True", "(2, 3)"), 0, 6);
    f = made_open("a.npy");
    bool order = false;
    ck_assert(bb_meta_bool(f, "fortran_order", &order) && order && made_warned(f, "Fortran"));
    ck_assert_int_eq(bb_file_read_rows(f, bb_file_tensor(f, 0), 1, 1, x, &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_file_read_raw(f, bb_file_tensor(f, 0), 1, 1, x, &err), BB_E_UNSUPPORTED);
    bb_file_close(f);
    npy(1, HEADER("'|u1'", "True", "(3,)"), 0, 5);
    f = made_open("a.npy");
    ck_assert_int_eq(bb_file_read_rows(f, bb_file_tensor(f, 0), 0, 1, x, &err), BB_OK);
    ck_assert(x[2] == 2 && made_warned(f, "2 bytes after the array"));
    bb_file_close(f);
    made_end();
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *header;
        int code;
        const char *part;
    } cases[] = {
        {HEADER("'|O'", "False", "(2, 2)"), 4, "pickle"},
        {HEADER("[('a', '<f4'), ('b', '<i8')]", "False", "(1,)"), 4, "structures"},
        {HEADER("'<f4'", "False", "(2, 2)"), 3, "only 8 follow"},
        {HEADER("'<f4'", "False", "(-2, -1)"), 3, "whole numbers"},
        {HEADER("'<f4'", "False", "(4294967296, 4294967296)"), 3, "2^63 elements"},
        {HEADER("'<f4'", "False", "(4611686018427387904,)"), 3, "2^64 bytes"},
        {HEADER("'<f4'", "False", "(0, 4294967296, 4294967296)"), 3, "2^63 elements"},
        {HEADER("'<f4'", "False", "(99999999999999999999,)"), 3, "passes 2^64"},
        {HEADER("'<f4'", "False", "(2)"), 3, "no tuple"},
        {HEADER("'<f4'", "False", "2"), 3, "no tuple"},
        {HEADER("'<f4'", "False", "[2]"), 3, "no tuple"},
        {HEADER("'<f4'", "False", "(2 2)"), 3, "without a comma"},
        {HEADER("'<f4'", "False", "(2.0,)"), 3, "without a comma"},
        {HEADER("'<f4'", "False", "(2,"), 3, "whole numbers"},
        {HEADER("'<f4'", "false", "(2,)"), 3, "neither True nor False"},
        {HEADER("'<f4'", "0", "(2,)"), 3, "neither True nor False"},
        {HEADER("'<q4'", "False", "(2,)"), 3, "no dtype"},
        {HEADER("'<f99999999999999999999'", "False", "(2,)"), 3, "no dtype"},
        {HEADER("'<f4", "False", "(2,)"), 3, "lacks a ','"},
        {HEADER("'\\x3cf4'", "False", "(2,)"), 3, "no dtype or key"},
        {HEADER("4", "False", "(2,)"), 3, "a text must stand"},
        {"{'descr': '<f4', 'shape': (2,), }\n", 3, "lacks one of"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 3, "twice"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1, }\n", 3, "other keys"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)\n", 3, "does not close"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}; import os\n", 3, "goes on"},
        {"__import__('os').system('id')\n", 3, "begin with '{'"},
        {"{}\n", 3, "lacks one of"},
        {"\n", 3, "begin with '{'"},
        {"{'descr\n", 3, "does not end"},
    };
    made_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        npy(1, cases[i].header, 0, 8);
        made_refuse("a.npy", cases[i].code, cases[i].part);
    }
    for (int version = 0; version < 256; version++) {
        npy(version ? version : 0, HEADER("'<f4'", "False", "(2,)"), 0, 8);
        if (version < 1 || version > 3) made_refuse("a.npy", 3, "none of 1.0, 2.0 and 3.0");
    }
    npy(2, HEADER("'<f4'", "False", "(2,)"), 0xFFFFFFFF, 8);
    made_refuse("a.npy", 3, "4294967295 bytes");
    npy(3, HEADER("'<\xE9\x34'", "False", "(2,)"), 0, 8);
    made_refuse("a.npy", 3, "UTF-8");
    /* every shorter prefix is refused */
    npy(1, HEADER("'<f4'", "False", "(2,)"), 0, 8);
    bb_file *f = made_open("a.npy");
    uint64_t size = bb_file_tensor(f, 0)->offset + 8;
    bb_file_close(f);
    for (uint64_t n = 0; n < size; n++) {
        bb_error err = {0};
        ck_assert_int_eq(truncate(made_path("a.npy"), (off_t)(size - 1 - n)), 0);
        ck_assert_int_ne(bb_file_open(made_path("a.npy"), &f, &err), BB_OK);
    }
    made_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("npy");
    TCase *t = tcase_create("npy");
    tcase_add_test(t, good);
    tcase_add_test(t, rows);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
