/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_folder_choose.c - which tensors of a checkpoint are quantized, which stay, and what cannot be planned. */
#include "made_checkpoint.h"

/* What is not quantized is named in the config: groups that do not divide, and what the user keeps. */
START_TEST(kept) {
    static const char *const keep[] = {"model.layers.0.self_attn.q_proj"};
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[9]);
    o.group = 48; /* divides 4608, not 64 */
    o.keep = keep;
    o.n_keep = 1;
    bb_folder_job *job = plan(m, &o);
    must_run(job, "out");
    bb_model *out = locate("out");
    size_t fell_back = 0;
    for (size_t i = 0; i < bb_folder_quantize_count(job); i++) {
        const bb_quantize_row *r = bb_folder_quantize_at(job, i);
        fell_back += r->fell_back;
        ck_assert_int_eq(r->quantized, strcmp(r->name, "model.layers.0.mlp.down_proj.weight") == 0);
    }
    ck_assert_uint_eq(fell_back, 5);
    ck_assert(bb_quantization_skips(&out->quant, "model.layers.0.self_attn.q_proj"));
    ck_assert(bb_quantization_skips(&out->quant, "model.layers.0.mlp.gate_proj"));
    ck_assert(!bb_quantization_skips(&out->quant, "model.layers.0.mlp.down_proj"));
    bb_model_free(out);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

/* The rest in another type: its tensors, and torch_dtype with them. */
START_TEST(rest) {
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[0]);
    o.rest = bb_dtype_find("bf16", NULL);
    bb_folder_job *job = plan(m, &o);
    must_run(job, "out");
    ck_assert_uint_eq(folder_bytes("out"), bb_folder_quantize_bytes(job));
    bb_model *out = locate("out");
    ck_assert_str_eq(out->arch->dtype, "bf16");
    ck_assert_str_eq(bb_file_find(out->file, "model.norm.weight")->type->name, "bf16");
    const bb_quantize_row *r = bb_folder_quantize_at(job, 2);
    ck_assert(r->quantized && r->error.rel > 0 && r->error.rel < 0x1p-8);
    bb_model_free(out);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

/* A family without a graph: the same matrices, by their names. */
START_TEST(unknown_architecture) {
    begin();
    make_checkpoint("unheard-of", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[0]);
    bb_folder_job *job = plan(m, &o);
    size_t quantized = 0;
    for (size_t i = 0; i < bb_folder_quantize_count(job); i++) quantized += bb_folder_quantize_at(job, i)->quantized;
    ck_assert_uint_eq(quantized, MATRICES);
    ck_assert_ptr_ne(strstr(bb_folder_quantize_warning(job, 0), "not known"), NULL);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

START_TEST(refusals) {
    bb_model *gguf = NULL;
    bb_folder_job *job = NULL;
    bb_error err = {0};
    bb_folder_opts o = opts_of(&layouts[0]);
    ck_assert_int_eq(bb_model_locate(NULL, NULL, "data/demo.gguf", &gguf, &err), BB_OK);
    ck_assert_int_eq(bb_folder_quantize_plan(gguf, &o, &job, &err), BB_E_UNSUPPORTED);
    ck_assert_ptr_ne(strstr(err.text, "GGUF"), NULL);
    bb_model_free(gguf);
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    o.block = 96;
    ck_assert_int_eq(bb_folder_quantize_plan(m, &o, &job, &err), BB_E_VALUE);
    o = opts_of(&layouts[9]);
    o.group = 1;
    ck_assert_int_eq(bb_folder_quantize_plan(m, &o, &job, &err), BB_E_VALUE);
    o.group = 1000; /* divides nothing */
    ck_assert_int_eq(bb_folder_quantize_plan(m, &o, &job, &err), BB_E_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, "no group of 1000 divides") && strstr(err.text, "4608"), "%s", err.text);
    o = opts_of(&layouts[4]);
    o.outlier_threshold = (double)NAN;
    ck_assert_int_eq(bb_folder_quantize_plan(m, &o, &job, &err), BB_E_VALUE);
    bb_model_free(m);
    /* an index whose shards are not there */
    static const char index[] = "{\"weight_map\": {\"a.weight\": \"model-00001-of-00002.safetensors\", "
                                "\"b.weight\": \"model-00002-of-00002.safetensors\"}}";
    char path[256];
    ck_assert_int_eq(unlink(in_root("in/model.safetensors", path)), 0);
    write_file("in/model.safetensors.index.json", index, sizeof index - 1);
    write_file("in/model-00001-of-00002.safetensors", "", 0);
    m = locate("in");
    ck_assert_int_eq(bb_folder_quantize_plan(m, &o, &job, &err), BB_E_OPEN);
    ck_assert_msg(strstr(err.text, "1 of the 2 shards") && strstr(err.text, "'model-00002"), "%s", err.text);
    ck_assert_ptr_eq(job, NULL);
    bb_model_free(m);
    end();
}
END_TEST

/* As many modules as models with experts one by one have; the time limit of the case is the check. */
START_TEST(many_modules) {
    enum { MODULES = 200000, COLS = 48 };
    char path[256];
    bb_str h = {0};
    uint64_t bytes = 2 * COLS;
    begin();
    mkdir(in_root("in", path), 0777);
    write_file("in/config.json", "{\"model_type\": \"unheard-of\"}", 28);
    bb_str_addf(&h, "{\"a.weight\":{\"dtype\":\"F16\",\"shape\":[1,%d],\"data_offsets\":[0,%d]}", COLS, 2 * COLS);
    for (int i = 0; i < MODULES; i++, bytes += 2) /* rows of 1 are no groups of 48 */
        bb_str_addf(&h, ",\"layers.experts.%d.weight\":{\"dtype\":\"F16\",\"shape\":[1,1],\"data_offsets\":[%d,%d]}", i,
                    (int)bytes, (int)bytes + 2);
    bb_str_add(&h, "}");
    bb_str_addc(&h, ' ', (8 - h.len % 8) % 8);
    uint64_t length = h.len;
    FILE *f = fopen(in_root("in/model.safetensors", path), "wb");
    ck_assert_ptr_ne(f, NULL);
    fwrite(&length, 8, 1, f);
    fwrite(h.data, 1, h.len, f);
    fclose(f);
    ck_assert_int_eq(truncate(path, (off_t)(8 + h.len + bytes)), 0);
    bb_str_clear(&h);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[9]);
    o.group = COLS;
    bb_folder_job *job = plan(m, &o);
    ck_assert_uint_eq(bb_folder_quantize_count(job), MODULES + 1);
    for (size_t i = 0; i <= MODULES; i++) ck_assert(bb_folder_quantize_at(job, i)->quantized == (i == 0));
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("folder_choose");
    TCase *t = tcase_create("folder_choose");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, kept);
    tcase_add_test(t, rest);
    tcase_add_test(t, unknown_architecture);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    t = tcase_create("many");
    tcase_set_timeout(t, 60); /* seconds: 1 is enough, and minutes are not when each looks through all others */
    tcase_add_test(t, many_modules);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
