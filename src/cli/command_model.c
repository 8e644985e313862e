/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command_model.c - names of models as other programs take them: paths, org/name:type, name:tag. */
#include "cli/command_model.h"
#include "base/escape.h"
#include "model/flavour.h"
#include "model/shape_find.h"
#include <stdio.h>
#include <string.h>

static bool is_letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The last file type in a name, as a word of its own: "Q4_K_M" in x-Q4_K_M.gguf; its length, 0 when there is none. */
static size_t find_type(const char *name, size_t *at, const bb_ftype **type) {
    size_t best = 0;
    const bb_ftype *t;
    for (size_t i = 0; (t = bb_ftype_at(i)); i++) {
        size_t n = strlen(t->name), length = strlen(name);
        for (size_t k = 1; k + n <= length; k++) {
            char word[24];
            bool starts = !is_letter_or_digit(name[k - 1]) && name[k - 1] != '_';
            bool ends = !is_letter_or_digit(name[k + n]) && name[k + n] != '_';
            if (!starts || !ends || n >= sizeof word) continue;
            memcpy(word, name + k, n);
            word[n] = '\0';
            if (!bb_name_eq(word, t->name) || (best && k < *at)) continue;
            best = n;
            *at = k;
            *type = t;
        }
    }
    return best;
}

bool cli_command_retype(const char *word, const char *type, char *out, size_t size) {
    size_t at = 0, n = 0;
    const bb_ftype *old, *new = bb_ftype_find(type, NULL);
    char name[24];
    if (!new || !(n = find_type(word, &at, &old))) return false;
    (void)snprintf(name, sizeof name, "%s", new->name);
    /* the hub spells them in capitals, and small where a name is small */
    bool small = strcspn(word + at, "QFB") >= n;
    for (char *p = name; *p; p++)
        if (!small && *p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
    for (char *p = name; *p && small; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
    int wrote = snprintf(out, size, "%.*s%s%s", (int)at, word, name, word + at + n);
    return wrote > 0 && (size_t)wrote < size;
}

bb_status cli_command_model(cli_their_command *c, const char *value, cli_take take, bb_error *err) {
    const char *colon = take == TAKE_HF ? strchr(value, ':') : NULL;
    size_t n = colon ? (size_t)(colon - value) : strlen(value);
    char safe[96];
    if (take == TAKE_HF_FILE) {
        size_t used = strlen(c->model);
        int wrote = snprintf(c->model + used, sizeof c->model - used, "%s%s", used ? "/" : "", value);
        if (wrote > 0 && (size_t)wrote < sizeof c->model - used) return BB_OK;
        n = sizeof c->model;
    }
    if (!n || n >= sizeof c->model)
        return bb_fail(err, BB_E_ARG, "%s: '%s': expected the name of a model", c->program->name,
                       bb_escape_buf(value, safe, sizeof safe));
    memcpy(c->model, value, n);
    c->model[n] = '\0';
    if (colon) {
        const bb_ftype *t = bb_ftype_find(colon + 1, err);
        if (!t) return BB_E_NAME;
        (void)snprintf(c->type, sizeof c->type, "%s", t->name);
    }
    return BB_OK;
}

/* The last part of a path or of org/name, without .gguf, -00001-of-00003, -GGUF and the file type. */
static void stem(const char *model, char *out, size_t size, char *type, size_t type_size) {
    const char *slash = strrchr(model, '/');
    const bb_ftype *t = NULL;
    size_t at = 0;
    (void)snprintf(out, size, "%.127s", slash ? slash + 1 : model);
    if (find_type(out, &at, &t)) {
        if (!*type) (void)snprintf(type, type_size, "%s", t->name);
        out[at - 1] = '\0';
    }
    for (char *end = out + strlen(out); end - out > 5 && bb_name_eq(end - 5, ".gguf");) *(end -= 5) = '\0';
    for (char *end = out + strlen(out); end - out > 5 && bb_name_eq(end - 5, "-gguf");) *(end -= 5) = '\0';
}

/* The same of a checkpoint, whose name may say its flavour; a layout that has none is told. */
static void checkpoint_stem(cli_call *call, const char *model, char *out, size_t size, char *type, size_t type_size) {
    const char *slash = strrchr(model, '/'), *last = slash ? slash + 1 : model;
    char flavour[24], safe[160];
    size_t at = 0;
    bb_flavour_told told = bb_flavour_in_name(model, flavour, sizeof flavour, &at);
    size_t n = told == BB_FLAVOUR_NONE ? strlen(last) : (size_t)(model + at - last);
    (void)snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), last);
    for (n = strlen(out); n && strchr("-_.", out[n - 1]);) out[--n] = '\0';
    if (told == BB_FLAVOUR_NAMED && !*type) (void)snprintf(type, type_size, "%s", flavour);
    if (told == BB_FLAVOUR_UNKNOWN)
        cli_warn(&call->out, "%s: weights in %s are not planned, the model's own are",
                 bb_escape_buf(model, safe, sizeof safe), flavour);
}

static void tell_row(const cli_call *call, const char *model, const char *row, const char *type) {
    char safe[160];
    cli_warn(&call->out, "%s is not on this disk: planned is %s%s%s", bb_escape_buf(model, safe, sizeof safe), row,
             *type ? " as " : "", type);
}

bb_status cli_model_by_flavour(cli_call *call, cli_plan *p, const char *text) {
    char name[128], type[24] = "", flavour[24];
    size_t at = 0;
    if (bb_flavour_in_name(text, flavour, sizeof flavour, &at) != BB_FLAVOUR_NAMED) return BB_E_NAME;
    checkpoint_stem(call, text, name, sizeof name, type, sizeof type);
    const bb_arch *row = bb_shape_find(p->cat, name, false);
    if (!row || bb_model_locate(p->cat, NULL, row->name, &p->model, NULL)) return BB_E_NAME;
    if (!*p->request.weights) (void)snprintf(p->request.weights, sizeof p->request.weights, "%s", type);
    tell_row(call, text, row->name, p->request.weights);
    return BB_OK;
}

static void use_row(cli_call *call, cli_their_command *c, const bb_arch *row) {
    /* what both programs take where nothing else is asked: common/download.cpp of llama.cpp, Ollama's library */
    if (strcmp(c->program->engine, "vllm") != 0 && !*c->type) (void)snprintf(c->type, sizeof c->type, "q4_K_M");
    tell_row(call, c->model, row->name, c->type);
    (void)snprintf(c->model, sizeof c->model, "%s", row->name);
}

bb_status cli_command_find_model(cli_call *call, cli_their_command *c, bb_error *err) {
    bb_catalogue *cat = NULL;
    bb_model *model = NULL;
    bb_error why = {0};
    char name[128], type[sizeof c->type];
    bool vllm = strcmp(c->program->engine, "vllm") == 0;
    if (!*c->model) {
        bb_fail(err, BB_E_ARG, "plan -- %s: the command names no model", c->program->name);
        bb_hint(err, "plan MODEL -- %s ... plans it for one", c->program->name);
        return BB_E_ARG;
    }
    bb_status s = cli_plan_catalogue(&call->args, &cat, err);
    if (s) return s;
    s = bb_model_locate(cat, &call->stores, c->model, &model, &why);
    /* vLLM names a checkpoint by the hub's name, which a row of the catalogue may be */
    bool known = s == BB_OK && model->kind == BB_MODEL_CATALOGUE && vllm;
    bool here = s == BB_OK && (known || model->kind != BB_MODEL_CATALOGUE);
    bb_model_free(model);
    (void)snprintf(type, sizeof type, "%s", c->type);
    if (!here && vllm)
        checkpoint_stem(call, c->model, name, sizeof name, type, sizeof type);
    else
        stem(c->model, name, sizeof name, type, sizeof type);
    const bb_arch *row = here ? NULL : bb_shape_find(cat, name, strcmp(c->program->engine, "ollama") == 0);
    if (here)
        c->type[0] = '\0'; /* as in the file */
    else if (row) {
        (void)snprintf(c->type, sizeof c->type, "%s", type);
        use_row(call, c, row);
        s = BB_OK;
    } else if (s) {
        if (err) *err = why;
        bb_hint(err, "plan MODEL -- %s ... plans the command for a model that is known", c->program->name);
    }
    bb_catalogue_free(cat);
    return s;
}
