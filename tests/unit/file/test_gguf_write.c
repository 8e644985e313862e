/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_gguf_write.c - GGUF headers written here: what the reader gets back, and files of others copied byte for byte.
 */
#include "base/sink.h"
#include "file/gguf_write.h"
#include "file/made.h"
#include <glob.h>

typedef struct sealed {
    const unsigned char *header;
    size_t n;
    uint64_t bytes;
} sealed;

static sealed seal(bb_gguf_out *o) {
    sealed s = {0};
    bb_error err = {0};
    ck_assert_msg(bb_gguf_out_seal(o, &s.header, &s.n, &s.bytes, &err) == BB_OK, "%s", err.text);
    return s;
}

/* A file of that header with its data a hole. */
static bb_file *write_out(const char *name, const sealed *s) {
    bb_sink *sink = NULL;
    ck_assert(bb_sink_open(made_path(name), 0, true, &sink, NULL) == BB_OK &&
              bb_sink_write(sink, 0, s->header, s->n, NULL) == BB_OK && bb_sink_commit(sink, NULL) == BB_OK);
    ck_assert_int_eq(truncate(made_path(name), (off_t)s->bytes), 0);
    return made_open(name);
}

static const bb_dtype *type(const char *name) { return bb_dtype_find(name, NULL); }

static bb_gguf_out *fresh(uint32_t alignment) {
    bb_gguf_out *o = NULL;
    ck_assert_int_eq(bb_gguf_out_new(alignment, &o, NULL), BB_OK);
    return o;
}

START_TEST(values) {
    uint64_t dims[] = {256, 3, 2}, u;
    double d;
    bool b;
    bb_gguf_out *o = fresh(0);
    ck_assert(bb_gguf_out_u32(o, "a", 1) == BB_OK && bb_gguf_out_u16(o, "b", 65535) == BB_OK &&
              bb_gguf_out_i32(o, "c", -5) == BB_OK && bb_gguf_out_f32(o, "d", -0.5f) == BB_OK &&
              bb_gguf_out_bool(o, "e", true) == BB_OK && bb_gguf_out_text(o, "f", "a \"text\"") == BB_OK &&
              bb_gguf_out_u32(o, "gone", 1) == BB_OK && bb_gguf_out_u32(o, "last", 1) == BB_OK);
    ck_assert_int_eq(bb_gguf_out_texts(o, "list", (const char *const[]){"one", "", "three"}, 3), BB_OK);
    ck_assert_int_eq(bb_gguf_out_text(o, "a", "again"), BB_OK); /* moves to the end */
    bb_gguf_out_remove(o, "gone");
    bb_gguf_out_remove(o, "never");
    ck_assert(bb_gguf_out_has(o, "a") && !bb_gguf_out_has(o, "gone"));
    ck_assert_int_eq(bb_gguf_out_u32(o, "", 1), BB_E_ARG);
    ck_assert(bb_gguf_out_tensor(o, "x", 3, dims, type("q4_K"), NULL) == BB_OK &&
              bb_gguf_out_tensor(o, "y", 0, NULL, type("f32"), NULL) == BB_OK &&
              bb_gguf_out_tensor(o, "z", 1, dims, type("f16"), NULL) == BB_OK);
    sealed s = seal(o);
    ck_assert_uint_eq(s.n % 32, 0);
    ck_assert_uint_eq(bb_gguf_out_offset(o, 0), s.n);
    ck_assert_uint_eq(bb_gguf_out_bytes(o, 0), 6 * 144);
    ck_assert_uint_eq(bb_gguf_out_offset(o, 1), s.n + 6 * 144);
    ck_assert_uint_eq(bb_gguf_out_offset(o, 2), s.n + 6 * 144 + 32);
    ck_assert_uint_eq(s.bytes, s.n + 6 * 144 + 32 + 512);
    bb_file *f = write_out("v.gguf", &s);
    ck_assert(f->version == 3 && f->n_meta == 8 && f->n_tensors == 3 && f->n_warnings == 0);
    static const char *const keys[] = {"b", "c", "d", "e", "f", "last", "list", "a"};
    for (size_t i = 0; i < 8; i++) ck_assert_str_eq(f->meta[i].key, keys[i]);
    ck_assert(bb_meta_u64(f, "b", &u) && u == 65535 && bb_file_meta(f, "c")->v.i64 == -5);
    ck_assert(bb_meta_f64(f, "d", &d) && d == -0.5 && bb_meta_bool(f, "e", &b) && b);
    ck_assert_str_eq(bb_meta_text(f, "f"), "a \"text\"");
    ck_assert_str_eq(bb_meta_text(f, "a"), "again");
    ck_assert(bb_file_meta(f, "list")->v.array.count == 3 && bb_file_meta(f, "list")->v.array.element == BB_META_TEXT);
    ck_assert_str_eq(bb_meta_first_text(f, "list"), "one");
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(f->tensors[i].offset, bb_gguf_out_offset(o, i));
        ck_assert_uint_eq(f->tensors[i].bytes, bb_gguf_out_bytes(o, i));
    }
    bb_file_close(f);
    bb_gguf_out_free(o);
    bb_gguf_out_free(NULL);
}
END_TEST

START_TEST(alignment) {
    uint64_t dims[] = {1};
    bb_error err = {0};
    sealed s;
    bb_gguf_out *o = fresh(256);
    ck_assert(bb_gguf_out_tensor(o, "x", 1, dims, type("f32"), NULL) == BB_OK &&
              bb_gguf_out_tensor(o, "y", 1, dims, type("f32"), NULL) == BB_OK);
    s = seal(o);
    ck_assert(s.n == 256 && s.bytes == 3 * 256);
    bb_file *f = write_out("a.gguf", &s);
    ck_assert(f->alignment == 256 && f->n_warnings == 0);
    bb_gguf_out_free(o);
    o = fresh(0);
    ck_assert_int_eq(bb_gguf_out_copy(o, f, NULL, NULL, &err), BB_OK); /* the key comes with the others */
    s = seal(o);
    ck_assert_uint_eq(s.n, 256);
    bb_file_close(f);
    bb_gguf_out_free(o);
    for (size_t i = 0; i < 3; i++) {
        o = fresh(0);
        ck_assert_int_eq(i == 2 ? bb_gguf_out_u16(o, "general.alignment", 32)
                                : bb_gguf_out_u32(o, "general.alignment", i ? 48 : 0),
                         BB_OK);
        ck_assert_int_eq(bb_gguf_out_seal(o, &s.header, &s.n, &s.bytes, &err), BB_E_INVALID);
        bb_gguf_out_free(o);
    }
}
END_TEST

START_TEST(refused) {
    uint64_t dims[] = {172, 2, 1, 1, 1}, huge[] = {1ull << 40, 1ull << 40}, large[] = {1ull << 60};
    char name[70];
    bb_error err = {0};
    bb_gguf_out *o = fresh(0);
    memset(name, 'n', 64);
    name[64] = 0;
    ck_assert_int_eq(bb_gguf_out_tensor(o, name, 2, dims, type("f32"), &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_gguf_out_tensor(o, "", 2, dims, type("f32"), &err), BB_E_ARG);
    ck_assert_int_eq(bb_gguf_out_tensor(o, "x", 5, dims, type("f32"), &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_gguf_out_tensor(o, "x", 2, dims, type("u8"), &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_gguf_out_tensor(o, "x", 2, huge, type("f32"), &err), BB_E_OVERFLOW);
    ck_assert_int_eq(bb_gguf_out_tensor(o, "x", 2, dims, type("q4_K"), &err), BB_E_ARG);
    ck_assert_msg(strstr(err.text, "rows of 172") && strstr(err.text, "256"), "%s", err.text);
    name[63] = 0;
    ck_assert_int_eq(bb_gguf_out_tensor(o, name, 2, dims, type("f32"), &err), BB_OK);
    ck_assert_int_eq(bb_gguf_out_tensor(o, "twice\n", 2, dims, type("f32"), &err), BB_OK);
    ck_assert_int_eq(bb_gguf_out_tensor(o, "twice\n", 2, dims, type("f16"), &err), BB_OK);
    sealed s = {0};
    ck_assert_int_eq(bb_gguf_out_seal(o, &s.header, &s.n, &s.bytes, &err), BB_E_INVALID);
    ck_assert_msg(strstr(err.text, "'twice\\x0A' stands twice") || strstr(err.text, "'twice\\x0a' stands twice"), "%s",
                  err.text);
    ck_assert_ptr_null(s.header);
    bb_gguf_out_free(o);
    o = fresh(0);
    for (size_t i = 0; i < 4; i++) {
        char n[2] = {(char)('a' + i), 0};
        ck_assert_int_eq(bb_gguf_out_tensor(o, n, 1, large, type("f32"), &err), BB_OK);
    }
    ck_assert_int_eq(bb_gguf_out_seal(o, &s.header, &s.n, &s.bytes, &err), BB_E_OVERFLOW);
    bb_gguf_out_free(o);
}
END_TEST

START_TEST(limit) {
    bb_gguf_out *o = fresh(0);
    size_t n = 60 << 20;
    char *text = malloc(n + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, 't', n);
    text[n] = 0;
    ck_assert_int_eq(bb_gguf_out_text(o, "a", text), BB_OK);
    ck_assert_int_eq(bb_gguf_out_text(o, "b", text), BB_OK);
    ck_assert_int_eq(bb_gguf_out_text(o, "c", text), BB_E_LIMIT);
    ck_assert(!bb_gguf_out_has(o, "c") && bb_gguf_out_has(o, "b"));
    bb_gguf_out_free(o);
    free(text);
}
END_TEST

static bool not_general(void *ctx, const char *key) {
    ++*(size_t *)ctx;
    return strncmp(key, "general.", 8) != 0;
}

START_TEST(some_keys) {
    size_t asked = 0;
    bb_file *f = NULL;
    ck_assert_int_eq(bb_file_open("data/demo.gguf", &f, NULL), BB_OK);
    bb_gguf_out *o = fresh(0);
    ck_assert(bb_gguf_out_text(o, "general.name", "mine") == BB_OK &&
              bb_gguf_out_text(o, "tokenizer.ggml.model", "mine too") == BB_OK);
    ck_assert_int_eq(bb_gguf_out_copy(o, f, not_general, &asked, NULL), BB_OK);
    ck_assert_uint_ge(asked, f->n_meta);
    sealed s = seal(o);
    bb_file *g = write_out("some.gguf", &s);
    ck_assert_str_eq(g->meta[0].key, "general.name");
    ck_assert_str_eq(g->meta[0].v.text.data, "mine"); /* what was not kept replaces nothing */
    ck_assert_str_eq(bb_meta_text(g, "tokenizer.ggml.model"), bb_meta_text(f, "tokenizer.ggml.model"));
    size_t n = 1;
    for (size_t i = 0; i < f->n_meta; i++)
        if (strncmp(f->meta[i].key, "general.", 8) != 0) ck_assert_str_eq(g->meta[n++].key, f->meta[i].key);
    ck_assert_uint_eq(g->n_meta, n);
    bb_file_close(f);
    bb_file_close(g);
    bb_gguf_out_free(o);
}
END_TEST

/* Between opening and copying the file was cut: an error, and nothing of it stays. */
START_TEST(cut_meanwhile) {
    bb_gguf_out *o = fresh(0);
    bb_error err = {0};
    ck_assert_int_eq(bb_gguf_out_text(o, "key", "value"), BB_OK);
    sealed s = seal(o);
    bb_file *f = write_out("cut.gguf", &s);
    bb_gguf_out_free(o);
    o = fresh(0);
    ck_assert_int_eq(bb_gguf_out_u32(o, "key", 7), BB_OK);
    ck_assert_int_eq(truncate(made_path("cut.gguf"), 45), 0);
    ck_assert_int_eq(bb_gguf_out_copy(o, f, NULL, NULL, &err), BB_E_TRUNCATED);
    ck_assert_msg(strstr(err.text, "'key'"), "%s", err.text);
    s = seal(o);
    bb_file *g = write_out("kept.gguf", &s);
    uint64_t u;
    ck_assert(g->n_meta == 1 && bb_meta_u64(g, "key", &u) && u == 7);
    bb_file_close(f);
    bb_file_close(g);
    bb_gguf_out_free(o);
}
END_TEST

/* ---- every file that there is ---- */

static void same_meta(const char *path, const bb_file *f, const bb_file *g) {
    ck_assert_msg(f->n_meta == g->n_meta, "%s", path);
    for (size_t i = 0; i < f->n_meta; i++) {
        const bb_meta *a = &f->meta[i], *b = &g->meta[i];
        ck_assert_str_eq(a->key, b->key);
        ck_assert_str_eq(a->type_in_file, b->type_in_file);
        if (a->kind == BB_META_TEXT)
            ck_assert(a->v.text.len == b->v.text.len && !memcmp(a->v.text.data, b->v.text.data, a->v.text.len));
        else if (a->kind == BB_META_BOOL)
            ck_assert(a->v.b == b->v.b);
        else if (a->kind != BB_META_ARRAY)
            ck_assert_uint_eq(a->v.u64, b->v.u64); /* the bits of a number */
        else {
            ck_assert_str_eq(a->v.array.element_in_file, b->v.array.element_in_file);
            ck_assert_uint_eq(a->v.array.count, b->v.array.count);
            ck_assert(!a->v.array.numbers == !b->v.array.numbers);
            if (a->v.array.numbers)
                ck_assert(!memcmp(a->v.array.numbers, b->v.array.numbers, (size_t)a->v.array.count * 8));
        }
        if (f->version == 1) continue;
        /* the bytes too, which holds for the strings of arrays */
        ck_assert_uint_eq(a->bytes, b->bytes);
        char *x = malloc((size_t)a->bytes), *y = malloc((size_t)a->bytes);
        ck_assert(x && y && bb_source_read(f->src, a->at, x, (size_t)a->bytes, NULL) == BB_OK &&
                  bb_source_read(g->src, b->at, y, (size_t)a->bytes, NULL) == BB_OK);
        ck_assert_msg(!memcmp(x, y, (size_t)a->bytes), "%s: %s", path, a->key);
        free(x);
        free(y);
    }
}

/* Whether the file could be copied; it then was, and reads the same. */
static bool copied(const char *path) {
    bb_file *f = NULL;
    if (bb_file_open(path, &f, NULL) != BB_OK) return false;
    if (strcmp(f->format, "gguf") != 0) {
        bb_file_close(f);
        return false;
    }
    bb_error err = {0};
    bb_gguf_out *o = fresh(0);
    bb_status status = bb_gguf_out_copy(o, f, NULL, NULL, &err);
    ck_assert_msg(status == BB_OK, "%s: %s", path, err.text);
    bool all = true;
    for (size_t i = 0; i < f->n_tensors && all; i++) {
        const bb_tensor *t = &f->tensors[i];
        all = t->type && bb_gguf_out_tensor(o, t->name, t->n_dims, t->dims, t->type, NULL) == BB_OK;
    }
    if (all) {
        sealed s = seal(o);
        bb_file *g = write_out("copy.gguf", &s);
        same_meta(path, f, g);
        ck_assert_uint_eq(f->n_tensors, g->n_tensors);
        ck_assert_uint_eq(g->version, 3);
        for (size_t i = 0; i < f->n_tensors; i++) {
            const bb_tensor *a = &f->tensors[i], *b = &g->tensors[i];
            ck_assert_str_eq(a->name, b->name);
            ck_assert(a->type == b->type && a->n_dims == b->n_dims && !memcmp(a->dims, b->dims, a->n_dims * 8));
            ck_assert(a->bytes == b->bytes && b->offset == bb_gguf_out_offset(o, i));
        }
        bb_file_close(g);
    }
    bb_gguf_out_free(o);
    bb_file_close(f);
    return all;
}

START_TEST(copies) {
    char shared[512];
    const char *root = getenv("BB_SHARED");
    glob_t found = {0};
    glob("tests/fuzz/corpus/gguf/*", 0, NULL, &found);
    glob("data/*.gguf", GLOB_APPEND, NULL, &found);
    snprintf(shared, sizeof shared, "%s/models/*/*.gguf", root && *root ? root : "../shared");
    glob(shared, GLOB_APPEND, NULL, &found);
    snprintf(shared, sizeof shared, "%s/malformed/*/*.gguf", root && *root ? root : "../shared");
    glob(shared, GLOB_APPEND, NULL, &found);
    size_t n = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) n += copied(found.gl_pathv[i]);
    globfree(&found);
    fprintf(stderr, "# %zu files copied\n", n);
    ck_assert_uint_ge(n, 5);
    ck_assert(copied("data/demo.gguf") && copied("tests/fuzz/corpus/gguf/ok_v1.gguf"));
}
END_TEST

/* llama.cpp wrote the demo model: with keys and tensors in its order the header is the same bytes. */
START_TEST(same_bytes) {
    bb_file *f = NULL;
    ck_assert_int_eq(bb_file_open("data/demo.gguf", &f, NULL), BB_OK);
    bb_gguf_out *o = fresh(0);
    ck_assert_int_eq(bb_gguf_out_copy(o, f, NULL, NULL, NULL), BB_OK);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const bb_tensor *t = &f->tensors[i];
        ck_assert_int_eq(bb_gguf_out_tensor(o, t->name, t->n_dims, t->dims, t->type, NULL), BB_OK);
    }
    sealed s = seal(o);
    ck_assert_uint_eq(s.n, f->data_offset);
    ck_assert_uint_eq(s.bytes, bb_source_size(f->src));
    unsigned char *theirs = malloc(s.n);
    ck_assert(theirs && bb_source_read(f->src, 0, theirs, s.n, NULL) == BB_OK);
    ck_assert_int_eq(memcmp(theirs, s.header, s.n), 0);
    free(theirs);
    bb_gguf_out_free(o);
    bb_file_close(f);
}
END_TEST

/* Version 1 with 32-bit lengths: a text, an array of texts and an array of arrays, by hand. */
START_TEST(version_1) {
    static const unsigned char v1[] = "GGUF\1\0\0\0"
                                      "\0\0\0\0\3\0\0\0"
                                      "\1\0\0\0t\10\0\0\0\2\0\0\0hi"
                                      "\1\0\0\0a\11\0\0\0\10\0\0\0\2\0\0\0\1\0\0\0x\0\0\0\0"
                                      "\1\0\0\0n\11\0\0\0\11\0\0\0\1\0\0\0\2\0\0\0\2\0\0\0\1\2\3\4";
    static const unsigned char v3[] = "GGUF\3\0\0\0"
                                      "\0\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0"
                                      "\1\0\0\0\0\0\0\0t\10\0\0\0\2\0\0\0\0\0\0\0hi"
                                      "\1\0\0\0\0\0\0\0a\11\0\0\0\10\0\0\0\2\0\0\0\0\0\0\0"
                                      "\1\0\0\0\0\0\0\0x\0\0\0\0\0\0\0\0"
                                      "\1\0\0\0\0\0\0\0n\11\0\0\0\11\0\0\0\1\0\0\0\0\0\0\0"
                                      "\2\0\0\0\2\0\0\0\0\0\0\0\1\2\3\4";
    made_file("v1.gguf", v1, sizeof v1 - 1);
    bb_file *f = made_open("v1.gguf");
    bb_gguf_out *o = fresh(0);
    ck_assert_int_eq(bb_gguf_out_copy(o, f, NULL, NULL, NULL), BB_OK);
    sealed s = seal(o);
    ck_assert_uint_ge(s.n, sizeof v3 - 1);
    ck_assert_int_eq(memcmp(s.header, v3, sizeof v3 - 1), 0);
    for (size_t i = sizeof v3 - 1; i < s.n; i++) ck_assert_uint_eq(s.header[i], 0);
    bb_file_close(f);
    bb_gguf_out_free(o);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gguf_write");
    TCase *t = tcase_create("gguf_write");
    tcase_add_checked_fixture(t, made_begin, made_end);
    tcase_add_test(t, values);
    tcase_add_test(t, alignment);
    tcase_add_test(t, refused);
    tcase_add_test(t, limit);
    tcase_add_test(t, some_keys);
    tcase_add_test(t, cut_meanwhile);
    tcase_add_test(t, copies);
    tcase_add_test(t, same_bytes);
    tcase_add_test(t, version_1);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
