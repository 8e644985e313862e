/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_safetensors_write.c - safetensors headers written here, read back by our reader and by Python's json. */
#include "file/made.h"
#include "file/safetensors_write.h"
#include <sys/wait.h>

static const char odd_name[] = "a\"b\\c\n\xC3\xA9"; /* what JSON must escape, and what it need not */

static const bb_dtype *type(const char *name) { return bb_dtype_find(name, NULL); }

static void write_file(const char *name, const unsigned char *header, size_t n, uint64_t bytes) {
    made_file(name, header, n);
    ck_assert_int_eq(truncate(made_path(name), (off_t)bytes), 0);
}

START_TEST(round_trip) {
    uint64_t matrix[] = {3, 5}, vector[] = {7}, none[] = {0, 4};
    bb_st_out *o = NULL;
    bb_error err = {0};
    const unsigned char *header;
    size_t n;
    uint64_t bytes;
    ck_assert_int_eq(bb_st_out_new(&o, &err), BB_OK);
    ck_assert(bb_st_out_tensor(o, odd_name, 2, matrix, type("bf16"), &err) == BB_OK &&
              bb_st_out_meta(o, "format", "pt", &err) == BB_OK &&
              bb_st_out_tensor(o, "bytes", 1, vector, type("u8"), &err) == BB_OK &&
              bb_st_out_meta(o, "odd\"key", odd_name, &err) == BB_OK &&
              bb_st_out_tensor(o, "scalar", 0, NULL, type("f32"), &err) == BB_OK &&
              bb_st_out_tensor(o, "empty", 2, none, type("i8"), &err) == BB_OK);
    ck_assert_int_eq(bb_st_out_meta(o, "format", "np", &err), BB_E_INVALID);
    ck_assert_int_eq(bb_st_out_seal(o, &header, &n, &bytes, &err), BB_OK);
    ck_assert(n % 8 == 0 && bytes == n + 30 + 7 + 4);
    ck_assert_uint_eq(header[0] | header[1] << 8, n - 8);
    ck_assert_int_eq(memcmp(header + 8, "{\"__metadata__\":{\"format\":\"pt\",", 31), 0);
    write_file("x.safetensors", header, n, bytes);
    bb_file *f = made_open("x.safetensors");
    ck_assert(f->n_tensors == 4 && f->n_meta == 2 && f->n_warnings == 0);
    ck_assert_str_eq(f->tensors[0].name, odd_name);
    ck_assert(f->tensors[0].n_dims == 2 && f->tensors[0].dims[0] == 3 && f->tensors[0].dims[1] == 5);
    ck_assert_str_eq(bb_meta_text(f, "odd\"key"), odd_name);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(f->tensors[i].offset, bb_st_out_offset(o, i));
        ck_assert_uint_eq(f->tensors[i].bytes, bb_st_out_bytes(o, i));
    }
    bb_file_close(f);
    bb_st_out_free(o);
    bb_st_out_free(NULL);
}
END_TEST

START_TEST(nothing_in_it) {
    bb_st_out *o = NULL;
    const unsigned char *header;
    size_t n;
    uint64_t bytes;
    ck_assert(bb_st_out_new(&o, NULL) == BB_OK && bb_st_out_seal(o, &header, &n, &bytes, NULL) == BB_OK);
    ck_assert(n == 16 && bytes == 16 && !memcmp(header, "\10\0\0\0\0\0\0\0{}      ", 16));
    bb_st_out_free(o);
}
END_TEST

START_TEST(refused) {
    uint64_t dims[] = {256}, huge[] = {1ull << 62}, bytes;
    size_t n;
    const unsigned char *header = NULL;
    bb_st_out *o = NULL;
    bb_error err = {0};
    ck_assert_int_eq(bb_st_out_new(&o, NULL), BB_OK);
    ck_assert_int_eq(bb_st_out_tensor(o, "x", 1, dims, type("q4_K"), &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_st_out_tensor(o, "", 1, dims, type("u8"), &err), BB_E_ARG);
    ck_assert_int_eq(bb_st_out_tensor(o, "__metadata__", 1, dims, type("u8"), &err), BB_E_ARG);
    ck_assert_int_eq(bb_st_out_tensor(o, "\xFF", 1, dims, type("u8"), &err), BB_E_INVALID);
    ck_assert_int_eq(bb_st_out_meta(o, "k", "\xFF", &err), BB_E_INVALID);
    ck_assert_int_eq(bb_st_out_tensor(o, "x", 1, huge, type("f32"), &err), BB_E_OVERFLOW);
    ck_assert_int_eq(bb_st_out_tensor(o, "x", 1, dims, type("u8"), &err), BB_OK);
    ck_assert_int_eq(bb_st_out_tensor(o, "x", 1, dims, type("i8"), &err), BB_OK);
    ck_assert_int_eq(bb_st_out_seal(o, &header, &n, &bytes, &err), BB_E_INVALID);
    ck_assert_msg(strstr(err.text, "'x' stands twice") && !header, "%s", err.text);
    bb_st_out_free(o);
}
END_TEST

/* What another program's JSON says: no gaps, in order, to the end of the file. */
START_TEST(python_reads_it) {
    static const char script[] =
        "import json,struct,sys\n"
        "b=open(sys.argv[1],'rb').read(); n=struct.unpack('<Q',b[:8])[0]; h=json.loads(b[8:8+n].decode())\n"
        "assert n%8==0 and b[8:9]==b'{' and list(h)==['__metadata__','a\"b\\\\c\\n\\u00e9','w'], h\n"
        "assert h.pop('__metadata__')=={'by':'\\u00e9\\t'}\n"
        "size={'I8':1,'F32':4}; at=0\n"
        "for t in h.values():\n"
        "  a,e=t['data_offsets']; k=size[t['dtype']]\n"
        "  for d in t['shape']: k*=d\n"
        "  assert a==at and e-a==k; at=e\n"
        "assert at==len(b)-8-n\n";
    uint64_t dims[] = {3, 7}, bytes;
    size_t n;
    const unsigned char *header;
    bb_st_out *o = NULL;
    if (system("python3 -c pass 2>/dev/null") != 0) {
        fprintf(stderr, "# skipped: no python3\n");
        return;
    }
    ck_assert(bb_st_out_new(&o, NULL) == BB_OK && bb_st_out_meta(o, "by", "\xC3\xA9\t", NULL) == BB_OK &&
              bb_st_out_tensor(o, odd_name, 2, dims, type("i8"), NULL) == BB_OK &&
              bb_st_out_tensor(o, "w", 2, dims, type("f32"), NULL) == BB_OK &&
              bb_st_out_seal(o, &header, &n, &bytes, NULL) == BB_OK);
    write_file("p.safetensors", header, n, bytes);
    made_file("check.py", script, sizeof script - 1);
    char command[1200];
    int head = snprintf(command, sizeof command, "python3 %s ", made_path("check.py"));
    snprintf(command + head, sizeof command - (size_t)head, "%s", made_path("p.safetensors"));
    ck_assert_int_eq(system(command), 0);
    bb_st_out_free(o);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("safetensors_write");
    TCase *t = tcase_create("safetensors_write");
    tcase_add_checked_fixture(t, made_begin, made_end);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, nothing_in_it);
    tcase_add_test(t, refused);
    tcase_add_test(t, python_reads_it);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
