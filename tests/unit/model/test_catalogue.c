/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_catalogue.c - the shipped tables, users' tables on top of them, and names as people type them. */
#include "harness.h"
#include "model/shape_find.h"
#include <string.h>

static char path[64];

static const char *file_with(const char *text) {
    strcpy(path, "/tmp/bb_test_catalogue_XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    return path;
}

static bb_catalogue *shipped(void) {
    bb_catalogue *cat;
    bb_error err;
    ck_assert_msg(bb_catalogue_load(NULL, NULL, &cat, &err) == BB_OK, "%s", err.text);
    return cat;
}

START_TEST(shipped_tables) {
    bb_catalogue *cat = shipped();
    ck_assert_uint_ge(bb_catalogue_models(cat), 100);
    for (size_t i = 0; i < bb_catalogue_gpus(cat); i++) {
        const bb_gpu *g = bb_catalogue_gpu(cat, i);
        ck_assert_str_ne(g->source, "");
        if (g->usable_bytes) ck_assert_int_eq(g->usable_status, BB_ASSUMED);
        if (g->driver_mib > 0) {
            double share = (double)g->usable_bytes / (g->driver_mib * 1048576.0);
            ck_assert_msg(share > 0.9849 && share <= 0.985, "%s: %f", g->name, share);
        }
    }
    const bb_gpu *g = bb_gpu_find(cat, "RTX 4090", NULL);
    ck_assert_double_eq_tol((double)g->usable_bytes / 1073741824.0, 23.63, 0.005);
    /* No driver's total is known: 0.985 of 12 GiB, and of 192e9 bytes for a card that is not sold by the GiB. */
    ck_assert_uint_eq(bb_gpu_find(cat, "RTX 5070", NULL) == NULL, 0);
    ck_assert_uint_eq(bb_gpu_find(cat, "RTX 3080 Ti", NULL)->usable_bytes, (uint64_t)(0.985 * 12 * 1073741824.0));
    ck_assert_uint_eq(bb_gpu_find(cat, "MI300X", NULL)->usable_bytes, (uint64_t)(0.985 * 192e9));
    ck_assert_uint_eq(bb_gpu_find(cat, "Apple M2 Ultra", NULL)->usable_bytes, 0);
    bool llama_cpp = false;
    for (size_t i = 0; i < bb_catalogue_overheads(cat); i++) {
        const bb_overhead *o = bb_catalogue_overhead(cat, i);
        ck_assert(o->low_bytes <= o->typical_bytes && o->typical_bytes <= o->high_bytes);
        ck_assert_str_ne(o->source, "");
        llama_cpp |= strcmp(o->engine, "llama.cpp") == 0;
    }
    ck_assert(llama_cpp);
    ck_assert_uint_eq(bb_csv_rows(bb_catalogue_csv(cat, "gpus")), bb_catalogue_gpus(cat));
    ck_assert_ptr_null(bb_catalogue_csv(cat, "cats"));
    bb_catalogue_free(cat);
}
END_TEST

static const char *cell_of(const bb_csv *csv, size_t row, const char *column) {
    size_t c = bb_csv_column(csv, column);
    ck_assert_msg(c != SIZE_MAX, "no column %s", column);
    return bb_csv_cell(csv, row, c);
}

static bool has_value(const bb_csv *csv, const char *column, const char *value) {
    for (size_t r = 0; r < bb_csv_rows(csv); r++)
        if (strcmp(cell_of(csv, r, column), value) == 0) return true;
    return false;
}

START_TEST(families) {
    static const char *const archs[] = {"llama",   "qwen",      "qwen2",   "qwen2moe",   "qwen3",     "qwen3moe",
                                        "gemma",   "gemma2",    "gemma3",  "phi2",       "phi3",      "gpt2",
                                        "gptneox", "falcon",    "bloom",   "stablelm",   "olmo",      "olmo2",
                                        "olmoe",   "internlm2", "granite", "granitemoe", "deepseek2", "gpt-oss",
                                        "smollm3", "opt",       "chatglm", "bert",       "whisper"};
    static const char *const types[] = {"llama",       "mistral",     "mixtral",   "olmo3",
                                        "gemma3_text", "phi",         "gpt_neox",  "gpt_oss",
                                        "deepseek_v2", "deepseek_v3", "qwen2_moe", "qwen3_moe"};
    bb_catalogue *cat = shipped();
    const bb_csv *csv = bb_catalogue_csv(cat, "models");
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        ck_assert_msg(has_value(csv, "arch", archs[i]), "no model of %s", archs[i]);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        ck_assert_msg(has_value(csv, "hf_type", types[i]), "no model_type %s", types[i]);
    bb_catalogue_free(cat);
}
END_TEST

START_TEST(models_by_hub_name) {
    bb_catalogue *cat = shipped();
    const bb_csv *csv = bb_catalogue_csv(cat, "models");
    size_t with_hub = 0;
    for (size_t r = 0; r < bb_csv_rows(csv); r++) {
        bb_error err = {0};
        const char *hub = cell_of(csv, r, "hub"), *name = cell_of(csv, r, "name");
        ck_assert_str_ne(cell_of(csv, r, "source"), "");
        ck_assert_str_ne(cell_of(csv, r, "arch"), "");
        const bb_arch *a = bb_catalogue_find(cat, name, &err);
        ck_assert_msg(a && strcmp(a->name, name) == 0, "%s: %s", name, err.text);
        if (!*hub) continue;
        with_hub++;
        a = bb_catalogue_find(cat, hub, &err);
        ck_assert_msg(a && strcmp(a->hub, hub) == 0 && strcmp(a->name, name) == 0, "%s: %s", hub, err.text);
    }
    ck_assert_uint_ge(with_hub, bb_csv_rows(csv) - 1); /* the demo is ours */
    bb_catalogue_free(cat);
}
END_TEST

/* What the hub counts in the files of the models that it knows under the same name. */
START_TEST(totals_of_the_hub) {
    char buf[512];
    const char *truth_path = shared_path("truth/param_truth.csv", buf, sizeof buf);
    if (!truth_path) {
        skip_shared("truth/param_truth.csv");
        return;
    }
    FILE *f = fopen(truth_path, "rb");
    static char text[1 << 18];
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;
    if (f) fclose(f);
    bb_csv *truth = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_csv_parse(text, n, "truth", NULL, &truth, &err) == BB_OK, "%s", err.text);
    bb_catalogue *cat = shipped();
    const bb_csv *csv = bb_catalogue_csv(cat, "models");
    size_t compared = 0;
    for (size_t i = 0; i < bb_csv_rows(truth); i++)
        for (size_t r = 0; r < bb_csv_rows(csv); r++) {
            const char *hub = cell_of(csv, r, "hub");
            if (strcmp(cell_of(truth, i, "tier"), "B") != 0 || strcmp(cell_of(truth, i, "hf_name_or_base"), hub) != 0)
                continue;
            /* its file holds the tied head twice */
            if (strcmp(hub, "Qwen/Qwen3-0.6B") == 0) continue;
            ck_assert_msg(strcmp(cell_of(truth, i, "total_params"), cell_of(csv, r, "params")) == 0, "%s", hub);
            compared++;
        }
    ck_assert_uint_ge(compared, 30);
    bb_csv_free(truth);
    bb_catalogue_free(cat);
}
END_TEST

START_TEST(cards) {
    bb_catalogue *cat = shipped();
    const bb_csv *csv = bb_catalogue_csv(cat, "gpus");
    size_t usable = bb_csv_column(csv, "memory_gib"), driver = bb_csv_column(csv, "driver_mib"), drivers = 0;
    ck_assert(usable != SIZE_MAX && driver != SIZE_MAX && usable != driver);
    for (size_t r = 0; r < bb_csv_rows(csv); r++) {
        ck_assert_str_ne(cell_of(csv, r, "source"), "");
        ck_assert_str_ne(cell_of(csv, r, "vendor"), "");
        if (!*bb_csv_cell(csv, r, driver)) continue;
        drivers++;
        ck_assert_msg(strstr(cell_of(csv, r, "source"), "driver: ") != NULL, "%s", cell_of(csv, r, "name"));
    }
    ck_assert_uint_ge(drivers, 25);
    ck_assert(has_value(csv, "vendor", "NVIDIA") && has_value(csv, "vendor", "AMD") &&
              has_value(csv, "vendor", "Intel"));
    ck_assert(has_value(csv, "vendor", "Apple") && has_value(csv, "vendor", "Google"));
    bb_catalogue_free(cat);
}
END_TEST

static void gpu_is(const bb_catalogue *cat, const char *text, const char *want) {
    bb_error err = {0};
    const bb_gpu *g = bb_gpu_find(cat, text, &err);
    ck_assert_msg(g && strcmp(g->name, want) == 0, "%s: %s", text, g ? g->name : err.text);
}

static void gpu_unknown(const bb_catalogue *cat, const char *text, const char *words) {
    bb_error err = {0};
    ck_assert_ptr_null(bb_gpu_find(cat, text, &err));
    ck_assert_int_eq(err.status, BB_E_NAME);
    ck_assert_msg(strstr(err.text, words) != NULL, "'%s' is not in: %s", words, err.text);
}

START_TEST(gpu_names) {
    bb_catalogue *cat = shipped();
    gpu_is(cat, "RTX 4090", "RTX 4090");
    gpu_is(cat, "rtx-4090", "RTX 4090");
    gpu_is(cat, "4090", "RTX 4090");
    gpu_is(cat, "RTX 4080", "RTX 4080"); /* also the beginning of others */
    gpu_is(cat, "h200", "H200");
    gpu_is(cat, "h100 s", "H100 SXM");
    gpu_is(cat, "rtx4090", "RTX 4090");
    gpu_is(cat, "h100sxm", "H100 SXM");
    gpu_unknown(cat, "rtx409-0", "RTX 4090"); /* inside a number the separator has a meaning */
    gpu_unknown(cat, "RTX 409O", "RTX 4090");
    gpu_unknown(cat, "H100", "H100 SXM, H100 PCIe or H100 NVL");
    gpu_unknown(cat, "zzzzzzzzzzzz", "zzzzzzzzzzzz");
    gpu_unknown(cat, "", "empty");
    gpu_unknown(cat, "\033[31m", "x1B");
    bb_catalogue_free(cat);
}
END_TEST

START_TEST(model_names) {
    bb_catalogue *cat = shipped();
    bb_error err;
    static const char *const same[] = {"llama-3.1-8b", "Llama-3.1-8B", "llama_3_1_8b", "meta-llama/Llama-3.1-8B",
                                       "llama-3.1-8",  "llama3.1-8b"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const bb_arch *a = bb_catalogue_find(cat, same[i], &err);
        ck_assert_msg(a != NULL, "%s", err.text);
        ck_assert_str_eq(a->name, "llama-3.1-8b");
    }
    ck_assert_ptr_null(bb_catalogue_find(cat, "llama-31-8b", &err));
    ck_assert_ptr_null(bb_catalogue_find(cat, "lama-3.1-8b", &err));
    ck_assert_msg(strstr(err.text, "llama-3.1-8b") != NULL, "%s", err.text);
    bb_arch *copy;
    ck_assert(bb_arch_find("mixtral-8x7b", &copy, NULL) == BB_OK);
    ck_assert_str_eq(copy->family, "llama");
    ck_assert_uint_eq(copy->experts, 8);
    ck_assert_str_eq(copy->hub, "mistralai/Mixtral-8x7B-v0.1");
    bb_arch_free(copy);
    ck_assert(bb_arch_find("nothing-like-it", &copy, &err) == BB_E_NAME);
    bb_catalogue_free(cat);
}
END_TEST

#define GPU_HEAD   "name,memory_gib,bandwidth_gbs,fp16_tflops,int8_tops\n"
#define MODEL_HEAD "name,params,layers,hidden,heads,kv_heads,ffn,vocab\n"
#define MODEL_ROW  "llama-2-7b,6738415616,32,4096,32,32,11008,32000\n"

START_TEST(user_rows) {
    bb_catalogue *base = shipped(), *cat;
    bb_error err;
    file_with(GPU_HEAD "rtx 4090,20.5,1,2,3\nMine,8,100,10,20\n");
    ck_assert_msg(bb_catalogue_load(NULL, path, &cat, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(bb_catalogue_gpus(cat), bb_catalogue_gpus(base) + 1);
    const bb_gpu *g = bb_gpu_find(cat, "RTX 4090", NULL);
    ck_assert_uint_eq(g->usable_bytes, 22011707392);
    ck_assert_int_eq(g->usable_status, BB_ASSUMED); /* nobody said that it was measured */
    ck_assert_double_eq(bb_gpu_find(cat, "mine", NULL)->int8_tops, 20);
    ck_assert_uint_eq(bb_csv_rows(bb_catalogue_csv(cat, "gpus")), 2);
    ck_assert_uint_gt(bb_csv_rows(bb_catalogue_csv(cat, "models")), 2);
    bb_catalogue_free(cat);
    unlink(path);
    /* Any order of columns, a column of one's own, a family without a graph: the row is kept. */
    file_with("note,vocab,name,params,layers,hidden,heads,kv_heads,ffn,arch\nhello,9,LLAMA-2-7B,5,1,8,2,1,16,hal\n");
    ck_assert_msg(bb_catalogue_load(path, NULL, &cat, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(bb_catalogue_models(cat), bb_catalogue_models(base));
    const bb_arch *a = bb_catalogue_find(cat, "llama-2-7b", NULL);
    ck_assert_uint_eq(a->vocab, 9);
    ck_assert_uint_eq(a->head_dim, 4);
    ck_assert_str_eq(a->family, "hal");
    ck_assert_str_eq(bb_csv_cell(bb_catalogue_csv(cat, "models"), 0, 0), "hello");
    bb_catalogue_free(cat);
    unlink(path);
    file_with(GPU_HEAD);
    ck_assert(bb_catalogue_load(NULL, path, &cat, NULL) == BB_OK);
    ck_assert_uint_eq(bb_catalogue_gpus(cat), bb_catalogue_gpus(base));
    bb_catalogue_free(cat);
    unlink(path);
    bb_catalogue_free(base);
}
END_TEST

START_TEST(tables_alone) {
    bb_catalogue *cat = NULL, *all = shipped();
    bb_error err = {0};
    bb_arch a;
    bb_gpu g;
    file_with(GPU_HEAD "Mine,8,100,10,20\nOther,16,100,10,20\n");
    ck_assert_msg(bb_catalogue_tables(NULL, path, &cat, &err) == BB_OK, "%s", err.text);
    unlink(path);
    ck_assert_uint_eq(bb_catalogue_models(cat) + bb_catalogue_gpus(cat) + bb_catalogue_overheads(cat), 0);
    ck_assert_uint_eq(bb_csv_rows(bb_catalogue_csv(cat, "gpus")), 2);
    ck_assert(bb_catalogue_row_gpu(cat, 1, &g) == BB_OK && bb_catalogue_row_gpu(cat, 2, &g) == BB_E_ARG);
    ck_assert(bb_catalogue_row_gpu(cat, 1, &g) == BB_OK);
    ck_assert_str_eq(g.name, "Other");
    ck_assert_int_eq(g.usable_status, BB_ASSUMED);
    for (size_t r = 0; r < bb_catalogue_models(all); r++) {
        ck_assert(bb_catalogue_row_model(cat, r, &a) == BB_OK);
        ck_assert_str_eq(a.name, bb_catalogue_model(all, r)->name);
        ck_assert_uint_eq(a.head_dim, bb_catalogue_model(all, r)->head_dim);
    }
    bb_catalogue_free(cat);
    bb_catalogue_free(all);
}
END_TEST

static void refused(bool gpus, const char *text, const char *words) {
    bb_catalogue *cat = NULL;
    bb_error err = {0};
    file_with(text);
    bb_error alone = {0};
    bb_status st = bb_catalogue_load(gpus ? NULL : path, gpus ? path : NULL, &cat, &err);
    ck_assert_int_eq(bb_catalogue_tables(gpus ? NULL : path, gpus ? path : NULL, &cat, &alone), st);
    ck_assert_str_eq(alone.text, err.text);
    unlink(path);
    ck_assert_msg(st != BB_OK, "accepted: %s", text);
    ck_assert_int_eq(bb_status_exit(st), 3);
    ck_assert_msg(strstr(err.text, words) != NULL, "'%s' is not in: %s", words, err.text);
    ck_assert_msg(strstr(err.text, path) != NULL, "no file name in: %s", err.text);
    ck_assert_ptr_null(cat);
}

START_TEST(bad_tables) {
    refused(true, "name,memory_gib,bandwidth_gbs,fp16_tflops\nx,1,2,3\n", "'int8_tops' is missing");
    refused(true, GPU_HEAD "x,0,1,2,3\n", "line 2: memory_gib is not above 0");
    refused(true, GPU_HEAD "x,,1,2,3\n", "line 2: memory_gib is empty");
    refused(true, GPU_HEAD "a,8,1,2,3\n,8,1,2,3\n", "line 3: name is empty");
    refused(true, GPU_HEAD "x,0x50,1,2,3\n", "line 2");
    refused(true, GPU_HEAD "x,80 GiB,1,2,3\n", "line 2");
    refused(true, GPU_HEAD "x,\"1,024\",1,2,3\n", "line 2");
    refused(true, GPU_HEAD "x,1e300,1,2,3\n", "line 2");
    refused(true, GPU_HEAD "x,8,1,2,3\nX,8,1,2,3\n", "line 3: the name 'X' stands on line 2");
    refused(false, "name,params,layers,hidden,heads,kv_heads,ffn\nx,1,1,1,1,1,1\n", "'vocab' is missing");
    refused(false, MODEL_HEAD "x,0,32,4096,32,32,11008,32000\n", "line 2: params is 0");
    refused(false, MODEL_HEAD "x,,32,4096,32,32,11008,32000\n", "line 2: params is empty");
    refused(false, MODEL_HEAD "x,-5,32,4096,32,32,11008,32000\n", "line 2");
    refused(false, MODEL_HEAD "x,1,0,4096,32,32,11008,32000\n", "line 2: layers is 0; expected 1 to 100000");
    refused(false, MODEL_HEAD MODEL_ROW "x,1,1,4096,32,5,11008,32000\n", "line 3: kv_heads (5)");
    refused(false, MODEL_HEAD MODEL_ROW MODEL_ROW, "line 3: the name 'llama-2-7b' stands on line 2");
    bb_catalogue *cat = NULL;
    bb_error err;
    ck_assert(bb_catalogue_load("/nonexistent.csv", NULL, &cat, &err) == BB_E_OPEN);
    ck_assert_ptr_null(cat);
}
END_TEST

/* Names of ollama.com/library and of the hub, and the models that their pages say they are. */
START_TEST(names_of_others) {
    static const struct {
        const char *name, *row; /* NULL = none of ours */
        bool tagged;
    } cases[] = {{"deepseek-r1:8b", "deepseek-r1-0528-qwen3-8b", true},
                 {"deepseek-r1:70b", "deepseek-r1-distill-llama-70b", true},
                 {"deepseek-r1:1.5b", "deepseek-r1-distill-qwen-1.5b", true},
                 {"deepseek-r1:671b", "deepseek-r1", true},
                 {"deepseek-r1", "deepseek-r1-0528-qwen3-8b", true},
                 {"DeepSeek-R1", "deepseek-r1", false},
                 {"deepseek-r1:3b", NULL, true},
                 {"mistral:7b", "mistral-7b-v0.3", true},
                 {"mistral:7b-instruct-v0.3", "mistral-7b-v0.3", true},
                 {"phi3:14b", "phi-3-medium-4k", true},
                 {"phi4", "phi-4", true},
                 {"llama3.1", "llama-3.1-8b", true},
                 {"llama3.1:latest", "llama-3.1-8b", true},
                 {"llama3.2:1b", "llama-3.2-1b", true},
                 {"llama3.2-vision:11b", NULL, true},
                 {"qwen3:30b", "qwen3-30b-a3b", true},
                 {"mixtral:8x22b", "mixtral-8x22b", true},
                 {"deepseek-coder-v2:16b", "deepseek-coder-v2-lite", true},
                 {"deepseek-coder-v2:236b", NULL, true},
                 {"Meta-Llama-3-8B-Instruct", "llama-3-8b", false},
                 {"Qwen3-30B-A3B-Instruct-2507", "qwen3-30b-a3b", false},
                 {"Qwen3-Next-80B-A3B-Instruct", "qwen3-next-80b-a3b", false}};
    bb_catalogue *cat = shipped();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bb_arch *a = bb_shape_find(cat, cases[i].name, cases[i].tagged);
        const char *found = a ? a->name : "nothing", *row = cases[i].row ? cases[i].row : "nothing";
        ck_assert_msg(strcmp(found, row) == 0, "%s: %s", cases[i].name, found);
    }
    bb_catalogue_free(cat);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("catalogue");
    TCase *t = tcase_create("catalogue");
    tcase_add_test(t, shipped_tables);
    tcase_add_test(t, families);
    tcase_add_test(t, models_by_hub_name);
    tcase_add_test(t, totals_of_the_hub);
    tcase_add_test(t, cards);
    tcase_add_test(t, tables_alone);
    tcase_add_test(t, gpu_names);
    tcase_add_test(t, model_names);
    tcase_add_test(t, names_of_others);
    tcase_add_test(t, user_rows);
    tcase_add_test(t, bad_tables);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(make_suite)
