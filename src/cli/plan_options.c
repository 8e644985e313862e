/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_options.c - from options to a plan request. */
#include "cli/plan_options.h"
#include "base/escape.h"
#include "base/units.h"
#include "cli/local_gpu.h"
#include <stdio.h>
#include <string.h>

static bb_status copy(char *to, size_t size, const char *from, const char *name, bb_error *err) {
    char safe[64];
    if (strlen(from) >= size)
        return bb_fail(err, BB_E_NAME, "%s '%s' is too long", name, bb_escape_buf(from, safe, sizeof safe));
    strcpy(to, from);
    return BB_OK;
}

/* Training is not planned yet: what its states take by specs/memory.md 2.4 instead. */
static bb_status not_planned(const char *purpose, bb_error *err) {
    static const struct {
        const char *purpose, *takes;
    } known[] = {
        {"train", "16 bytes a parameter (AdamW, fp32 or mixed precision) and the activations"},
        {"lora", "the frozen weights, 16 bytes a parameter of the adapters, and the activations"},
        {"qlora", "about 0.52 bytes a frozen weight (nf4), 16 a parameter of the adapters, and the activations"},
    };
    bb_fail(err, BB_E_UNSUPPORTED, "--for %s: this version plans load and infer", purpose);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(purpose, known[i].purpose) == 0)
            bb_fail(err, BB_E_UNSUPPORTED, "--for %s: this version plans load and infer; %s takes %s", purpose, purpose,
                    known[i].takes);
    bb_hint(err, "bitbudget rule COUNT gives the rule of thumb for training, bitbudget plan MODEL the weights");
    return BB_E_UNSUPPORTED;
}

static bb_status read_purpose(const cli_args *a, bb_plan_request *r, bb_error *err) {
    const char *v = a->value[OPT_FOR];
    if (!v || strcmp(v, "infer") == 0)
        r->purpose = BB_FOR_INFER;
    else if (strcmp(v, "load") == 0)
        r->purpose = BB_FOR_LOAD;
    else
        return not_planned(v, err);
    return BB_OK;
}

static bb_status read_kv(const cli_args *a, bb_plan_request *r, bb_error *err) {
    const char *v = a->value[OPT_KV];
    bb_status s = BB_OK;
    if (v) {
        char both[40], safe[64];
        if ((s = copy(both, sizeof both, v, "--kv", err)) != BB_OK) return s;
        char *comma = strchr(both, ',');
        if (comma) *comma = '\0';
        if (!*both || (comma && (!comma[1] || strchr(comma + 1, ','))))
            return bb_fail(err, BB_E_ARG, "--kv '%s': expected one type or two, such as q8_0 or q8_0,f16",
                           bb_escape_buf(v, safe, sizeof safe));
        s = copy(r->kv_k, sizeof r->kv_k, both, "--kv", err);
        if (s == BB_OK) s = copy(r->kv_v, sizeof r->kv_v, comma ? comma + 1 : both, "--kv", err);
    }
    if (s == BB_OK && a->value[OPT_KV_K]) s = copy(r->kv_k, sizeof r->kv_k, a->value[OPT_KV_K], "--cache-type-k", err);
    if (s == BB_OK && a->value[OPT_KV_V]) s = copy(r->kv_v, sizeof r->kv_v, a->value[OPT_KV_V], "--cache-type-v", err);
    /* one alone leaves the other at its default, which is not the first one's type */
    if (s == BB_OK && *r->kv_k && !*r->kv_v && !v) strcpy(r->kv_v, "f16");
    if (s == BB_OK && *r->kv_v && !*r->kv_k && !v) strcpy(r->kv_k, "f16");
    return s;
}

static bb_status read_numbers(const cli_args *a, bb_plan_request *r, bb_error *err) {
    bb_status s = cli_get_tokens(a, OPT_CTX, "--ctx", "tokens", &r->ctx, err);
    if (s == BB_OK) s = cli_get_tokens(a, OPT_BATCH, "--batch", "tokens", &r->batch, err);
    if (s == BB_OK) s = cli_get_tokens(a, OPT_UBATCH, "--ubatch", "tokens", &r->ubatch, err);
    if (s == BB_OK) s = cli_get_tokens(a, OPT_PARALLEL, "--parallel", "sequences", &r->parallel, err);
    if (s == BB_OK) s = cli_get_tokens(a, OPT_OUTPUTS, "--outputs", "rows", &r->outputs, err);
    const char *layers = a->value[OPT_GPU_LAYERS];
    if (s == BB_OK && layers) {
        r->gpu_layers_set = true;
        /* llama.cpp takes any number above the layers, and -1, for all of them */
        if (strcmp(layers, "all") == 0 || strcmp(layers, "-1") == 0)
            r->gpu_layers = BB_ALL;
        else
            s = cli_get_u64(a, OPT_GPU_LAYERS, "--gpu-layers", &r->gpu_layers, err);
    }
    const char *flash = a->value[OPT_FLASH_ATTN];
    if (flash) /* llama.cpp's words and those of transformers, whose default sdpa is */
        r->flash_attn = !strcmp(flash, "off") || !strcmp(flash, "eager")   ? -1
                        : !strcmp(flash, "auto") || !strcmp(flash, "sdpa") ? 0
                                                                           : 1;
    const char *overhead = a->value[OPT_OVERHEAD];
    if (s == BB_OK && overhead) {
        r->overhead_set = true;
        if (strcmp(overhead, "0") != 0) s = cli_get_bytes(a, OPT_OVERHEAD, "--overhead", &r->overhead_bytes, err);
    }
    r->kv_unified = cli_has(a, OPT_KV_UNIFIED);
    return s;
}

/* "RTX 4090x2", "A,B": several cards. True when the name is a card and a number; then base is the card. */
static bool several(const bb_catalogue *cat, const char *name, char *base, size_t size, uint64_t *cards) {
    size_t n = strlen(name), digits = 0;
    while (digits < n && name[n - digits - 1] >= '0' && name[n - digits - 1] <= '9') digits++;
    const char *comma = strchr(name, ',');
    size_t end = comma ? (size_t)(comma - name) : n > digits ? n - digits - 1 : 0;
    bool counted = digits && end && (name[end] == 'x' || name[end] == 'X');
    if ((!comma && !counted) || end >= size) return false;
    memcpy(base, name, end);
    while (end && base[end - 1] == ' ') end--;
    base[end] = '\0';
    if (comma)
        *cards = 2;
    else if (!bb_parse_u64(name + n - digits, cards))
        *cards = UINT64_MAX;
    return bb_gpu_find(cat, base, NULL) != NULL;
}

bb_status cli_no_several_cards(const char *option, const char *value, bb_error *err) {
    char safe[96];
    bb_fail(err, BB_E_UNSUPPORTED, "%s %s: several cards are not planned in this version", option,
            bb_escape_buf(value, safe, sizeof safe));
    bb_hint(err, "--memory SIZE plans one card as large as all of them");
    return BB_E_UNSUPPORTED;
}

static bb_status named_gpu(const cli_call *call, const char *name, const bb_catalogue *cat, const bb_gpu **gpu,
                           bb_error *err) {
    size_t cards = 1;
    if (strcmp(name, "local") == 0) {
        bb_status s = cli_local_gpu(CLI_GPU_ROOT, cat, gpu, &cards, err);
        if (s == BB_OK && cards > 1)
            cli_warn(&call->out, "this machine has %zu cards: planned is one, %s", cards, (*gpu)->name);
        return s;
    }
    char base[64];
    uint64_t number;
    *gpu = bb_gpu_find(cat, name, err);
    if (!*gpu && several(cat, name, base, sizeof base, &number)) {
        if (number != 1)
            return number ? cli_no_several_cards("--gpu", name, err)
                          : bb_fail(err, BB_E_ARG, "--gpu %s: expected at least one card", base);
        *gpu = bb_gpu_find(cat, base, err);
    }
    return *gpu ? BB_OK : BB_E_NAME;
}

static bb_status read_gpu(const cli_call *call, const bb_catalogue *cat, bb_plan_request *r, bb_error *err) {
    const cli_args *a = &call->args;
    const char *name = a->value[OPT_GPU];
    const bb_gpu *g = NULL;
    bb_status s = BB_OK;
    if (name && strcmp(name, "none") == 0)
        r->no_gpu = true;
    else if (name) {
        if ((s = named_gpu(call, name, cat, &g, err)) != BB_OK) return s;
        snprintf(r->gpu, sizeof r->gpu, "%s", g->name);
        r->limit_bytes = g->usable_bytes;
        r->limit_status = g->usable_status;
        if (!g->usable_bytes && !cli_has(a, OPT_MEMORY)) {
            bb_fail(err, BB_E_NAME, "nobody published what a program can get of a %s", g->name);
            bb_hint(err, "--memory SIZE says it");
            return BB_E_NAME;
        }
    }
    if (cli_has(a, OPT_MEMORY)) {
        s = cli_get_bytes(a, OPT_MEMORY, "--memory", &r->limit_bytes, err);
        if (s == BB_OK && r->limit_bytes == 0) s = bb_fail(err, BB_E_ARG, "--memory 0: expected some memory");
        r->limit_status = BB_EXACT;
    }
    return s;
}

/* The engine that was named, or the one that the model and the options mean. */
static bb_status choose_engine(const cli_call *call, cli_plan *p, bb_error *err) {
    bb_plan_request *r = &p->request;
    char buf[32];
    if (!call->args.value[OPT_ENGINE]) {
        r->engine = bb_engine_default(&p->subject, r);
        return BB_OK;
    }
    const char *only = r->engine == BB_ENGINE_LLAMA_CPP ? NULL : bb_plan_only_llama(r, buf);
    if (only)
        return bb_fail(err, BB_E_ARG, "%s: engine %s has no such option, llama.cpp has", only,
                       bb_engine_name(r->engine));
    return BB_OK;
}

bb_status cli_plan_open(cli_call *call, cli_plan *p, bb_error *err) {
    const cli_args *a = &call->args;
    bb_plan_request *r = &p->request;
    bb_status s = read_purpose(a, r, err);
    if (s == BB_OK) s = read_numbers(a, r, err);
    if (s == BB_OK) s = read_kv(a, r, err);
    if (s == BB_OK && a->value[OPT_WEIGHTS] && !*a->value[OPT_WEIGHTS])
        s = bb_fail(err, BB_E_ARG, "--weights '': expected a type, such as q4_K_M or bf16");
    if (s == BB_OK && a->value[OPT_WEIGHTS])
        s = copy(r->weights, sizeof r->weights, a->value[OPT_WEIGHTS], "--weights", err);
    if (s == BB_OK && a->value[OPT_ENGINE]) s = bb_engine_find(a->value[OPT_ENGINE], &r->engine, err);
    if (s == BB_OK) s = bb_catalogue_load(a->value[OPT_MODELS], a->value[OPT_GPUS], &p->cat, err);
    if (s == BB_OK) s = read_gpu(call, p->cat, r, err);
    if (s == BB_OK) s = bb_model_locate(p->cat, &call->stores, a->words[0], &p->model, err);
    if (s == BB_OK) s = bb_subject_init(&p->subject, p->model, p->cat, err);
    if (s == BB_OK) s = choose_engine(call, p, err);
    if (s == BB_OK && *p->model->note) cli_warn(&call->out, "%s: %s", p->model->title, p->model->note);
    return s;
}

void cli_plan_clear(cli_plan *p) {
    bb_subject_clear(&p->subject);
    bb_model_free(p->model);
    bb_catalogue_free(p->cat);
}
