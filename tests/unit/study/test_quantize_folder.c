/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_quantize_folder.c - folders as planned, as loaders expect them, and absent whenever something fails. */
#include "base/json.h"
#include "base/random.h"
#include "format/half.h"
#include "graph/differences.h"
#include "graph/stored.h"
#include "harness.h"
#include "model/packed.h"
#include "quant/codec_bnb.h"
#include "study/audit_study.h"
#include "study/compare_study.h"
#include "study/quantize_folder.h"
#include "study/study_parts.h"
#include <fenv.h>
#include <ftw.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

enum { HIDDEN = 64, FFN = 4608, KV = 32, VOCAB = 96 }; /* an MLP matrix takes more than a slab */

static char root[64];

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at) {
    (void)s;
    (void)kind;
    (void)at;
    return remove(path);
}

static void begin(void) {
    strcpy(root, "/tmp/bb-test-XXXXXX");
    ck_assert_ptr_ne(mkdtemp(root), NULL);
}
static void end(void) { nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

static const char *in_root(const char *name, char *path) {
    snprintf(path, 256, "%s/%s", root, name);
    return path;
}

static void write_file(const char *name, const void *data, size_t n) {
    char path[256];
    FILE *f = fopen(in_root(name, path), "wb");
    ck_assert_ptr_ne(f, NULL);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    fclose(f);
}

/* ---- a checkpoint of one layer: F16 matrices, one of BF16, an F32 norm ---- */

static const struct {
    const char *name, *type;
    uint64_t rows, cols; /* rows 0: a vector */
} tensors[] = {
    {"lm_head.weight", "F16", VOCAB, HIDDEN},
    {"model.embed_tokens.weight", "F16", VOCAB, HIDDEN},
    {"model.layers.0.input_layernorm.weight", "F32", 0, HIDDEN},
    {"model.layers.0.mlp.down_proj.weight", "F16", HIDDEN, FFN},
    {"model.layers.0.mlp.gate_proj.weight", "BF16", FFN, HIDDEN},
    {"model.layers.0.mlp.up_proj.weight", "F16", FFN, HIDDEN},
    {"model.layers.0.post_attention_layernorm.weight", "F32", 0, HIDDEN},
    {"model.layers.0.self_attn.k_proj.weight", "F16", KV, HIDDEN},
    {"model.layers.0.self_attn.o_proj.weight", "F16", HIDDEN, HIDDEN},
    {"model.layers.0.self_attn.q_proj.weight", "F16", HIDDEN, HIDDEN},
    {"model.layers.0.self_attn.v_proj.weight", "F16", KV, HIDDEN},
    {"model.norm.weight", "F32", 0, HIDDEN},
};
enum { TENSORS = sizeof tensors / sizeof *tensors, MATRICES = 7 };

static uint64_t elements(size_t i) { return (tensors[i].rows ? tensors[i].rows : 1) * tensors[i].cols; }

static void put_values(FILE *f, size_t i, uint64_t nan_at) {
    size_t n = (size_t)elements(i);
    float *x = malloc(n * sizeof *x);
    bb_study_gaussian(i + 1, 0, x, n);
    if (nan_at < n) x[nan_at] = (float)NAN;
    for (size_t k = 0; k < n; k++) {
        uint16_t h = 0;
        if (tensors[i].type[0] == 'F' && tensors[i].type[1] == '3') {
            fwrite(&x[k], 4, 1, f);
            continue;
        }
        h = tensors[i].type[0] == 'B' ? bb_f32_to_bf16(x[k]) : bb_f32_to_f16(x[k]);
        fwrite(&h, 2, 1, f);
    }
    free(x);
}

/* nan_in: the tensor whose element 7 is no number; TENSORS = none. */
static void make_checkpoint(const char *model_type, size_t nan_in) {
    char path[256], config[1024];
    bb_str h = {0};
    uint64_t at = 0;
    mkdir(in_root("in", path), 0777);
    int n = snprintf(config, sizeof config,
                     "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"%s\", \"hidden_size\": %d, "
                     "\"intermediate_size\": %d, \"num_hidden_layers\": 1, \"num_attention_heads\": 4, "
                     "\"num_key_value_heads\": 2, \"vocab_size\": %d, \"max_position_embeddings\": 128, "
                     "\"rms_norm_eps\": 1e-05, \"hidden_act\": \"silu\", \"torch_dtype\": \"float16\"}",
                     model_type, HIDDEN, FFN, VOCAB);
    write_file("in/config.json", config, (size_t)n);
    write_file("in/tokenizer.json", "{}\n", 3);
    bb_str_add(&h, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < TENSORS; i++) {
        uint64_t bytes = elements(i) * (strcmp(tensors[i].type, "F32") == 0 ? 4 : 2);
        bb_str_addf(&h, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", tensors[i].name, tensors[i].type);
        if (tensors[i].rows) bb_str_addf(&h, "%d,", (int)tensors[i].rows);
        bb_str_addf(&h, "%d],\"data_offsets\":[%lu,%lu]}", (int)tensors[i].cols, (unsigned long)at,
                    (unsigned long)(at + bytes));
        at += bytes;
    }
    bb_str_add(&h, "}");
    bb_str_addc(&h, ' ', (8 - h.len % 8) % 8);
    FILE *f = fopen(in_root("in/model.safetensors", path), "wb");
    ck_assert_ptr_ne(f, NULL);
    uint64_t length = h.len;
    fwrite(&length, 8, 1, f);
    fwrite(h.data, 1, h.len, f);
    for (size_t i = 0; i < TENSORS; i++) put_values(f, i, i == nan_in ? 7 : UINT64_MAX);
    fclose(f);
    bb_str_clear(&h);
}

static bb_model *locate(const char *name) {
    char path[256];
    bb_model *m = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_model_locate(NULL, NULL, in_root(name, path), &m, &err) == BB_OK, "%s", err.text);
    return m;
}

static bb_folder_job *plan(const bb_model *m, const bb_folder_opts *o) {
    bb_folder_job *job = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_folder_quantize_plan(m, o, &job, &err) == BB_OK, "%s", err.text);
    return job;
}

static bb_status run(bb_folder_job *job, const char *name, bool force, bb_progress *p, bb_error *err) {
    char path[256];
    return bb_folder_quantize_run(job, in_root(name, path), force, p, err);
}

static void must_run(bb_folder_job *job, const char *name) {
    bb_error err = {0};
    bb_progress p;
    bb_progress_init(&p);
    ck_assert_msg(run(job, name, false, &p, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(atomic_load(&p.done), atomic_load(&p.total));
}

static uint64_t total;
static int add_size(const char *path, const struct stat *s, int kind, struct FTW *at) {
    (void)path;
    (void)at;
    if (kind == FTW_F) total += (uint64_t)s->st_size;
    return 0;
}
static uint64_t folder_bytes(const char *name) {
    char path[256];
    total = 0;
    nftw(in_root(name, path), add_size, 8, FTW_PHYS);
    return total;
}

static bool exists(const char *name) {
    char path[256];
    struct stat s;
    return lstat(in_root(name, path), &s) == 0;
}

/* ---- the layouts ---- */

static const struct layout {
    bb_folder_method method;
    bb_granularity granularity;
    bool asymmetric, double_quant;
    bb_quant_method read_as;
    const char *label;
    double low, high; /* relative error on few values of N(0,1): specs/methods.md 5.1, 4 % */
} layouts[] = {
    {BB_FOLDER_NF4, BB_PER_ROW, false, false, BB_QUANT_BNB_4BIT, "bitsandbytes nf4", 0.088, 0.096},
    {BB_FOLDER_NF4, BB_PER_ROW, false, true, BB_QUANT_BNB_4BIT, "bitsandbytes nf4, double", 0.088, 0.096},
    {BB_FOLDER_FP4, BB_PER_ROW, false, false, BB_QUANT_BNB_4BIT, "bitsandbytes fp4", 0.117, 0.127},
    {BB_FOLDER_FP4, BB_PER_ROW, false, true, BB_QUANT_BNB_4BIT, "bitsandbytes fp4, double", 0.117, 0.127},
    {BB_FOLDER_LLM_INT8, BB_PER_ROW, false, false, BB_QUANT_BNB_INT8, "bitsandbytes LLM.int8()", 0.004, 0.011},
    {BB_FOLDER_INT8, BB_PER_ROW, false, false, BB_QUANT_COMPRESSED, "compressed-tensors int 8 bit", 0.004, 0.011},
    {BB_FOLDER_INT8, BB_PER_ROW, true, false, BB_QUANT_COMPRESSED, "compressed-tensors int 8 bit, asymmetric", 0.004,
     0.011},
    {BB_FOLDER_INT8, BB_PER_TENSOR, false, false, BB_QUANT_COMPRESSED, "compressed-tensors int 8 bit, per tensor",
     0.006, 0.016},
    {BB_FOLDER_INT8, BB_PER_TENSOR, true, false, BB_QUANT_COMPRESSED,
     "compressed-tensors int 8 bit, per tensor, asymmetric", 0.006, 0.016},
    {BB_FOLDER_INT8, BB_PER_GROUP, false, false, BB_QUANT_COMPRESSED, "compressed-tensors int 8 bit, group 32", 0.004,
     0.0065},
    {BB_FOLDER_INT8, BB_PER_GROUP, true, false, BB_QUANT_COMPRESSED,
     "compressed-tensors int 8 bit, group 32, asymmetric", 0.004, 0.0065},
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

static bb_folder_opts opts_of(const struct layout *l) {
    bb_folder_opts o;
    bb_folder_opts_init(&o);
    o.method = l->method;
    o.granularity = l->granularity;
    o.asymmetric = l->asymmetric;
    o.double_quant = l->double_quant;
    o.group = 32;
    o.threads = 2;
    return o;
}

static void check_row(const bb_quantize_row *r, const struct layout *l) {
    uint64_t counted = 0;
    ck_assert_int_eq(atomic_load(&r->state), BB_ROW_DONE);
    for (size_t k = 0; k < BB_QUANTIZE_BINS; k++) counted += r->histogram[k];
    if (!r->quantized) {
        ck_assert(r->error.rel == 0 && counted == 0 && r->bytes == r->from_bytes);
        return;
    }
    ck_assert_msg(r->error.rel > l->low && r->error.rel < l->high, "%s: %.5f", r->name, r->error.rel);
    ck_assert_uint_eq(counted, r->elements);
    ck_assert_uint_eq(r->error.n, r->elements);
    ck_assert(r->error.max_abs < r->histogram_limit && r->error.max_abs >= r->histogram_limit / 4);
}

/* The folder read back through its scales: another sum over the same values, of the F16 or BF16 that was read. */
static void check_read_back(const bb_model *m, const bb_model *back, const bb_folder_job *job) {
    bb_compare_report r = {0};
    bb_error err = {0};
    ck_assert_msg(bb_compare_study(m, back, &(bb_compare_opts){.threads = 2}, NULL, &r, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(r.different, MATRICES);
    for (size_t i = 0; i < bb_folder_quantize_count(job); i++) {
        const bb_quantize_row *q = bb_folder_quantize_at(job, i);
        size_t k = 0;
        while (k < r.n_rows && (!r.rows[k].a.n || strcmp(r.rows[k].a.t[0]->name, q->name) != 0)) k++;
        ck_assert_uint_lt(k, r.n_rows);
        const bb_error_stats *e = &r.rows[k].error;
        ck_assert(r.rows[k].measured && (r.rows[k].same == BB_SAME_NO) == q->quantized);
        ck_assert_msg(fabs(e->rel - q->error.rel) <= 1e-9 * q->error.rel, "%s: %.17g, %.17g", q->name, e->rel,
                      q->error.rel);
        ck_assert_double_eq(e->max_abs, q->error.max_abs);
    }
    bb_compare_report_clear(&r);
    ck_assert_int_eq(bb_compare_study(back, back, &(bb_compare_opts){0}, NULL, &r, &err), BB_OK);
    ck_assert_uint_eq(r.same_bytes, r.n_rows);
    bb_compare_report_clear(&r);
}

/* No tensor is absent, left over, of another shape or of another type than the config says. */
static void check_as_config(const bb_model *back) {
    bb_graph g = {0};
    bb_stored_list stored = {0};
    bb_difference *list = NULL;
    size_t n = 0;
    bb_error err = {0};
    ck_assert_int_eq(bb_graph_build(back->arch, &g, &err), BB_OK);
    ck_assert_int_eq(bb_stored_hf(&g, &back->quant, back->arch->dtype, &stored, &err), BB_OK);
    ck_assert_int_eq(bb_graph_differences(&g, &stored, back->file, &list, &n, &err), BB_OK);
    for (size_t i = 0; i < n; i++) /* the checkpoint mixes its own types, which the texts name too */
        ck_assert_msg(!bb_packed_companion(list[i].example) || strstr(list[i].example, ".quant_state."), "%s: %s",
                      list[i].example, list[i].text);
    free(list);
    bb_stored_clear(&stored);
    bb_graph_clear(&g);
}

/* Nothing that the format brings is a fault. */
static void check_audit(const bb_model *back) {
    bb_audit_report r = {0};
    bb_error err = {0};
    ck_assert_msg(bb_audit_study(back, 2, NULL, &r, &err) == BB_OK, "%s", err.text);
    for (size_t i = 0; i < r.n; i++)
        ck_assert_msg(r.findings[i].severity == BB_NOTE, "%s: %s", r.findings[i].tensor, r.findings[i].word);
    bb_audit_report_clear(&r);
}

/* To the byte as planned; our own reader knows the method and finds all parameters. */
START_TEST(as_planned) {
    const struct layout *l = &layouts[_i];
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(l);
    bb_folder_job *job = plan(m, &o);
    must_run(job, "out");
    ck_assert_uint_eq(folder_bytes("out"), bb_folder_quantize_bytes(job));
    size_t quantized = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < bb_folder_quantize_count(job); i++) {
        const bb_quantize_row *r = bb_folder_quantize_at(job, i);
        check_row(r, l);
        quantized += r->quantized;
        bytes += r->bytes;
    }
    ck_assert_uint_eq(quantized, MATRICES);
    ck_assert_uint_eq(bytes, bb_folder_quantize_tensor_bytes(job));
    bb_model *back = locate("out");
    ck_assert_int_eq(back->quant.method, l->read_as);
    ck_assert_str_eq(back->quant.label, l->label);
    check_as_config(back);
    check_read_back(m, back, job);
    check_audit(back);
    ck_assert_uint_eq(back->parameters, m->parameters);
    ck_assert_uint_eq(bb_file_tensor_bytes(back->file), bytes);
    ck_assert(bb_quantization_skips(&back->quant, "lm_head"));
    ck_assert(!bb_quantization_skips(&back->quant, "model.layers.0.mlp.up_proj"));
    /* and does not quantize it again */
    bb_folder_job *again = NULL;
    ck_assert_int_eq(bb_folder_quantize_plan(back, &o, &again, NULL), BB_E_UNSUPPORTED);
    bb_model_free(back);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

static char *slurp(const char *name, size_t *n) {
    char path[256], *text = NULL;
    ck_assert_int_eq(bb_source_slurp(in_root(name, path), 1 << 26, &text, n, NULL), BB_OK);
    return text;
}

/* The same bytes and the same errors for any number of threads, any instruction set, any rounding mode. */
START_TEST(deterministic) {
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts a = opts_of(&layouts[_i]), b = a;
    a.threads = 1;
    b.threads = 3;
    b.isa = BB_ISA_SCALAR;
    bb_folder_job *one = plan(m, &a);
    must_run(one, "one");
    ck_assert_int_eq(fesetround(FE_UPWARD), 0);
    bb_folder_job *three = plan(m, &b);
    must_run(three, "three");
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    ck_assert_int_eq(fesetround(FE_TONEAREST), 0);
    size_t n, k;
    char *x = slurp("one/model.safetensors", &n), *y = slurp("three/model.safetensors", &k);
    ck_assert(n == k && memcmp(x, y, n) == 0);
    for (size_t i = 0; i < bb_folder_quantize_count(one); i++) {
        const bb_quantize_row *r = bb_folder_quantize_at(one, i), *s = bb_folder_quantize_at(three, i);
        ck_assert_mem_eq(&r->error, &s->error, sizeof r->error);
        ck_assert_mem_eq(r->histogram, s->histogram, sizeof r->histogram);
        ck_assert(r->histogram_limit == s->histogram_limit);
    }
    free(x);
    free(y);
    bb_folder_quantize_free(one);
    bb_folder_quantize_free(three);
    bb_model_free(m);
    end();
}
END_TEST

/* bitsandbytes' tensors of one matrix: shapes, and bytes that the codec gives for it. */
START_TEST(nf4_tensors) {
    enum { N = KV * HIDDEN };
    static const char module[] = "model.layers.0.self_attn.k_proj.weight";
    float x[N], absmax[N / 64];
    unsigned char packed[N / 2], got[N / 2];
    char name[128];
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[0]);
    bb_folder_job *job = plan(m, &o);
    must_run(job, "out");
    bb_model *out = locate("out");
    ck_assert_int_eq(bb_file_read_rows(m->file, bb_file_find(m->file, module), 0, KV, x, NULL), BB_OK);
    bb_bnb_encode(BB_BNB_NF4, x, N, 64, BB_ISA_AUTO, packed, absmax);
    const bb_tensor *t = bb_file_find(out->file, module);
    ck_assert(t && t->n_dims == 2 && t->dims[0] == N / 2 && t->dims[1] == 1);
    ck_assert_int_eq(bb_file_read_raw(out->file, t, 0, t->rows, got, NULL), BB_OK);
    ck_assert_mem_eq(got, packed, sizeof packed);
    snprintf(name, sizeof name, "%s.absmax", module);
    t = bb_file_find(out->file, name);
    ck_assert(t && t->bytes == sizeof absmax && strcmp(t->type->name, "f32") == 0);
    ck_assert_int_eq(bb_file_read_raw(out->file, t, 0, 1, got, NULL), BB_OK);
    ck_assert_mem_eq(got, absmax, sizeof absmax);
    /* the text that bitsandbytes writes for it (tests/data/methods: its own, of another shape) */
    static const char state[] =
        "{\"quant_type\": \"nf4\", \"blocksize\": 64, \"dtype\": \"float16\", \"shape\": [32, 64]}";
    snprintf(name, sizeof name, "%s.quant_state.bitsandbytes__nf4", module);
    t = bb_file_find(out->file, name);
    ck_assert(t && t->bytes == sizeof state - 1);
    ck_assert_int_eq(bb_file_read_raw(out->file, t, 0, 1, got, NULL), BB_OK);
    ck_assert_mem_eq(got, state, sizeof state - 1);
    bb_model_free(out);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

START_TEST(shards) {
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[1]);
    o.shard_bytes = 200000;
    bb_folder_job *job = plan(m, &o);
    ck_assert_uint_gt(bb_folder_quantize_shards(job), 2);
    must_run(job, "out");
    ck_assert_uint_eq(folder_bytes("out"), bb_folder_quantize_bytes(job));
    ck_assert(exists("out/model.safetensors.index.json") && !exists("out/model.safetensors"));
    bb_model *out = locate("out");
    ck_assert_uint_eq(bb_file_parts(out->file), bb_folder_quantize_shards(job));
    ck_assert_uint_eq(bb_file_tensor_bytes(out->file), bb_folder_quantize_tensor_bytes(job));
    ck_assert_uint_eq(out->parameters, m->parameters);
    bb_model_free(out);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

/* Of a copied tensor and of a quantized one: named, counted, and no folder is left. */
START_TEST(nonfinite) {
    static const size_t where[] = {2, 5};
    for (size_t k = 0; k < 2; k++) {
        begin();
        make_checkpoint("llama", where[k]);
        bb_model *m = locate("in");
        bb_folder_opts o = opts_of(&layouts[0]);
        bb_folder_job *job = plan(m, &o);
        bb_error err = {0};
        ck_assert_int_eq(run(job, "out", false, NULL, &err), BB_E_INVALID);
        ck_assert_ptr_ne(strstr(err.text, tensors[where[k]].name), NULL);
        ck_assert_ptr_ne(strstr(err.text, "1 of "), NULL);
        ck_assert(!exists("out"));
        bb_folder_quantize_free(job);
        o.allow_nonfinite = true;
        job = plan(m, &o);
        must_run(job, "out");
        ck_assert_uint_eq(bb_folder_quantize_at(job, where[k])->error.nonfinite, 1);
        bb_folder_quantize_free(job);
        bb_model_free(m);
        end();
    }
}
END_TEST

START_TEST(cancelled_and_forced) {
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[1]);
    bb_folder_job *job = plan(m, &o);
    bb_progress p;
    bb_progress_init(&p);
    atomic_store(&p.cancel, true);
    ck_assert_int_eq(run(job, "out", false, &p, NULL), BB_E_CANCELLED);
    ck_assert(!exists("out"));
    bb_folder_quantize_free(job);
    job = plan(m, &o);
    must_run(job, "out");
    bb_folder_quantize_free(job);
    job = plan(m, &o);
    ck_assert_int_eq(run(job, "out", false, NULL, NULL), BB_E_EXISTS);
    bb_folder_quantize_free(job);
    job = plan(m, &o);
    ck_assert_int_eq(run(job, "out", true, NULL, NULL), BB_OK);
    ck_assert_uint_eq(folder_bytes("out"), bb_folder_quantize_bytes(job));
    /* neither what is not ours, nor a folder without weights */
    bb_error err = {0};
    write_file("out/README.md", "mine", 4);
    ck_assert_int_eq(run(job, "out", true, NULL, &err), BB_E_WRITE);
    ck_assert_msg(strstr(err.text, "'README.md'") && exists("out/README.md"), "%s", err.text);
    char path[256];
    ck_assert_int_eq(mkdir(in_root("code", path), 0777), 0);
    write_file("code/config.json", "{}", 2);
    write_file("code/mine.py", "", 0);
    ck_assert_int_eq(run(job, "code", true, NULL, &err), BB_E_WRITE);
    ck_assert(exists("code/mine.py"));
    ck_assert_int_eq(run(job, "in/../in", true, NULL, NULL), BB_E_ARG); /* what it is made from */
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

START_TEST(small_files) {
    char path[256], link[256];
    begin();
    make_checkpoint("llama", TENSORS);
    write_file("secret.model", "x", 1);
    write_file("in/notes.txt", "x", 1);
    ck_assert_int_eq(symlink("../secret.model", in_root("in/out_of_it.model", path)), 0);
    ck_assert_int_eq(symlink("tokenizer.json", in_root("in/tokenizer_again.json", link)), 0);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[5]);
    bb_folder_job *job = plan(m, &o);
    ck_assert_ptr_ne(bb_folder_quantize_warning(job, 0), NULL);
    ck_assert_ptr_ne(strstr(bb_folder_quantize_warning(job, 0), "out_of_it.model"), NULL);
    must_run(job, "out");
    ck_assert(exists("out/tokenizer.json") && exists("out/tokenizer_again.json"));
    ck_assert(!exists("out/out_of_it.model") && !exists("out/notes.txt"));
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

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

static Suite *suite(void) {
    Suite *s = suite_create("quantize_folder");
    TCase *t = tcase_create("quantize_folder");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, as_planned, 0, LAYOUTS);
    tcase_add_loop_test(t, deterministic, 0, LAYOUTS);
    tcase_add_test(t, nf4_tensors);
    tcase_add_test(t, shards);
    tcase_add_test(t, nonfinite);
    tcase_add_test(t, cancelled_and_forced);
    tcase_add_test(t, small_files);
    tcase_add_test(t, kept);
    tcase_add_test(t, rest);
    tcase_add_test(t, unknown_architecture);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
