/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_study.c - the kernels of each type, and their peers, on one shape: time, error, and how far below the roof. */
#include "study/bench_study.h"
#include "base/escape.h"
#include "base/mem.h"
#include "study/bench_peers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS_DEFAULT = 1, SIDE_DEFAULT = 1024, SIDE_MAX = 65536, TOKENS_MAX = 8192, TOKENS_LIST_MAX = 16 };
enum { TYPES_MAX = 64, ALIGN = 32 };

/* What is measured of one type: kernels[0..n), the fastest alone or each level's. */
typedef struct entry {
    const bb_dtype *type;
    const bb_kernel *kernels[BB_LEVELS];
    size_t n;
} entry;

/* Rows in the order in which they are measured, which is not the one in which they are shown. */
typedef struct placed {
    size_t sample, number;
    bb_bench_row row;
} placed;

typedef struct bench {
    const bb_bench_opts *o;
    bb_progress *progress;
    bb_isa isa;
    bb_roof roof;
    bb_bench_data data;
    bb_bench_clock clock;
    bb_peers peers;
    entry entries[TYPES_MAX];
    size_t n_entries;
    placed *rows;
    size_t n_rows, cap_rows;
    bb_arith arith; /* of the type that the peers multiply */
    bb_dispatch dispatch;
} bench;

/* The first "model name" of /proc/cpuinfo, where there is one. */
static void cpu_name(char *name, size_t size) {
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];
    (void)snprintf(name, size, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        line[strcspn(line, "\n")] = 0;
        bb_escape_buf(colon + (colon[1] == ' ' ? 2 : 1), name, size);
        break;
    }
    if (f) (void)fclose(f);
}

/* ---- what is asked for ---- */

static bool named(const char *only, const bb_dtype *t) {
    const bb_kernel *k = bb_kernel_find(t, BB_ISA_SCALAR);
    return !only || bb_name_eq(only, t->name) || (k && bb_name_eq(only, k->family->name));
}

/* With its kernels; false when the list is full. */
static bool add_type(bench *b, const bb_dtype *t) {
    if (b->n_entries == TYPES_MAX) return false;
    entry *e = &b->entries[b->n_entries++];
    *e = (entry){.type = t, .kernels = {bb_kernel_find(t, b->isa)}, .n = 1};
    if (!b->o->every) return true;
    const bb_gemm_family *family = e->kernels[0]->family;
    e->n = 0;
    for (size_t i = 0; i < bb_kernel_count(); i++) {
        const bb_kernel *k = bb_kernel_at(i);
        if (k->family == family && bb_level_isa(k->level) <= b->isa && bb_level_runs(k->level)) e->kernels[e->n++] = k;
    }
    return true;
}

/* The types that have a kernel of their own, in the order of the table. */
static void add_own_types(bench *b, bb_bench_report *r) {
    const bb_gemm_family *last = NULL;
    char left_out[64] = "";
    for (size_t i = 0; i < bb_kernel_count(); i++) {
        const bb_gemm_family *family = bb_kernel_at(i)->family;
        const bb_dtype *t = bb_dtype_find(family->layout->type, NULL);
        if (family == last || !named(b->o->only, t)) continue;
        last = family;
        if (b->data.in % t->block == 0) {
            (void)add_type(b, t);
            continue;
        }
        size_t n = strlen(left_out);
        (void)snprintf(left_out + n, sizeof left_out - n, " %s", t->name);
    }
    if (left_out[0])
        (void)snprintf(r->notes[r->n_notes++], sizeof r->notes[0],
                       "left out, because in is %zu and no multiple of "
                       "their blocks:%s",
                       b->data.in, left_out);
}

static bb_status add_asked_type(bench *b, const bb_dtype *t, bb_error *err) {
    if (!bb_kernel_find(t, BB_ISA_SCALAR))
        return bb_fail(err, BB_E_UNSUPPORTED, "there is no kernel for %s, and it cannot be decoded", t->name);
    if (!bb_codec_find(t, BB_ISA_SCALAR)->encode)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s can be read, but there is no quantizer that makes weights of it",
                       t->name);
    if (b->data.in % t->block != 0)
        return bb_fail(err, BB_E_ARG, "in is %zu, expected a multiple of %u, the block of %s", b->data.in, t->block,
                       t->name);
    if (!add_type(b, t)) return bb_fail(err, BB_E_ARG, "at most %d types", TYPES_MAX);
    return BB_OK;
}

static bb_status choose(bench *b, bb_bench_report *r, bb_error *err) {
    const bb_bench_opts *o = b->o;
    bb_status status = BB_OK;
    char shown[64];
    if (!o->types) add_own_types(b, r);
    for (size_t i = 0; o->types && i < o->n_types && status == BB_OK; i++)
        if (named(o->only, o->types[i])) status = add_asked_type(b, o->types[i], err);
    /* a type that runs as fp32 weights is not among those of the table, but may be asked for */
    const bb_dtype *t = o->only && !o->types && b->n_entries == 0 ? bb_dtype_find(o->only, NULL) : NULL;
    if (t) return add_asked_type(b, t, err);
    if (status == BB_OK && b->n_entries == 0)
        status = bb_fail(err, BB_E_NAME, "there is no kernel '%s'",
                         o->only ? bb_escape_buf(o->only, shown, sizeof shown) : "");
    return status;
}

static bb_status check_shape(const bench *b, const uint64_t *tokens, size_t n, bb_error *err) {
    const bb_bench_opts *o = b->o;
    bool ok = o->out <= SIDE_MAX && o->in <= SIDE_MAX;
    if (n > TOKENS_LIST_MAX) return bb_fail(err, BB_E_ARG, "at most %d numbers of tokens", TOKENS_LIST_MAX);
    for (size_t i = 0; i < n; i++) ok = ok && tokens[i] > 0 && tokens[i] <= TOKENS_MAX;
    if (!ok)
        return bb_fail(err, BB_E_ARG, "the shape is too large: at most %d tokens and %d by %d weights", TOKENS_MAX,
                       SIDE_MAX, SIDE_MAX);
    if (o->in % ALIGN != 0)
        return bb_fail(err, BB_E_ARG, "in is %llu, expected a multiple of %d, which the block types need",
                       (unsigned long long)o->in, ALIGN);
    return BB_OK;
}

static unsigned most_threads(void) { return bb_processors() < BB_POOL_MOST ? bb_processors() : BB_POOL_MOST; }

/* Threads beyond the processors would wait for one another: neither pinned nor a measure of anything. */
static bb_status check_threads(unsigned threads, bb_error *err) {
    unsigned processors = bb_processors();
    if (threads <= most_threads()) return BB_OK;
    return bb_fail(err, BB_E_ARG, "%u threads, but there %s %u processor%s", threads, processors == 1 ? "is" : "are",
                   processors, processors == 1 ? "" : "s");
}

/* ---- rows ---- */

static bb_status add_row(void *ctx, size_t sample, const bb_bench_row *row) {
    bench *b = ctx;
    void *rows = b->rows;
    if (!bb_grow(&rows, b->n_rows, &b->cap_rows, sizeof *b->rows)) return BB_E_NOMEM;
    b->rows = rows;
    b->rows[b->n_rows] = (placed){sample, b->n_rows, *row};
    if (row->peer) bb_bench_rate(&b->roof, bb_ceilings_peak(&b->roof.used, b->arith), &b->rows[b->n_rows].row);
    b->n_rows++;
    return BB_OK;
}

static int by_sample(const void *x, const void *y) {
    const placed *a = x, *b = y;
    if (a->sample != b->sample) return a->sample < b->sample ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static bb_status take_rows(bench *b, bb_bench_report *r) {
    r->rows = bb_alloc(b->n_rows, sizeof *r->rows);
    if (!r->rows) return BB_E_NOMEM;
    qsort(b->rows, b->n_rows, sizeof *b->rows, by_sample);
    for (size_t i = 0; i < b->n_rows; i++) r->rows[i] = b->rows[i].row;
    r->n_rows = b->n_rows;
    return BB_OK;
}

/* ---- our kernels ---- */

typedef struct product {
    bb_packed **copies;
    size_t n, tokens, bytes; /* of one */
    const bb_bench_data *data;
    bb_matmul_opts how;
    bb_acts acts;
} product;

static bb_status multiply(void *ctx, size_t copy) {
    product *p = ctx;
    return bb_matmul_as(p->copies[copy], p->data->x, p->tokens, &p->how, p->data->y);
}

static bb_status measure_kernel(bench *b, product *p, const entry *e, const bb_kernel *k, bb_tier tier) {
    unsigned threads = bb_pool_threads(p->how.pool);
    bb_status status = BB_OK;
    p->how.kernel = k;
    if (b->progress) atomic_store(&b->progress->now, k->family->name);
    for (size_t i = 0; i < b->data.n_samples && status == BB_OK; i++) {
        const bb_bench_sample *s = &b->data.samples[i];
        bb_bench_row row = {.type = e->type->name,
                            .tokens = s->tokens,
                            .out = b->data.out,
                            .in = b->data.in,
                            .threads = threads,
                            .weight_bytes = p->bytes,
                            .tier = tier};
        (void)snprintf(row.kernel, sizeof row.kernel, "%s", k->family->name);
        (void)snprintf(row.isa, sizeof row.isa, "%s", bb_level_name(k->level));
        p->tokens = (size_t)s->tokens;
        status = bb_bench_time(&b->clock, multiply, p, p->n, &row);
        if (status != BB_OK) break;
        row.error_rel = bb_bench_error(&b->data, s);
        bb_bench_rate(&b->roof, b->roof.used.gops[k->level][bb_arith_of(k->family->layout->act)], &row);
        status = add_row(b, i, &row);
        if (b->progress) atomic_fetch_add(&b->progress->done, 1);
    }
    return status;
}

static void free_copies(product *p) {
    for (size_t i = 0; i < p->n; i++) bb_packed_free(p->copies[i]);
    free(p->copies);
}

static bb_status make_copies(product *p, const entry *e, const unsigned char *blocks, unsigned threads, bb_tier *tier) {
    bb_packed *first;
    bb_status status = bb_pack_as(e->type, blocks, p->data->out, p->data->in, p->how.pool, &first, NULL);
    if (status != BB_OK) return status;
    p->bytes = bb_packed_bytes(first);
    size_t copies = bb_bench_copies(p->bytes, threads, tier);
    p->copies = bb_alloc(copies, sizeof *p->copies);
    if (!p->copies) {
        bb_packed_free(first);
        return BB_E_NOMEM;
    }
    p->copies[p->n++] = first;
    while (status == BB_OK && p->n < copies) {
        status = bb_packed_copy(first, &p->copies[p->n]);
        p->n += status == BB_OK;
    }
    return status;
}

static bb_status measure_kernels(bench *b, const entry *e, const unsigned char *blocks) {
    product p = {.data = &b->data};
    bb_tier tier = BB_TIER_MEMORY;
    bb_status status = bb_pool_new_pinned(b->clock.threads, &p.how.pool);
    if (status != BB_OK) return status;
    p.how.acts = &p.acts;
    p.how.dispatch = &b->dispatch;
    status = make_copies(&p, e, blocks, b->clock.threads, &tier);
    for (size_t i = 0; i < e->n && status == BB_OK; i++) status = measure_kernel(b, &p, e, e->kernels[i], tier);
    free_copies(&p);
    bb_acts_clear(&p.acts);
    bb_pool_free(p.how.pool);
    return status;
}

/* ---- a type ---- */

typedef struct quantizing {
    const entry *e;
    const bb_bench_data *data;
    size_t row_bytes;
    unsigned char *blocks;
    atomic_int status; /* of a slab that failed */
} quantizing;
enum { SLAB_ROWS = 16 };
static void quantize_slab(void *ctx, size_t i) {
    quantizing *q = ctx;
    size_t from = i * SLAB_ROWS, left = q->data->out - from;
    bb_status status =
        bb_quantize_rows(q->e->type, q->data->w + from * q->data->in, left < SLAB_ROWS ? left : SLAB_ROWS, q->data->in,
                         NULL, q->blocks + from * q->row_bytes);
    if (status != BB_OK) atomic_store(&q->status, (int)status);
}

static bb_status measure_type(bench *b, const entry *e) {
    uint64_t row_bytes;
    bb_pool *pool;
    bb_status status = bb_dtype_row_bytes(e->type, b->data.in, &row_bytes);
    if (status != BB_OK) return status;
    quantizing q = {e, &b->data, (size_t)row_bytes, bb_alloc_aligned(b->data.out, (size_t)row_bytes), BB_OK};
    if (!q.blocks) return BB_E_NOMEM;
    status = bb_pool_new(0, &pool);
    if (status == BB_OK) {
        bb_pool_run(pool, (b->data.out + SLAB_ROWS - 1) / SLAB_ROWS, quantize_slab, &q);
        bb_pool_free(pool);
        status = (bb_status)atomic_load(&q.status);
        if (status == BB_OK) status = measure_kernels(b, e, q.blocks);
    }
    bb_peer_weights w = {e->type, q.blocks, q.row_bytes, b->data.out, b->data.in};
    b->arith = strcmp(e->type->name, "f16") == 0 ? BB_ARITH_FP32 : bb_arith_of(e->kernels[0]->family->layout->act);
    if (bb_kernel_widens(e->type) && e->type->block > 1) b->arith = BB_ARITH_INT8; /* others do not widen them */
    if (status == BB_OK) status = bb_peers_measure(&b->peers, &w, &b->data, &b->clock, b->progress, b, add_row);
    free(q.blocks);
    return status;
}

/* ---- all ---- */

/* The roof, then the inputs: with all processors. */
static bb_status prepare(bench *b, const uint64_t *tokens, size_t n) {
    const atomic_bool *cancel = b->clock.cancel;
    double seconds = 4 * b->clock.seconds;
    bb_pool *pool;
    bb_status status = bb_roof_measure(b->clock.threads, b->isa, seconds < 1 ? seconds : 1, cancel, &b->roof);
    if (status == BB_OK) status = bb_pool_new(0, &pool);
    if (status != BB_OK) return status;
    status = bb_bench_data_init(&b->data, tokens, n, b->data.out, b->data.in, b->o->seed, pool, cancel);
    bb_pool_free(pool);
    return status;
}

/* Whether memory is still as fast as it was before the rows, where it was measured long enough to tell. */
static bb_status look_again(bench *b, bb_bench_report *r) {
    static const double long_enough = 0.05, much = 1.1;
    double before = b->roof.used.read_gbps[BB_TIER_MEMORY], now = before;
    if (b->clock.seconds < long_enough) return BB_OK;
    bb_status status = bb_roof_memory(b->clock.threads, b->isa, long_enough, b->clock.cancel, &now);
    if (status == BB_OK && (now > much * before || before > much * now))
        (void)snprintf(
            r->notes[r->n_notes++], sizeof r->notes[0],
            "memory gave %.1f GB/s before the rows and %.1f after them: fractions of its roof are as uncertain", before,
            now);
    return status;
}

static uint64_t rows_expected(const bench *b, size_t n_tokens) {
    uint64_t n = 0;
    for (size_t i = 0; i < b->n_entries; i++) n += b->entries[i].n + bb_peers_ways(&b->peers, b->entries[i].type);
    return n * n_tokens;
}

static bb_status run(bench *b, const uint64_t *tokens, size_t n, bb_bench_report *r, bb_error *err) {
    bb_status status = choose(b, r, err);
    if (status != BB_OK) return status;
    if (b->o->peers) bb_peers_open(&b->peers, b->o->ggml_dir, b->clock.threads, r);
    if (b->progress) {
        (void)snprintf(b->progress->what, sizeof b->progress->what, "roof and inputs");
        atomic_store(&b->progress->total, rows_expected(b, n) + 1);
    }
    status = prepare(b, tokens, n);
    if (b->progress) atomic_fetch_add(&b->progress->done, 1);
    for (size_t i = 0; i < b->n_entries && status == BB_OK; i++) status = measure_type(b, &b->entries[i]);
    bb_peers_tell(&b->peers, r);
    if (status == BB_OK) status = look_again(b, r);
    if (status == BB_OK) status = take_rows(b, r);
    return status == BB_OK ? BB_OK : bb_fail(err, status, "%s", bb_status_text(status));
}

bb_status bb_bench_study(const bb_bench_opts *opts, bb_progress *progress, bb_bench_report *report, bb_error *err) {
    bb_bench_opts o = *opts;
    if (o.tokens == 0) o.tokens = TOKENS_DEFAULT;
    if (o.out == 0) o.out = SIDE_DEFAULT;
    if (o.in == 0) o.in = SIDE_DEFAULT;
    const uint64_t *tokens = o.token_list ? o.token_list : &o.tokens;
    size_t n = o.token_list ? o.n_tokens : 1;
    bench b = {.o = &o, .progress = progress, .isa = bb_isa_choose(o.isa)};
    bb_bench_report r = {0};
    bb_status status = check_shape(&b, tokens, n, err);
    if (status == BB_OK) status = check_threads(o.threads, err);
    if (status != BB_OK) return status;
    b.data.out = (size_t)o.out;
    b.data.in = (size_t)o.in;
    b.clock = (bb_bench_clock){o.threads ? o.threads : most_threads(), o.seconds > 0 ? o.seconds : 0.3,
                               progress ? &progress->cancel : NULL};
    status = run(&b, tokens, n, &r, err);
    bb_peers_close(&b.peers);
    bb_bench_data_clear(&b.data);
    free(b.rows);
    if (status != BB_OK) {
        bb_bench_report_clear(&r);
        return status;
    }
    cpu_name(r.cpu, sizeof r.cpu);
    r.threads = b.clock.threads;
    r.roof = b.roof;
    r.read_gbps = b.roof.used.read_gbps[BB_TIER_MEMORY];
    r.fp32_gops = bb_ceilings_peak(&b.roof.used, BB_ARITH_FP32);
    r.bf16_gops = bb_ceilings_peak(&b.roof.used, BB_ARITH_BF16);
    r.int8_gops = bb_ceilings_peak(&b.roof.used, BB_ARITH_INT8);
    r.dispatch = b.dispatch;
    *report = r;
    return BB_OK;
}

void bb_bench_report_clear(bb_bench_report *report) {
    free(report->rows);
    *report = (bb_bench_report){0};
}
