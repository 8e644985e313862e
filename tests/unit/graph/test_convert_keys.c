/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_convert_keys.c - the metadata that a conversion writes, read back: beside real files, and rule by rule. */
#include "base/source.h"
#include "base/str.h"
#include "file/made.h"
#include "graph/convert.h"

/* The keys alone as a file that is open. */
static bb_file *keys_of(const char *config, size_t n, const bb_file *vocab) {
    bb_arch *arch = NULL;
    bb_gguf_out *out = NULL;
    bb_error err = {0};
    const unsigned char *header;
    size_t bytes;
    uint64_t all;
    ck_assert_msg(bb_arch_from_config(config, n, "config.json", &arch, &err) == BB_OK, "%s", err.text);
    ck_assert_int_eq(bb_gguf_out_new(0, &out, &err), BB_OK);
    ck_assert_msg(bb_convert_keys(arch, config, n, "A name", vocab, out, &err) == BB_OK, "%s", err.text);
    ck_assert_int_eq(bb_gguf_out_seal(out, &header, &bytes, &all, &err), BB_OK);
    made_file("keys.gguf", header, bytes);
    bb_gguf_out_free(out);
    bb_arch_free(arch);
    return made_open("keys.gguf");
}

static void refuse(const char *config, const bb_file *vocab, bb_status status, const char *part) {
    bb_arch *arch = NULL;
    bb_gguf_out *out = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_arch_from_config(config, strlen(config), "config.json", &arch, &err) == BB_OK, "%s", err.text);
    ck_assert_int_eq(bb_gguf_out_new(0, &out, &err), BB_OK);
    bb_status st = bb_convert_keys(arch, config, strlen(config), "A name", vocab, out, &err);
    ck_assert_msg(st == status, "%d: %s", st, err.text);
    ck_assert_msg(strstr(err.text, part) != NULL, "'%s' lacks '%s'", err.text, part);
    bb_gguf_out_free(out);
    bb_arch_free(arch);
}

/* ---- beside real files ---- */

static bool same_value(const bb_meta *a, const bb_meta *b) {
    if (a->kind != b->kind || strcmp(a->type_in_file, b->type_in_file) != 0) return false;
    switch (a->kind) {
    case BB_META_TEXT:
        return strcmp(a->v.text.data, b->v.text.data) == 0;
    case BB_META_ARRAY:
        return a->v.array.count == b->v.array.count &&
               strcmp(a->v.array.element_in_file, b->v.array.element_in_file) == 0;
    case BB_META_BOOL:
        return a->v.b == b->v.b;
    case BB_META_F64:
        return a->v.f64 == b->v.f64;
    case BB_META_I64:
        return a->v.i64 == b->v.i64;
    case BB_META_U64:
        break;
    }
    return a->v.u64 == b->v.u64;
}

/* Keys of `a` that `b` does not have, in order, with blanks between; those of both are the same. */
static void beyond(const bb_file *a, const bb_file *b, bb_str *keys) {
    for (size_t i = 0; i < a->n_meta; i++) {
        const bb_meta *other = bb_file_meta(b, a->meta[i].key);
        if (!other)
            bb_str_addf(keys, "%s ", a->meta[i].key);
        else if (strcmp(a->meta[i].key, "general.name") != 0)
            ck_assert_msg(same_value(&a->meta[i], other), "%s differs", a->meta[i].key);
    }
}

/* Both files were written with less than the converter writes (no head_dim, no general.type), and one with a license;
 * the last two keys of a GGUF are the quantizer's. */
START_TEST(real_files) {
    static const struct {
        const char *config, *gguf, *added, *left;
    } pairs[] = {
        {"models/stories260K/config.json", "models/stories260K/model-f32.gguf",
         "general.type llama.attention.key_length llama.attention.value_length ",
         "general.file_type general.quantization_version "},
        {"models/demo/hf/config.json", "models/demo/demo-f16.gguf",
         "llama.attention.key_length llama.attention.value_length ",
         "general.license general.file_type general.quantization_version "},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char path[512], *text = NULL;
        size_t n = 0;
        bb_file *vocab = NULL;
        bb_error err = {0};
        bb_str added, left;
        if (!shared_path(pairs[i].gguf, path, sizeof path)) {
            skip_shared(pairs[i].gguf);
            return;
        }
        ck_assert_int_eq(bb_file_open(path, &vocab, &err), BB_OK);
        ck_assert(shared_path(pairs[i].config, path, sizeof path) != NULL);
        ck_assert_int_eq(bb_source_slurp(path, 1 << 20, &text, &n, &err), BB_OK);
        made_begin();
        bb_file *made = keys_of(text, n, vocab);
        bb_str_init(&added);
        bb_str_init(&left);
        beyond(made, vocab, &added);
        beyond(vocab, made, &left);
        ck_assert_str_eq(bb_str_c(&added), pairs[i].added);
        ck_assert_str_eq(bb_str_c(&left), pairs[i].left);
        bb_str_clear(&added);
        bb_str_clear(&left);
        bb_file_close(made);
        bb_file_close(vocab);
        free(text);
        made_end();
    }
}
END_TEST

/* ---- rule by rule ---- */

#define SIZES(type)                                                                                                    \
    "{\"model_type\":\"" type "\",\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":2,"                \
    "\"num_attention_heads\":8,\"vocab_size\":100"

/* Each entry as "key type value" on a line. */
static void expect(const char *config, const char *lines) {
    bb_str s;
    char number[32];
    made_begin();
    bb_file *f = keys_of(config, strlen(config), NULL);
    bb_str_init(&s);
    for (size_t i = 0; i < f->n_meta; i++) {
        const bb_meta *m = &f->meta[i];
        bb_str_addf(&s, "%s %s ", m->key, m->type_in_file);
        if (m->kind == BB_META_TEXT)
            bb_str_add(&s, m->v.text.data);
        else if (m->kind == BB_META_F64)
            bb_str_add(&s, bb_f64_shortest(m->v.f64, number));
        else
            bb_str_add_u64(&s, m->kind == BB_META_BOOL ? m->v.b : m->v.u64);
        bb_str_add(&s, "\n");
    }
    ck_assert_str_eq(bb_str_c(&s), lines);
    bb_str_clear(&s);
    bb_file_close(f);
    made_end();
}

/* In the converter's order; numbers of the config's class where the config has none. 0.00001 as fp32 is what it is. */
START_TEST(every_key) {
    expect(SIZES("mixtral") ",\"num_local_experts\":4}", "general.architecture str llama\n"
                                                         "general.type str model\n"
                                                         "general.name str A name\n"
                                                         "llama.block_count u32 2\n"
                                                         "llama.context_length u32 131072\n"
                                                         "llama.embedding_length u32 64\n"
                                                         "llama.feed_forward_length u32 96\n"
                                                         "llama.attention.head_count u32 8\n"
                                                         "llama.attention.head_count_kv u32 8\n"
                                                         "llama.rope.freq_base f32 1000000\n"
                                                         "llama.attention.layer_norm_rms_epsilon f32 "
                                                         "9.999999747378752e-06\n"
                                                         "llama.expert_count u32 4\n"
                                                         "llama.expert_used_count u32 2\n"
                                                         "llama.vocab_size u32 100\n"
                                                         "llama.rope.dimension_count u32 8\n"
                                                         "tokenizer.ggml.model str no_vocab\n");
    /* head_dim 128 is the class's, and not 64 / 8 */
    expect(SIZES("qwen3") ",\"num_key_value_heads\":2,\"max_position_embeddings\":4096,\"rms_norm_eps\":0.5,"
                          "\"sliding_window\":1024,\"use_sliding_window\":true,\"is_causal\":false,\"rope_parameters\":"
                          "{\"rope_theta\":5000,\"rope_type\":\"default\"}}",
           "general.architecture str qwen3\n"
           "general.type str model\n"
           "general.name str A name\n"
           "qwen3.block_count u32 2\n"
           "qwen3.context_length u32 4096\n"
           "qwen3.embedding_length u32 64\n"
           "qwen3.feed_forward_length u32 96\n"
           "qwen3.attention.head_count u32 8\n"
           "qwen3.attention.head_count_kv u32 2\n"
           "qwen3.attention.causal bool 0\n"
           "qwen3.rope.freq_base f32 5000\n"
           "qwen3.attention.layer_norm_rms_epsilon f32 0.5\n"
           "qwen3.attention.key_length u32 128\n"
           "qwen3.attention.value_length u32 128\n"
           "qwen3.vocab_size u32 100\n"
           "tokenizer.ggml.model str no_vocab\n");
}
END_TEST

static bool text_is(const bb_file *f, const char *key, const char *want) {
    const char *text = bb_meta_text(f, key);
    return want ? text && strcmp(text, want) == 0 : !text;
}

START_TEST(scalings) {
    static const struct {
        const char *more, *type;
        double factor;
        uint64_t context;
        double fast;
    } kinds[] = {
        {",\"rope_scaling\":null}", NULL, 0, 0, 0},
        {",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}}", "linear", 2, 0, 0},
        {",\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":2.0}}", NULL, 0, 0, 0},
        {",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":32768,"
         "\"beta_fast\":16}}",
         "yarn", 4, 32768, 16},
        {",\"rope_theta\":20000,\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":4}}", "yarn", 4, 0, 0},
        {",\"rope_scaling\":{\"rope_type\":\"yarn\"}}", NULL, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char config[1024];
        double x = 0;
        uint64_t u = 0;
        snprintf(config, sizeof config, SIZES("qwen2") "%s", kinds[i].more);
        made_begin();
        bb_file *f = keys_of(config, strlen(config), NULL);
        ck_assert(text_is(f, "qwen2.rope.scaling.type", kinds[i].type));
        ck_assert(bb_meta_f64(f, "qwen2.rope.scaling.factor", &x) == (kinds[i].factor > 0));
        ck_assert(x == kinds[i].factor);
        ck_assert(bb_meta_u64(f, "qwen2.rope.scaling.original_context_length", &u) == (kinds[i].context > 0));
        ck_assert_uint_eq(u, kinds[i].context);
        x = 0;
        ck_assert(bb_meta_f64(f, "qwen2.rope.scaling.yarn_beta_fast", &x) == (kinds[i].fast > 0));
        ck_assert(x == kinds[i].fast);
        ck_assert(bb_meta_f64(f, "qwen2.rope.freq_base", &x));
        ck_assert(x == (strstr(kinds[i].more, "rope_theta") ? 20000 : 10000));
        bb_file_close(f);
        made_end();
    }
}
END_TEST

START_TEST(refusals) {
    bb_file *vocab;
    bb_gguf_out *out = NULL;
    bb_error err = {0};
    const unsigned char *header;
    size_t bytes;
    uint64_t all;
    refuse(SIZES("llama") ",\"max_position_embeddings\":4294967296}", NULL, BB_E_INVALID, "context_length");
    refuse(SIZES("llama") ",\"rms_norm_eps\":0}", NULL, BB_E_INVALID, "rms_norm_eps");
    refuse(SIZES("llama") ",\"rope_theta\":1e300}", NULL, BB_E_INVALID, "rope_theta");
    refuse(SIZES("llama") ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2,"
                          "\"original_max_position_embeddings\":1e30}}",
           NULL, BB_E_INVALID, "original_context_length");
    refuse(SIZES("gemma") "}", NULL, BB_E_UNSUPPORTED, "plus one");
    made_begin();
    ck_assert_int_eq(bb_gguf_out_new(0, &out, &err), BB_OK);
    ck_assert_int_eq(bb_gguf_out_text(out, "tokenizer.ggml.model", "llama"), BB_OK);
    ck_assert_int_eq(bb_gguf_out_seal(out, &header, &bytes, &all, &err), BB_OK);
    made_file("vocab.gguf", header, bytes);
    bb_gguf_out_free(out);
    vocab = made_open("vocab.gguf");
    refuse(SIZES("llama") "}", vocab, BB_E_INVALID, "no vocabulary");
    bb_file_close(vocab);
    made_end();
}
END_TEST

/* llama.cpp takes a vocabulary of the embedding's length only. */
START_TEST(another_length) {
    static const char name[] = "models/demo/demo-f16.gguf";
    char path[512];
    bb_file *vocab = NULL;
    bb_error err = {0};
    if (!shared_path(name, path, sizeof path)) {
        skip_shared(name);
        return;
    }
    ck_assert_int_eq(bb_file_open(path, &vocab, &err), BB_OK);
    refuse(SIZES("llama") "}", vocab, BB_E_INVALID, "has 1024 tokens, the embedding of config.json has 100 rows");
    bb_file_close(vocab);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("convert_keys");
    TCase *t = tcase_create("convert_keys");
    tcase_add_test(t, real_files);
    tcase_add_test(t, every_key);
    tcase_add_test(t, scalings);
    tcase_add_test(t, refusals);
    tcase_add_test(t, another_length);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
