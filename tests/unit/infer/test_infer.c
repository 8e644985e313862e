/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_infer.c - a model that runs: llama.cpp's logits, the same bits in every way of running it, what is refused. */
#include "file/made_tensors.h"
#include "graph/convert.h"
#include "graph/convert_config.h"
#include "infer/infer.h"
#include "infer/made_model.h"
#include <inttypes.h>

enum { TOKENS = 24 };

typedef struct model {
    bb_file *file;
    bb_arch *arch;
    bb_infer *infer;
} model;

static void model_close(model *m) {
    bb_infer_free(m->infer);
    bb_arch_free(m->arch);
    bb_file_close(m->file);
}

static bb_status model_try(const char *path, const bb_infer_opts *opts, model *m, bb_error *err) {
    *m = (model){0};
    bb_status st = bb_file_open(path, &m->file, err);
    if (!st) st = bb_arch_from_file(m->file, &m->arch, err);
    if (!st) st = bb_infer_open(m->file, m->arch, opts, &m->infer, err);
    if (st) ck_assert_ptr_eq(m->infer, NULL);
    return st;
}

static model model_open(const char *path, const bb_infer_opts *opts) {
    model m;
    bb_error err = {0};
    ck_assert_msg(model_try(path, opts, &m, &err) == BB_OK, "%s: %s", path, err.text);
    return m;
}

static const char *make(const made_spec *s, const made_change *c, const char *name) {
    bb_error err = {0};
    ck_assert_msg(made_model(s, c, made_path(name), &err) == BB_OK, "%s: %s", s->name, err.text);
    return made_path(name);
}

static const made_spec *spec(const char *name) {
    size_t i = 0;
    while (strcmp(made_specs[i].name, name) != 0) i++;
    return &made_specs[i];
}

static void random_tokens(int32_t *tokens, size_t n) {
    for (size_t i = 0; i < n; i++) tokens[i] = (int32_t)(bb_random_u64(2, i) % MADE_VOCAB);
}

static void run(bb_infer *f, const int32_t *tokens, size_t n, size_t past, float *logits) {
    bb_error err = {0};
    ck_assert_msg(bb_infer_run(f, tokens, n, past, false, logits, &err) == BB_OK, "%s", err.text);
}

/* Logits [TOKENS][MADE_VOCAB] of a small model. */
static float *logits_of(bb_infer *f) {
    int32_t tokens[TOKENS];
    float *logits = malloc(TOKENS * MADE_VOCAB * sizeof *logits);
    random_tokens(tokens, TOKENS);
    run(f, tokens, TOKENS, 0, logits);
    return logits;
}

static float *logits_at(const char *path, const bb_infer_opts *opts) {
    model m = model_open(path, opts);
    float *x = logits_of(m.infer);
    model_close(&m);
    return x;
}

static bool same(const float *a, const float *b) { return memcmp(a, b, TOKENS * MADE_VOCAB * sizeof *a) == 0; }

static double farthest(const float *a, const float *b, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= most)) most = d;
    }
    return most;
}

/* ---- against llama.cpp ---- */

static size_t demo_tokens(int32_t *tokens) {
    FILE *f = fopen(TEST_DATA("infer/demo_ids.txt"), "r");
    size_t n = 0;
    ck_assert_ptr_ne(f, NULL);
    while (n < TOKENS && fscanf(f, "%" SCNd32, &tokens[n]) == 1) n++;
    fclose(f);
    return n;
}

START_TEST(demo) {
    static const size_t at[8] = {0, 1, 2, 3, 7, 11, 15, 23};
    enum { VOCAB = 1024 };
    int32_t tokens[TOKENS];
    float *want = malloc(8 * VOCAB * sizeof *want), *got = malloc(TOKENS * VOCAB * sizeof *got);
    FILE *f = fopen(TEST_DATA("infer/demo_logits.f32"), "rb");
    ck_assert(f && fread(want, sizeof *want, 8 * VOCAB, f) == 8 * VOCAB);
    fclose(f);
    ck_assert_uint_eq(demo_tokens(tokens), TOKENS);
    model m = model_open("data/demo.gguf", NULL);
    ck_assert_uint_eq(bb_infer_vocab(m.infer), VOCAB);
    run(m.infer, tokens, TOKENS, 0, got);
    for (size_t i = 0; i < 8; i++) {
        double d = farthest(want + i * VOCAB, got + at[i] * VOCAB, VOCAB);
        ck_assert_msg(d <= 1e-3, "position %zu: %g", at[i], d);
    }
    model_close(&m);
    free(want);
    free(got);
}
END_TEST

/* The checkpoint that the demo model was made from: the same bits. */
START_TEST(demo_checkpoint) {
    static const char file[] = "models/demo/hf/model.safetensors", config[] = "models/demo/hf/config.json";
    char path[512], *text = NULL;
    size_t n;
    int32_t tokens[TOKENS];
    float gguf[1024], hf[1024];
    model m = {0};
    bb_error err = {0};
    if (!shared_path(file, path, sizeof path)) {
        skip_shared(file);
        return;
    }
    ck_assert_msg(bb_file_open(path, &m.file, &err) == BB_OK, "%s", err.text);
    ck_assert_int_eq(bb_source_slurp(shared_path(config, path, sizeof path), 1 << 20, &text, &n, &err), BB_OK);
    ck_assert_int_eq(bb_arch_from_config(text, n, "config.json", &m.arch, &err), BB_OK);
    bb_infer_opts opts = {.config = text, .config_bytes = n};
    ck_assert_msg(bb_infer_open(m.file, m.arch, &opts, &m.infer, &err) == BB_OK, "%s", err.text);
    free(text);
    model g = model_open("data/demo.gguf", NULL);
    demo_tokens(tokens);
    ck_assert_int_eq(bb_infer_run(m.infer, tokens, 8, 0, true, hf, NULL), BB_OK);
    ck_assert_int_eq(bb_infer_run(g.infer, tokens, 8, 0, true, gguf, NULL), BB_OK);
    ck_assert_mem_eq(hf, gguf, sizeof hf);
    for (size_t i = 0; i < bb_infer_linears(m.infer); i++)
        ck_assert_str_eq(bb_infer_linear(m.infer, i)->name, bb_infer_linear(g.infer, i)->name);
    model_close(&m);
    model_close(&g);
}
END_TEST

START_TEST(families) {
    FILE *f = fopen(TEST_DATA("infer/families.txt"), "r");
    made_begin();
    ck_assert_ptr_ne(f, NULL);
    for (size_t i = 0; i < MADE_SPECS; i++) {
        char name[32];
        float want[MADE_VOCAB];
        ck_assert_int_eq(fscanf(f, "%31s", name), 1);
        for (size_t k = 0; k < MADE_VOCAB; k++) ck_assert_int_eq(fscanf(f, "%f", &want[k]), 1);
        float *got = logits_at(make(spec(name), NULL, "m.gguf"), NULL);
        double d = farthest(want, got + (TOKENS - 1) * MADE_VOCAB, MADE_VOCAB);
        ck_assert_msg(d <= 1e-4, "%s: %g", name, d);
        free(got);
    }
    fclose(f);
    made_end();
}
END_TEST

/* ---- the same bits however it runs ---- */

static void run_apart(bb_infer *f, const size_t *sizes, float *logits) {
    int32_t tokens[TOKENS];
    random_tokens(tokens, TOKENS);
    for (size_t past = 0; past < TOKENS; past += *sizes++)
        run(f, tokens + past, *sizes, past, logits + past * MADE_VOCAB);
}

START_TEST(same_bits) {
    static const size_t cuts[][TOKENS] = {
        {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {7, 16, 1}, {2, 22}};
    made_begin();
    for (size_t i = 0; i < MADE_SPECS; i++) {
        const char *path = make(&made_specs[i], NULL, "m.gguf");
        float *want = logits_at(path, NULL), got[TOKENS * MADE_VOCAB];
        model m = model_open(path, NULL);
        for (size_t k = 0; k < 3; k++) {
            run_apart(m.infer, cuts[k], got);
            ck_assert_msg(same(want, got), "%s in pieces, %zu", made_specs[i].name, k);
        }
        model_close(&m);
        for (unsigned threads = 2; threads < 4; threads++) {
            bb_infer_opts opts = {0};
            ck_assert_int_eq(bb_pool_new(threads, &opts.pool), BB_OK);
            float *x = logits_at(path, &opts);
            ck_assert_msg(same(want, x), "%s with %u threads", made_specs[i].name, threads);
            bb_pool_free(opts.pool);
            free(x);
        }
        for (bb_isa isa = BB_ISA_SCALAR; isa <= BB_ISA_AVX512; isa++) {
            float *x = logits_at(path, &(bb_infer_opts){.isa = isa});
            ck_assert_msg(same(want, x), "%s, %s", made_specs[i].name, bb_isa_name(isa));
            free(x);
        }
        free(want);
    }
    made_end();
}
END_TEST

/* 512 tokens pass a batch, work of several threads, tiles of keys. */
START_TEST(long_text) {
    enum { LONG = 700 };
    int32_t tokens[LONG];
    float last[MADE_VOCAB], *all = malloc(LONG * MADE_VOCAB * sizeof *all);
    bb_infer_opts opts = {.ctx = LONG}, pooled = {.ctx = LONG};
    random_tokens(tokens, LONG);
    made_begin();
    const char *path = make(spec("llama"), NULL, "m.gguf");
    model m = model_open(path, &opts);
    run(m.infer, tokens, LONG, 0, all);
    ck_assert_int_eq(bb_infer_run(m.infer, tokens, LONG, 0, true, last, NULL), BB_OK);
    ck_assert_mem_eq(last, all + (LONG - 1) * MADE_VOCAB, sizeof last);
    model_close(&m);
    ck_assert_int_eq(bb_pool_new(3, &pooled.pool), BB_OK);
    m = model_open(path, &pooled);
    ck_assert_int_eq(bb_infer_run(m.infer, tokens, LONG - 1, 0, false, NULL, NULL), BB_OK);
    ck_assert_int_eq(bb_infer_run(m.infer, tokens + LONG - 1, 1, LONG - 1, true, last, NULL), BB_OK);
    ck_assert_mem_eq(last, all + (LONG - 1) * MADE_VOCAB, sizeof last);
    model_close(&m);
    bb_pool_free(pooled.pool);
    free(all);
    made_end();
}
END_TEST

/* Going back to an earlier position drops what lies behind. */
START_TEST(goes_back) {
    int32_t tokens[TOKENS], other = 3;
    float first[MADE_VOCAB], again[MADE_VOCAB];
    random_tokens(tokens, TOKENS);
    made_begin();
    model m = model_open(make(spec("qwen3"), NULL, "m.gguf"), NULL);
    ck_assert_int_eq(bb_infer_run(m.infer, tokens, 6, 0, true, first, NULL), BB_OK);
    ck_assert_int_eq(bb_infer_run(m.infer, &other, 1, 4, true, again, NULL), BB_OK);
    ck_assert_int_ne(memcmp(first, again, sizeof first), 0);
    ck_assert_int_eq(bb_infer_run(m.infer, &other, 1, 6, true, again, NULL), BB_E_ARG); /* 5 are there */
    ck_assert_int_eq(bb_infer_run(m.infer, tokens + 4, 2, 4, true, again, NULL), BB_OK);
    ck_assert_mem_eq(first, again, sizeof first);
    model_close(&m);
    made_end();
}
END_TEST

/* ---- a checkpoint ---- */

static const char config[] = "{\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":96,"
                             "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
                             "\"vocab_size\":64,\"rms_norm_eps\":1e-5,\"max_position_embeddings\":2048,"
                             "\"attention_bias\":true,\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,"
                             "\"low_freq_factor\":1,\"high_freq_factor\":4,"
                             "\"original_max_position_embeddings\":64}}";

static void llama3_factors(const bb_graph_tensor *t, float *x, uint64_t n, const void *ctx) {
    bb_convert_config c;
    bb_error err = {0};
    if (strcmp(t->name, "rope_freqs.weight") != 0) return;
    ck_assert_msg(bb_convert_config_read(ctx, config, strlen(config), &c, &err) == BB_OK, "%s", err.text);
    ck_assert_int_eq(bb_convert_rope_freqs(&c, 2 * n, x, NULL), BB_OK);
}

/* Rows of queries and keys go back to halves; x is one tensor of a GGUF, [rows][width]. */
static void put_halves(const char *name, float *x, size_t rows, size_t width, size_t head) {
    bb_converted order = {.head_rows = head};
    if (!strstr(name, "attn_q.") && !strstr(name, "attn_k.")) return;
    float *old = malloc(rows * width * sizeof *old);
    memcpy(old, x, rows * width * sizeof *old);
    for (size_t r = 0; r < rows; r++)
        memcpy(x + (size_t)bb_converted_row(&order, r) * width, old + r * width, width * sizeof *x);
    free(old);
}

/* The tensors of a llama GGUF under their other names. */
static bb_file *make_checkpoint(const model *gguf) {
    made_tensors made;
    bb_graph g;
    bb_graph_tensor *a, *b;
    size_t n, m, used = 0;
    float *data = malloc((size_t)bb_file_tensor_bytes(gguf->file));
    ck_assert_int_eq(bb_graph_build(gguf->arch, &g, NULL), BB_OK);
    ck_assert(bb_graph_tensors(&g, false, &a, &n) == BB_OK && bb_graph_tensors(&g, true, &b, &m) == BB_OK);
    made_tensors_begin(&made);
    for (size_t i = 0, k = 0; i < n; i++) {
        const bb_tensor *t = bb_file_find(gguf->file, a[i].name);
        if (k == m || b[k].weight != a[i].weight) continue; /* rope_freqs */
        ck_assert_int_eq(bb_file_read_rows(gguf->file, t, 0, t->rows, data + used, NULL), BB_OK);
        bool matrix = t->n_dims > 1;
        put_halves(t->name, data + used, matrix ? t->rows : t->cols, matrix ? t->cols : 1, gguf->arch->head_dim);
        used += t->elements;
        made_tensor(&made, b[k++].name, "f32", matrix ? (uint64_t[4]){t->rows, t->cols} : (uint64_t[4]){t->cols});
    }
    bb_file *f = made_tensors_open(&made, "model.safetensors", data, used * sizeof *data);
    free(data);
    free(a);
    free(b);
    bb_graph_clear(&g);
    return f;
}

START_TEST(checkpoint) {
    made_spec s = *spec("llama");
    model hf = {0};
    bb_error err = {0};
    s.qkv_bias = s.out_bias = s.rope_freqs = true;
    made_begin();
    ck_assert_int_eq(bb_arch_from_config(config, strlen(config), "config.json", &hf.arch, &err), BB_OK);
    made_change c = {.values = llama3_factors, .ctx = hf.arch};
    model gguf = model_open(make(&s, &c, "m.gguf"), NULL);
    hf.file = make_checkpoint(&gguf);
    bb_infer_opts opts = {.config = config, .config_bytes = strlen(config)};
    ck_assert_msg(bb_infer_open(hf.file, hf.arch, &opts, &hf.infer, &err) == BB_OK, "%s", err.text);
    float *want = logits_of(gguf.infer), *got = logits_of(hf.infer);
    ck_assert(same(want, got));
    /* rows that were turned are quantized as those of the GGUF */
    for (size_t i = 0; i < 2; i++) {
        const bb_dtype *q8 = bb_dtype_find("q8_0", NULL);
        ck_assert_str_eq(bb_infer_linear(hf.infer, i)->name, i ? "blk.0.attn_k.weight" : "blk.0.attn_q.weight");
        ck_assert_str_eq(bb_infer_linear(hf.infer, i)->tensor->name,
                         i ? "model.layers.0.self_attn.k_proj.weight" : "model.layers.0.self_attn.q_proj.weight");
        ck_assert_int_eq(bb_infer_set(gguf.infer, i, q8, BB_USE_VALUES, NULL), BB_OK);
        ck_assert_int_eq(bb_infer_set(hf.infer, i, q8, BB_USE_VALUES, NULL), BB_OK);
    }
    float *want8 = logits_of(gguf.infer), *got8 = logits_of(hf.infer);
    ck_assert(same(want8, got8) && !same(want, want8));
    free(want);
    free(got);
    free(want8);
    free(got8);
    model_close(&hf);
    model_close(&gguf);
    made_end();
}
END_TEST

/* ---- other types ---- */

static bool is_matrix(const bb_graph_tensor *t) { return t->n_dims == 2; }
static const char *q8_matrices(const bb_graph_tensor *t, const void *ctx) {
    (void)ctx;
    return is_matrix(t) && strcmp(t->name, "token_embd.weight") != 0 ? "q8_0" : NULL;
}

/* Values of the tensor `ctx` as q4_0 has them. */
static void through_q4(const bb_graph_tensor *t, float *x, uint64_t n, const void *ctx) {
    const bb_dtype *q4 = bb_dtype_find("q4_0", NULL);
    size_t cols = (size_t)t->dims[0], rows = (size_t)n / cols;
    unsigned char *data = malloc((size_t)n);
    if (strcmp(t->name, ctx) == 0) {
        ck_assert_int_eq(bb_quantize_rows(q4, x, rows, cols, NULL, data), BB_OK);
        ck_assert_int_eq(bb_dequantize_rows(q4, data, rows, cols, x), BB_OK);
    }
    free(data);
}

/* A matrix set to the values of a type is the model whose file has these values. */
START_TEST(set_values) {
    static const char *const names[] = {"blk.1.attn_v.weight", "blk.0.ffn_down.weight", "output.weight"};
    made_begin();
    model m = model_open(make(spec("llama"), NULL, "m.gguf"), NULL);
    float *before = logits_of(m.infer);
    for (size_t i = 0; i < 3; i++) {
        size_t k = 0;
        while (strcmp(bb_infer_linear(m.infer, k)->name, names[i]) != 0) k++;
        made_change c = {.values = through_q4, .ctx = names[i]};
        float *want = logits_at(make(spec("llama"), &c, "other.gguf"), NULL);
        ck_assert_int_eq(bb_infer_set(m.infer, k, bb_dtype_find("q4_0", NULL), BB_USE_VALUES, NULL), BB_OK);
        float *got = logits_of(m.infer);
        ck_assert_msg(same(want, got) && !same(before, got), "%s", names[i]);
        ck_assert_int_eq(bb_infer_set(m.infer, k, NULL, BB_USE_VALUES, NULL), BB_OK);
        free(want);
        free(got);
    }
    float *after = logits_of(m.infer);
    ck_assert(same(before, after));
    free(before);
    free(after);
    model_close(&m);
    made_end();
}
END_TEST

static uint64_t calls_of(const bb_dispatch *d, const char *type) {
    uint64_t n = 0;
    for (size_t i = 0; i < bb_kernel_count(); i++)
        if (strcmp(bb_kernel_at(i)->family->layout->type, type) == 0) n += d->calls[i];
    return n;
}

/* A file of q8_0 runs on its kernel, as an F32 file whose matrices are set to it; both round their inputs. */
START_TEST(set_kernel) {
    bb_dispatch counts = {{0}};
    bb_infer_opts opts = {.dispatch = &counts};
    made_change c = {.type = q8_matrices};
    made_begin();
    float *plain = logits_at(make(spec("llama"), NULL, "m.gguf"), NULL);
    model q8 = model_open(make(spec("llama"), &c, "q8.gguf"), &opts), m = model_open(made_path("m.gguf"), NULL);
    float *want = logits_of(q8.infer);
    ck_assert_uint_eq(calls_of(&counts, "q8_0"), bb_infer_linears(q8.infer));
    ck_assert_uint_eq(calls_of(&counts, "f32"), 0);
    for (size_t i = 0; i < bb_infer_linears(m.infer); i++)
        ck_assert_int_eq(bb_infer_set(m.infer, i, bb_dtype_find("q8_0", NULL), BB_USE_KERNEL, NULL), BB_OK);
    float *got = logits_of(m.infer);
    ck_assert(same(want, got));
    double d = farthest(plain, got, TOKENS * MADE_VOCAB);
    ck_assert_msg(d > 1e-3 && d < 0.2, "%g", d);
    ck_assert_int_eq(bb_infer_set(q8.infer, 0, NULL, BB_USE_VALUES, NULL), BB_OK);
    free(logits_of(q8.infer));
    ck_assert_uint_eq(calls_of(&counts, "f32"), 1);
    free(plain);
    free(want);
    free(got);
    model_close(&m);
    model_close(&q8);
    made_end();
}
END_TEST

/* The output matrix is tied to it: each is set on its own. */
START_TEST(set_embedding) {
    static const char name[] = "token_embd.weight";
    const bb_dtype *q4 = bb_dtype_find("q4_0", NULL);
    made_change c = {.values = through_q4, .ctx = name};
    made_begin();
    float *want = logits_at(make(spec("qwen2"), &c, "other.gguf"), NULL);
    model m = model_open(make(spec("qwen2"), NULL, "m.gguf"), NULL);
    size_t last = bb_infer_linears(m.infer) - 1;
    float *plain = logits_of(m.infer);
    ck_assert_str_eq(bb_infer_linear(m.infer, last)->name, name);
    ck_assert_int_eq(bb_infer_set_embedding(m.infer, q4, NULL), BB_OK);
    float *half = logits_of(m.infer);
    ck_assert_int_eq(bb_infer_set(m.infer, last, q4, BB_USE_VALUES, NULL), BB_OK);
    float *got = logits_of(m.infer);
    ck_assert(same(want, got) && !same(want, half) && !same(plain, half));
    ck_assert_int_eq(bb_infer_set_embedding(m.infer, NULL, NULL), BB_OK);
    ck_assert_int_eq(bb_infer_set(m.infer, last, NULL, BB_USE_KERNEL, NULL), BB_OK);
    float *back = logits_of(m.infer);
    ck_assert(same(plain, back));
    free(want);
    free(plain);
    free(half);
    free(got);
    free(back);
    model_close(&m);
    made_end();
}
END_TEST

/* ---- what a tap sees ---- */

typedef struct seen {
    size_t n, linear[64], tokens[64], cols[64];
    const float *x[64];
} seen;

static void look(void *ctx, size_t linear, const float *x, size_t tokens, size_t cols) {
    seen *s = ctx;
    ck_assert_uint_lt(s->n, 64);
    s->linear[s->n] = linear;
    s->tokens[s->n] = tokens;
    s->cols[s->n] = cols;
    s->x[s->n++] = x;
}

START_TEST(tap) {
    static const char *const names[] = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};
    static const bool shares[] = {false, true, true, false, false, true, false};
    seen s = {0};
    int32_t tokens[TOKENS];
    float logits[MADE_VOCAB];
    bb_infer_opts opts = {.tap = look, .tap_ctx = &s};
    random_tokens(tokens, TOKENS);
    made_begin();
    model m = model_open(make(spec("llama"), NULL, "m.gguf"), &opts);
    ck_assert_int_eq(bb_infer_run(m.infer, tokens, TOKENS, 0, true, logits, NULL), BB_OK);
    ck_assert_uint_eq(s.n, 15);
    ck_assert_uint_eq(bb_infer_linears(m.infer), 15);
    for (size_t i = 0; i < 15; i++) {
        char name[64] = "output.weight";
        const bb_linear *l = bb_infer_linear(m.infer, i);
        if (i < 14) snprintf(name, sizeof name, "blk.%zu.%s.weight", i / 7, names[i % 7]);
        ck_assert_str_eq(l->name, name);
        ck_assert(s.linear[i] == i && s.tokens[i] == (i < 14 ? TOKENS : 1) && s.cols[i] == l->cols);
        ck_assert_uint_eq(l->rows, l->tensor->rows);
        if (i) ck_assert(shares[i % 7] == (s.x[i] == s.x[i - 1]) || i == 14);
    }
    ck_assert_ptr_eq(bb_infer_linear(m.infer, 15), NULL);
    s.n = 0;
    ck_assert_int_eq(bb_infer_run(m.infer, tokens, 1, 0, true, NULL, NULL), BB_OK);
    ck_assert_uint_eq(s.n, 14);
    model_close(&m);
    made_end();
}
END_TEST

/* ---- numbers that are none ---- */

static void spoil_row_5(const bb_graph_tensor *t, float *x, uint64_t n, const void *ctx) {
    if (strcmp(t->name, "token_embd.weight") == 0) x[5 * t->dims[0] + n % 7] = *(const float *)ctx;
}

/* A token that is not finite spoils the logits from its position on, none before it. */
START_TEST(not_finite) {
    static const float bad[] = {NAN, INFINITY};
    int32_t tokens[40];
    float want[40 * MADE_VOCAB], got[40 * MADE_VOCAB];
    for (size_t i = 0; i < 40; i++) tokens[i] = i == 20 ? 5 : (int32_t)(6 + i);
    made_begin();
    model m = model_open(make(spec("llama"), NULL, "m.gguf"), NULL);
    run(m.infer, tokens, 40, 0, want);
    for (size_t k = 0; k < 2; k++) {
        made_change c = {.values = spoil_row_5, .ctx = &bad[k]};
        model b = model_open(make(spec("llama"), &c, "bad.gguf"), NULL);
        run(b.infer, tokens, 40, 0, got);
        ck_assert_mem_eq(got, want, 20 * MADE_VOCAB * sizeof *got);
        for (size_t i = 20 * MADE_VOCAB; i < 40 * MADE_VOCAB; i++) ck_assert(!isfinite(got[i]));
        model_close(&b);
    }
    model_close(&m);
    made_end();
}
END_TEST

/* ---- what is refused ---- */

static void refuse(const made_spec *s, const made_change *c, const bb_infer_opts *opts, bb_status status,
                   const char *part) {
    model m;
    bb_error err = {0};
    bb_status st = model_try(make(s, c, "bad.gguf"), opts, &m, &err);
    ck_assert_msg(st == status && strstr(err.text, part), "status %d, '%s' lacks '%s'", st, err.text, part);
    model_close(&m);
}

static bool first_q_bias(const bb_graph_tensor *t, const void *ctx) { return strcmp(t->name, ctx) == 0; }
static void one_row_more(const bb_graph_tensor *t, uint64_t d[4], const void *ctx) {
    if (strcmp(t->name, ctx) == 0) d[1]++;
}
static bb_status no_mask(bb_gguf_out *o, const void *ctx) {
    (void)ctx;
    return bb_gguf_out_bool(o, "llama.attention.causal", false);
}
static bb_status yarn(bb_gguf_out *o, const void *ctx) { return bb_gguf_out_text(o, "llama.rope.scaling.type", ctx); }
static bb_status no_eps(bb_gguf_out *o, const void *ctx) {
    bb_gguf_out_remove(o, ctx);
    return BB_OK;
}
static bb_status number(bb_gguf_out *o, const void *ctx) { return bb_gguf_out_f32(o, ctx, -1); }
static bb_status window(bb_gguf_out *o, const void *ctx) { return bb_gguf_out_u32(o, ctx, 16); }

START_TEST(refused_models) {
    static const char down[] = "blk.1.ffn_down.weight", eps[] = "llama.attention.layer_norm_rms_epsilon";
    made_spec bias = *spec("llama"), gemma = *spec("llama"), gpt2 = *spec("llama");
    bias.qkv_bias = true;
    gemma.family = "gemma";
    gpt2.family = "gpt2";
    const made_spec *s = spec("llama");
    made_begin();
    refuse(&gemma, NULL, NULL, BB_E_UNSUPPORTED, "gemma");
    refuse(&gpt2, NULL, NULL, BB_E_UNSUPPORTED, "gpt2");
    refuse(s, &(made_change){.leave_out = first_q_bias, .ctx = down}, NULL, BB_E_INVALID, down);
    refuse(s, &(made_change){.dims = one_row_more, .ctx = down}, NULL, BB_E_INVALID, "65 rows of 96");
    refuse(&bias, &(made_change){.leave_out = first_q_bias, .ctx = "blk.0.attn_q.bias"}, NULL, BB_E_UNSUPPORTED,
           "blk.0.attn_k.bias");
    refuse(s, &(made_change){.keys = no_mask}, NULL, BB_E_UNSUPPORTED, "not causal");
    refuse(s, &(made_change){.keys = yarn, .ctx = "yarn"}, NULL, BB_E_UNSUPPORTED, "rope scaling");
    refuse(s, &(made_change){.keys = number, .ctx = "llama.rope.scaling.attn_factor"}, NULL, BB_E_UNSUPPORTED,
           "factor");
    refuse(s, &(made_change){.keys = number, .ctx = "llama.rope.scale_linear"}, NULL, BB_E_INVALID, "rope scaling");
    refuse(s, &(made_change){.keys = number, .ctx = "llama.rope.freq_base"}, NULL, BB_E_INVALID, "rope");
    refuse(s, &(made_change){.keys = no_eps, .ctx = eps}, NULL, BB_E_INVALID, eps);
    refuse(s, &(made_change){.keys = number, .ctx = eps}, NULL, BB_E_INVALID, "epsilon");
    refuse(s, &(made_change){.keys = window, .ctx = "llama.attention.sliding_window"}, NULL, BB_E_UNSUPPORTED,
           "window of 16");
    refuse(s, NULL, &(bb_infer_opts){.ctx = UINT64_MAX}, BB_E_ARG, "context");
    made_end();
}
END_TEST

START_TEST(refused_checkpoint) {
    model hf = {0};
    bb_error err = {0};
    made_spec s = *spec("llama");
    s.qkv_bias = s.out_bias = true;
    made_begin();
    model gguf = model_open(make(&s, NULL, "m.gguf"), NULL);
    hf.file = make_checkpoint(&gguf);
    ck_assert_int_eq(bb_arch_from_config(config, strlen(config), "config.json", &hf.arch, &err), BB_OK);
    ck_assert_int_eq(bb_infer_open(hf.file, hf.arch, NULL, &hf.infer, &err), BB_E_ARG);
    ck_assert_ptr_ne(strstr(err.text, "config.json"), NULL);
    /* the array of an array file, whatever the architecture */
    static const char npy[] = "\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"
                              "                                                            \n\0\0\0\0";
    made_file("a.npy", npy, sizeof npy - 1);
    bb_file *array = made_open("a.npy");
    ck_assert_int_eq(bb_infer_open(array, gguf.arch, NULL, &hf.infer, &err), BB_E_UNSUPPORTED);
    bb_file_close(array);
    model_close(&hf);
    model_close(&gguf);
    made_end();
}
END_TEST

START_TEST(refused_calls) {
    static const int32_t fine[4] = {1, 2, 3, 4}, below[2] = {1, -1}, above[2] = {1, MADE_VOCAB};
    float logits[4 * MADE_VOCAB], *untouched = logits;
    bb_error err = {0};
    made_begin();
    model m = model_open(make(spec("llama"), NULL, "m.gguf"), &(bb_infer_opts){.ctx = 5});
    bb_infer *f = m.infer;
    untouched[0] = 7;
    ck_assert_int_eq(bb_infer_run(f, fine, 0, 0, false, logits, &err), BB_E_ARG);
    ck_assert_int_eq(bb_infer_run(f, below, 2, 0, false, logits, &err), BB_E_ARG);
    ck_assert_ptr_ne(strstr(err.text, "token -1"), NULL);
    ck_assert_int_eq(bb_infer_run(f, above, 2, 0, false, logits, &err), BB_E_ARG);
    ck_assert_int_eq(bb_infer_run(f, fine, 1, 1, false, logits, &err), BB_E_ARG); /* nothing stands before it */
    ck_assert(logits[0] > 6 && logits[0] < 8);
    ck_assert_int_eq(bb_infer_run(f, fine, 4, 0, false, logits, &err), BB_OK);
    ck_assert_int_eq(bb_infer_run(f, fine, 2, 4, false, logits, &err), BB_E_ARG);
    ck_assert_ptr_ne(strstr(err.text, "context of 5"), NULL);
    ck_assert_int_eq(bb_infer_run(f, fine, 1, 4, false, logits, &err), BB_OK);
    ck_assert_int_eq(bb_infer_set(f, 99, NULL, BB_USE_KERNEL, &err), BB_E_ARG);
    ck_assert_int_eq(bb_infer_set(f, 0, bb_dtype_find("q4_K", NULL), BB_USE_KERNEL, &err), BB_E_UNSUPPORTED);
    ck_assert_ptr_ne(strstr(err.text, "rows of 64"), NULL);
    ck_assert_int_eq(bb_infer_set(f, 0, bb_dtype_find("iq2_xxs", NULL), BB_USE_VALUES, &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_infer_set_embedding(f, bb_dtype_find("q4_K", NULL), &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_infer_set_embedding(f, bb_dtype_find("iq2_xxs", NULL), &err), BB_E_UNSUPPORTED);
    bb_infer_free(NULL);
    model_close(&m);
    made_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("infer");
    TCase *t = tcase_create("infer");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, demo);
    tcase_add_test(t, demo_checkpoint);
    tcase_add_test(t, families);
    tcase_add_test(t, same_bits);
    tcase_add_test(t, long_text);
    tcase_add_test(t, goes_back);
    tcase_add_test(t, checkpoint);
    tcase_add_test(t, set_values);
    tcase_add_test(t, set_kernel);
    tcase_add_test(t, set_embedding);
    tcase_add_test(t, tap);
    tcase_add_test(t, not_finite);
    tcase_add_test(t, refused_models);
    tcase_add_test(t, refused_checkpoint);
    tcase_add_test(t, refused_calls);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
