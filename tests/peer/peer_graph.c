/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_graph.c - graphs of plan/ against those of libllama v0.5.0 (GGML_DIR), node by node: operation, type, shape,
 * strides, sources, views; and the bytes that it reserves for them on the CPU. Models are made up, small and zero.
 *   peer_graph --list            names of the models
 *   peer_graph --make NAME OUT.gguf  writes the model alone
 *   peer_graph --hybrids         names of models that --make alone takes
 *   peer_graph NAME WORK.gguf    writes the model, runs it in several settings, says where the two first differ */
#include "file/gguf_write.h"
#include "llama.h"
#include "model/catalogue.h"
#include "plan/ggml_graph.h"
#include "plan/reserve.h"

enum { TOKENS = 48, OUTPUTS = 5, CELLS = 256, SOURCES = 10, DIMS = 4, VOCAB = 320 };

/* ---- the models ---- */

#define LATENT                                                                                                         \
    .hidden = 128, .heads = 4, .kv_heads = 4, .head_dim = 64, .nope_dim = 32, .rope_dim = 32, .v_head_dim = 96,        \
    .kv_lora = 64, .ffn = 192, .vocab = VOCAB, .context = CELLS, EXPERTS, .shared_experts = 2, .shared_ffn = 192,      \
    .dense_layers = 1

#define ROUTED .router_scaled = true, .expert_groups = 4, .expert_groups_used = 2

typedef struct made {
    const char *name;
    bb_arch a;
} made;

#define SHAPE_OF(heads_of_keys)                                                                                        \
    .layers = 3, .hidden = 128, .heads = 4, .kv_heads = heads_of_keys, .head_dim = 32, .v_head_dim = 32, .ffn = 192,   \
    .vocab = VOCAB, .context = CELLS
#define SHAPE   SHAPE_OF(2)
#define EXPERTS .experts = 8, .experts_used = 3, .expert_ffn = 96
#define MIXED   .experts = 8, .experts_used = 2, .expert_ffn = 192

static const made models[] = {
    {"llama", {.family = "llama", SHAPE}},
    {"llama-tied-biased",
     {.family = "llama", SHAPE, .tied = true, .out_bias = true, .mlp_bias = true, .qkv_bias = true}},
    {"llama-rope-freqs", {.family = "llama", SHAPE, .rope_freqs = true}},
    {"llama-wide-heads",
     {.family = "llama",
      .layers = 2,
      .hidden = 192,
      .heads = 2,
      .kv_heads = 1,
      .head_dim = 128,
      .v_head_dim = 128,
      .ffn = 64,
      .vocab = VOCAB,
      .context = CELLS}},
    {"mixtral", {.family = "llama", SHAPE, MIXED}},
    {"mixtral-one", {.family = "llama", SHAPE, .experts = 4, .experts_used = 1, .expert_ffn = 192}},
    {"qwen", {.family = "qwen", SHAPE_OF(4), .qkv_bias = true}},
    {"qwen2", {.family = "qwen2", SHAPE, .qkv_bias = true}},
    {"qwen2moe", {.family = "qwen2moe", SHAPE, EXPERTS, .qkv_bias = true, .shared_ffn = 160}},
    {"qwen3", {.family = "qwen3", SHAPE, .qk_norm = true}},
    {"qwen3moe", {.family = "qwen3moe", SHAPE, EXPERTS, .qk_norm = true}},
    {"gemma", {.family = "gemma", SHAPE, .tied = true}},
    {"gemma2", {.family = "gemma2", SHAPE, .tied = true, .sliding_window = 32, .swa_period = 2}},
    {"gemma3", {.family = "gemma3", SHAPE, .tied = true, .sliding_window = 32, .swa_period = 6}},
    {"phi2", {.family = "phi2", SHAPE_OF(4), .one_norm = true}},
    {"phi3", {.family = "phi3", SHAPE}},
    {"phi3-factors", {.family = "phi3", SHAPE, .rope_factors = true}},
    {"gpt2", {.family = "gpt2", SHAPE_OF(4), .tied = true}},
    {"gptneox", {.family = "gptneox", SHAPE_OF(4), .qkv_bias = true, .out_bias = true}},
    {"falcon", {.family = "falcon", SHAPE, .one_norm = true}},
    {"falcon-new", {.family = "falcon", SHAPE}},
    {"bloom", {.family = "bloom", SHAPE_OF(4), .tied = true}},
    {"stablelm", {.family = "stablelm", SHAPE}},
    {"stablelm-12b", {.family = "stablelm", SHAPE, .one_norm = true, .qk_norm = true}},
    {"olmo", {.family = "olmo", SHAPE}},
    {"olmo2", {.family = "olmo2", SHAPE_OF(4), .qk_norm = true}},
    {"olmo3", {.family = "olmo2", SHAPE_OF(4), .qk_norm = true, .sliding_window = 32, .swa_period = 4}},
    {"olmoe", {.family = "olmoe", SHAPE_OF(4), MIXED, .qk_norm = true}},
    {"internlm2", {.family = "internlm2", SHAPE}},
    {"granite", {.family = "granite", SHAPE}},
    {"granitemoe", {.family = "granitemoe", SHAPE, MIXED}},
    {"granitemoe-shared", {.family = "granitemoe", SHAPE, MIXED, .shared_ffn = 160}},
    {"gpt-oss",
     {.family = "gpt-oss", SHAPE, EXPERTS, .qkv_bias = true, .out_bias = true, .sliding_window = 32, .swa_period = 2}},
    {"deepseek2-lite", {.family = "deepseek2", LATENT, .layers = 27, .mla_split = true}},
    {"deepseek2-lite-decompressed", {.family = "deepseek2", LATENT, .layers = 27}},
    {"deepseek2-q-lora", {.family = "deepseek2", LATENT, .layers = 3, .q_lora = 48, .mla_split = true}},
    {"deepseek2-v3",
     {.family = "deepseek2",
      LATENT,
      .layers = 3,
      .q_lora = 48,
      .mla_split = true,
      ROUTED,
      .router_sigmoid = true,
      .router_normed = true,
      .router_bias = true}},
    {"deepseek2-v2", {.family = "deepseek2", LATENT, .layers = 3, .q_lora = 48, .mla_split = true, ROUTED}},
    {"gptneox-serial", {.family = "gptneox", SHAPE_OF(4), .qkv_bias = true, .out_bias = true, .serial = true}},
    {"smollm3", {.family = "smollm3", SHAPE, .tied = true}},
    {"chatglm", {.family = "chatglm", SHAPE, .qkv_bias = true}},
};

/* Wide enough for sizes that a log prints in MiB. */
#define STATES                                                                                                         \
    .layers = 8, .hidden = 1024, .heads = 8, .kv_heads = 2, .head_dim = 128, .v_head_dim = 128, .ffn = 1536,           \
    .vocab = 4096, .context = 4096, .rope_dim = 32,                                                                    \
    .recurrence = {.conv = 4, .inner = 2048, .state = 128, .groups = 8, .heads = 16, .interval = 4}
/* Their operations are not described: what they keep is compared by peer_state. */
static const made hybrids[] = {
    {"qwen3next", {.family = "qwen3next", STATES, EXPERTS, .shared_ffn = 160}},
    {"qwen35", {.family = "qwen35", STATES, .tied = true}},
    {"qwen35moe", {.family = "qwen35moe", STATES, EXPERTS, .shared_ffn = 160}},
};

typedef struct writer {
    bb_gguf_out *out;
    const char *family;
} writer;

static void die(const char *text) {
    fprintf(stderr, "%s\n", text);
    exit(2);
}

static void done(bb_status st) {
    if (st) die("the model is not written");
}

static void number(const writer *w, const char *name, uint64_t v) {
    char key[128];
    (void)snprintf(key, sizeof key, "%s.%s", w->family, name);
    if (v) done(bb_gguf_out_u32(w->out, key, (uint32_t)v));
}

static void real(const writer *w, const char *name, float v) {
    char key[128];
    (void)snprintf(key, sizeof key, "%s.%s", w->family, name);
    done(bb_gguf_out_f32(w->out, key, v));
}

static void flag(const writer *w, const char *name, bool v) {
    char key[128];
    (void)snprintf(key, sizeof key, "%s.%s", w->family, name);
    done(bb_gguf_out_bool(w->out, key, v));
}

static void write_heads(const writer *w, const bb_arch *a) {
    bool mla = bb_family_find(a->family)->mla, latent = mla && a->mla_split;
    number(w, "attention.head_count", a->heads);
    number(w, "attention.head_count_kv", latent ? 1 : a->kv_heads);
    number(w, "attention.key_length", latent ? a->kv_lora + a->rope_dim : a->head_dim);
    number(w, "attention.value_length", latent ? a->kv_lora : a->v_head_dim);
    number(w, "rope.dimension_count", a->rope_dim ? a->rope_dim : a->head_dim);
    number(w, "attention.q_lora_rank", a->q_lora);
    number(w, "attention.kv_lora_rank", a->kv_lora);
    if (!latent) return;
    number(w, "attention.key_length_mla", a->head_dim);
    number(w, "attention.value_length_mla", a->v_head_dim);
}

static void write_state(const writer *w, const bb_recurrence *r) {
    number(w, "ssm.conv_kernel", r->conv);
    number(w, "ssm.inner_size", r->inner);
    number(w, "ssm.state_size", r->state);
    number(w, "ssm.group_count", r->groups);
    number(w, "ssm.time_step_rank", r->heads);
    number(w, "full_attention_interval", r->interval);
    if (!r->interval) return;
    char key[128];
    (void)snprintf(key, sizeof key, "%s.rope.dimension_sections", w->family);
    done(bb_gguf_out_i32(w->out, key, 4)); /* the same for all four */
}

/* Keys that a family does not know harm nothing. */
static void write_keys(const writer *w, const bb_arch *a) {
    done(bb_gguf_out_text(w->out, "general.architecture", a->family));
    done(bb_gguf_out_text(w->out, "tokenizer.ggml.model", "no_vocab"));
    number(w, "vocab_size", a->vocab);
    number(w, "context_length", a->context);
    number(w, "embedding_length", a->hidden);
    number(w, "block_count", a->layers);
    number(w, "feed_forward_length", a->ffn);
    write_heads(w, a);
    write_state(w, &a->recurrence);
    number(w, "attention.sliding_window", a->sliding_window);
    number(w, "expert_count", a->experts);
    number(w, "expert_used_count", a->experts_used);
    number(w, "expert_feed_forward_length", a->expert_ffn);
    number(w, "expert_shared_count", a->shared_experts);
    number(w, "expert_shared_feed_forward_length", a->shared_ffn);
    number(w, "leading_dense_block_count", a->dense_layers);
    real(w, "attention.layer_norm_rms_epsilon", 1e-5F);
    real(w, "attention.layer_norm_epsilon", 1e-5F);
    real(w, "rope.freq_base", 1e4F);
    flag(w, "use_parallel_residual", !a->serial);
    number(w, "expert_group_count", a->expert_groups);
    number(w, "expert_group_used_count", a->expert_groups_used);
    number(w, "expert_gating_func", a->router_sigmoid ? 2 : 0);
    if (a->router_normed) flag(w, "expert_weights_norm", true);
    if (a->router_scaled) real(w, "expert_weights_scale", 2.5F);
    if (a->rope_factors) number(w, "rope.scaling.original_context_length", CELLS / 2);
    if (strcmp(a->family, "gemma2") == 0) {
        real(w, "attn_logit_softcapping", 50);
        real(w, "final_logit_softcapping", 30);
    }
    if (strncmp(a->family, "granite", 7) != 0) return;
    real(w, "logit_scale", 8);
    real(w, "residual_scale", 0.22F);
    real(w, "embedding_scale", 12);
    real(w, "attention.scale", 0.1F);
}

static void write_model(const bb_arch *a, const char *path) {
    bb_error err = {0};
    bb_graph g;
    bb_graph_tensor *t;
    size_t n, header_bytes;
    const unsigned char *header;
    uint64_t bytes;
    writer w = {.family = a->family};
    if (bb_graph_build(a, &g, &err)) die(err.text);
    done(bb_graph_tensors(&g, false, &t, &n));
    done(bb_gguf_out_new(0, &w.out, &err));
    write_keys(&w, a);
    for (size_t i = 0; i < n; i++)
        done(bb_gguf_out_tensor(w.out, t[i].name, t[i].n_dims, t[i].dims, bb_dtype_from_gguf(0), &err));
    done(bb_gguf_out_seal(w.out, &header, &header_bytes, &bytes, &err));
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(header, 1, header_bytes, f) != header_bytes || fseek(f, (long)bytes - 1, SEEK_SET) != 0 ||
        fputc(0, f) == EOF || fclose(f) != 0)
        die("the model is not written");
    bb_gguf_out_free(w.out);
    free(t);
    bb_graph_clear(&g);
}

/* ---- the library's graph, as it computes it ---- */

/* ggml_tensor of its ggml.h. */
typedef struct tensor {
    int type;
    void *buffer;
    int64_t ne[DIMS];
    size_t nb[DIMS];
    int op;
    int32_t params[16];
    int32_t flags;
    struct tensor *src[SOURCES];
    struct tensor *view;
    size_t offset;
    void *data;
    char name[64];
    void *extra;
    char padding[8];
} tensor;

enum { MOST = 16384 };

typedef struct seen {
    tensor nodes[MOST]; /* as they were: a later graph may use their memory */
    const tensor *at[MOST];
    size_t n;
} seen;

static bool see(const tensor *t, bool ask, void *ctx) {
    seen *s = ctx;
    if (ask && s->n < MOST) {
        s->nodes[s->n] = *t;
        s->at[s->n++] = t;
    }
    return false;
}

typedef struct setting {
    const char *name;
    bool flash;
    uint32_t sequences;
    bool unified;
    uint32_t type; /* of the cache */
} setting;

static const setting settings[] = {
    {"scores", false, 1, true, 1},        {"flash", true, 1, true, 1},
    {"two streams", false, 2, false, 1},  {"two streams, flash", true, 2, false, 1},
    {"unified, flash", true, 2, true, 1}, {"q8_0, flash", true, 1, true, 8},
    {"f32, flash", true, 1, true, 0},
};

static void *start(llama *l, const setting *s, seen *list) {
    llama_context_params (*defaults)(void);
    void *(*context)(void *, llama_context_params);
    llama_symbol(l, "llama_context_default_params", &defaults);
    llama_symbol(l, "llama_init_from_model", &context);
    llama_context_params p = defaults();
    bool (*eval)(const tensor *, bool, void *) = see;
    p.n_ctx = s->unified ? CELLS : CELLS * s->sequences;
    p.n_batch = p.n_ubatch = TOKENS;
    p.threads = p.threads_batch = 1;
    p.n_seq = s->sequences;
    p.kv_unified = s->unified;
    p.flash_attn = s->flash;
    p.type_k = p.type_v = (int)s->type;
    memcpy(&p.eval, &eval, sizeof eval);
    p.eval_data = list;
    return context(l->model, p);
}

static void run(const llama *l, void *context, const setting *s, seen *list) {
    llama_batch (*batch)(int32_t, int32_t, int32_t);
    int32_t (*decode)(void *, llama_batch);
    llama_symbol(l, "llama_batch_init", &batch);
    llama_symbol(l, "llama_decode", &decode);
    llama_batch b = batch(TOKENS, 0, 1);
    int32_t each = TOKENS / (int32_t)s->sequences;
    for (int32_t i = 0; i < TOKENS; i++) {
        b.token[i] = i;
        b.pos[i] = i % each;
        b.n_seq_id[i] = 1;
        b.seq_id[i][0] = i / each;
        b.logits[i] = i < OUTPUTS;
    }
    b.n = TOKENS;
    list->n = 0;
    if (decode(context, b) != 0) die("llama_decode failed");
}

/* ---- comparing ---- */

typedef struct comparison {
    const bb_graph *graph;
    const bb_gg_graph *ours;
    const tensor **theirs; /* of each of our tensors, NULL = not yet met */
    llama *l;
} comparison;

static void make_hybrid(const made *m, const char *path) {
    bb_arch a = m->a;
    if (bb_recurrence_spread(&a.recurrence, a.layers, a.recurrence.interval)) die("too many layers");
    write_model(&a, path);
}

static const char *op_name(const comparison *c, int op) {
    const char *(*name)(int);
    llama_symbol(c->l, "ggml_op_name", &name);
    return name(op);
}

/* One of ours is one of theirs, and a weight has its name. */
static bool same(const comparison *c, int32_t i, const tensor *t) {
    const bb_gg_tensor *o = &c->ours->t[i];
    if (!c->theirs[i]) c->theirs[i] = t;
    if (c->theirs[i] != t) return false;
    for (size_t k = 0; k < c->ours->n; k++)
        if (c->theirs[k] == t && (int32_t)k != i) return false;
    if (o->store != BB_GG_WEIGHT) return true;
    char name[128], templated[128];
    const bb_weight *w = &c->graph->weights[o->weight];
    const char *mark = strstr(w->gguf_name, "%d");
    (void)snprintf(templated, sizeof templated, "%s", w->gguf_name);
    if (mark)
        (void)snprintf(templated, sizeof templated, "%.*s%d%s", (int)(mark - w->gguf_name), w->gguf_name, (int)o->layer,
                       mark + 2);
    (void)snprintf(name, sizeof name, "%s", t->name);
    return strcmp(name, templated) == 0;
}

static bool say(size_t node, const char *what, const char *name) {
    fprintf(stderr, "node %zu (%s): %s differs\n", node + 1, name, what);
    return false;
}

static bool compare_node(const comparison *c, size_t i, const tensor *t, const tensor *at) {
    const bb_gg_tensor *o = &c->ours->t[c->ours->nodes[i]];
    const char *name = op_name(c, t->op);
    if (strcmp(name, bb_gg_op_name((bb_gg_op)o->op)) != 0) {
        fprintf(stderr, "ours is %s\n", bb_gg_op_name((bb_gg_op)o->op));
        return say(i, "operation", name);
    }
    if (o->type->gguf_id != t->type) return say(i, "type", name);
    for (int k = 0; k < DIMS; k++) {
        if (o->ne[k] != (uint64_t)t->ne[k]) return say(i, "shape", name);
        if (o->nb[k] != t->nb[k] && t->ne[k] > 1) return say(i, "stride", name);
    }
    for (int k = 0; k < SOURCES; k++) {
        if ((k < o->n_src) != (t->src[k] != NULL)) return say(i, "number of sources", name);
        if (k < o->n_src && !same(c, o->src[k], t->src[k])) return say(i, "source", name);
    }
    if ((o->root >= 0) != (t->view != NULL)) return say(i, "being a view", name);
    if (o->root >= 0 && !same(c, o->root, t->view)) return say(i, "root", name);
    if (((o->flags & BB_GG_OUTPUT) != 0) != ((t->flags & 2) != 0)) return say(i, "being an output", name);
    return same(c, c->ours->nodes[i], at) || say(i, "itself", name);
}

static bool compare(llama *l, const bb_graph *graph, const setting *s, seen *list) {
    bb_error err = {0};
    bb_gg_graph ours = {0};
    bb_gg_shape shape = {.tokens = TOKENS,
                         .outputs = OUTPUTS,
                         .sequences = s->sequences,
                         .cells = CELLS,
                         .window_cells = CELLS,
                         .streams = s->unified ? 1 : s->sequences,
                         .flash = s->flash};
    shape.k = shape.v = bb_dtype_from_gguf(s->type);
    if (bb_gg_build(graph, &shape, &ours, &err)) die(err.text);
    comparison c = {graph, &ours, calloc(ours.n, sizeof *c.theirs), l};
    if (!c.theirs) die("out of memory");
    bool alike = true;
    for (size_t i = 0; i < ours.n_nodes && i < list->n && alike; i++)
        alike = compare_node(&c, i, &list->nodes[i], list->at[i]);
    if (alike && ours.n_nodes != list->n) {
        fprintf(stderr, "%zu nodes, the library has %zu\n", ours.n_nodes, list->n);
        alike = false;
    }
    free(c.theirs);
    bb_gg_clear(&ours);
    return alike;
}

/* ---- the buffer ---- */

/* llama_context::get_sched has no name in C: a method without arguments, called as a function of its object. */
static size_t reserved(const llama *l, void *context) {
    void *(*sched_of)(const void *);
    int (*backends)(void *);
    void *(*backend_at)(void *, int);
    size_t (*size)(void *, void *), sum = 0;
    llama_symbol(l, "_ZNK13llama_context9get_schedEv", &sched_of);
    llama_symbol(l, "ggml_backend_sched_get_n_backends", &backends);
    llama_symbol(l, "ggml_backend_sched_get_backend", &backend_at);
    llama_symbol(l, "ggml_backend_sched_get_buffer_size", &size);
    void *sched = sched_of(context);
    for (int i = 0; i < backends(sched); i++) sum += size(sched, backend_at(sched, i));
    return sum;
}

static bool compare_buffer(const bb_graph *graph, const setting *s, size_t theirs) {
    bb_error err = {0};
    bb_reserver *r = bb_reserver_new();
    size_t n = graph->n_weights * (graph->n_layers + 1);
    bb_home *homes = calloc(n, sizeof *homes);
    uint8_t *layers = calloc(graph->n_layers + 1, 1);
    bb_reserve_out out = {0};
    if (!r || !homes || !layers) die("out of memory");
    for (size_t i = 0; i < n; i++) homes[i].type = bb_dtype_from_gguf(0);
    bb_reserve_in in = {.graph = graph,
                        .ctx = s->unified ? CELLS : CELLS * s->sequences,
                        .batch = TOKENS,
                        .ubatch = TOKENS,
                        .sequences = s->sequences,
                        .unified = s->unified,
                        .flash = s->flash,
                        .layer_device = layers,
                        .homes = homes};
    in.k = in.v = bb_dtype_from_gguf(s->type);
    if (bb_reserve(r, &in, &out, &err)) die(err.text);
    bb_reserver_free(r);
    free(homes);
    free(layers);
    if (out.host != theirs)
        fprintf(stderr, "a buffer of %llu bytes, the library reserves %zu\n", (unsigned long long)out.host, theirs);
    return out.host == theirs;
}

static bool ask(const made *m, const char *path) {
    static seen list;
    llama l = {0};
    bb_file *file = NULL;
    bb_arch *arch = NULL;
    bb_graph graph;
    bb_error err = {0};
    bool alike = true;
    void (*free_context)(void *);
    write_model(&m->a, path);
    if (bb_file_open(path, &file, &err) || bb_arch_from_file(file, &arch, &err) || bb_graph_build(arch, &graph, &err))
        die(err.text);
    llama_load(&l, path, false);
    llama_symbol(&l, "llama_free", &free_context);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        void *context = start(&l, &settings[i], &list);
        if (!context) {
            printf("%s, %s: the library refuses\n", m->name, settings[i].name);
            continue;
        }
        size_t bytes = reserved(&l, context);
        bool ok = compare_buffer(&graph, &settings[i], bytes);
        run(&l, context, &settings[i], &list);
        ok = compare(&l, &graph, &settings[i], &list) && ok;
        printf("%s, %s: %zu nodes, %zu bytes%s\n", m->name, settings[i].name, list.n, bytes,
               ok ? " alike" : ", not alike");
        alike = alike && ok;
        free_context(context);
    }
    bb_graph_clear(&graph);
    bb_arch_free(arch);
    bb_file_close(file);
    return alike;
}

int main(int argc, char **argv) {
    size_t n = sizeof models / sizeof *models;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < n; i++) puts(models[i].name);
        return 0;
    }
    size_t n_hybrids = sizeof hybrids / sizeof *hybrids;
    bool make = argc == 4 && strcmp(argv[1], "--make") == 0;
    for (size_t i = 0; i < n_hybrids; i++) {
        if (argc == 2 && strcmp(argv[1], "--hybrids") == 0) puts(hybrids[i].name);
        if (!make || strcmp(hybrids[i].name, argv[2]) != 0) continue;
        make_hybrid(&hybrids[i], argv[3]);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--hybrids") == 0) return 0;
    if (!make && argc != 3) die("peer_graph --list, --hybrids, [--make] NAME WORK.gguf");
    for (size_t i = 0; i < n; i++)
        if (strcmp(models[i].name, argv[argc - 2]) == 0) {
            bb_arch a = models[i].a;
            (void)snprintf(a.name, sizeof a.name, "%s", models[i].name);
            if (!make) return !ask(&(made){models[i].name, a}, argv[2]);
            write_model(&a, argv[3]);
            return 0;
        }
    die("no such model");
}
