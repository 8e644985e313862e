/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_options.c - from options to a plan request. */
#include "cli/plan_options.h"
#include "base/escape.h"
#include "base/units.h"
#include "cli/command_model.h"
#include "cli/progress.h"
#include "study/host_speed.h"
#include <stdio.h>
#include <stdlib.h>
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

/* "3,1": the share of each card, in the order of the cards. */
static bb_status read_split(const cli_args *a, bb_plan_request *r, bb_error *err) {
    const char *p = a->value[OPT_TENSOR_SPLIT];
    char safe[96];
    for (size_t i = 0; p && *p; i++) {
        char *end;
        double share = strtod(p, &end);
        if (end == p || !(share >= 0) || share > 1e9 || (*end && *end != ',' && *end != '/'))
            return bb_fail(err, BB_E_ARG, "--tensor-split '%s': expected numbers such as 3,1",
                           bb_escape_buf(a->value[OPT_TENSOR_SPLIT], safe, sizeof safe));
        if (i >= BB_PLAN_CARDS)
            return bb_fail(err, BB_E_ARG, "--tensor-split: at most %d cards are planned", BB_PLAN_CARDS);
        r->cards[i].split = share;
        p = *end ? end + 1 : end;
    }
    return BB_OK;
}

static bb_status read_llama(const cli_args *a, bb_plan_request *r, bb_error *err) {
    const char *mode = a->value[OPT_SPLIT_MODE], *backend = a->value[OPT_BACKEND];
    bb_status s = read_split(a, r, err);
    if (mode) r->split_mode = !strcmp(mode, "row") ? BB_SPLIT_ROW : *mode == 'n' ? BB_SPLIT_NONE : BB_SPLIT_LAYER;
    if (backend) r->backend = *backend == 'g' ? BB_BACKEND_GENERIC : BB_BACKEND_CUDA;
    if (s == BB_OK) s = cli_get_u64(a, OPT_MAIN_GPU, "--main-gpu", &r->main_gpu, err);
    r->kv_on_host = cli_has(a, OPT_KV_HOST);
    r->swa_full = cli_has(a, OPT_SWA_FULL);
    r->no_op_offload = cli_has(a, OPT_NO_OP_OFFLOAD);
    r->no_mmap = cli_has(a, OPT_NO_MMAP);
    r->dry_run_rule = cli_has(a, OPT_DRY_RUN_RULE);
    r->imatrix = cli_has(a, OPT_WITH_IMATRIX);
    if (cli_has(a, OPT_CPU_MOE)) r->cpu_moe_layers = BB_ALL;
    if (s == BB_OK) s = cli_get_u64(a, OPT_N_CPU_MOE, "--n-cpu-moe", &r->cpu_moe_layers, err);
    if (s == BB_OK && a->value[OPT_OVERRIDE_TENSOR])
        s = copy(r->override_tensor, sizeof r->override_tensor, a->value[OPT_OVERRIDE_TENSOR], "--override-tensor",
                 err);
    return s;
}

static bb_status read_vllm(const cli_args *a, bb_plan_request *r, bb_error *err) {
    bb_status s = cli_get_positive(a, OPT_UTILIZATION, "--gpu-memory-utilization", &r->utilization, err);
    if (s == BB_OK && r->utilization > 1)
        s = bb_fail(err, BB_E_ARG, "--gpu-memory-utilization %g: expected a part of the memory, such as 0.9",
                    r->utilization);
    if (s == BB_OK) s = cli_get_count(a, OPT_TENSOR_PARALLEL, "--tensor-parallel-size", &r->tensor_parallel, err);
    if (s == BB_OK) s = cli_get_count(a, OPT_PIPELINE_PARALLEL, "--pipeline-parallel-size", &r->pipeline_parallel, err);
    if (s == BB_OK) s = cli_get_count(a, OPT_BLOCK_SIZE, "--block-size", &r->kv_block, err);
    r->eager = cli_has(a, OPT_EAGER);
    r->long_ctx = cli_has(a, OPT_LONG_CTX);
    return s;
}

bb_status cli_plan_host(const cli_call *call, bb_plan_request *r, bb_error *err) {
    cli_progress progress;
    bb_isa isa = BB_ISA_AUTO;
    unsigned threads = 0;
    if (r->no_gpu && r->cards[0].bandwidth_gbs > 0)
        r->host = (bb_plan_host){.bandwidth_gbs = r->cards[0].bandwidth_gbs, .threads = 1};
    if (!cli_has(&call->args, OPT_MEASURE_HOST)) return BB_OK;
    bb_status s = cli_get_isa(&call->args, &isa, err);
    if (s == BB_OK) s = cli_get_unsigned(&call->args, OPT_THREADS, "--threads", 1024, &threads, err);
    if (s != BB_OK) return s;
    cli_progress_start(&progress, call->out.quiet);
    s = bb_host_speed_measure(threads, isa, &progress.progress, &r->host, err);
    cli_progress_end(&progress);
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
    const char *only = bb_engine_is_llama(r->engine) ? NULL : bb_plan_only_llama(r, buf);
    if (only)
        return bb_fail(err, BB_E_ARG, "%s: engine %s has no such option, llama.cpp has", only,
                       bb_engine_name(r->engine));
    return BB_OK;
}

bb_status cli_plan_request(cli_call *call, cli_plan *p, bb_error *err) {
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
    if (s == BB_OK) s = cli_plan_catalogue(a, &p->cat, err);
    if (s == BB_OK) s = cli_plan_cards(call, p->cat, r, err);
    if (s == BB_OK) s = read_llama(a, r, err);
    return s == BB_OK ? read_vllm(a, r, err) : s;
}

static bb_status find_model(cli_call *call, cli_plan *p, const char *text, bb_error *err) {
    bb_status s = bb_model_locate(p->cat, &call->stores, text, &p->model, err);
    return s == BB_E_NAME ? cli_model_by_flavour(call, p, text) : s;
}

bb_status cli_plan_open(cli_call *call, cli_plan *p, bb_error *err) {
    const cli_args *a = &call->args;
    bb_status s = cli_plan_request(call, p, err);
    if (s == BB_OK && !p->model) s = find_model(call, p, a->words[0], err);
    if (s == BB_OK) s = bb_subject_init(&p->subject, p->model, p->cat, err);
    if (s == BB_OK) s = choose_engine(call, p, err);
    if (s == BB_OK) s = cli_plan_host(call, &p->request, err);
    if (s == BB_OK && *p->model->note) cli_warn(&call->out, "%s: %s", p->model->title, p->model->note);
    return s;
}

void cli_plan_clear(cli_plan *p) {
    bb_subject_clear(&p->subject);
    bb_model_free(p->model);
    bb_catalogue_free(p->cat);
}
