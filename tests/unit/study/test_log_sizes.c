/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_log_sizes.c - what stands in logs of five programs, old and new wording; a model by its shape; what is learned.
 */
#include "base/csv.h"
#include "base/str.h"
#include "harness.h"
#include "study/log_check.h"
#include "study/log_lines.h"
#include <string.h>
#include <unistd.h>

#define MIB(x) ((uint64_t)((x)*1048576.0 + 0.5))
#define GIB(x) ((uint64_t)((x)*1073741824.0 + 0.5))

static bb_log ll;
static bb_error err;

static void read_file(const char *name) {
    char path[96];
    snprintf(path, sizeof path, "tests/data/logs/%s", name);
    ck_assert_msg(bb_log_read(path, &ll, &err) == BB_OK, "%s", err.text);
}
static void read_text(const char *text) {
    bb_log_init(&ll);
    bb_log_feed(&ll, text, strlen(text));
    bb_log_end(&ll);
}
static uint64_t size_of(const char *component, const char *device) {
    const bb_log_size *s = bb_log_find(&ll, component, device);
    return s ? s->bytes : UINT64_MAX;
}

START_TEST(amounts) {
    static const struct {
        const char *text;
        uint64_t bytes, step; /* 0: none */
    } cases[] = {
        {" 4403.49 MiB", MIB(4403.49), MIB(0.01)},
        {"2.89GiB;", GIB(2.89), GIB(0.01)},
        {"2.8875 GB", GIB(2.8875), GIB(0.0001)}, /* vLLM divided by 2^30 */
        {"\"1.0 GiB\"", GIB(1), GIB(0.1)},
        {"300 MiB.", MIB(300), MIB(1)},
        {"12", 0, 0},
        {"x MiB", 0, 0},
        {"1e300 MiB", 0, 0},
        {"99999999999 GiB", 0, 0},
        {"1.2.3 MiB", 0, 0},
        {"", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_log_amount a = {0};
        bool found = bb_log_amount_at(cases[i].text, 0, true, &a);
        ck_assert_msg(found == (cases[i].step != 0), "%s", cases[i].text);
        ck_assert_uint_eq(a.bytes, cases[i].bytes);
        ck_assert_uint_eq(a.step, cases[i].step);
    }
    bb_log_amount a;
    ck_assert(bb_log_before("(GPU 0; 23.65 GiB total capacity; 22.08 GiB already allocated", " already allocated", &a));
    ck_assert_uint_eq(a.bytes, GIB(22.08));
    uint64_t n = 7;
    ck_assert(bb_log_count_after("size: 163,168 tokens", "size: ", &n) && n == 163168);
    ck_assert(!bb_log_count_after("size: 99999999999999999999999", "size: ", &n) && n == 163168);
}
END_TEST

START_TEST(llama) {
    read_file("llama-3.1-8b.log");
    ck_assert_int_eq(ll.kind, BB_LOG_LLAMA);
    ck_assert_uint_eq(size_of("weights", "gpu0"), MIB(4403.49));
    ck_assert_uint_eq(size_of("weights", "host"), MIB(281.81));
    ck_assert_uint_eq(size_of("kv_cache", "gpu0"), MIB(1024)); /* not the sum of both lines */
    ck_assert_uint_eq(size_of("compute_buffer", "gpu0"), MIB(560));
    ck_assert_uint_eq(size_of("compute_buffer", "host"), MIB(24.01));
    ck_assert_uint_eq(size_of("output_buffer", "host"), MIB(1.96));
    ck_assert_uint_eq(ll.n_sizes, 6);
    ck_assert_uint_eq(ll.ctx, 8192);
    ck_assert_uint_eq(ll.parallel, 4);
    ck_assert(ll.unified && ll.flash == -1);
    ck_assert_uint_eq(ll.offloaded, 33);
    ck_assert_str_eq(ll.kv_v, "f16");
    ck_assert_str_eq(bb_log_file_type(&ll), "q4_K_M");
    bb_log_device *d = bb_log_device_of(&ll, "CUDA0");
    ck_assert_str_eq(d->device, "gpu0");
    ck_assert_str_eq(d->card, "RTX 3080");
    ck_assert_uint_eq(d->total_bytes, MIB(10239));
    ck_assert_uint_eq(d->unaccounted_bytes, MIB(467));
    read_file("llama-2-7b-2024.log");
    ck_assert_uint_eq(size_of("weights", "host"), MIB(4560.87));
    ck_assert_uint_eq(size_of("kv_cache", "host"), MIB(1024));
    ck_assert_uint_eq(ll.n_sizes, 4);
    ck_assert_str_eq(bb_log_file_type(&ll), "q5_K_M");
}
END_TEST

START_TEST(devices_and_repeats) {
    read_text(
        "load_tensors: CUDA0 model buffer size = 100.00 MiB\n"
        "load_tensors: CUDA1 model buffer size = 50.00 MiB\r\n"
        "load_tensors: CPU_REPACK model buffer size = 2.00 MiB\nload_tensors: CPU_Mapped model buffer size = 1.00 MiB\n"
        /* two caches of a model with windows add up; the last reservation is the one that stays */
        "llama_kv_cache: CUDA1 KV buffer size = 10.00 MiB\nllama_kv_cache: CUDA1 KV buffer size = 5.00 MiB\n"
        "llama_context: CUDA1 compute buffer size = 7.00 MiB\nllama_context: CUDA1 compute buffer size = 9.00 MiB\n"
        "llama_memory_recurrent: CUDA0 RS buffer size = 3.00 MiB\n"
        "llama_memory_breakdown_print: |   - CUDA1 (RTX 3090) | 24000 = 1 + (2 = 3 + 4 + 5) + -6 |");
    ck_assert_uint_eq(size_of("weights", "gpu1"), MIB(50));
    ck_assert_uint_eq(size_of("weights", "host"), MIB(3));
    ck_assert_uint_eq(size_of("kv_cache", "gpu1"), MIB(15));
    ck_assert_uint_eq(size_of("compute_buffer", "gpu1"), MIB(9));
    ck_assert_uint_eq(size_of("recurrent_state", "gpu0"), MIB(3));
    ck_assert_uint_eq(bb_log_device_of(&ll, "CUDA1")->unaccounted_step, 0); /* less than nothing tells nothing */
    /* a draft model comes second and is not the one that is checked */
    read_text("loaded meta data with 1 key-value pairs and 2 tensors from a.gguf (version\n"
              "load_tensors: Metal_Mapped model buffer size = 100.00 MiB\n"
              "loaded meta data with 1 key-value pairs and 2 tensors from b.gguf (version\n"
              "load_tensors: Metal_Mapped model buffer size = 7.00 MiB\n");
    ck_assert_uint_eq(size_of("weights", "gpu0"), MIB(100));
    ck_assert_str_eq(ll.path, "a.gguf");
    /* Ollama's own lines are coarser than its runner's */
    read_text("time=x level=INFO source=device.go:240 msg=\"model weights\" device=CUDA0 size=\"4.3 GiB\"\n"
              "load_tensors: CUDA0 model buffer size = 4403.49 MiB\n");
    ck_assert(ll.ollama);
    ck_assert_uint_eq(ll.n_sizes, 1);
}
END_TEST

/* llama-bench -v makes a context for each test: the last one stands, with its settings; one model's weights stay. */
START_TEST(contexts) {
    static const char *const begins[] = {"llama_context: constructing llama_context\nllama_context: n_seq_max = 1\n",
                                         "llama_context: n_seq_max = 1\n", ""};
    for (size_t b = 0; b < 3; b++) {
        bb_str text;
        bb_str_init(&text);
        bb_str_add(&text, "load_tensors: CUDA0 model buffer size = 100.00 MiB\n");
        for (unsigned i = 3; i > 0; i--)
            bb_str_addf(
                &text,
                "%s%s: n_ctx = %u\n%s: flash_attn = %s\n"
                "llama_context: CPU output buffer size = %u.00 MiB\n"
                "llama_kv_cache: CUDA0 KV buffer size = %u.00 MiB\nllama_kv_cache: CUDA0 KV buffer size = 1.00 MiB\n"
                "llama_memory_recurrent: CUDA0 RS buffer size = %u.00 MiB\n"
                "sched_reserve: CUDA0 compute buffer size = %u.00 MiB\n",
                begins[b], b == 2 ? "llama_new_context_with_model" : "llama_context", i * 512,
                b == 2 ? "llama_new_context_with_model" : "llama_context", i > 1 ? "1" : "0", i, i * 10, i, i * 7);
        read_text(bb_str_c(&text));
        bb_str_clear(&text);
        ck_assert_uint_eq(ll.ctx, 512);
        ck_assert_int_eq(ll.flash, -1);
        ck_assert_uint_eq(size_of("weights", "gpu0"), MIB(100));
        ck_assert_uint_eq(size_of("kv_cache", "gpu0"), MIB(11));
        ck_assert_uint_eq(size_of("recurrent_state", "gpu0"), MIB(1));
        ck_assert_uint_eq(size_of("output_buffer", "host"), MIB(1));
        ck_assert_uint_eq(size_of("compute_buffer", "gpu0"), MIB(7));
    }
}
END_TEST

START_TEST(vllm) {
    read_file("vllm-v1.log");
    ck_assert_int_eq(ll.kind, BB_LOG_VLLM);
    ck_assert_str_eq(ll.name, "meta-llama/Llama-3.1-8B");
    ck_assert_str_eq(ll.dtype, "bfloat16");
    ck_assert_uint_eq(ll.ctx, 32768);
    ck_assert_uint_eq(ll.tensor_parallel, 1);
    ck_assert_uint_eq(size_of("weights", "gpu0"), GIB(14.9889));
    ck_assert_uint_eq(size_of("kv_cache", "gpu0"), GIB(19.92));
    ck_assert_uint_eq(size_of("kv_cache:tokens", "gpu0"), 163168);
    read_file("vllm-v0.log");
    ck_assert_uint_eq(size_of("weights", "gpu0"), GIB(2.8875)); /* the first, finer line */
    ck_assert_uint_eq(size_of("activations", "gpu0"), GIB(2.02));
    ck_assert_uint_eq(size_of("kv_cache", "gpu0"), GIB(2.36));
    ck_assert_uint_eq(size_of("kv_cache:tokens", "gpu0"), 5517 * 16);
    ck_assert(ll.eager && ll.utilization == 0.5);
    bb_log_device *d = bb_log_device_of(&ll, "GPU");
    ck_assert_uint_eq(d->unaccounted_bytes, GIB(0.01));
    ck_assert_uint_eq(d->total_bytes, GIB(14.56));
    ck_assert(ll.whole_prompts);
    /* V0 chunks prompts beyond 32 Ki tokens, or where it is asked; V1 always */
    static const char *const lines[][2] = {
        {"Initializing an LLM engine (v0.6.3) with config: model='m', max_seq_len=4096, x", "whole"},
        {"Initializing a V0 LLM engine (v0.7.2) with config: model='m', max_seq_len=65536, x", ""},
        {"Initializing a V0 LLM engine (v0.7.2) with config: max_seq_len=65536, chunked_prefill_enabled=False, x",
         "whole"},
        {"Initializing a V0 LLM engine (v0.7.2) with config: max_seq_len=4096, chunked_prefill_enabled=True, x", ""},
        {"Initializing a V1 LLM engine (v0.8.1) with config: model='m', max_seq_len=4096, x", ""}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        bb_log_init(&ll);
        bb_log_feed(&ll, lines[i][0], strlen(lines[i][0]));
        bb_log_end(&ll);
        ck_assert_msg(ll.whole_prompts == (*lines[i][1] != '\0'), "%s", lines[i][0]);
    }
}
END_TEST

START_TEST(torch) {
    read_file("torch-2.log");
    ck_assert_int_eq(ll.kind, BB_LOG_TORCH);
    ck_assert_uint_eq(size_of("total:allocated", "gpu0"), GIB(20));
    ck_assert_uint_eq(ll.devices[0].total_bytes, GIB(23.65));
    ck_assert_uint_eq(ll.devices[0].unaccounted_bytes, GIB(22.44) - GIB(20));
    ck_assert_uint_eq(ll.tried_bytes, GIB(2));
    read_file("torch-1.log");
    ck_assert_uint_eq(size_of("total:allocated", "gpu0"), GIB(22.08));
    ck_assert_uint_eq(ll.devices[0].unaccounted_bytes, GIB(22.44) - GIB(22.08));
    ck_assert_uint_eq(ll.tried_bytes, MIB(20));
}
END_TEST

/* Shapes by what is printed: parameters and tensors of the catalogue's own models. */
START_TEST(shapes) {
    bb_model *m = NULL;
    read_file("llama-3.1-8b.log");
    ck_assert_msg(bb_log_model(&ll, &m, &err) == BB_OK, "%s", err.text);
    ck_assert(!m->arch->tied && m->arch->rope_freqs); /* 292 tensors: 8.03 B, and rope_freqs beside 291 */
    ck_assert_uint_eq(m->arch->head_dim, 128);
    bb_model_free(m);
    read_text(
        "print_info: arch = qwen3\nprint_info: n_vocab = 151936\nprint_info: n_embd = 1024\nprint_info: n_layer = 28\n"
        "print_info: n_head = 16\nprint_info: n_head_kv = 8\nprint_info: n_rot = 128\nprint_info: n_ff = 3072\n"
        "print_info: n_embd_head_k = 128\nprint_info: n_embd_head_v = 128\nprint_info: model params = 596.05 M\n");
    ck_assert_msg(bb_log_model(&ll, &m, &err) == BB_OK, "%s", err.text);
    ck_assert(m->arch->tied); /* 0.60 B with one embedding, 0.75 B with two */
    bb_model_free(m);
    m = NULL;
    read_text("print_info: arch = nothing-known\nprint_info: n_embd = 1024\n");
    ck_assert_int_eq(bb_log_model(&ll, &m, &err), BB_E_UNSUPPORTED);
    read_text("no such thing\n");
    ck_assert_int_eq(bb_log_model(&ll, &m, &err), BB_E_NAME);
    ck_assert_ptr_null(m);
}
END_TEST

START_TEST(comparison) {
    bb_plan plan = {.used = {.ctx = 1000, .parallel = 1, .kv_block = 16}};
    bb_plan_line lines[] = {
        {.component = "weights", .device = "gpu0", .bytes = MIB(100), .low_bytes = MIB(100), .high_bytes = MIB(100)},
        {.component = "weights:parts", .device = "gpu0", .bytes = MIB(5)},
        {.component = "kv_cache", .device = "gpu0", .bytes = 1000 * 64, .low_bytes = 64000, .high_bytes = 64000},
        {.component = "overhead", .device = "gpu0", .bytes = MIB(9), .low_bytes = 0, .high_bytes = MIB(20)}};
    bb_log_report r = {0};
    plan.lines = lines;
    plan.n_lines = 4;
    read_text("load_tensors: CUDA0 model buffer size = 100.00 MiB\nload_tensors: CUDA1 model buffer size = 1.00 MiB\n"
              "llama_kv_cache: CUDA0 KV buffer size = 0.07 MiB\n"
              "llama_memory_breakdown_print: |   - CUDA0 (x) | 24000 = 1 + (2 = 3 + 4 + 5) + 12 |\n");
    ck_assert_int_eq(bb_log_compare(&ll, &plan, &r, &err), BB_OK);
    ck_assert_uint_eq(r.n, 4);
    ck_assert_uint_eq(r.compared, 3);
    ck_assert_uint_eq(r.agree, 2);
    ck_assert(r.rows[0].agrees && r.rows[0].difference == 0);
    ck_assert(!r.rows[1].planned && !r.rows[1].agrees);
    ck_assert(!r.rows[2].agrees); /* 64000 bytes are 0.06 MiB */
    ck_assert_int_eq(r.rows[2].difference, 64000 - (int64_t)MIB(0.07));
    ck_assert_str_eq(r.rows[3].component, "overhead");
    ck_assert(r.rows[3].agrees);
    bb_log_report_clear(&r);
    ck_assert_int_eq(bb_log_compare(&ll, NULL, &r, &err), BB_OK);
    ck_assert_uint_eq(r.compared, 0);
    bb_log_report_clear(&r);
    /* 1 MiB of 64 bytes a token, in blocks of 16 */
    read_text("INFO Available KV cache memory: 1 MiB\nINFO GPU KV cache size: 16,384 tokens\n");
    ck_assert_int_eq(bb_log_compare(&ll, &plan, &r, &err), BB_OK);
    ck_assert_str_eq(r.rows[1].component, "kv_cache:tokens");
    ck_assert_uint_eq(r.rows[1].predicted, 16384);
    ck_assert(r.rows[1].agrees);
    bb_log_report_clear(&r);
}
END_TEST

/* Of a card that is named so in a plan; NULL where it plans none. */
static bb_plan_line overhead_on(const bb_catalogue *cat, const char *card) {
    bb_plan_request r = {.engine = BB_ENGINE_LLAMA_CPP, .weights = "q4_K_M", .ctx = 512};
    bb_model *m = NULL;
    bb_subject subject;
    bb_plan p = {0};
    bb_plan_line found = {0};
    r.cards[0] = (bb_plan_card){.limit_bytes = GIB(24), .driver_bytes = GIB(24)};
    snprintf(r.cards[0].name, sizeof r.cards[0].name, "%s", card);
    ck_assert_int_eq(bb_model_locate(cat, NULL, "llama-3.2-1b", &m, NULL), BB_OK);
    ck_assert_int_eq(bb_subject_init(&subject, m, cat, NULL), BB_OK);
    ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, NULL), BB_OK);
    for (size_t i = 0; i < p.n_lines; i++)
        if (strcmp(p.lines[i].component, "overhead") == 0) found = p.lines[i];
    bb_plan_clear(&p);
    bb_subject_clear(&subject);
    bb_model_free(m);
    return found;
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

/* One log moves the likely value of its card, and three take the place of the shipped interval; other cards keep it. */
START_TEST(learning) {
    char path[] = "/tmp/bb_overheads_XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    bb_overhead o;
    bb_catalogue *cat = NULL;
    read_text("nothing\n");
    ck_assert_int_eq(bb_log_learn(&ll, "llama.cpp", "RTX 3080", path, &o, &err), BB_E_NAME);
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, &err), BB_OK);
    bb_plan_line shipped = overhead_on(cat, "RTX 3080");
    bb_catalogue_free(cat);
    write_text(path, "mine,name,engine,part,low_bytes,typical_bytes,high_bytes\nkeep,own simple,simple,all,1,2,3\n");
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1)
            read_text("llama_memory_breakdown_print: |   - CUDA0 (x) | 24000 = 1 + (2 = 3 + 4 + 5) + 1067 |\n"
                      "llama_memory_breakdown_print: |   - CUDA1 (y) | 24000 = 1 + (2 = 3 + 4 + 5) + 9067 |\n");
        else
            read_file("llama-3.1-8b.log");
        ck_assert_msg(bb_log_learn(&ll, "llama.cpp", "RTX 3080", path, &o, &err) == BB_OK, "%s", err.text);
        ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, &err), BB_OK);
        ck_assert_msg(bb_catalogue_add_overheads(cat, path, &err) == BB_OK, "%s", err.text);
        bb_plan_line here = overhead_on(cat, i ? "NVIDIA GeForce RTX 3080" : "RTX 3080 10GB"),
                     other = overhead_on(cat, "RTX 3080 Ti");
        ck_assert_uint_eq(here.bytes, i == 0 ? MIB(467) : i == 1 ? MIB(767) : MIB(667));
        ck_assert_uint_eq(here.low_bytes, i == 2 || shipped.low_bytes > MIB(467) ? MIB(467) : shipped.low_bytes);
        ck_assert_uint_eq(here.high_bytes, i == 2 || shipped.high_bytes < MIB(1067) ? MIB(1067) : shipped.high_bytes);
        ck_assert_uint_eq(other.bytes, shipped.bytes);
        ck_assert_uint_eq(other.high_bytes, shipped.high_bytes);
        /* the table of `data overheads` is the same, with the user's own column */
        const bb_csv *csv = bb_catalogue_csv(cat, "overheads");
        ck_assert_uint_eq(bb_csv_rows(csv), bb_catalogue_overheads(cat));
        bool kept = false;
        for (size_t k = 0; k < bb_csv_rows(csv); k++)
            kept = kept || strcmp(bb_csv_cell(csv, k, bb_csv_column(csv, "mine")), "keep") == 0;
        ck_assert(kept);
        bb_catalogue_free(cat);
    }
    read_file("vllm-v0.log");
    ck_assert_int_eq(bb_log_learn(&ll, "vllm", "T4", path, &o, &err), BB_OK);
    ck_assert_str_eq(o.part, "non_torch");
    ck_assert_uint_eq(o.logs, 1);
    /* a file that is no such table is told, and never written over */
    write_text(path, "a,b\n1,2\n");
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, &err), BB_OK);
    ck_assert_int_eq(bb_catalogue_add_overheads(cat, path, &err), BB_E_INVALID);
    ck_assert_int_eq(bb_catalogue_add_overheads(cat, "/nonexistent/none.csv", &err), BB_OK);
    bb_catalogue_free(cat);
    read_file("llama-3.1-8b.log");
    ck_assert_int_eq(bb_log_learn(&ll, "llama.cpp", "RTX 3080", path, &o, &err), BB_E_INVALID);
    unlink(path);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("log_sizes");
    TCase *t = tcase_create("log_sizes");
    tcase_add_test(t, amounts);
    tcase_add_test(t, llama);
    tcase_add_test(t, devices_and_repeats);
    tcase_add_test(t, contexts);
    tcase_add_test(t, vllm);
    tcase_add_test(t, torch);
    tcase_add_test(t, shapes);
    tcase_add_test(t, comparison);
    tcase_add_test(t, learning);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
