/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_check.c - printed sizes beside planned ones; a model by its shape in a log. */
#include "study/log_check.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/str.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

static uint64_t add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

/* The plan's lines of a component on a device; of "total:allocated" all but the overhead. */
static void predict(const bb_plan *plan, bb_log_row *r) {
    bool all = strcmp(r->component, "total:allocated") == 0;
    for (size_t i = 0; i < plan->n_lines; i++) {
        const bb_plan_line *l = &plan->lines[i];
        bool counts = all ? strcmp(l->component, "overhead") != 0 : strcmp(l->component, r->component) == 0;
        if (bb_plan_is_part(l) || strcmp(l->device, r->device) != 0 || !counts) continue;
        r->planned = true;
        r->predicted = add(r->predicted, l->bytes);
        r->low = add(r->low, l->low_bytes);
        r->high = add(r->high, l->high_bytes);
    }
}

static void judge(bb_log_report *report, bb_log_row *r) {
    uint64_t half = r->step / 2 + r->step % 2;
    if (!r->planned || !r->printed) return;
    bool more = r->predicted >= r->bytes;
    uint64_t apart = more ? r->predicted - r->bytes : r->bytes - r->predicted;
    r->difference = apart > INT64_MAX ? INT64_MAX : (int64_t)apart;
    if (!more) r->difference = -r->difference;
    r->agrees = add(r->bytes, half) >= r->low && r->bytes <= add(r->high, half);
    report->compared++;
    report->agree += r->agrees;
}

static void add_row(bb_log_report *report, const char *component, const char *device, const bb_log_size *size,
                    const bb_plan *plan) {
    bb_log_row *r = &report->rows[report->n++];
    *r = (bb_log_row){.printed = size != NULL};
    (void)snprintf(r->component, sizeof r->component, "%.23s", component);
    (void)snprintf(r->device, sizeof r->device, "%.15s", device);
    if (size) {
        r->bytes = size->bytes;
        r->step = size->step;
    }
    if (plan) predict(plan, r);
    judge(report, r);
}

/* Tokens that the printed cache holds, by what a token takes in the plan. */
static void predict_tokens(const bb_log *log, const bb_plan *plan, bb_log_row *r) {
    const bb_log_size *cache = bb_log_find(log, "kv_cache", r->device);
    uint64_t planned = 0, block = plan->used.kv_block ? plan->used.kv_block : 1;
    for (size_t i = 0; i < plan->n_lines; i++)
        if (strcmp(plan->lines[i].component, "kv_cache") == 0 && strcmp(plan->lines[i].device, r->device) == 0)
            planned = add(planned, plan->lines[i].bytes);
    double tokens = (double)plan->used.ctx * (double)(plan->used.parallel ? plan->used.parallel : 1);
    if (!planned || !cache || tokens < 1) return;
    double each = (double)planned / tokens, half = (double)cache->step / 2;
    r->planned = true;
    r->predicted = (uint64_t)((double)cache->bytes / each / (double)block) * block;
    r->low = (uint64_t)fmax(0, ((double)cache->bytes - half) / each / (double)block - 1) * block;
    r->high = (uint64_t)(((double)cache->bytes + half) / each / (double)block + 1) * block;
}

/* vLLM prints what is left for its cache, not what a context needs: its part of the card without the rest. */
static void predict_rest(const bb_plan *plan, bb_log_row *r) {
    const bb_plan_card *card = &plan->used.cards[0];
    double budget = plan->used.utilization * (double)card->driver_bytes, rest[3] = {budget, budget, budget};
    r->planned = false;
    for (size_t i = 0; i < plan->n_lines; i++) {
        const bb_plan_line *l = &plan->lines[i];
        if (bb_plan_is_part(l) || strcmp(l->device, r->device) != 0 || strcmp(l->component, "kv_cache") == 0) continue;
        rest[0] -= (double)l->high_bytes;
        rest[1] -= (double)l->bytes;
        rest[2] -= (double)l->low_bytes;
    }
    if (budget <= 0 || rest[1] <= 0) return;
    r->planned = true;
    r->low = (uint64_t)fmax(0, rest[0]);
    r->predicted = (uint64_t)rest[1];
    r->high = (uint64_t)rest[2];
}

/* A printed size and what the plan says of it. */
static void add_printed(bb_log_report *report, const bb_log *log, const bb_log_size *s, const bb_plan *plan) {
    bool rest = log->kind == BB_LOG_VLLM && strcmp(s->component, "kv_cache") == 0;
    bool tokens = strcmp(s->component, "kv_cache:tokens") == 0;
    add_row(report, s->component, s->device, s, rest || tokens ? NULL : plan);
    bb_log_row *r = &report->rows[report->n - 1];
    if (!plan || (!rest && !tokens)) return;
    if (tokens)
        predict_tokens(log, plan, r);
    else
        predict_rest(plan, r);
    judge(report, r);
}

bb_status bb_log_compare(const bb_log *log, const bb_plan *plan, bb_log_report *report, bb_error *err) {
    size_t most = log->n_sizes + log->n_devices + (plan ? plan->n_lines : 0);
    bb_log_report made = {.rows = bb_alloc(most + 1, sizeof *made.rows), .tried_bytes = log->tried_bytes};
    if (!made.rows) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < log->n_sizes; i++) add_printed(&made, log, &log->sizes[i], plan);
    for (size_t i = 0; i < log->n_devices; i++) {
        const bb_log_device *d = &log->devices[i];
        bb_log_size s = {.bytes = d->unaccounted_bytes, .step = d->unaccounted_step};
        if (d->unaccounted_step) add_row(&made, "overhead", d->device, &s, plan);
    }
    for (size_t i = 0; plan && i < plan->n_lines; i++) { /* what the log does not tell of */
        const bb_plan_line *l = &plan->lines[i];
        bool seen = bb_plan_is_part(l);
        for (size_t k = 0; k < made.n && !seen; k++)
            seen = strcmp(made.rows[k].component, l->component) == 0 && strcmp(made.rows[k].device, l->device) == 0;
        if (!seen && log->kind == BB_LOG_LLAMA) add_row(&made, l->component, l->device, NULL, plan);
    }
    *report = made;
    return BB_OK;
}

void bb_log_report_clear(bb_log_report *report) {
    free(report->rows);
    *report = (bb_log_report){0};
}

/* ---- the model ---- */

/* llama_ftype_name of src/llama-model-loader.cpp: "Q4_K - Medium", "IQ3_S mix - 3.66 bpw", "all F32", "mostly Q4_0". */
const char *bb_log_file_type(const bb_log *log) {
    static const struct {
        const char *says, *letter;
    } sizes[] = {{" - Small", "_S"}, {" - Medium", "_M"}, {" - Large", "_L"}};
    static const char *const before[] = {"(guessed) ", "mostly ", "all "};
    char name[48];
    const char *text = log->file_type, *letter = "";
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        if (bb_starts_with(text, before[i])) text += strlen(before[i]);
    if (bb_starts_with(text, "IQ3_S mix")) return "iq3_m";
    if (bb_starts_with(text, "MXFP4 MoE")) return "mxfp4_moe";
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (strstr(text, sizes[i].says)) letter = sizes[i].letter;
    if (bb_starts_with(text, "Q2_K - Medium")) letter = "";
    (void)snprintf(name, sizeof name, "%.*s%s", (int)strcspn(text, " "), text, letter);
    const bb_ftype *t = *name ? bb_ftype_find(name, NULL) : NULL;
    return t ? t->name : NULL;
}

static bool get_key(const void *ctx, const char *suffix, uint64_t *v) {
    const bb_log *log = ctx;
    for (size_t i = 0; i < log->n_keys; i++)
        if (strcmp(log->keys[i].key, suffix) == 0) {
            *v = log->keys[i].value;
            return true;
        }
    return false;
}

/* How far a shape is from the numbers of tensors and parameters that were printed. */
static bb_status distance(const bb_log *log, const bb_arch *a, double *d, bb_error *err) {
    bb_graph graph = {0};
    bb_graph_tensor *tensors = NULL;
    size_t n = 0;
    uint64_t total = 0, active;
    bb_status st = bb_graph_build(a, &graph, err);
    if (!st) st = bb_graph_parameters(&graph, &total, &active);
    if (!st) st = bb_graph_tensors(&graph, false, &tensors, &n);
    free(tensors);
    bb_graph_clear(&graph);
    double off = log->parameters > 0 ? fabs((double)total - log->parameters) : 0;
    /* a tensor more or less decides between shapes whose parameters are the same but for what was not printed */
    *d = off > log->parameters_step ? 1 + off / log->parameters : 0;
    *d = *d * 1e6 + (log->tensors ? fabs((double)n - (double)log->tensors) : 0);
    return st;
}

/* Whether the output is tied and rope_freqs is there stands in no line: of the four shapes the nearest. */
static bb_status choose_shape(const bb_log *log, bb_arch *a, bb_error *err) {
    bb_arch best = *a;
    double least = (double)INFINITY, d = 0;
    for (unsigned i = 0; i < 4; i++) {
        bb_arch tried = *a;
        tried.tied = i & 1;
        tried.rope_freqs = i & 2;
        bb_status st = distance(log, &tried, &d, err);
        if (st) return st;
        if (d < least) {
            least = d;
            best = tried;
        }
    }
    *a = best;
    return BB_OK;
}

bb_status bb_log_model(const bb_log *log, bb_model **model, bb_error *err) {
    const bb_arch_keys keys = {.family = log->family, .name = log->name, .get = get_key, .ctx = log};
    if (!*log->family || !log->n_keys) return bb_fail(err, BB_E_NAME, "the log tells of no model");
    bb_model *m = bb_alloc(1, sizeof *m);
    if (!m) return bb_fail(err, BB_E_NOMEM, "no memory for a model");
    m->kind = BB_MODEL_CATALOGUE;
    bb_status st = bb_arch_from_keys(&keys, &m->arch_storage, err);
    if (!st) st = choose_shape(log, &m->arch_storage, err);
    m->arch = &m->arch_storage;
    (void)snprintf(m->title, sizeof m->title, "%s", m->arch_storage.name);
    memcpy(m->called, m->title, sizeof m->called);
    if (st)
        bb_model_free(m);
    else
        *model = m;
    return st;
}
