/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_check.c - bitbudget check: the sizes of another program's log beside a plan of the same. */
#include "base/escape.h"
#include "cli/local_gpu.h"
#include "cli/plan_options.h"
#include "report/report.h"
#include "study/log_check.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const cli_option options[] = {
    {OPT_MODEL, "--model", "MODEL", NULL, false, "the model, where the log does not tell enough of it"},
    {OPT_LEARN, "--learn", NULL, NULL, false,
     "keep what stands beside the buffers as this machine's measured overhead, which plan uses then"},
    CLI_PLAN_OPTIONS,
    {0},
};

/* What a log says, in the words of options; those that were given hold. */
typedef struct said {
    cli_args *args;
    char number[14][24];
    size_t n;
} said;

static void set(said *s, cli_id id, const char *value) {
    if (value && *value && !s->args->value[id]) s->args->value[id] = value;
}

static void set_u64(said *s, cli_id id, uint64_t v) {
    if (v && s->n < sizeof s->number / sizeof *s->number) set(s, id, bb_u64_text(v, s->number[s->n++]));
}

static size_t count_cards(const bb_log *log) {
    size_t n = 0;
    for (size_t i = 0; i < log->n_devices; i++) n += strcmp(log->devices[i].device, "host") != 0;
    return n;
}

/* Whether the first card pads rows as CUDA does: ROCm's is built from the same source. */
static bool is_cuda(const bb_log *log) {
    for (size_t i = 0; i < log->n_devices; i++)
        if (strcmp(log->devices[i].device, "host") != 0)
            return bb_starts_with(log->devices[i].name, "CUDA") || bb_starts_with(log->devices[i].name, "ROCm");
    return true;
}

static void say_llama(const bb_log *log, said *s) {
    size_t cards = count_cards(log);
    set(s, OPT_ENGINE, "llama.cpp"); /* Ollama's runner is llama.cpp, with what it prints */
    set_u64(s, OPT_CTX, log->ctx);
    set_u64(s, OPT_BATCH, log->batch);
    set_u64(s, OPT_UBATCH, log->ubatch);
    set_u64(s, OPT_PARALLEL, log->parallel);
    set_u64(s, OPT_OUTPUTS, log->outputs);
    if (log->unified && !s->args->value[OPT_KV_UNIFIED]) s->args->value[OPT_KV_UNIFIED] = "";
    set(s, OPT_KV_K, log->kv_k);
    set(s, OPT_KV_V, log->kv_v);
    if (log->flash) set(s, OPT_FLASH_ATTN, log->flash > 0 ? "on" : "off");
    if (!cards) {
        set(s, OPT_GPU, "none");
        return;
    }
    set(s, OPT_BACKEND, is_cuda(log) ? "cuda" : "generic");
    if (log->offloaded_printed) set(s, OPT_GPU_LAYERS, bb_u64_text(log->offloaded, s->number[s->n++]));
    if (s->args->value[OPT_GPU] || s->args->value[OPT_MEMORY]) return;
    if (cards > 1) set_u64(s, OPT_GPUS, cards);
}

/* How the weights are kept: the method of quantization, else the type of the computation. */
static const char *weights_of(const bb_log *log) {
    static const char *const words[][2] = {{"awq", "awq"},          {"awq_marlin", "awq"}, {"gptq", "gptq"},
                                           {"gptq_marlin", "gptq"}, {"fp8", "fp8"},        {"bitsandbytes", "nf4"},
                                           {"float16", "f16"},      {"bfloat16", "bf16"},  {"float32", "f32"}};
    const char *word = *log->method ? log->method : log->dtype;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], word) == 0) return words[i][1];
    return NULL;
}

static void say_vllm(const bb_log *log, said *s) {
    set(s, OPT_ENGINE, "vllm");
    set(s, OPT_WEIGHTS, weights_of(log));
    set_u64(s, OPT_CTX, log->ctx);
    /* at least 2048: _DEFAULT_MAX_NUM_BATCHED_TOKENS there */
    bool whole = log->whole_prompts && !log->max_batched && log->ctx;
    set_u64(s, OPT_BATCH, whole ? (log->ctx > 2048 ? log->ctx : 2048) : log->max_batched);
    set_u64(s, OPT_OUTPUTS, log->max_seqs);
    set_u64(s, OPT_TENSOR_PARALLEL, log->tensor_parallel);
    set_u64(s, OPT_PIPELINE_PARALLEL, log->pipeline_parallel);
    set_u64(s, OPT_BLOCK_SIZE, log->block_size);
    if (log->utilization > 0 && log->utilization <= 1) {
        (void)snprintf(s->number[s->n], sizeof s->number[0], "%.6g", log->utilization);
        set(s, OPT_UTILIZATION, s->number[s->n++]);
    }
    if (log->eager && !s->args->value[OPT_EAGER]) s->args->value[OPT_EAGER] = "";
    for (size_t i = 0; i < log->n_devices; i++) {
        if (!log->devices[i].total_bytes || s->args->value[OPT_GPU] || s->args->value[OPT_MEMORY]) continue;
        (void)snprintf(s->number[s->n], sizeof s->number[0], "%lluB", (unsigned long long)log->devices[i].total_bytes);
        set(s, OPT_MEMORY, s->number[s->n++]);
    }
}

/* A log is anybody's text: no device or pipe is opened for it, and the reader is told which file is. */
static bool opens(const cli_call *call, const char *path) {
    struct stat st;
    char safe[256];
    if (!*path || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || access(path, R_OK) != 0) return false;
    cli_warn(&call->out, "the model is read from %s, which the log names", bb_escape_buf(path, safe, sizeof safe));
    return true;
}

/* The model: asked for, or the file that the log names where it is here, or the shape that it prints, or a name. */
static bb_status find_model(cli_call *call, const bb_log *log, cli_plan *p, said *s, const char **word, bb_error *err) {
    const char *asked = call->args.value[OPT_MODEL];
    if (asked || opens(call, log->path)) {
        *word = asked ? asked : log->path;
        if (asked && log->kind == BB_LOG_LLAMA) set(s, OPT_WEIGHTS, bb_log_file_type(log));
        return BB_OK;
    }
    if (log->kind == BB_LOG_VLLM && *log->name) {
        *word = log->name;
        return BB_OK;
    }
    set(s, OPT_WEIGHTS, bb_log_file_type(log));
    return bb_log_model(log, &p->model, err);
}

/* The plan of what the log tells of. */
static bb_status predict(cli_call *call, const bb_log *log, cli_plan *p, bb_plan *plan, bb_error *err) {
    said s = {.args = &call->args};
    const char *word = "", *path = call->args.words[0];
    if (log->kind == BB_LOG_LLAMA) say_llama(log, &s);
    if (log->kind == BB_LOG_VLLM) say_vllm(log, &s);
    if (log->kind == BB_LOG_TORCH) set(&s, OPT_ENGINE, "hf");
    bb_status st = find_model(call, log, p, &s, &word, err);
    call->args.words[0] = word;
    if (st == BB_OK) st = cli_plan_open(call, p, err);
    call->args.words[0] = path;
    return st == BB_OK ? bb_plan_subject(&p->subject, &p->request, plan, err) : st;
}

/* Makes the folders of a file. */
static bb_status make_folders(const char *path, bb_error *err) {
    char part[BB_PATH_SIZE], safe[256];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0700) == 0 || errno == EEXIST) continue;
        int cause = errno;
        return bb_fail(err, BB_E_WRITE, "folder %s cannot be made: %s", bb_escape_buf(part, safe, sizeof safe),
                       strerror(cause));
    }
    return BB_OK;
}

/* The card that was measured: as it was asked, else the catalogue's name for what the log calls it, else that. */
static const char *card_of(const cli_call *call, const bb_log *log, const cli_plan *p) {
    const bb_log_device *d = bb_log_measured(log);
    const bb_gpu *g = d && p->cat ? cli_gpu_of_driver(p->cat, d->card) : NULL;
    if (call->args.value[OPT_GPU] && *p->request.cards[0].name) return p->request.cards[0].name;
    return g ? g->name : d ? d->card : "";
}

static bb_status learn(const cli_call *call, const bb_log *log, const cli_plan *p, bb_overhead *row, bb_error *err) {
    /* Ollama runs llama.cpp, and has its overhead */
    static const char *const engines[] = {"llama.cpp", "llama.cpp", "vllm", "hf"};
    char path[BB_PATH_SIZE];
    const char *card = card_of(call, log, p);
    if (bb_log_measured(log) && !*card) {
        bb_fail(err, BB_E_ARG, "check --learn: the log does not name the card that it is of");
        bb_hint(err, "--gpu NAME or --gpu local says it");
        return BB_E_ARG;
    }
    if (!cli_overheads_path(path, sizeof path))
        return bb_fail(err, BB_E_WRITE, "check --learn: neither XDG_DATA_HOME nor HOME is an absolute path");
    bb_status s = make_folders(path, err);
    return s == BB_OK ? bb_log_learn(log, engines[log->kind], card, path, row, err) : s;
}

static bb_status read_standard_input(bb_log *log, bb_error *err) {
    char piece[8192];
    ssize_t n;
    bb_log_init(log);
    while ((n = read(STDIN_FILENO, piece, sizeof piece)) != 0) {
        if (n > 0)
            bb_log_feed(log, piece, (size_t)n);
        else if (errno != EINTR)
            return bb_fail(err, BB_E_READ, "standard input: %s", strerror(errno));
    }
    bb_log_end(log);
    return BB_OK;
}

static bb_status read_log(const char *path, bb_log *log, bb_error *err) {
    char safe[256];
    bool input = strcmp(path, "-") == 0;
    bb_status s = input ? read_standard_input(log, err) : bb_log_read(path, log, err);
    bool any = log->n_sizes > 0;
    for (size_t i = 0; i < log->n_devices; i++) any |= log->devices[i].unaccounted_step > 0;
    if (s != BB_OK || any) return s;
    bb_fail(err, BB_E_INVALID, "%s: no size of llama.cpp, Ollama, vLLM or PyTorch stands in it",
            input ? "standard input" : bb_escape_buf(path, safe, sizeof safe));
    bb_hint(err, "llama.cpp prints them at its usual verbosity, vLLM at level INFO");
    return BB_E_INVALID;
}

static bb_status run(cli_call *call, bb_error *err) {
    cli_plan p = {0};
    bb_plan plan = {0};
    bb_log_report report = {0};
    bb_overhead row;
    bb_error why = {0};
    bool learns = cli_has(&call->args, OPT_LEARN);
    bb_log *log = calloc(1, sizeof *log);
    if (!log) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status s = read_log(call->args.words[0], log, err);
    bool planned = s == BB_OK && predict(call, log, &p, &plan, &why) == BB_OK;
    if (s == BB_OK && !planned) {
        if (why.status == BB_E_ARG || cli_has(&call->args, OPT_MODEL)) { /* what was asked is wrong, not the log */
            s = why.status;
            *err = why;
        } else
            cli_warn(&call->out, "nothing is predicted: %s (--model MODEL says what it is)", why.text);
    }
    if (s == BB_OK) s = bb_log_compare(log, planned ? &plan : NULL, &report, err);
    if (s == BB_OK && learns) s = learn(call, log, &p, &row, err);
    if (s == BB_OK)
        s = cli_output_table(&call->out,
                             bb_report_check(log, &report, planned ? p.model->title : "", planned ? &plan.used : NULL,
                                             learns ? &row : NULL, call->out.si),
                             false, err);
    call->answer_no = report.agree != report.compared || !report.compared;
    bb_log_report_clear(&report);
    bb_plan_clear(&plan);
    cli_plan_clear(&p);
    free(log);
    return s;
}

const cli_command cli_check = {
    .name = "check",
    .words = "LOG",
    .summary = "sizes in another engine's log beside the plan",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .examples = "check server.log\ncheck server.log --model llama-3.1-8b --csv\ncheck server.log --learn\n",
    .run = run,
};
