/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_reserve.c - compute buffers of plan/reserve.h against those that libllama v0.5.0 (GGML_DIR) really allocates on
 * the host and on stand-ins for GPUs, in settings drawn by chance:
 *   peer_reserve MODEL.gguf COUNT    says in which settings the two differ */
#include "base/random.h"
#include "device.h"
#include "model/arch.h"
#include "plan/reserve.h"

typedef struct subject {
    bb_file *file;
    bb_arch *arch;
    bb_graph graph;
    bb_graph_tensor *tensors;
    size_t n;
    bb_home *homes;
    uint8_t *layer_device;
} subject;

typedef struct setting {
    uint32_t devices, gpu_layers;
    float split[DEVICES];
    bool cuda, experts_on_host;
    llama_context_params p;
} setting;

typedef struct override {
    const char *pattern;
    device_type *type;
} override;

static void die(const char *text) {
    fprintf(stderr, "%s\n", text);
    exit(2);
}

static void open_subject(subject *s, const char *path) {
    bb_error err = {0};
    if (bb_file_open(path, &s->file, &err) || bb_arch_from_file(s->file, &s->arch, &err) ||
        bb_graph_build(s->arch, &s->graph, &err))
        die(err.text);
    if (bb_graph_tensors(&s->graph, false, &s->tensors, &s->n)) die("the tensors");
    s->homes = calloc(s->graph.n_weights * (s->graph.n_layers + 1), sizeof *s->homes);
    s->layer_device = calloc(s->graph.n_layers + 1, 1);
    if (!s->homes || !s->layer_device) die("out of memory");
}

/* llama-graph.md 1: in 32-bit floats. */
static uint8_t device_of(const setting *c, size_t layers, size_t layer) {
    float points[DEVICES], sum = 0;
    size_t on = c->gpu_layers < layers + 1 ? c->gpu_layers : layers + 1, first = layers + 1 - on;
    uint8_t d = 0;
    if (layer < first || !c->devices) return (uint8_t)c->devices;
    for (uint32_t i = 0; i < c->devices; i++) points[i] = sum += c->split[i];
    for (uint32_t i = 0; i < c->devices; i++) points[i] /= sum;
    while (d + 1u < c->devices && points[d] <= (float)(layer - first) / (float)on) d++;
    return d;
}

static void place(subject *s, const setting *c) {
    size_t layers = s->graph.n_layers;
    for (size_t l = 0; l <= layers; l++) s->layer_device[l] = device_of(c, layers, l);
    for (size_t i = 0; i < s->n; i++) {
        const bb_graph_tensor *t = &s->tensors[i];
        bb_home *row = &s->homes[t->weight * (layers + 1)];
        bool input = t->part == BB_PART_INPUT, shared = t->part == BB_PART_LAYER && t->layer < 0;
        bool host = c->experts_on_host && strstr(t->name, "_exps") != NULL;
        bool with_first = strncmp(t->name, "token_embd_norm.", 16) == 0; /* llama-arch.cpp: of the first layer */
        const bb_tensor *in_file = bb_file_find(s->file, t->name);
        if (!in_file) die(t->name);
        for (size_t l = 0; l <= layers; l++) {
            bool here = input ? l == 0 || (l == layers && s->arch->tied) : shared ? l < layers : l == (size_t)t->layer;
            bool on_host = host || (input && l == 0 && !with_first);
            if (here) row[l] = (bb_home){in_file->type, on_host ? (uint8_t)c->devices : s->layer_device[l]};
        }
    }
}

/* ---- settings ---- */

typedef struct dice {
    uint64_t seed, at;
} dice;

static uint32_t draw(dice *d, uint32_t below) { return (uint32_t)(bb_random_u64(d->seed, d->at++) % below); }

/* What CUDA's own kernels add the stand-in does not ask for: settings without it. */
static setting draw_setting(dice *d, const subject *s, llama_context_params defaults) {
    static const int types[] = {1, 1, 1, 8, 2, 30, 0}; /* f16, q8_0, q4_0, bf16, f32 */
    setting c = {.devices = 1 + draw(d, DEVICES), .p = defaults};
    llama_context_params *p = &c.p;
    c.gpu_layers = draw(d, 2) ? 999 : draw(d, (uint32_t)s->graph.n_layers + 2);
    c.cuda = draw(d, 2) && !s->arch->experts;
    c.experts_on_host = s->arch->experts && draw(d, 3) == 0;
    for (uint32_t i = 0; i < c.devices; i++) c.split[i] = draw(d, 3) ? 1 : 1 + (float)draw(d, 7);
    p->n_ctx = 256 + draw(d, 3000);
    p->n_batch = 1 + draw(d, 1024);
    p->n_ubatch = 1 + draw(d, draw(d, 2) ? 600 : 40);
    p->n_seq = draw(d, 2) ? 1 : 1 + draw(d, 4);
    p->kv_unified = draw(d, 2);
    uint32_t most = p->n_batch < p->n_ctx ? p->n_batch : p->n_ctx;
    p->n_outputs = draw(d, 2) ? 0 : p->n_seq + draw(d, 40);
    if (most < p->n_seq) p->n_outputs = p->n_seq;
    p->flash_attn = (int)draw(d, 2);
    p->type_k = types[draw(d, sizeof types / sizeof *types)];
    p->type_v = types[draw(d, sizeof types / sizeof *types)];
    if (c.cuda && p->flash_attn) p->type_k = p->type_v = 1;
    if (s->arch->mla_split && s->arch->kv_lora) p->type_v = p->type_k; /* others are refused */
    if (!p->flash_attn && (p->type_v == 8 || p->type_v == 2)) p->type_k = p->type_v = 1;
    p->offload_kqv = draw(d, 4) != 0;
    p->op_offload = draw(d, 4) != 0;
    p->swa_full = draw(d, 2);
    return c;
}

static bb_reserve_in request(const subject *s, const setting *c) {
    const llama_context_params *p = &c->p;
    return (bb_reserve_in){.graph = &s->graph,
                           .ctx = p->n_ctx,
                           .batch = p->n_batch,
                           .ubatch = p->n_ubatch,
                           .sequences = p->n_seq,
                           .outputs = p->n_outputs,
                           .unified = p->kv_unified,
                           .swa_full = p->swa_full,
                           .flash = p->flash_attn,
                           .kv_on_host = !p->offload_kqv,
                           .no_op_offload = !p->op_offload,
                           .no_pipeline = c->experts_on_host,
                           .backend = c->cuda ? BB_BACKEND_CUDA : BB_BACKEND_GENERIC,
                           .k = bb_dtype_from_gguf((uint32_t)p->type_k),
                           .v = bb_dtype_from_gguf((uint32_t)p->type_v),
                           .n_devices = c->devices,
                           .all_layers = c->gpu_layers > s->graph.n_layers,
                           .layer_device = s->layer_device,
                           .homes = s->homes};
}

static void show(const setting *c) {
    const llama_context_params *p = &c->p;
    printf("devices %u (%s) split %g %g %g %g layers %u%s ctx %u batch %u ubatch %u seq %u%s outputs %u fa %d k %d v "
           "%d%s%s%s\n",
           c->devices, c->cuda ? "cuda" : "generic", (double)c->split[0], (double)c->split[1], (double)c->split[2],
           (double)c->split[3], c->gpu_layers, c->experts_on_host ? " experts on the host" : "", p->n_ctx, p->n_batch,
           p->n_ubatch, p->n_seq, p->kv_unified ? " unified" : "", p->n_outputs, p->flash_attn, p->type_k, p->type_v,
           p->offload_kqv ? "" : " kv on the host", p->op_offload ? "" : " no offload", p->swa_full ? " swa full" : "");
}

/* ---- both ---- */

typedef struct calls {
    llama_model_params (*model_defaults)(void);
    llama_context_params (*context_defaults)(void);
    void *(*load)(const char *, llama_model_params);
    void *(*context)(void *, llama_context_params);
    void (*free_model)(void *), (*free_context)(void *);
    device_type *(*host)(void);
} calls;

static void find_calls(const llama *l, calls *c) {
    llama_symbol(l, "llama_model_default_params", &c->model_defaults);
    llama_symbol(l, "llama_context_default_params", &c->context_defaults);
    llama_symbol(l, "llama_model_load_from_file", &c->load);
    llama_symbol(l, "llama_init_from_model", &c->context);
    llama_symbol(l, "llama_model_free", &c->free_model);
    llama_symbol(l, "llama_free", &c->free_context);
    llama_symbol(l, "ggml_backend_cpu_buffer_type", &c->host);
}

static bool silent(float progress, void *data) { return (void)progress, (void)data, true; }

static void *load(const calls *f, const char *path, const setting *c) {
    device *devices[DEVICES + 1] = {NULL};
    float split[16] = {0}; /* llama_max_devices */
    override experts[] = {{"_exps", f->host()}, {NULL, NULL}};
    llama_model_params p = f->model_defaults();
    for (uint32_t i = 0; i < c->devices; i++) devices[i] = &stand.devices[i];
    memcpy(split, c->split, sizeof c->split);
    bool (*progress)(float, void *) = silent;
    memcpy(&p.progress, &progress, sizeof progress);
    p.devices = devices;
    p.gpu_layers = (int32_t)c->gpu_layers;
    p.tensor_split = split;
    p.split_mode = 1; /* by layers */
    if (c->experts_on_host) p.overrides = experts;
    stand.cuda = c->cuda;
    return f->load(path, p);
}

static bool same(const calls *f, subject *s, bb_reserver *r, const char *path, const setting *c) {
    bb_error err = {0};
    bb_reserve_out ours;
    void *model = load(f, path, c);
    if (!model) die("the library does not load the model");
    void *context = f->context(model, c->p);
    place(s, c);
    bb_reserve_in in = request(s, c);
    bb_status st = bb_reserve(r, &in, &ours, &err);
    bool alike = (context == NULL) == (st != BB_OK);
    if (!alike)
        printf("%s, ours: %s\n", context ? "the library takes" : "the library refuses", st ? err.text : "taken");
    for (uint32_t d = 0; d <= c->devices && context && !st; d++) {
        uint64_t theirs = stand_computes(d < c->devices ? d : DEVICES);
        uint64_t bytes = d < c->devices ? ours.device[d] : ours.host;
        if (bytes == theirs) continue;
        alike = false;
        printf("device %u: %llu, the library's %llu\n", d, (unsigned long long)bytes, (unsigned long long)theirs);
    }
    if (!alike) show(c);
    if (context) f->free_context(context);
    f->free_model(model);
    return alike;
}

int main(int argc, char **argv) {
    llama l = {0};
    calls f;
    subject s = {0};
    size_t alike = 0, n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (!n) die("peer_reserve MODEL.gguf COUNT");
    bb_reserver *r = bb_reserver_new();
    llama_library(&l);
    find_calls(&l, &f);
    stand_open(&l);
    open_subject(&s, argv[1]);
    dice d = {.seed = 7};
    for (size_t i = 0; i < n; i++) {
        setting c = draw_setting(&d, &s, f.context_defaults());
        alike += same(&f, &s, r, argv[1], &c);
    }
    printf("%s: %zu of %zu settings alike\n", s.arch->family, alike, n);
    bb_reserver_free(r);
    free(s.tensors);
    free(s.homes);
    free(s.layer_device);
    bb_graph_clear(&s.graph);
    bb_arch_free(s.arch);
    bb_file_close(s.file);
    return alike != n;
}
