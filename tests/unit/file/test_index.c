/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_index.c - indexes of shards, with the shards and without them. */
#include "made.h"

static void shard(const char *name, const char *header, size_t data_bytes) {
    unsigned char b[1024] = {0};
    size_t n = strlen(header);
    b[0] = (unsigned char)n;
    b[1] = (unsigned char)(n >> 8);
    memcpy(b + 8, header, n);
    for (size_t i = 0; i < data_bytes; i++) b[8 + n + i] = (unsigned char)(name[0] + i);
    made_file(name, b, 8 + n + data_bytes);
}

static void text(const char *json) { made_file("m.index.json", json, strlen(json)); }

/* Two shards: a and c in "x", b in "y", one byte each but c. */
static void two_shards(void) {
    shard("x",
          "{\"c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"U8\",\"shape\":[1],"
          "\"data_offsets\":[8,9]}}",
          9);
    shard("y", "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
}

START_TEST(good) {
    float v;
    bb_error err = {0};
    bb_file *f = NULL;
    made_begin();
    two_shards();
    text("{\"metadata\":{\"total_size\":10.0,\"note\":\"so\"},\"weight_map\":{\"a\":\"x\",\"b\":\"y\",\"c\":\"x\"}}");
    ck_assert(bb_file_is_index(made_path("m.index.json")));
    ck_assert(!bb_file_is_index(made_path("x")));
    f = made_open("m.index.json");
    ck_assert_str_eq(bb_file_format(f), "safetensors");
    ck_assert_uint_eq(bb_file_parts(f), 2);
    ck_assert_uint_eq(bb_file_tensor_count(f), 3);
    ck_assert_uint_eq(bb_file_parameters(f), 4);
    ck_assert_uint_eq(f->n_warnings, 0);
    ck_assert_str_eq(bb_meta_text(f, "note"), "so");
    const bb_tensor *a = bb_file_find(f, "a"), *b = bb_file_find(f, "b");
    ck_assert(a && b && strcmp(bb_file_part_path(f, a->part), made_path("x")) == 0);
    ck_assert_str_eq(bb_file_part_path(f, b->part), made_path("y"));
    ck_assert_ptr_eq(bb_file_part_path(f, 2), NULL);
    /* each is read from its own part */
    ck_assert_int_eq(bb_file_read_rows(f, a, 0, 1, &v, &err), BB_OK);
    ck_assert(v == 'x' + 8);
    ck_assert_int_eq(bb_file_read_rows(f, b, 0, 1, &v, &err), BB_OK);
    ck_assert(v == 'y');
    bb_file_close(f);
    /* a tensor that the map does not name, and a wrong total, are worth a word */
    text("{\"metadata\":{\"total_size\":11},\"weight_map\":{\"c\":\"x\",\"b\":\"y\"}}");
    f = made_open("m.index.json");
    ck_assert(made_warned(f, "'a' is in a shard, but not in weight_map") && made_warned(f, "total_size 11"));
    bb_file_close(f);
    made_end();
}
END_TEST

START_TEST(names_alone) {
    bb_file *f = NULL;
    bb_error err = {0};
    uint64_t total;
    made_begin();
    text("{\"metadata\":{\"total_size\":16},\"weight_map\":{\"w\":\"s1.safetensors\",\"v\":\"s2.safetensors\"}}");
    made_refuse("m.index.json", 3, "'s1.safetensors': No such file");
    ck_assert_int_eq(bb_file_open_index(made_path("m.index.json"), false, &f, &err), BB_OK);
    ck_assert(f->names_only && bb_meta_u64(f, "total_size", &total) && total == 16);
    ck_assert_str_eq(bb_file_format(f), "index");
    const bb_tensor *v = bb_file_find(f, "v");
    ck_assert(v && !v->type && v->elements == 0 && bb_file_parameters(f) == 0);
    ck_assert_str_eq(bb_file_part_path(f, v->part), made_path("s2.safetensors"));
    float x;
    ck_assert_int_eq(bb_file_read_rows(f, v, 0, 1, &x, &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_file_read_raw(f, v, 0, 1, &x, &err), BB_E_UNSUPPORTED);
    bb_file_close(f);
    /* pickles are never read, whether they are there or not */
    text("{\"weight_map\":{\"w\":\"pytorch_model.bin\"}}");
    f = made_open("m.index.json");
    ck_assert(f->names_only && made_warned(f, "pickle"));
    bb_file_close(f);
    text("{\"weight_map\":{}}");
    f = made_open("m.index.json");
    ck_assert(bb_file_tensor_count(f) == 0 && made_warned(f, "empty"));
    bb_file_close(f);
    made_end();
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *json, *part;
    } cases[] = {
        {"{\"weight_map\":{\"a\":\"y\"}}", "'a' is not in 'y'"},
        {"{\"weight_map\":{\"z\":\"x\"}}", "'z' is not in 'x'"},
        {"{\"weight_map\":{\"a\":\"../x\"}}", "no plain file name"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "no plain file name"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "no plain file name"},
        {"{\"weight_map\":{\"a\":\"\"}}", "no plain file name"},
        {"{\"weight_map\":{\"a\":\"d\\\\x\"}}", "no plain file name"},
        {"{\"weight_map\":{\"a\":1}}", "no file name"},
        {"{\"weight_map\":{\"a\":null}}", "no file name"},
        {"{\"weight_map\":{\"\":\"x\"}}", "without a name"},
        {"{\"weight_map\":{\"a\":\"x\",\"b\":\"y\",\"a\":\"x\"}}", "'a' stands twice"},
        {"{\"weight_map\":{\"a\":\"x\"},\"weight_map\":{}}", "stands twice"},
        {"{\"weight_map\":[\"a\"]}", "no object"},
        {"{\"weight_map\":null}", "no object"},
        {"{\"metadata\":[],\"weight_map\":{}}", "metadata is no object"},
        {"{\"metadata\":{\"total_size\":\"9\"},\"weight_map\":{}}", "no number of bytes"},
        {"{\"metadata\":{\"total_size\":-1},\"weight_map\":{}}", "no number of bytes"},
        {"{\"metadata\":{\"total_size\":1e99},\"weight_map\":{}}", "no number of bytes"},
        {"{\"metadata\":{\"total_size\":9}}", "without a weight_map"},
        {"{}", "without a weight_map"},
        {"{\"weight_map\":{\"a\":\"x\"}", "expected ',' or '}'"},
        {"{\"weight_map\":{\"a\":\"x\"}}{", "text after the end"},
        {"{\"weight_map\":{\"a\":\"m.index.json\"}}", "is no safetensors file"},
        {"{\"weight_map\":{\"a\":\"sub\"}}", "is a directory"},
        {"\xEF\xBB\xBF{\"weight_map\":{}}", "byte order mark"},
    };
    made_begin();
    two_shards();
    ck_assert_int_eq(mkdir(made_path("sub"), 0700), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text(cases[i].json);
        made_refuse("m.index.json", 3, cases[i].part);
    }
    rmdir(made_path("sub"));
    /* the same name in two shards, which no map can tell apart */
    shard("y", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    text("{\"weight_map\":{\"a\":\"x\",\"c\":\"x\",\"a\":\"y\"}}");
    made_refuse("m.index.json", 3, "'a' stands twice");
    /* what is wrong with a shard is said of the index */
    shard("y", "{\"b\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}", 1);
    text("{\"weight_map\":{\"a\":\"x\",\"b\":\"y\"}}");
    made_refuse("m.index.json", 3, "its part 'y': tensor 'b' ends at");
    made_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("index");
    TCase *t = tcase_create("index");
    tcase_add_test(t, good);
    tcase_add_test(t, names_alone);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
