/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_state.c - what sequences keep in hybrid models: the buffers that libllama v0.5.0 (GGML_DIR) says it allocates
 * for keys and values and for states, in MiB, against the plan of the same file; its compute buffer lies in the plan's
 * interval. That it loads the file shows that it asks for the same tensors.
 *   peer_state MODEL.gguf */
#include "llama.h"
#include "plan/plan.h"
#include "plan/plan_parts.h"

typedef struct sizes {
    double kv, state, compute;
} sizes;

typedef struct setting {
    uint32_t ctx, sequences;
    bool unified, flash;
    int type; /* of the cache */
    const char *kv;
} setting;

static const setting settings[] = {{2048, 1, false, true, 1, "f16"},
                                   {4096, 4, false, true, 1, "f16"},
                                   {4096, 4, true, true, 8, "q8_0"},
                                   {1024, 2, true, false, 1, "f16"}};

static void die(const char *text) {
    fprintf(stderr, "%s\n", text);
    exit(2);
}

static void listen(int level, const char *text, void *ctx) {
    sizes *s = ctx;
    const struct {
        const char *words;
        double *sum;
    } said[] = {
        {"RS buffer size = ", &s->state}, {"KV buffer size = ", &s->kv}, {"compute buffer size = ", &s->compute}};
    if (level >= 4) fputs(text, stderr);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        const char *at = strstr(text, said[i].words);
        if (at) *said[i].sum += strtod(at + strlen(said[i].words), NULL);
    }
}

static sizes allocated(const llama *l, const setting *c) {
    sizes s = {0};
    llama_context_params (*defaults)(void);
    void *(*context)(void *, llama_context_params);
    void (*free_context)(void *), (*log_set)(void (*)(int, const char *, void *), void *);
    llama_symbol(l, "llama_context_default_params", &defaults);
    llama_symbol(l, "llama_init_from_model", &context);
    llama_symbol(l, "llama_free", &free_context);
    llama_symbol(l, "llama_log_set", &log_set);
    llama_context_params p = defaults();
    p.n_ctx = c->ctx;
    p.n_batch = p.n_ubatch = 512;
    p.n_seq = c->sequences;
    p.kv_unified = c->unified;
    p.flash_attn = c->flash;
    p.type_k = p.type_v = c->type;
    log_set(listen, &s);
    void *made = context(l->model, p);
    log_set(llama_quiet, NULL);
    if (!made) die("the library makes no context");
    free_context(made);
    return s;
}

/* Bytes of a component in MiB. */
static bb_span planned(const bb_plan *p, const char *component) {
    bb_span sum = {0};
    for (size_t i = 0; i < p->n_lines; i++) {
        if (strcmp(p->lines[i].component, component) != 0) continue;
        sum.bytes += p->lines[i].bytes;
        sum.low += p->lines[i].low_bytes;
        sum.high += p->lines[i].high_bytes;
    }
    return sum;
}

static bool alike(const char *what, double theirs, double bytes) {
    const double mib = 1048576, printed = 0.0051; /* two digits */
    double ours = bytes / mib, off = ours > theirs ? ours - theirs : theirs - ours;
    printf("%s: %.2f MiB, the library %.2f\n", what, ours, theirs);
    return off < printed;
}

static bool check(const llama *l, const char *path, const setting *c) {
    bb_plan plan;
    bb_model *m;
    bb_error err = {0};
    bb_plan_request r = {.purpose = BB_FOR_INFER,
                         .engine = BB_ENGINE_LLAMA_CPP,
                         .no_gpu = true,
                         .overhead_set = true,
                         .ctx = c->ctx,
                         .batch = 512,
                         .ubatch = 512,
                         .parallel = c->sequences,
                         .kv_unified = c->unified,
                         .flash_attn = c->flash ? 1 : -1};
    (void)snprintf(r.kv_k, sizeof r.kv_k, "%s", c->kv);
    (void)snprintf(r.kv_v, sizeof r.kv_v, "%s", c->kv);
    if (bb_model_find(path, &m, &err) || bb_plan_make(m, &r, &plan, &err)) die(err.text);
    sizes s = allocated(l, c);
    bb_span kv = planned(&plan, "kv_cache"), state = planned(&plan, "recurrent_state");
    bb_span compute = planned(&plan, "compute_buffer");
    double bytes = s.compute * 1048576;
    bool ok = alike("keys and values", s.kv, (double)kv.bytes);
    ok = alike("states", s.state, (double)state.bytes) && ok;
    printf("compute buffer: %.2f MiB, planned %.2f to %.2f\n", s.compute, (double)compute.low / 1048576,
           (double)compute.high / 1048576);
    ok = bytes >= (double)compute.low && bytes <= (double)compute.high && ok;
    bb_plan_clear(&plan);
    bb_model_free(m);
    return ok;
}

int main(int argc, char **argv) {
    llama l = {0};
    bool ok = true;
    if (argc != 2) die("peer_state MODEL.gguf");
    llama_load(&l, argv[1], false);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) ok = check(&l, argv[1], &settings[i]) && ok;
    return !ok;
}
