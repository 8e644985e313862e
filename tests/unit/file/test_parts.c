/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_parts.c - split GGUF files made here. */
#include "made.h"

static unsigned char out[4096];
static size_t out_n;

static void put_le(uint64_t v, size_t n) {
    for (size_t i = 0; i < n; i++) out[out_n++] = (unsigned char)(v >> 8 * i);
}

static void put_text(const char *s) {
    put_le(strlen(s), 8);
    memcpy(out + out_n, s, strlen(s));
    out_n += strlen(s);
}

/* A part with one tensor of 8 floats whose first byte is `first`; keys split.no, split.count, split.tensors.count. */
static void part(const char *file, int no, int of, int total, const char *tensor, int first) {
    out_n = 0;
    memcpy(out, "GGUF", 4);
    out_n = 4;
    put_le(3, 4);
    put_le(1, 8);
    put_le(3, 8);
    put_text("split.no");
    put_le(2, 4);
    put_le((uint64_t)no, 2);
    put_text("split.count");
    put_le(2, 4);
    put_le((uint64_t)of, 2);
    put_text("split.tensors.count");
    put_le(5, 4);
    put_le((uint64_t)total, 4);
    put_text(tensor);
    put_le(1, 4);
    put_le(8, 8);
    put_le(24, 4); /* i8 */
    put_le(0, 8);
    while (out_n % 32) out[out_n++] = 0;
    memset(out + out_n, first, 32);
    out_n += 32;
    made_file(file, out, out_n);
}

START_TEST(good) {
    bb_error err = {0};
    float x[8];
    made_begin();
    part("m-00001-of-00003.gguf", 0, 3, 3, "b", 1);
    part("m-00002-of-00003.gguf", 1, 3, 3, "c", 2);
    part("m-00003-of-00003.gguf", 2, 3, 3, "a", 3);
    bb_file *f = made_open("m-00001-of-00003.gguf");
    ck_assert_uint_eq(bb_file_parts(f), 3);
    ck_assert_uint_eq(bb_file_parameters(f), 24);
    ck_assert_uint_eq(f->split_of, 0);
    static const char *const names[] = {"b", "c", "a"};
    for (unsigned i = 0; i < 3; i++) {
        const bb_tensor *t = bb_file_find(f, names[i]);
        ck_assert(t && t->part == i && t == bb_file_tensor(f, i));
        ck_assert_int_eq(bb_file_read_rows(f, t, 0, 1, x, &err), BB_OK);
        ck_assert(x[7] == (float)(i + 1));
    }
    ck_assert(strstr(bb_file_part_path(f, 2), "m-00003-of-00003.gguf") != NULL);
    bb_file_close(f);
    /* another part than the first is shown alone */
    f = made_open("m-00002-of-00003.gguf");
    ck_assert(bb_file_parts(f) == 1 && f->split_of == 3 && f->split_no == 1 && bb_file_parameters(f) == 8);
    ck_assert(made_warned(f, "part 2 of 3") && made_warned(f, "m-00001-of-00003.gguf"));
    bb_file_close(f);
    /* one part of one, and none of none, is not split, whatever its name */
    for (int of = 0; of < 2; of++) {
        part("whole.gguf", 0, of, 1, "a", 1);
        f = made_open("whole.gguf");
        ck_assert(bb_file_parts(f) == 1 && f->split_of == 0 && f->n_warnings == 0);
        bb_file_close(f);
    }
    made_end();
}
END_TEST

START_TEST(refused) {
    static const char first[] = "m-00001-of-00002.gguf", second[] = "m-00002-of-00002.gguf";
    made_begin();
    part(first, 0, 2, 2, "a", 1);
    made_refuse(first, 3, "its part 'm-00002-of-00002.gguf': No such file");
    part(second, 1, 3, 2, "b", 1);
    made_refuse(first, 3, "that it is 2 of 2");
    part(second, 0, 2, 2, "b", 1);
    made_refuse(first, 3, "that it is 2 of 2");
    part(second, 1, 2, 2, "a", 1);
    made_refuse(first, 3, "'a' stands twice");
    part(second, 1, 2, 2, "b", 1);
    ck_assert_int_eq(truncate(made_path(second), (off_t)(out_n - 25)), 0);
    made_refuse(first, 3, "its part 'm-00002-of-00002.gguf': tensor 'b' ends at");
    made_file(second, "<!DOCTYPE html>", 15);
    made_refuse(first, 3, "HTML");
    made_file(second, "\x93NUMPY\1\0\x36\0{'descr':'|u1','fortran_order':False,'shape':(1,),}   \n0", 65);
    made_refuse(first, 3, "is no GGUF file");
    part(second, 1, 2, 2, "b", 1);
    part(first, 0, 2, 3, "a", 1);
    made_refuse(first, 3, "split.tensors.count is 3, but its 2 parts hold 2");
    part(first, 2, 2, 2, "a", 1);
    made_refuse(first, 3, "split.no is 2");
    part("renamed.gguf", 0, 2, 2, "a", 1);
    made_refuse("renamed.gguf", 3, "cannot be found");
    part(second, 0, 2, 2, "a", 1);
    made_refuse(second, 3, "cannot be found");
    made_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("parts");
    TCase *t = tcase_create("parts");
    tcase_add_test(t, good);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
