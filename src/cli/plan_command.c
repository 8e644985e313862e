/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_command.c - reading the command line of another program option by option. */
#include "cli/plan_command.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/command_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cli_is_command(const cli_args *a) {
    size_t n = a->dashes ? a->n_words - a->before : 0;
    /* one word alone may be a MODEL that begins with '-' */
    return n && (n > 1 || a->before || cli_program_find(a->words[a->before]));
}

/* One option of theirs, and its value where it takes one. */
typedef struct theirs {
    const cli_program_option *option; /* NULL = not known */
    const char *name;                 /* as it stands there, perhaps with its value */
    size_t length;                    /* of the name */
    const char *value;                /* NULL = none */
} theirs;

typedef struct reader {
    cli_call *call;
    cli_their_command *c;
    cli_args *a;
    bool given[OPT_COUNT]; /* before the "--": ours hold */
    bb_error *err;
} reader;

static bool is_number(const char *word) {
    return *word == '-' && (word[1] == '.' || (word[1] >= '0' && word[1] <= '9'));
}
static bool is_option(const char *word) { return *word == '-' && word[1] && !is_number(word); }

static bool is_on(const char *v) {
    return bb_name_eq(v, "on") || bb_name_eq(v, "1") || bb_name_eq(v, "true") || bb_name_eq(v, "enabled");
}
static bool is_off(const char *v) {
    return bb_name_eq(v, "off") || bb_name_eq(v, "0") || bb_name_eq(v, "false") || bb_name_eq(v, "disabled");
}

static bool takes_value(const reader *r, const theirs *o, const char *next) {
    if (!next || (is_option(next) && o->option != NULL)) return o->option && o->option->take < TAKE_WHEN;
    if (!o->option) return !is_option(next) && !r->c->program->word_model;
    if (o->option->take == TAKE_WHEN) return is_on(next) || is_off(next) || bb_name_eq(next, "auto");
    return o->option->take < TAKE_WHEN;
}

static bb_status wrong(const reader *r, const theirs *o, const char *expected) {
    char safe[96];
    return bb_fail(r->err, BB_E_ARG, "%s %.*s '%s': expected %s", r->c->program->name, (int)o->length, o->name,
                   bb_escape_buf(o->value, safe, sizeof safe), expected);
}

static void set(reader *r, cli_id id, const char *value) {
    if (!r->given[id]) r->a->value[id] = value;
}

/* A value that no word holds as it stands; the command keeps its text. */
static bb_status set_kept(reader *r, cli_id id, const char *text, size_t n) {
    cli_their_command *c = r->c;
    char *copy = bb_grow((void **)&c->kept, c->n_kept, &c->cap_kept, sizeof *c->kept) ? bb_strndup(text, n) : NULL;
    if (!copy) return bb_fail(r->err, BB_E_NOMEM, "out of memory");
    c->kept[c->n_kept++] = copy;
    set(r, id, copy);
    return BB_OK;
}

static bb_status set_u64(reader *r, cli_id id, uint64_t v) {
    char text[24];
    bb_u64_text(v, text);
    return set_kept(r, id, text, strlen(text));
}

static bool parse_int(const char *text, int64_t *v) {
    uint64_t n;
    bool minus = *text == '-';
    if (!bb_parse_u64(text + minus, &n) || n > INT64_MAX) return false;
    *v = minus ? -(int64_t)n : (int64_t)n;
    return true;
}

/* Numbers whose 0 or negative values mean the program's own choice. */
static bb_status take_int(reader *r, const theirs *o) {
    int64_t v;
    cli_take take = o->option->take;
    bool automatic = take == TAKE_LAYERS && (bb_name_eq(o->value, "auto") || bb_name_eq(o->value, "all"));
    if (!automatic && !parse_int(o->value, &v)) return wrong(r, o, "a whole number");
    if (automatic) v = bb_name_eq(o->value, "auto") ? -1 : -2; /* common/arg.cpp */
    switch (take) {
    case TAKE_LAYERS:
        r->c->layers_asked = !bb_name_eq(o->value, "auto") && v != -1;
        if (v >= 0) return set_u64(r, OPT_GPU_LAYERS, (uint64_t)v);
        set(r, OPT_GPU_LAYERS, "all");
        return BB_OK;
    case TAKE_SLOTS:
        return v > 0 ? set_u64(r, OPT_PARALLEL, (uint64_t)v) : BB_OK;
    case TAKE_POOL:
        r->c->pool_ctx = v > 0 ? (uint64_t)v : 0;
        return BB_OK;
    default:
        r->c->ctx_asked = true; /* -c 0 too asks for the whole context */
        set(r, o->option->id, NULL);
        return v > 0 ? set_u64(r, o->option->id, (uint64_t)v) : BB_OK;
    }
}

/* vLLM's lengths: k m g are powers of 1000, K M G of 1024. */
static bb_status take_length(reader *r, const theirs *o) {
    static const char units[] = "kmgKMG";
    static const uint64_t factors[] = {
        1000, 1000000, 1000000000, UINT64_C(1) << 10, UINT64_C(1) << 20, UINT64_C(1) << 30};
    char *end;
    double v = strtod(o->value, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (bb_name_eq(o->value, "auto") || strcmp(o->value, "-1") == 0) {
        if (o->option->id == OPT_CTX)
            cli_warn(&r->call->out, "vllm would take the longest context that fits, which fit finds: planned is the "
                                    "model's own");
        return BB_OK;
    }
    if (end == o->value || !(v > 0) || v > 1e15 || (*end && (!unit || end[1])))
        return wrong(r, o, "a number of tokens such as 32768 or 32k");
    return set_u64(r, o->option->id, (uint64_t)(v * (double)(unit ? factors[unit - units] : 1) + 0.5));
}

/* Words of vLLM and Ollama for types, and ours. */
static bb_status take_word(reader *r, const theirs *o) {
    static const struct {
        cli_take take;
        const char *theirs, *ours; /* NULL = the default */
    } words[] = {
        {TAKE_KV, "auto", NULL},         {TAKE_KV, "fp8", "e4m3fn"},
        {TAKE_KV, "fp8_e4m3", "e4m3fn"}, {TAKE_KV, "fp8_e5m2", "e5m2"},
        {TAKE_KV, "bfloat16", "bf16"},   {TAKE_KV, "float16", "f16"},
        {TAKE_DTYPE, "auto", NULL},      {TAKE_DTYPE, "half", "f16"},
        {TAKE_DTYPE, "float16", "f16"},  {TAKE_DTYPE, "bfloat16", "bf16"},
        {TAKE_DTYPE, "float", "f32"},    {TAKE_DTYPE, "float32", "f32"},
        {TAKE_METHOD, "awq", "awq"},     {TAKE_METHOD, "awq_marlin", "awq"},
        {TAKE_METHOD, "gptq", "gptq"},   {TAKE_METHOD, "gptq_marlin", "gptq"},
        {TAKE_METHOD, "fp8", "fp8"},     {TAKE_METHOD, "bitsandbytes", "nf4"},
        {TAKE_CACHE, "f16", "f16"},      {TAKE_CACHE, "q8_0", "q8_0"},
        {TAKE_CACHE, "q4_0", "q4_0"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i].take != o->option->take || !bb_name_eq(words[i].theirs, o->value)) continue;
        if (o->option->take == TAKE_DTYPE)
            r->c->dtype = words[i].ours; /* of what is not quantized: whether anything is, the model tells */
        else if (words[i].ours)
            set(r, o->option->id, words[i].ours);
        return BB_OK;
    }
    cli_warn(&r->call->out, "%s %.*s %s is not planned", r->c->program->name, (int)o->length, o->name, o->value);
    return BB_OK;
}

/* llama-bench: the largest of "512,1024", "512-2048+512", ...: numbers apart, whatever stands between them. A pair is
 * the sum of its two. */
static bb_status take_tests(reader *r, const theirs *o) {
    uint64_t most = 0, sum = 0, v;
    for (const char *p = o->value; *p;) {
        size_t n = strspn(p, "0123456789");
        char digits[24];
        if (!n) {
            if (!strchr(",-+*", *p)) return wrong(r, o, "numbers of tokens");
            p++;
            continue;
        }
        (void)snprintf(digits, sizeof digits, "%.*s", n < sizeof digits ? (int)n : 0, p);
        if (!bb_parse_u64(digits, &v) || v >> 40) return wrong(r, o, "numbers of tokens");
        most = v > most ? v : most;
        sum += v;
        p += n;
    }
    cli_their_command *c = r->c;
    switch (o->option->take) {
    case TAKE_PROMPT:
        c->prompt = most;
        break;
    case TAKE_GENERATE:
        c->generate = most;
        break;
    case TAKE_PAIR:
        c->pair = sum > c->pair ? sum : c->pair;
        break;
    default:
        c->depth = most;
    }
    return BB_OK;
}

static bb_status take_first(reader *r, const theirs *o) {
    char whole[96], first[96];
    size_t n = strcspn(o->value, ",");
    if (!o->value[n]) {
        set(r, o->option->id, o->value);
        return BB_OK;
    }
    bb_status s = set_kept(r, o->option->id, o->value, n);
    if (s) return s;
    cli_warn(&r->call->out, "%.*s %s: planned is %s", (int)o->length, o->name,
             bb_escape_buf(o->value, whole, sizeof whole),
             bb_escape_buf(r->c->kept[r->c->n_kept - 1], first, sizeof first));
    return BB_OK;
}

static void tell(const reader *r, const theirs *o) {
    char safe[96];
    if (!o->option)
        cli_warn(&r->call->out, "%s: %s is not known here, and not planned", r->c->program->name,
                 bb_escape_buf(o->name, safe, sizeof safe));
    else
        cli_warn(&r->call->out, "%s: %s may take memory that is not planned", r->c->program->name,
                 bb_escape_buf(o->name, safe, sizeof safe));
}

static bb_status take_switch(reader *r, const theirs *o) {
    bool on = !o->value || is_on(o->value), off = o->value && is_off(o->value);
    cli_id id = o->option->id;
    if (id == OPT_FLASH_ATTN) {
        if (!on && !off && !bb_name_eq(o->value, "auto")) return wrong(r, o, "on, off or auto");
        set(r, id, on ? "on" : off ? "off" : "auto");
    } else if (on || off)
        set(r, id, on ? "" : NULL);
    else
        return wrong(r, o, "0 or 1");
    return BB_OK;
}

static bb_status take(reader *r, const theirs *o, size_t at) {
    cli_their_command *c = r->c;
    switch (o->option->take) {
    case TAKE_VALUE:
        set(r, o->option->id, o->value);
        return BB_OK;
    case TAKE_MODEL:
    case TAKE_HF:
    case TAKE_HF_FILE:
        if (o->option->take != TAKE_HF_FILE) c->model_word = at;
        return cli_command_model(c, o->value, o->option->take, r->err);
    case TAKE_TOKENS:
    case TAKE_POOL:
    case TAKE_SLOTS:
    case TAKE_LAYERS:
        return take_int(r, o);
    case TAKE_SPLIT:
        if (bb_name_eq(o->value, "tensor"))
            tell(r, o);
        else
            set(r, OPT_SPLIT_MODE, o->value);
        return BB_OK;
    case TAKE_LOADING: /* common/arg.cpp: all but none and dio map the file */
        set(r, OPT_NO_MMAP, bb_name_eq(o->value, "none") || bb_name_eq(o->value, "dio") ? "" : NULL);
        return BB_OK;
    case TAKE_FIT:
        c->shrinks = !is_off(o->value);
        return BB_OK;
    case TAKE_LIST:
        return take_first(r, o);
    case TAKE_PROMPT:
    case TAKE_GENERATE:
    case TAKE_PAIR:
    case TAKE_DEPTH:
        return take_tests(r, o);
    case TAKE_LENGTH:
        return take_length(r, o);
    case TAKE_KV:
    case TAKE_DTYPE:
    case TAKE_METHOD:
    case TAKE_CACHE:
        return take_word(r, o);
    case TAKE_ROPE:
        if (strstr(o->value, "rope") || strstr(o->value, "factor")) set(r, o->option->id, "");
        tell(r, o);
        return BB_OK;
    case TAKE_SWITCH:
    case TAKE_WHEN:
        return take_switch(r, o);
    case TAKE_FLAG:
        set(r, o->option->id, "");
        return BB_OK;
    case TAKE_NOT:
        if (o->option->id != OPT_COUNT) set(r, o->option->id, NULL);
        return BB_OK;
    case TAKE_EMBED:
        c->embeds = true;
        return BB_OK;
    case TAKE_TELL:
    case TAKE_TELL_FLAG:
        tell(r, o);
        return BB_OK;
    case TAKE_QUIET:
        break;
    }
    return BB_OK;
}

/* vLLM takes --max_model_len for --max-model-len. */
static const cli_program_option *find(const cli_program *p, const char *name, size_t length) {
    char dashed[64];
    const cli_program_option *o = cli_program_option_find(p, name, length);
    if (o || length >= sizeof dashed) return o;
    memcpy(dashed, name, length);
    for (size_t i = 0; i < length; i++)
        if (dashed[i] == '_') dashed[i] = '-';
    return cli_program_option_find(p, dashed, length);
}

/* The option at word *i; *i moves to its value where that is a word of its own. */
static bb_status read_option(reader *r, size_t *i) {
    cli_their_command *c = r->c;
    const char *word = c->words[*i], *next = *i + 1 < c->n ? c->words[*i + 1] : NULL;
    size_t at = *i;
    theirs o = {.name = word, .length = strcspn(word, "=")};
    o.option = find(c->program, word, o.length);
    if (word[o.length] == '=')
        o.value = word + o.length + 1;
    else if (takes_value(r, &o, next)) {
        if (!next) return bb_fail(r->err, BB_E_ARG, "%s %s needs a value", c->program->name, word);
        o.value = next;
        at = ++*i;
    }
    if (o.option) return take(r, &o, at);
    tell(r, &o);
    return BB_OK;
}

/* Variables that stand before the program: NAME=VALUE. */
static bb_status read_variables(reader *r, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *word = r->c->words[i];
        theirs o = {.name = word, .length = strcspn(word, "=")};
        o.value = word + o.length + 1;
        o.option = cli_program_option_find(r->c->program, word, o.length);
        bb_status s = BB_OK;
        if (!o.option)
            tell(r, &o);
        else if (o.option->take != TAKE_FLAG || is_on(o.value))
            s = take(r, &o, i);
        if (s) return s;
    }
    return BB_OK;
}

static bb_status unknown_program(const char *word, bb_error *err) {
    char safe[96];
    bb_str list;
    bb_str_init(&list);
    const cli_program *p;
    for (size_t i = 0; (p = cli_program_at(i)); i++)
        bb_str_addf(&list, "%s%s%s%s", i ? ", " : "", p->name, *p->verb ? " " : "", p->verb);
    bb_status s = bb_fail(err, BB_E_ARG, "plan -- '%s': is no program whose command lines are known: expected %s",
                          bb_escape_buf(word, safe, sizeof safe), bb_str_c(&list));
    bb_str_clear(&list);
    return s;
}

static bb_status read_words(reader *r, size_t program) {
    cli_their_command *c = r->c;
    bool verb = !*c->program->verb;
    bb_status s = read_variables(r, program);
    for (size_t i = program + 1; i < c->n && !s; i++) {
        const char *word = c->words[i];
        if (is_option(word)) {
            s = read_option(r, &i);
        } else if (!verb) {
            if (strcmp(word, c->program->verb) != 0) break;
            verb = true;
        } else if (c->program->word_model && c->model_word == c->n) {
            c->model_word = i;
            s = cli_command_model(c, word, TAKE_MODEL, r->err);
        } else if (!c->program->word_model) {
            char safe[96];
            cli_warn(&r->call->out, "%s: the word '%s' belongs to no option", c->program->name,
                     bb_escape_buf(word, safe, sizeof safe));
        }
    }
    if (!s && !verb)
        s = bb_fail(r->err, BB_E_ARG, "plan -- %s: expected %s %s", c->program->name, c->program->name,
                    c->program->verb);
    return s;
}

bb_status cli_command_read(cli_call *call, cli_their_command *c, bb_error *err) {
    cli_args *a = &call->args;
    reader r = {.call = call, .c = c, .a = a, .err = err};
    char safe[96];
    size_t program = 0;
    const char **model = bb_alloc(1, sizeof *model);
    if (!model) return bb_fail(err, BB_E_NOMEM, "out of memory");
    *c = (cli_their_command){
        .all = a->words, .words = a->words + a->before, .n = a->n_words - a->before, .shrinks = true};
    model[0] = a->before ? a->words[0] : c->model;
    a->words = model;
    a->n_words = 1;
    while (program < c->n && strchr(c->words[program], '=') && !is_option(c->words[program])) program++;
    if (program + 2 < c->n && cli_is_python(c->words[program]) && strcmp(c->words[program + 1], "-m") == 0)
        program += 2;
    if (program == c->n || !(c->program = cli_program_find(c->words[program])))
        return unknown_program(c->words[program < c->n ? program : 0], err);
    if (a->before > 1)
        return bb_fail(err, BB_E_ARG, "plan: one word too many before --: '%s'",
                       bb_escape_buf(c->all[1], safe, sizeof safe));
    c->model_word = c->n;
    for (size_t i = 0; i < OPT_COUNT; i++) r.given[i] = a->value[i] != NULL;
    if (strcmp(c->program->name, "llama-bench") == 0) { /* its defaults: tools/llama-bench, cmd_params_defaults */
        c->prompt = 512;
        c->generate = 128;
        c->shrinks = false;
    }
    bb_status s = read_words(&r, program);
    if (!s && !a->value[OPT_ENGINE]) a->value[OPT_ENGINE] = c->program->engine;
    if (!s && a->before == 0) s = cli_command_find_model(call, c, err);
    if (s) return s;
    if (*c->type) set(&r, OPT_WEIGHTS, c->type);
    return BB_OK;
}

void cli_command_clear(cli_their_command *c) {
    for (size_t i = 0; i < c->n_kept; i++) free(c->kept[i]);
    free(c->kept);
    free(c->all);
    *c = (cli_their_command){0};
}

bb_status cli_command_finish(const cli_their_command *c, cli_plan *p, bb_error *err) {
    bb_plan_request *r = &p->request;
    const bb_arch *a = p->model->arch;
    if (c->prompt || c->generate || c->pair) { /* llama-bench: n_prompt + n_gen + n_depth of each test */
        uint64_t most = c->prompt > c->generate ? c->prompt : c->generate;
        if (!r->ctx) r->ctx = (most > c->pair ? most : c->pair) + c->depth;
        return BB_OK;
    }
    if (r->engine == BB_ENGINE_VLLM) {
        r->serves = true;
        if (c->dtype && !*r->weights && p->model->quant.method == BB_QUANT_NONE) strcpy(r->weights, c->dtype);
    }
    if (r->engine != BB_ENGINE_LLAMA_CPP) return BB_OK;
    if (!r->parallel && c->program->slots > 1) { /* a number of its own choice comes with one pool */
        r->parallel = c->program->slots;
        r->kv_unified = true;
    }
    if (!r->parallel) r->parallel = 1;
    if (!r->ctx && c->pool_ctx && c->pool_ctx > UINT64_MAX / r->parallel)
        return bb_fail(err, BB_E_OVERFLOW, "--kv-unified-per-slot: the context passes 2^64 tokens");
    if (!r->ctx && c->pool_ctx) r->ctx = c->pool_ctx * r->parallel;
    if (!r->ctx && a && a->context) r->ctx = a->context;
    if (!r->outputs && c->program->slots && !c->embeds) r->outputs = r->parallel;
    return BB_OK;
}

/* common/fit.cpp: the context and the layers on the cards, where neither was asked; 4096 tokens at least stay. */
const char *cli_command_shrinks(const cli_their_command *c, char *buf) {
    bool llama = strcmp(c->program->engine, "llama.cpp") == 0, ctx = !c->ctx_asked && !c->pool_ctx;
    buf[0] = '\0';
    if (!llama || !c->shrinks || (!ctx && c->layers_asked)) return buf;
    (void)snprintf(buf, 160, "%s itself would take %s%s%s until it fits (--fit)", c->program->name,
                   ctx ? "a shorter context" : "", ctx && !c->layers_asked ? ", then " : "",
                   c->layers_asked ? "" : "fewer layers on the card");
    return buf;
}

/* ---- from a plan to a command ---- */

static void add_word(bb_str *out, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
    if (out->len) bb_str_add(out, " ");
    if (*word && word[strspn(word, plain)] == '\0') {
        bb_str_add(out, word);
        return;
    }
    bb_str_add(out, "'");
    for (; *word; word++)
        if (*word == '\'')
            bb_str_add(out, "'\\''");
        else
            bb_str_addn(out, word, 1);
    bb_str_add(out, "'");
}

/* One change: an option of ours and its new value. */
typedef struct change {
    cli_id id;
    char value[24];
    const char *name; /* of theirs */
    size_t length;
    bool done;
} change;

enum { CHANGES = 8 };

static bool add_change(const cli_their_command *c, change *list, size_t *n, cli_id id, const char *value) {
    const char *names = cli_program_option_for(c->program, id);
    if (!names || *n == CHANGES) return false;
    change *ch = &list[(*n)++];
    *ch = (change){.id = id, .name = names, .length = strcspn(names, " ")};
    (void)snprintf(ch->value, sizeof ch->value, "%s", value);
    return true;
}

static bool list_changes(const cli_their_command *c, const bb_plan_request *from, const bb_plan_request *to,
                         change *list, size_t *n) {
    char number[24];
    bool all = true;
    if (from->ctx != to->ctx) all &= add_change(c, list, n, OPT_CTX, bb_u64_text(to->ctx, number));
    if (from->parallel != to->parallel) all &= add_change(c, list, n, OPT_PARALLEL, bb_u64_text(to->parallel, number));
    if (strcmp(from->kv_k, to->kv_k) != 0 || strcmp(from->kv_v, to->kv_v) != 0) {
        if (cli_program_option_for(c->program, OPT_KV_K)) {
            all &= add_change(c, list, n, OPT_KV_K, to->kv_k);
            all &= add_change(c, list, n, OPT_KV_V, to->kv_v);
        } else
            all &= add_change(c, list, n, OPT_KV,
                              strcmp(to->kv_k, "e4m3fn") == 0 ? "fp8"
                              : strcmp(to->kv_k, "e5m2") == 0 ? "fp8_e5m2"
                                                              : to->kv_k);
    }
    if (to->gpu_layers_set && (!from->gpu_layers_set || from->gpu_layers != to->gpu_layers))
        all &= add_change(c, list, n, OPT_GPU_LAYERS,
                          to->gpu_layers == BB_ALL ? "all" : bb_u64_text(to->gpu_layers, number));
    if (to->tensor_parallel && from->tensor_parallel != to->tensor_parallel)
        all &= add_change(c, list, n, OPT_TENSOR_PARALLEL, bb_u64_text(to->tensor_parallel, number));
    if (to->pipeline_parallel && from->pipeline_parallel != to->pipeline_parallel)
        all &= add_change(c, list, n, OPT_PIPELINE_PARALLEL, bb_u64_text(to->pipeline_parallel, number));
    return all;
}

/* The change that the option in `word` says; NULL when it is none. */
static change *change_of(const cli_their_command *c, change *list, size_t n, const char *word, size_t length) {
    const cli_program_option *o = find(c->program, word, length);
    for (size_t i = 0; o && i < n; i++)
        if (o->id == list[i].id && o->take != TAKE_NOT) return &list[i];
    return NULL;
}

static void add_changed(const change *ch, bool joined, bb_str *out) {
    char word[96];
    bool variable = *ch->name != '-';
    if (variable || joined) {
        (void)snprintf(word, sizeof word, "%.*s=%s", (int)ch->length, ch->name, ch->value);
        add_word(out, word);
        return;
    }
    (void)snprintf(word, sizeof word, "%.*s", (int)ch->length, ch->name);
    add_word(out, word);
    add_word(out, ch->value);
}

bool cli_command_with(const cli_their_command *c, const bb_plan_request *from, const bb_plan_request *to, bb_str *out) {
    change list[CHANGES];
    size_t n = 0;
    char model[512];
    bool all = list_changes(c, from, to, list, &n);
    bool retyped = strcmp(from->weights, to->weights) != 0;
    const char *named = c->model_word < c->n ? c->words[c->model_word] : NULL;
    if (retyped && (!named || !cli_command_retype(named, to->weights, model, sizeof model))) return false;
    if (!n && !retyped) return false; /* which cards there are is said elsewhere */
    for (size_t i = 0; i < n; i++)    /* variables stand before the program */
        if (*list[i].name != '-') {
            add_changed(&list[i], true, out);
            list[i].done = true;
        }
    for (size_t i = 0; i < c->n; i++) {
        const char *word = c->words[i];
        size_t length = strcspn(word, "=");
        change *ch = change_of(c, list, n, word, length);
        if (ch && word[length] != '=' && i + 1 < c->n && (!is_option(c->words[i + 1]))) i++;
        if (ch && !ch->done) add_changed(ch, word[length] == '=', out);
        if (ch)
            ch->done = true;
        else
            add_word(out, retyped && i == c->model_word ? model : word);
    }
    for (size_t i = 0; i < n; i++)
        if (!list[i].done) add_changed(&list[i], false, out);
    return all;
}
