/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_mixture.c - types per tensor against llama-quantize's own choice for eleven models and 32 file types. */
#include "base/csv.h"
#include "base/source.h"
#include "graph/graph.h"
#include "harness.h"
#include "model/catalogue.h"
#include "model/mixture.h"
#include "quant/quant.h"
#include <string.h>
#include <strings.h>

typedef struct list {
    bb_graph_tensor *names;
    bb_mix_tensor *t;
    size_t n;
} list;

static list tensors_of(const bb_arch *a) {
    list l;
    bb_graph g;
    bb_error err;
    ck_assert_msg(bb_graph_build(a, &g, &err) == BB_OK, "%s", err.text);
    ck_assert(bb_graph_tensors(&g, false, &l.names, &l.n) == BB_OK);
    bb_graph_clear(&g);
    l.t = calloc(l.n, sizeof *l.t);
    for (size_t i = 0; i < l.n; i++) {
        l.t[i].name = l.names[i].name;
        l.t[i].n_dims = l.names[i].n_dims;
        memcpy(l.t[i].dims, l.names[i].dims, sizeof l.t[i].dims);
    }
    return l;
}

static void clear(list *l) {
    free(l->names);
    free(l->t);
}

static uint64_t bytes_of(const bb_mix_tensor *t) {
    uint64_t row = 0, rows = 1;
    for (uint32_t d = 1; d < t->n_dims; d++) rows *= t->dims[d];
    ck_assert_msg(bb_dtype_row_bytes(t->type, t->dims[0], &row) == BB_OK, "%s", t->name);
    return row * rows;
}

static uint64_t total(const list *l) {
    uint64_t sum = 0;
    for (size_t i = 0; i < l->n; i++) sum += bytes_of(&l->t[i]);
    return sum;
}

static size_t count(const list *l, const char *type, size_t len) {
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        const char *name = bb_dtype_name(l->t[i].type);
        n += strlen(name) == len && strncasecmp(name, type, len) == 0;
    }
    return n;
}

static bb_catalogue *catalogue(void) {
    bb_catalogue *cat;
    bb_error err;
    ck_assert_msg(bb_catalogue_load(NULL, NULL, &cat, &err) == BB_OK, "%s", err.text);
    return cat;
}

/* "F32:65 Q4_0:225 Q6_K:1" */
static void check_counts(const list *l, const char *counts, const char *what) {
    size_t sum = 0;
    while (*counts) {
        char *end;
        size_t len = strcspn(counts, ":");
        unsigned long n = strtoul(counts + len + 1, &end, 10);
        size_t got = count(l, counts, len);
        ck_assert_msg(got == n, "%s: %zu of %.*s, llama-quantize has %lu", what, got, (int)len, counts, n);
        sum += got;
        counts = end + strspn(end, " ");
    }
    ck_assert_uint_eq(sum, l->n);
}

START_TEST(sizes) {
    char *text;
    size_t n;
    bb_csv *csv;
    bb_catalogue *cat = catalogue();
    ck_assert(bb_source_slurp(TEST_DATA("mixture/quant_sizes.csv"), 1 << 20, &text, &n, NULL) == BB_OK);
    ck_assert(bb_csv_parse(text, n, "quant_sizes.csv", &bb_csv_default_limits, &csv, NULL) == BB_OK);
    ck_assert_uint_eq(bb_csv_rows(csv), 352);
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        const bb_arch *a = bb_catalogue_find(cat, bb_csv_cell(csv, i, 0), NULL);
        const bb_ftype *ft = bb_ftype_find(bb_csv_cell(csv, i, 1), NULL);
        uint64_t bytes = 0, tensors = 0;
        bool empty;
        char what[64];
        snprintf(what, sizeof what, "%s %s", bb_csv_cell(csv, i, 0), bb_csv_cell(csv, i, 1));
        ck_assert_msg(a && ft, "%s", what);
        ck_assert(bb_csv_get_u64(csv, i, 2, &bytes, &empty, NULL) == BB_OK);
        ck_assert(bb_csv_get_u64(csv, i, 3, &tensors, &empty, NULL) == BB_OK);
        list l = tensors_of(a);
        ck_assert_uint_eq(l.n, tensors);
        ck_assert(bb_mixture(ft, a, false, l.t, l.n, NULL) == BB_OK);
        check_counts(&l, bb_csv_cell(csv, i, 4), what);
        ck_assert_msg(total(&l) == bytes, "%s", what);
        clear(&l);
    }
    bb_csv_free(csv);
    free(text);
    bb_catalogue_free(cat);
}
END_TEST

START_TEST(tensor_by_tensor) {
    static const char *const models[] = {"llama-2-7b",    "llama-2-70b",  "llama-3.1-8b",
                                         "llama-3.1-70b", "llama-3.2-1b", "mixtral-8x7b"};
    bb_catalogue *cat = catalogue();
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        char path[128], *text;
        size_t n, seen = 0;
        snprintf(path, sizeof path, "tests/data/mixture/%s.Q4_K_M.tsv", models[m]);
        ck_assert(bb_source_slurp(path, 1 << 20, &text, &n, NULL) == BB_OK);
        const bb_arch *a = bb_catalogue_find(cat, models[m], NULL);
        list l = tensors_of(a);
        ck_assert(bb_mixture(bb_ftype_find("q4_K_M", NULL), a, false, l.t, l.n, NULL) == BB_OK);
        for (char *name = strtok(text, "\t"); name; name = strtok(NULL, "\t")) {
            const char *type = strtok(NULL, "\n");
            size_t i = 0;
            while (i < l.n && strcmp(l.t[i].name, name) != 0) i++;
            ck_assert_msg(i < l.n, "%s: %s", models[m], name);
            ck_assert_msg(strcasecmp(type, bb_dtype_name(l.t[i].type)) == 0, "%s: %s is %s, not %s", models[m], name,
                          bb_dtype_name(l.t[i].type), type);
            seen++;
        }
        ck_assert_uint_eq(seen, l.n);
        clear(&l);
        free(text);
    }
    bb_catalogue_free(cat);
}
END_TEST

/* The embedded default: 4.58 GiB of weights. */
START_TEST(default_model) {
    bb_catalogue *cat = catalogue();
    const bb_arch *a = bb_catalogue_find(cat, "llama-3.1-8b", NULL);
    list l = tensors_of(a);
    ck_assert(bb_mixture(bb_ftype_find("q4_K_M", NULL), a, false, l.t, l.n, NULL) == BB_OK);
    ck_assert_uint_eq(total(&l), 4912898304);
    clear(&l);
    bb_catalogue_free(cat);
}
END_TEST

static const char *type_of(const list *l, const char *name) {
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->t[i].name, name) == 0) return bb_dtype_name(l->t[i].type);
    return "absent";
}

/* specs/ggml.md 3.10, the cases seen with real files: 288 wide, and stories260K's ffn_down of 172. */
START_TEST(fallbacks) {
    bb_arch a = {.name = "x", .family = "llama", .layers = 8, .hidden = 288, .heads = 6, .kv_heads = 6};
    a.head_dim = 48;
    a.ffn = 768;
    a.vocab = 512;
    list l = tensors_of(&a);
    ck_assert(bb_mixture(bb_ftype_find("q4_K_M", NULL), &a, false, l.t, l.n, NULL) == BB_OK);
    ck_assert_str_eq(type_of(&l, "blk.1.attn_q.weight"), "q5_0");
    ck_assert_str_eq(type_of(&l, "blk.0.attn_v.weight"), "q8_0");
    ck_assert_str_eq(type_of(&l, "output.weight"), "q8_0");
    ck_assert_str_eq(type_of(&l, "blk.1.ffn_down.weight"), "q4_K");
    ck_assert_str_eq(type_of(&l, "blk.0.ffn_down.weight"), "q6_K");
    static const struct {
        const char *ftype, *attn_q;
    } cases[] = {{"q2_K", "q4_0"},    {"q3_K_S", "q4_0"}, {"q5_K_S", "q5_1"}, {"q6_K", "q8_0"}, {"iq4_xs", "iq4_nl"},
                 {"iq3_s", "iq4_nl"}, {"tq1_0", "q4_0"},  {"q8_0", "q8_0"},   {"q4_0", "q4_0"}, {"bf16", "bf16"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert(bb_mixture(bb_ftype_find(cases[i].ftype, NULL), &a, false, l.t, l.n, NULL) == BB_OK);
        ck_assert_msg(strcmp(type_of(&l, "blk.1.attn_q.weight"), cases[i].attn_q) == 0, "%s: %s", cases[i].ftype,
                      type_of(&l, "blk.1.attn_q.weight"));
    }
    clear(&l);
    a.ffn = 172;
    l = tensors_of(&a);
    for (size_t i = 0; i < bb_ftype_count(); i++) {
        const bb_ftype *ft = bb_ftype_at(i);
        bool plain = strcmp(ft->name, "f32") == 0 || strcmp(ft->name, "bf16") == 0;
        bb_error err;
        bb_status st = bb_mixture(ft, &a, false, l.t, l.n, &err);
        if (strcmp(ft->name, "q1_0") == 0) { /* blocks of 128, and llama-quantize knows no fallback */
            ck_assert_int_eq(st, BB_E_UNSUPPORTED);
            ck_assert_msg(strstr(err.text, "288"), "%s", err.text);
            continue;
        }
        ck_assert(st == BB_OK);
        ck_assert_str_eq(type_of(&l, "blk.0.ffn_down.weight"), plain ? ft->name : "f16");
        ck_assert_str_eq(type_of(&l, "blk.0.ffn_norm.weight"), "f32");
        total(&l); /* every row divides into the blocks of its type */
    }
    clear(&l);
}
END_TEST

/* llama-quant.cpp's rules of one family: falcon's matrices, and what it calls a 70B model by its layers. */
START_TEST(families) {
    bb_catalogue *cat = catalogue();
    const bb_arch *falcon = bb_catalogue_find(cat, "falcon-7b", NULL);
    ck_assert_ptr_nonnull(falcon);
    list l = tensors_of(falcon);
    ck_assert(bb_mixture(bb_ftype_find("q4_K_M", NULL), falcon, false, l.t, l.n, NULL) == BB_OK);
    ck_assert_str_eq(type_of(&l, "output.weight"), "q8_0");
    clear(&l);
    bb_arch a = {.name = "x", .family = "falcon", .layers = 32, .hidden = 4096, .heads = 64, .kv_heads = 1};
    a.head_dim = 64;
    a.ffn = 16384;
    a.vocab = 1024;
    a.one_norm = true;
    l = tensors_of(&a);
    ck_assert(bb_mixture(bb_ftype_find("q4_K_M", NULL), &a, false, l.t, l.n, NULL) == BB_OK);
    ck_assert_str_eq(type_of(&l, "blk.1.ffn_down.weight"), "q6_K"); /* 1 < 32 / 16 */
    ck_assert_str_eq(type_of(&l, "blk.3.ffn_down.weight"), "q5_K"); /* more bits */
    ck_assert_str_eq(type_of(&l, "blk.4.ffn_down.weight"), "q4_K");
    ck_assert(bb_mixture(bb_ftype_find("q3_K_L", NULL), &a, false, l.t, l.n, NULL) == BB_OK);
    ck_assert_str_eq(type_of(&l, "blk.9.attn_output.weight"), "q4_K");
    ck_assert_str_eq(type_of(&l, "blk.9.ffn_down.weight"), "q4_K");
    clear(&l);
    static const struct {
        const char *family, *v;
        uint64_t kv_heads;
    } seventy[] = {{"llama", "q5_K", 8}, {"llama", "q4_K", 64}, {"qwen2", "q5_K", 64}, {"qwen3", "q4_K", 8}};
    for (size_t i = 0; i < sizeof seventy / sizeof *seventy; i++) {
        bb_arch b = {.name = "x", .layers = 80, .hidden = 8192, .heads = 64, .kv_heads = seventy[i].kv_heads};
        strcpy(b.family, seventy[i].family);
        b.head_dim = 128;
        b.ffn = 8192;
        b.vocab = 1024;
        l = tensors_of(&b);
        ck_assert(bb_mixture(bb_ftype_find("q4_K_M", NULL), &b, false, l.t, l.n, NULL) == BB_OK);
        ck_assert_str_eq(type_of(&l, "blk.10.attn_v.weight"), seventy[i].v); /* one without more bits */
        clear(&l);
    }
    bb_catalogue_free(cat);
}
END_TEST

/* Bits per weight of Llama-3.1-8B in llama.cpp's tools/quantize/README.md: made with an importance matrix, but for the
 * two IQ4 types, whose rows are those without one. */
START_TEST(with_imatrix) {
    static const struct {
        const char *ftype;
        double bpw;
        bool imatrix;
    } rows[] = {
        {"iq1_s", 2.0042, true},  {"iq1_m", 2.1460, true},  {"iq2_xxs", 2.3824, true}, {"iq2_xs", 2.5882, true},
        {"iq2_s", 2.7403, true},  {"iq2_m", 2.9294, true},  {"iq3_xxs", 3.2548, true}, {"iq3_xs", 3.4977, true},
        {"iq3_s", 3.6606, true},  {"iq3_m", 3.7628, true},  {"iq4_xs", 4.4597, false}, {"iq4_nl", 4.6818, false},
        {"q2_K_S", 2.9697, true}, {"q2_K", 3.1593, true},   {"q3_K_S", 3.6429, true},  {"q3_K_M", 3.9960, true},
        {"q3_K_L", 4.2979, true}, {"q4_K_S", 4.6672, true}, {"q4_K_M", 4.8944, true},  {"q5_K_S", 5.5704, true},
        {"q5_K_M", 5.7036, true}, {"q6_K", 6.5633, true},   {"q8_0", 8.5008, true},    {"f16", 16.0005, true},
    };
    bb_catalogue *cat = catalogue();
    const bb_arch *a = bb_catalogue_find(cat, "llama-3.1-8b", NULL);
    list l = tensors_of(a);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert(bb_mixture(bb_ftype_find(rows[i].ftype, NULL), a, rows[i].imatrix, l.t, l.n, NULL) == BB_OK);
        double bpw = (double)total(&l) * 8 / 8030261248.0;
        ck_assert_msg(bpw > rows[i].bpw - 6e-5 && bpw < rows[i].bpw + 6e-5, "%s: %.4f, not %.4f", rows[i].ftype, bpw,
                      rows[i].bpw);
    }
    ck_assert(bb_mixture(bb_ftype_find("q4_0", NULL), a, true, l.t, l.n, NULL) == BB_OK);
    ck_assert_str_eq(type_of(&l, "blk.3.ffn_down.weight"), "q4_1");
    ck_assert_str_eq(type_of(&l, "blk.4.ffn_down.weight"), "q4_0");
    clear(&l);
    bb_catalogue_free(cat);
}
END_TEST

static int reversed(const void *a, const void *b) {
    return -strcmp(((const bb_mix_tensor *)a)->name, ((const bb_mix_tensor *)b)->name);
}

/* The order of the caller's list does not matter. */
START_TEST(any_order) {
    bb_catalogue *cat = catalogue();
    const bb_arch *a = bb_catalogue_find(cat, "mixtral-8x7b", NULL);
    list l = tensors_of(a);
    for (size_t f = 0; f < bb_ftype_count(); f++) {
        bb_mixture(bb_ftype_at(f), a, false, l.t, l.n, NULL);
        bb_mix_tensor *other = malloc(l.n * sizeof *other);
        memcpy(other, l.t, l.n * sizeof *other);
        qsort(other, l.n, sizeof *other, reversed);
        ck_assert(bb_mixture(bb_ftype_at(f), a, false, other, l.n, NULL) == BB_OK);
        for (size_t i = 0; i < l.n; i++) ck_assert_str_eq(type_of(&l, other[i].name), bb_dtype_name(other[i].type));
        free(other);
    }
    clear(&l);
    bb_catalogue_free(cat);
}
END_TEST

START_TEST(of_a_storage_type_alone) {
    static const struct {
        const char *type;
        int32_t number;
    } rows[] = {{"q8_0", 7}, {"q6_K", 18}, {"q3_K", 12}, {"q4_K", 15}, {"q5_K", 17}, {"mxfp4", 38}, {"nvfp4", 39}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const bb_ftype *ft = bb_ftype_pure(bb_dtype_find(rows[i].type, NULL));
        ck_assert(ft != NULL);
        ck_assert_str_eq(ft->base, rows[i].type);
        ck_assert_str_eq(ft->name, rows[i].type);
        ck_assert_int_eq(ft->number, rows[i].number);
    }
    ck_assert(bb_ftype_pure(bb_dtype_find("q8_1", NULL)) == NULL);
    ck_assert(bb_ftype_pure(bb_dtype_find("nf4", NULL)) == NULL);
    for (size_t i = 0; i < bb_dtype_count(); i++) { /* whatever can be written has one */
        const bb_dtype *t = bb_dtype_at(i);
        const bb_codec *c = bb_codec_find(t, BB_ISA_SCALAR);
        if (t->gguf_id != BB_NO_GGUF_ID && c && c->encode) ck_assert_msg(bb_ftype_pure(t) != NULL, "%s", t->name);
    }
}
END_TEST

START_TEST(names) {
    bb_error err;
    ck_assert_int_eq(bb_ftype_find("Q4_K_M", NULL)->number, 15);
    ck_assert_int_eq(bb_ftype_find("q4-k-m", NULL)->number, 15);
    ck_assert_int_eq(bb_ftype_find("mxfp4_moe", NULL)->number, 38);
    ck_assert_ptr_null(bb_ftype_find("q4_K_X", &err));
    ck_assert_int_eq(err.status, BB_E_NAME);
    ck_assert_msg(strstr(err.text, "q4_K_M") || strstr(err.text, "q4_K_S"), "%s", err.text);
    for (size_t i = 0; i < bb_ftype_count(); i++) {
        ck_assert_msg(bb_dtype_find(bb_ftype_at(i)->base, NULL) != NULL, "%s", bb_ftype_at(i)->base);
        bool taken = false; /* a number means the newer mixture, which stands first */
        for (size_t j = 0; j < i; j++) taken = taken || bb_ftype_at(i)->number == bb_ftype_at(j)->number;
        ck_assert(taken == bb_ftype_at(i)->old);
    }
    ck_assert_ptr_null(bb_ftype_at(bb_ftype_count()));
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("mixture");
    TCase *t = tcase_create("mixture");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, sizes);
    tcase_add_test(t, tensor_by_tensor);
    tcase_add_test(t, default_model);
    tcase_add_test(t, fallbacks);
    tcase_add_test(t, families);
    tcase_add_test(t, with_imatrix);
    tcase_add_test(t, any_order);
    tcase_add_test(t, of_a_storage_type_alone);
    tcase_add_test(t, names);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(make_suite)
