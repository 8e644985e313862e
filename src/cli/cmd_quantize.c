/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_quantize.c - bitbudget quantize. */
#include "base/escape.h"
#include "base/mem.h"
#include "base/stage.h"
#include "cli/progress.h"
#include "cli/quantize_request.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {OPT_OUTPUT, "-o --output", "FILE", NULL, false, "the file that is written, whole or not at all"},
    {OPT_TYPE, "--type", "TYPE", NULL, false,
     "a file type with llama-quantize's mixture (q4_K_M, q5_K_S, iq4_xs, ...), a storage type for every matrix (q4_K, "
     "mxfp4, ...), or int8, nf4, fp4 for a folder of safetensors"},
    {OPT_DRY_RUN, "--dry-run", NULL, NULL, false,
     "the types and exact sizes; nothing is written, and but for a target no weights are read"},
    {OPT_IMATRIX, "--imatrix", "FILE", NULL, false, "importance of the input channels (GGUF, or the older .dat)"},
    {OPT_TARGET_SIZE, "--target-size", "SIZE", NULL, false,
     "the mixture with the least error whose file is no larger (4.2GB)"},
    {OPT_TARGET_BPW, "--target-bpw", "BITS", NULL, false, "the same, in bits per weight (4.5)"},
    {OPT_PURE, "--pure", NULL, NULL, false, "no mixture: the base type for every matrix"},
    {OPT_TENSOR_TYPE, "--tensor-type", "REGEX=TYPE", NULL, false,
     "a type for the tensors whose name matches; may be repeated, the first that matches counts"},
    {OPT_OUTPUT_TYPE, "--output-type --output-tensor-type", "TYPE", NULL, false, "of output.weight"},
    {OPT_EMBEDDING_TYPE, "--embedding-type --token-embedding-type", "TYPE", NULL, false, "of token_embd.weight"},
    {OPT_LEAVE_OUTPUT, "--leave-output-tensor", NULL, NULL, false, "output.weight stays as it is"},
    {OPT_REQUANTIZE, "--requantize --allow-requantize", NULL, NULL, false, "the input may be quantized already"},
    {OPT_VOCAB, "--vocab", "FILE.gguf", NULL, false,
     "of a checkpoint: the GGUF whose tokenizer it gets (demo is the demo model)"},
    {OPT_COMPAT, "--compat", "PROGRAM", "ggml", false,
     "bytes identical to ggml 0.25.1 (always, but for --search best)"},
    {OPT_SEARCH, "--search", "HOW", "ggml|best", false, "best: the same format with a lower error, slower"},
    {OPT_ALLOW_NONFINITE, "--allow-nonfinite", NULL, NULL, false, "quantize NaN and infinite values all the same"},
    {OPT_KEEP_SPLIT, "--keep-split", NULL, NULL, false, "as many files as the input has"},
    {OPT_SPLIT_SIZE, "--split-max-size", "SIZE", NULL, false, "several files, each with tensors of at most this size"},
    {OPT_PART, "--part", "I/N", NULL, false,
     "only part I of N of the same file, for jobs that share it; it appears when the last is done"},
    {OPT_OUTPUT_ERROR, "--output-error", NULL, NULL, false,
     "what each matrix loses in its products too: a sample of its rows times random activations, through its kernel"},
    {OPT_LAYOUT, "--layout", "LAYOUT", "plain|llm-int8", false, "of int8: compressed-tensors' or bitsandbytes'"},
    {OPT_GRANULARITY, "--granularity", "WHAT", NULL, false,
     "of int8: what shares a scale: tensor, row or group:N (row)"},
    {OPT_ASYMMETRIC, "--asymmetric", NULL, NULL, false, "of int8: with a zero point"},
    {OPT_OUTLIER, "--outlier-threshold", "X", NULL, false, "of llm-int8: inputs beyond it are not quantized (6.0)"},
    {OPT_DOUBLE_QUANT, "--double-quant", NULL, NULL, false, "of nf4 and fp4: the scales are quantized too"},
    {0},
};

/* ---- what is asked ---- */

/* What pointers of the options point to. */
typedef struct request {
    bb_quantize_opts opts;
    bb_type_rules *rules;
    bb_imatrix *imatrix;
    bb_model *vocab;
} request;

static void request_clear(request *r) {
    bb_type_rules_free(r->rules);
    bb_imatrix_free(r->imatrix);
    bb_model_free(r->vocab);
}

/* A storage type that is no file type stands for itself: every matrix gets it, and the file names the nearest file
 * type. */
static bb_status read_type(const char *name, request *r, bb_error *err) {
    const bb_ftype *f = bb_ftype_find(name, err);
    if (f) {
        r->opts.recipe.ftype = f;
        return BB_OK;
    }
    const bb_dtype *t = bb_dtype_find(name, NULL);
    if (!t) {
        if (err) err->status = BB_E_ARG;
        return BB_E_ARG;
    }
    const bb_codec *codec = bb_codec_find(t, BB_ISA_SCALAR);
    r->opts.recipe.ftype = codec && codec->encode ? bb_ftype_pure(t) : NULL;
    if (!r->opts.recipe.ftype) return bb_fail(err, BB_E_UNSUPPORTED, "there is no quantizer for %s", t->name);
    r->opts.recipe.pure = true;
    return BB_OK;
}

static bb_status read_tensor_type(const cli_args *a, cli_id id, const char *name, const bb_dtype **out, bb_error *err) {
    if (!cli_has(a, id)) return BB_OK;
    bb_error why = {0};
    const bb_dtype *t = bb_dtype_find(a->value[id], &why);
    if (!t) return bb_fail(err, BB_E_ARG, "%s: %s", name, why.text);
    if (t->gguf_id == BB_NO_GGUF_ID) return bb_fail(err, BB_E_ARG, "%s %s: GGUF has no such type", name, t->name);
    *out = t;
    return BB_OK;
}

static bb_status read_rules(const cli_args *a, request *r, bb_error *err) {
    bb_status s = BB_OK;
    for (size_t i = 0; i < a->n_given && s == BB_OK; i++) {
        if (a->given[i].id != OPT_TENSOR_TYPE) continue;
        if (!r->rules) s = bb_type_rules_new(&r->rules, err);
        bb_error why = {0};
        if (s == BB_OK && (s = bb_type_rules_add(r->rules, a->given[i].value, &why)) != BB_OK)
            s = bb_fail(err, s == BB_E_NAME ? BB_E_ARG : s, "--tensor-type %s", why.text);
    }
    r->opts.recipe.rules = r->rules;
    return s;
}

/* "2/8". */
static bb_status read_part(const char *text, bb_quantize_opts *o, bb_error *err) {
    char head[16], safe[64];
    uint64_t part = 0, parts = 0;
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : 0;
    if (n > 0 && n < sizeof head) {
        memcpy(head, text, n);
        head[n] = 0;
        if (bb_parse_u64(head, &part) && bb_parse_u64(slash + 1, &parts) && part >= 1 && part <= parts &&
            parts <= BB_STAGE_PARTS_MAX) {
            if (parts > 1) { /* one part is the whole, which needs no stage for others */
                o->part = (unsigned)part;
                o->parts = (unsigned)parts;
            }
            return BB_OK;
        }
    }
    return bb_fail(err, BB_E_ARG, "--part '%s': expected I/N such as 2/8, I from 1 to N",
                   bb_escape_buf(text, safe, sizeof safe));
}

/* A size that may not be 0. */
static bb_status read_size(const cli_args *a, cli_id id, const char *name, uint64_t *out, bb_error *err) {
    bb_status s = cli_get_bytes(a, id, name, out, err);
    if (s == BB_OK && cli_has(a, id) && !*out) s = bb_fail(err, BB_E_ARG, "%s %s: nothing fits", name, a->value[id]);
    return s;
}

static bb_status read_request(cli_call *call, const bb_catalogue *cat, request *r, bb_error *err) {
    const cli_args *a = &call->args;
    bb_quantize_opts *o = &r->opts;
    bool target = cli_has(a, OPT_TARGET_SIZE) || cli_has(a, OPT_TARGET_BPW);
    if (!cli_has(a, OPT_TYPE) && !target) {
        bb_status s = bb_fail(err, BB_E_ARG, "quantize: --type is missing");
        bb_hint(err, "--type q4_K_M, or a target: --target-size 4.2GB");
        return s;
    }
    if (cli_has(a, OPT_TARGET_SIZE) && cli_has(a, OPT_TARGET_BPW))
        return bb_fail(err, BB_E_ARG, "--target-size and --target-bpw are two ways to say one thing: give one");
    if (target && cli_has(a, OPT_PURE)) return bb_fail(err, BB_E_ARG, "--pure asks for no mixture, a target for one");
    if (cli_has(a, OPT_LEAVE_OUTPUT) && cli_has(a, OPT_OUTPUT_TYPE))
        return bb_fail(err, BB_E_ARG, "--leave-output-tensor and --output-type contradict each other");
    if (cli_has(a, OPT_KEEP_SPLIT) && cli_has(a, OPT_SPLIT_SIZE))
        return bb_fail(err, BB_E_ARG, "--keep-split and --split-max-size are two ways to cut a file: give one");
    if (target && cli_has(a, OPT_TYPE))
        return bb_fail(err, BB_E_ARG, "--type and a target exclude each other: the target chooses the types");
    bb_status s = read_type(a->value[OPT_TYPE] ? a->value[OPT_TYPE] : "q4_K_M", r, err);
    if (s == BB_OK) s = read_size(a, OPT_TARGET_SIZE, "--target-size", &o->target_bytes, err);
    if (s == BB_OK) s = cli_get_positive(a, OPT_TARGET_BPW, "--target-bpw", &o->target_bpw, err);
    if (s == BB_OK && o->target_bpw > 64)
        s = bb_fail(err, BB_E_ARG, "--target-bpw %s: at most 64", a->value[OPT_TARGET_BPW]);
    if (s == BB_OK) s = read_size(a, OPT_SPLIT_SIZE, "--split-max-size", &o->split_max_bytes, err);
    if (s == BB_OK) s = cli_get_unsigned(a, OPT_THREADS, "--threads", 1024, &o->threads, err);
    if (s == BB_OK) s = cli_get_isa(a, &o->quant.isa, err);
    if (s == BB_OK) s = read_tensor_type(a, OPT_OUTPUT_TYPE, "--output-type", &o->recipe.output_type, err);
    if (s == BB_OK) s = read_tensor_type(a, OPT_EMBEDDING_TYPE, "--embedding-type", &o->recipe.embedding_type, err);
    if (s == BB_OK) s = read_rules(a, r, err);
    if (s == BB_OK && cli_has(a, OPT_PART)) s = read_part(a->value[OPT_PART], o, err);
    if (s == BB_OK && cli_has(a, OPT_IMATRIX)) {
        o->imatrix_path = a->value[OPT_IMATRIX];
        s = bb_imatrix_open(o->imatrix_path, &r->imatrix, err);
        o->imatrix = r->imatrix;
    }
    if (s == BB_OK && cli_has(a, OPT_VOCAB)) {
        s = bb_model_locate(cat, &call->stores, a->value[OPT_VOCAB], &r->vocab, err);
        if (s == BB_OK && (!r->vocab->file || strcmp(bb_file_format(r->vocab->file), "gguf") != 0))
            s = bb_fail(err, BB_E_VALUE, "--vocab: %s is no GGUF file", r->vocab->title);
        if (s == BB_OK) o->vocab = r->vocab->file;
    }
    if (cli_has(a, OPT_PURE)) o->recipe.pure = true;
    o->recipe.leave_output = cli_has(a, OPT_LEAVE_OUTPUT);
    o->requantize = cli_has(a, OPT_REQUANTIZE);
    o->allow_nonfinite = cli_has(a, OPT_ALLOW_NONFINITE);
    o->keep_split = cli_has(a, OPT_KEEP_SPLIT);
    o->seed = BB_QUANTIZE_SEED;
    if (cli_has(a, OPT_OUTPUT_ERROR)) o->output_tokens = BB_QUANTIZE_TOKENS;
    if (s == BB_OK) s = cli_get_u64(a, OPT_SEED, "--seed", &o->seed, err);
    if (cli_has(a, OPT_SEARCH) && strcmp(a->value[OPT_SEARCH], "best") == 0) o->quant.search = BB_SEARCH_BEST;
    return s;
}

/* ---- the run ---- */

static void warn_all(const cli_output *o, const bb_quantize_job *job, size_t *told) {
    const char *w;
    for (; (w = bb_quantize_warning(job, *told)); ++*told) cli_warn(o, "%s", w);
}

static bb_table *table_of(const bb_quantize_job *job, const cli_call *call, const bb_quantize_opts *o) {
    size_t n = bb_quantize_count(job);
    const bb_quantize_row **rows = bb_alloc(n + 1, sizeof *rows);
    if (!rows) return NULL;
    for (size_t i = 0; i < n; i++) rows[i] = bb_quantize_at(job, i);
    bb_quantization_report in = {.rows = rows,
                                 .n = n,
                                 .title = bb_quantize_title(job),
                                 .file_bytes = bb_quantize_file_bytes(job),
                                 .files = bb_quantize_files(job),
                                 .part = o->part,
                                 .parts = o->parts,
                                 .written = bb_quantize_complete(job),
                                 .dry = cli_has(&call->args, OPT_DRY_RUN),
                                 .weighted = o->imatrix != NULL,
                                 .output_tokens = o->output_tokens,
                                 .seed = o->seed,
                                 .dispatch = bb_quantize_dispatch(job),
                                 .quiet = call->out.quiet,
                                 .si = call->out.si};
    bb_table *t = bb_report_quantize(&in);
    free(rows);
    return t;
}

static bb_status quantize(cli_call *call, const bb_model *model, const request *r, bb_error *err) {
    const cli_args *a = &call->args;
    bool dry = cli_has(a, OPT_DRY_RUN);
    bb_quantize_job *job = NULL;
    cli_progress progress = {.bytes = true};
    size_t told = 0;
    cli_progress_start(&progress, call->out.quiet);
    bb_status s = bb_quantize_plan(model, &r->opts, &progress.progress, &job, err);
    if (s == BB_OK) {
        bb_error why = {0};
        warn_all(&call->out, job, &told);
        if (dry && bb_quantize_check(job, &why) != BB_OK) cli_warn(&call->out, "it cannot be written: %s", why.text);
        if (!dry) s = bb_quantize_run(job, a->value[OPT_OUTPUT], call->out.force, &progress.progress, err);
    }
    cli_progress_end(&progress);
    if (s == BB_OK) {
        warn_all(&call->out, job, &told);
        if (!dry) s = cli_output_refuse(&call->out, a, err); /* the output has its name now */
        if (s == BB_OK) s = cli_output_table(&call->out, table_of(job, call, &r->opts), false, err);
        if (s != BB_OK && !dry) bb_hint(err, "the output is written and whole: only the report of it failed");
    }
    bb_quantize_free(job);
    return s;
}

static bb_status check_outputs(cli_call *call, const bb_model *model, bool folder, bb_error *err) {
    const char *out = call->args.value[OPT_OUTPUT], *report = call->out.path;
    bool dry = cli_has(&call->args, OPT_DRY_RUN);
    bb_status s = BB_OK;
    if (out && strcmp(out, "-") == 0)
        return bb_fail(err, BB_E_ARG, "-o -: a model is written to a file, not to standard output");
    for (size_t i = 0; report && model->file && s == BB_OK && i < model->file->n_parts; i++)
        if (model->file->parts[i].src) s = bb_sink_refuse_source(report, model->file->parts[i].src, err);
    if (report && s == BB_OK && model->file) s = bb_sink_refuse_source(report, model->file->src, err);
    if (report && s == BB_OK && model->config_path) s = bb_sink_refuse_name(report, model->config_path, err);
    if (s == BB_OK) s = cli_output_begin(&call->out, err);
    if (s == BB_OK && out && !dry && !folder && !cli_has(&call->args, OPT_SPLIT_SIZE) &&
        !cli_has(&call->args, OPT_KEEP_SPLIT))
        s = bb_sink_probe(out, call->out.force, err);
    return s;
}

static bb_status run(cli_call *call, bb_error *err) {
    const cli_args *a = &call->args;
    bb_catalogue *cat = NULL;
    bb_model *model = NULL;
    request r = {.opts = {.quant = {BB_ISA_AUTO, BB_SEARCH_GGML}}};
    if (!cli_has(a, OPT_OUTPUT) && !cli_has(a, OPT_DRY_RUN)) {
        bb_status s = bb_fail(err, BB_E_ARG, "quantize: -o FILE is missing");
        bb_hint(err, "--dry-run tells the sizes without writing anything");
        return s;
    }
    bool folder = cli_quantize_is_folder(a->value[OPT_TYPE]);
    bb_status s = cli_quantize_check_kind(a, err);
    if (s == BB_OK) s = bb_catalogue_load(a->value[OPT_MODELS], a->value[OPT_GPUS], &cat, err);
    if (s == BB_OK && !folder) s = read_request(call, cat, &r, err);
    if (s == BB_OK) s = bb_model_locate(cat, &call->stores, a->words[0], &model, err);
    if (s == BB_OK) s = check_outputs(call, model, folder, err);
    if (s == BB_OK) s = folder ? cli_quantize_folder(call, model, err) : quantize(call, model, &r, err);
    bb_model_free(model);
    request_clear(&r);
    bb_catalogue_free(cat);
    return s;
}

const cli_command cli_quantize = {
    .name = "quantize",
    .words = "IN",
    .summary = "a model file in fewer bits, which other programs load",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .examples = "quantize demo -o demo-q4_K_M.gguf --type q4_K_M\n"
                "quantize model.gguf --type q4_K_M --dry-run --json\n"
                "quantize checkpoint/ -o model.gguf --type q8_0 --vocab other.gguf\n",
    .run = run,
};
