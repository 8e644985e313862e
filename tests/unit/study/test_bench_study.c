/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_bench_study.c - rows of the benchmark: which there are, in what order, and that their numbers belong together.
 */
#include "harness.h"
#include "study/bench_peers.h"
#include <math.h>
#include <string.h>

enum { SIDE = 256 };
static const double seconds = 0.001;

static bb_bench_report bench(const bb_bench_opts *o) {
    bb_bench_report r;
    bb_error err = {0};
    ck_assert_msg(bb_bench_study(o, NULL, &r, &err) == BB_OK, "%s", err.text);
    return r;
}

static void near(double a, double b) { ck_assert_double_eq_tol(a, b, 1e-9 * fabs(b)); }

/* What holds for every row, whoever ran it. */
static void check_row(const bb_bench_row *k) {
    double ops = 2.0 * (double)(k->tokens * k->out * k->in);
    ck_assert(k->best_ns > 0 && k->ns >= k->best_ns && k->wall_ns > 0 && k->spread >= 0 && k->roof_ns > 0 &&
              k->weight_bytes > 0);
    near(k->gops, ops / k->ns);
    near(k->gbps, (double)k->weight_bytes / k->ns);
    near(k->roof_fraction, k->roof_ns / k->ns);
    ck_assert(strcmp(k->bound_by, "memory") == 0 || strcmp(k->bound_by, "compute") == 0);
    ck_assert(strcmp(k->type, "f32") == 0 ? k->error_rel < 1e-5 : k->error_rel < 0.5);
}

/* The roof of a row is the longer of its two times. */
static void check_roof(const bb_bench_report *r, const bb_bench_row *k, bb_level level, bb_arith arith) {
    double memory = (double)k->weight_bytes / r->roof.used.read_gbps[k->tier];
    double compute = 2.0 * (double)(k->tokens * k->out * k->in) / r->roof.used.gops[level][arith];
    near(k->roof_ns, fmax(memory, compute));
    ck_assert_str_eq(k->bound_by, memory > compute ? "memory" : "compute");
}

START_TEST(types_with_kernels) {
    bb_bench_report r = bench(&(bb_bench_opts){.out = 100, .in = SIDE, .threads = 1, .seconds = seconds, .seed = 4});
    size_t n = 0;
    for (size_t i = 0; i < bb_kernel_count(); i++) n += bb_kernel_at(i)->level == BB_LEVEL_SCALAR;
    ck_assert_uint_eq(r.n_rows, n);
    ck_assert_uint_eq(r.n_notes, 0);
    for (size_t i = 0; i < r.n_rows; i++) {
        const bb_bench_row *k = &r.rows[i];
        const bb_kernel *kernel = bb_kernel_find(bb_dtype_find(k->type, NULL), BB_ISA_AUTO);
        check_row(k);
        check_roof(&r, k, kernel->level, bb_arith_of(kernel->family->layout->act));
        ck_assert_str_eq(k->kernel, kernel->family->name);
        ck_assert_str_eq(k->isa, bb_level_name(kernel->level));
        ck_assert(!k->peer && k->tokens == 1 && k->out == 100 && k->in == SIDE && k->threads == 1);
    }
    ck_assert(r.read_gbps > 0 && r.fp32_gops > 0 && r.bf16_gops >= r.fp32_gops && r.int8_gops > 0);
    /* the kernels of the rows ran, and no others */
    for (size_t i = 0; i < bb_kernel_count(); i++) {
        const bb_kernel *k = bb_kernel_at(i);
        ck_assert((r.dispatch.calls[i] > 0) ==
                  (bb_kernel_find(bb_dtype_find(k->family->layout->type, NULL), BB_ISA_AUTO) == k));
    }
    bb_bench_report_clear(&r);
}
END_TEST

/* Rows by tokens, then type, then level; a widened type says so; blocks that do not divide a row are named. */
START_TEST(lists) {
    static const uint64_t tokens[] = {3, 1};
    const bb_dtype *types[] = {bb_dtype_find("q5_0", NULL), bb_dtype_find("q4_0", NULL)};
    bb_bench_opts o = {.out = 33,
                       .in = 96,
                       .token_list = tokens,
                       .n_tokens = 2,
                       .threads = bb_processors() < 2 ? 1 : 2,
                       .types = types,
                       .n_types = 2,
                       .every = true,
                       .seconds = seconds};
    bb_bench_report r = bench(&o);
    size_t levels[2] = {0}, at = 0;
    for (size_t i = 0; i < bb_kernel_count(); i++)
        for (size_t t = 0; t < 2; t++)
            levels[t] += bb_kernel_at(i)->family == bb_kernel_find(types[t], BB_ISA_SCALAR)->family &&
                         bb_level_runs(bb_kernel_at(i)->level);
    ck_assert_uint_eq(r.n_rows, 2 * (levels[0] + levels[1]));
    for (size_t n = 0; n < 2; n++)
        for (size_t t = 0; t < 2; t++)
            for (size_t l = 0; l < levels[t]; l++, at++) {
                const bb_bench_row *k = &r.rows[at];
                check_row(k);
                ck_assert_uint_eq(k->tokens, tokens[n]);
                ck_assert_str_eq(k->type, types[t]->name);
                ck_assert_str_eq(k->kernel, t == 0 ? "gemm_f32" : "gemm_q4_0");
                if (l == 0) ck_assert_str_eq(k->isa, "scalar");
                ck_assert(l == 0 || k->error_rel == k[-1].error_rel); /* the same bits in every level */
            }
    bb_bench_report_clear(&r);
    r = bench(&(bb_bench_opts){.out = 32, .in = 32, .only = "gemm_q8_0", .isa = BB_ISA_SCALAR, .seconds = seconds});
    ck_assert(r.n_rows == 1 && strcmp(r.rows[0].type, "q8_0") == 0 && strcmp(r.rows[0].isa, "scalar") == 0);
    ck_assert_uint_eq(r.threads, bb_processors());
    bb_bench_report_clear(&r);
    r = bench(&(bb_bench_opts){.out = 32, .in = 32, .only = "q4_1", .threads = 1, .seconds = seconds});
    ck_assert(r.n_rows == 1 && strcmp(r.rows[0].type, "q4_1") == 0 && strcmp(r.rows[0].kernel, "gemm_f32") == 0);
    bb_bench_report_clear(&r);
}
END_TEST

START_TEST(refusals) {
    bb_bench_report r = {0};
    bb_error err = {0};
    const bb_dtype *q6_K = bb_dtype_find("q6_K", NULL);
    bb_bench_opts o = {.in = 33};
    ck_assert_int_eq(bb_bench_study(&o, NULL, &r, &err), BB_E_ARG);
    o = (bb_bench_opts){.tokens = 100000};
    ck_assert_int_eq(bb_bench_study(&o, NULL, &r, &err), BB_E_ARG);
    o = (bb_bench_opts){.only = "gemm_q9"};
    ck_assert_int_eq(bb_bench_study(&o, NULL, &r, &err), BB_E_NAME);
    o = (bb_bench_opts){.types = &q6_K, .n_types = 1, .in = 288};
    ck_assert_int_eq(bb_bench_study(&o, NULL, &r, &err), BB_E_ARG);
    ck_assert(strstr(err.text, "256") != NULL);
    char number[32];
    snprintf(number, sizeof number, "%u processor", bb_processors());
    o = (bb_bench_opts){.threads = bb_processors() + 1};
    ck_assert_int_eq(bb_bench_study(&o, NULL, &r, &err), BB_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, number));
    bb_progress p;
    bb_progress_init(&p);
    atomic_store(&p.cancel, true);
    o = (bb_bench_opts){.threads = 1, .seconds = seconds};
    ck_assert_int_eq(bb_bench_study(&o, &p, &r, &err), BB_E_CANCELLED);
    ck_assert_ptr_eq(r.rows, NULL);
}
END_TEST

static bool noted(const bb_bench_report *r, const char *text) {
    for (size_t i = 0; i < r->n_notes; i++)
        if (strstr(r->notes[i], text)) return true;
    return false;
}

/* Other libraries need not be there. Where they are, they multiply the same numbers; what is not ggml is a note. */
START_TEST(peers) {
    char dir[] = "/tmp/bb_peer_XXXXXX", file[64];
    const bb_dtype *types[] = {bb_dtype_find("f32", NULL), bb_dtype_find("q8_0", NULL)};
    bb_bench_opts o = {.tokens = 5,
                       .out = 64,
                       .in = SIDE,
                       .threads = 1,
                       .types = types,
                       .n_types = 2,
                       .seconds = seconds,
                       .peers = true,
                       .ggml_dir = getenv("GGML_DIR")};
    if (getenv("BB_SANITIZED")) return; /* what they leave behind is not ours to find */
    bb_bench_report r = bench(&o);
    double ours[2] = {0};
    for (size_t i = 0; i < r.n_rows; i++) {
        const bb_bench_row *k = &r.rows[i];
        size_t type = strcmp(k->type, "f32") != 0;
        check_row(k);
        if (!k->peer) ours[type] = k->error_rel;
        if (k->peer && type == 1) ck_assert_double_eq_tol(k->error_rel, ours[1], 0.1 * ours[1]);
    }
    bool any = false;
    for (size_t i = 0; i < r.n_rows; i++) any = any || r.rows[i].peer;
    ck_assert(!any || noted(&r, "not pinned"));
    ck_assert_uint_ge(r.n_rows, 2);
    ck_assert_uint_ge(r.n_notes, 1);
    bb_bench_report_clear(&r);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    o.ggml_dir = dir;
    r = bench(&o);
    ck_assert(noted(&r, "there is no libggml.so in /tmp/bb_peer_"));
    bb_bench_report_clear(&r);
    /* of several the newest, but for the plain name; what only begins alike is none */
    static const char *const names[] = {"libggml.solo", "libggml.json-so", "libggml.v0.9.so",
                                        "libggml.so.9", "libggml.so.10",   "libggml.so"};
    enum { NAMES = sizeof names / sizeof *names };
    for (size_t i = 0; i < NAMES; i++) {
        snprintf(file, sizeof file, "%s/%s", dir, names[i]);
        FILE *f = fopen(file, "w");
        ck_assert_ptr_nonnull(f);
        fputs("no library\n", f);
        fclose(f);
        r = bench(&o);
        snprintf(file, sizeof file, "%s as %s", dir, names[i]);
        ck_assert(i < 2 ? noted(&r, "there is no libggml.so in /tmp/bb_peer_") : noted(&r, file));
        ck_assert(i < 2 || noted(&r, "libggml.so cannot be loaded in /tmp/bb_peer_"));
        bb_bench_report_clear(&r);
    }
    for (size_t i = 0; i < NAMES; i++) {
        snprintf(file, sizeof file, "%s/%s", dir, names[i]);
        unlink(file);
    }
    rmdir(dir);
}
END_TEST

/* What a library failed at is told once for each, as far as there is room. */
START_TEST(failures_are_told) {
    bb_peers p = {.failed = {{1, "f32", 1}, {0, NULL, 0}, {3, "q4_0", 8}}};
    bb_bench_report r = {.n_notes = 1};
    bb_peers_tell(&p, &r);
    ck_assert_uint_eq(r.n_notes, 3);
    ck_assert_str_eq(r.notes[1], "OpenBLAS: 1 row left out, since it failed, the first of f32 with 1 token");
    ck_assert(noted(&r, "ggml: 3 rows left out, since it failed, the first of q4_0 with 8 tokens"));
    r.n_notes = sizeof r.notes / sizeof *r.notes;
    bb_peers_tell(&p, &r);
    ck_assert_uint_eq(r.n_notes, sizeof r.notes / sizeof *r.notes);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("bench_study");
    TCase *t = tcase_create("bench_study");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, types_with_kernels);
    tcase_add_test(t, lists);
    tcase_add_test(t, refusals);
    tcase_add_test(t, peers);
    tcase_add_test(t, failures_are_told);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
