/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_data.c - bitbudget data. */
#include "base/escape.h"
#include "cli/commands.h"
#include "report/report.h"
#include <stdint.h>
#include <string.h>

static const char *const tables[] = {"gpus", "models", "formats", "dtypes", "overheads"};
enum { TABLES = sizeof tables / sizeof *tables };

static const cli_option options[] = {
    {OPT_ARCH, "--arch", "NAME", NULL, false, "models of that architecture: llama, qwen2, mixtral, ..."},
    {OPT_MIN_PARAMS, "--min-params", "COUNT", NULL, false, "models of at least so many parameters: 7b"},
    {OPT_MAX_PARAMS, "--max-params", "COUNT", NULL, false, "models of at most so many"},
    {OPT_VENDOR, "--vendor", "NAME", NULL, false, "cards of that maker: NVIDIA, AMD, ..."},
    {OPT_MIN_MEMORY, "--min-memory", "SIZE", NULL, false, "cards of which a program can get at least that: 40GiB"},
    {OPT_MAX_MEMORY, "--max-memory", "SIZE", NULL, false, "cards of which it can get at most that"},
    {0},
};

static const char *nth(const void *ctx, size_t i) {
    (void)ctx;
    return i < TABLES ? tables[i] : NULL;
}

/* An option that says nothing about the table, if there is one. */
static bb_status check_options(const cli_args *args, const char *table, bool *any, bb_error *err) {
    *any = args->n_words > 1;
    if (*any && strcmp(table, "models") != 0 && strcmp(table, "gpus") != 0)
        return bb_fail(err, BB_E_ARG, "data %s: only models and gpus are looked through for words", table);
    for (const cli_option *o = options; o->names; o++) {
        if (!cli_has(args, o->id)) continue;
        bool models = o->id == OPT_ARCH || o->id == OPT_MIN_PARAMS || o->id == OPT_MAX_PARAMS;
        if (strcmp(table, models ? "models" : "gpus") != 0)
            return bb_fail(err, BB_E_ARG, "data %s: %s is about %s", table, o->names, models ? "models" : "gpus");
        *any = true;
    }
    return BB_OK;
}

static bb_status read_filter(const cli_args *args, bool models, bb_data_filter *f, bb_error *err) {
    *f = (bb_data_filter){.words = args->words + 1,
                          .n_words = args->n_words - 1,
                          .arch = args->value[OPT_ARCH],
                          .vendor = args->value[OPT_VENDOR],
                          .max = UINT64_MAX};
    bb_status s = models ? cli_get_parameters(args, OPT_MIN_PARAMS, "--min-params", &f->min, err)
                         : cli_get_bytes(args, OPT_MIN_MEMORY, "--min-memory", &f->min, err);
    if (s == BB_OK)
        s = models ? cli_get_parameters(args, OPT_MAX_PARAMS, "--max-params", &f->max, err)
                   : cli_get_bytes(args, OPT_MAX_MEMORY, "--max-memory", &f->max, err);
    if (s == BB_OK && f->min > f->max)
        s = bb_fail(err, BB_E_ARG, "data: %s is above %s", models ? "--min-params" : "--min-memory",
                    models ? "--max-params" : "--max-memory");
    return s;
}

/* The texts of one or two columns, one after the other. */
struct values {
    const bb_csv *csv;
    size_t columns[2];
};

static const char *nth_value(const void *ctx, size_t i) {
    const struct values *v = ctx;
    size_t n = bb_csv_rows(v->csv);
    if (i >= 2 * n) return NULL;
    return bb_csv_cell(v->csv, i % n, v->columns[i / n]);
}

static bool is_known(const struct values *v, const char *word) {
    const char *text;
    for (size_t i = 0; (text = nth_value(v, i)); i++)
        if (*text && bb_name_like(text, word)) return true;
    return false;
}

/* A word that stands nowhere in its column is a mistake, and not an empty answer. One that only a shipped row has is
 * none. */
static bb_status check_word(const bb_catalogue *cat, const char *table, const char *what, const char *word,
                            const char *column, const char *other, bb_error *err) {
    if (!word) return BB_OK;
    struct values v = {.csv = bb_catalogue_csv(cat, table)};
    v.columns[0] = bb_csv_column(v.csv, column);
    v.columns[1] = other ? bb_csv_column(v.csv, other) : SIZE_MAX;
    if (is_known(&v, word)) return BB_OK;
    bb_catalogue *shipped = NULL;
    bb_status s = bb_catalogue_tables(NULL, NULL, &shipped, err);
    if (s != BB_OK) return s;
    v.csv = bb_catalogue_csv(shipped, table);
    v.columns[0] = bb_csv_column(v.csv, column);
    v.columns[1] = other ? bb_csv_column(v.csv, other) : SIZE_MAX;
    if (!is_known(&v, word)) {
        char safe[96], near[160];
        bb_nearest(word, nth_value, &v, near, sizeof near);
        s = bb_fail(err, BB_E_NAME, "data %s: no %s is called '%s'%s%s", table, what,
                    bb_escape_buf(word, safe, sizeof safe), *near ? "; nearest: " : "", near);
    }
    bb_catalogue_free(shipped);
    return s;
}

static bb_status show(cli_call *call, const char *table, bb_error *err) {
    const cli_args *args = &call->args;
    bool filtered, models = !strcmp(table, "models");
    bb_data_filter f;
    bb_status s = check_options(args, table, &filtered, err);
    if (s == BB_OK) s = read_filter(args, models, &f, err);
    bb_catalogue *cat = NULL;
    if (s == BB_OK) s = bb_catalogue_tables(args->value[OPT_MODELS], args->value[OPT_GPUS], &cat, err);
    if (s == BB_OK) s = cli_add_overheads(cat, err);
    if (s == BB_OK) s = check_word(cat, "models", "architecture", f.arch, "arch", "hf_type", err);
    if (s == BB_OK) s = check_word(cat, "gpus", "maker of cards", f.vendor, "vendor", NULL, err);
    if (s == BB_OK) {
        bb_table *t = bb_report_data(cat, table, filtered ? &f : NULL, call->out.si);
        call->answer_no = t && !bb_table_rows(t);
        s = cli_output_table(&call->out, t, false, err);
    }
    bb_catalogue_free(cat);
    return s;
}

static bb_status run(cli_call *call, bb_error *err) {
    const char *name = call->args.words[0];
    size_t i = 0;
    while (i < TABLES && strcmp(tables[i], name)) i++;
    if (i < TABLES) return show(call, name, err);
    char safe[96], near[96];
    bb_nearest(name, nth, NULL, near, sizeof near);
    bb_status s = bb_fail(err, BB_E_ARG, "data: no table '%s': expected gpus, models, formats, dtypes or overheads",
                          bb_escape_buf(name, safe, sizeof safe));
    if (*near) bb_hint(err, "did you mean %s?", near);
    return s;
}

const cli_command cli_data = {
    .name = "data",
    .words = "TABLE [WORD...]",
    .summary = "the tables behind the answers: gpus models formats dtypes overheads",
    .options = options,
    .min_words = 1,
    .max_words = SIZE_MAX,
    .examples = "data gpus --min-memory 40GiB\ndata models qwen coder\ndata models --arch gemma3 --max-params 8b\n"
                "data models --csv\ndata gpus --gpus mine.csv\n",
    .run = run,
};
