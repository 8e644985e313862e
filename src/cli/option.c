/* SPDX-License-Identifier: GPL-3.0-or-later */
/* option.c - reading a command line by option tables, and printing the tables as help. */
#include "cli/option.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/units.h"
#include "format/number.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cli_option cli_common_options[] = {
    {OPT_CSV, "--csv", NULL, NULL, false, "rows with stable columns, raw bytes and full digits"},
    {OPT_JSON, "--json", NULL, NULL, false, "the same and the totals, as one object with a schema"},
    {OPT_MD, "--md --markdown", NULL, NULL, false, "a Markdown table"},
    {OPT_REPORT, "--report", "FILE", NULL, false,
     "write the answer there instead of standard output (-), whole or not at all; the end of the name (.csv .json "
     ".md) gives the form"},
    {OPT_FORCE, "--force", NULL, NULL, false, "an output may replace a file"},
    {OPT_SI, "--si", NULL, NULL, false, "GB of 10^9 instead of GiB of 2^30 bytes"},
    {OPT_CHECK, "--check", NULL, NULL, false, "exit with 1 when the answer is no"},
    {OPT_MODELS, "--models", "FILE", NULL, false, "rows of your own beside the shipped models: bitbudget(5)"},
    {OPT_GPUS, "--gpus", "FILE", NULL, false,
     "rows of your own beside the shipped cards (a number: several cards, not in this version)"},
    {OPT_THREADS, "--threads -t", "N", NULL, false, "threads of a measurement; 0 = all processors"},
    {OPT_ISA, "--isa", "ISA", "auto|scalar|avx2|avx512", false,
     "instructions of quantizers and kernels (or BITBUDGET_ISA); the results are the same bytes"},
    {OPT_SEED, "--seed", "N", NULL, false, "of random numbers: the same seed gives the same numbers"},
    {OPT_COLOR, "--color --colour", "WHEN", "auto|always|never", false, "colour in text"},
    {OPT_ASCII, "--ascii", NULL, NULL, false, "no character beyond ASCII"},
    {OPT_QUIET, "-q --quiet", NULL, NULL, false, "less"},
    {OPT_VERBOSE, "-v --verbose", NULL, NULL, false, "more"},
    {OPT_HELP, "-h --help", NULL, NULL, false, "this text"},
    {OPT_VERSION, "--version", NULL, NULL, false, "the version"},
    {0},
};

/* ---- finding a row -------------------------------------------------------------------------------------------------
 */

/* Length of name number i in a blank-separated list, its start in *at; 0 past the end. */
static size_t name_at(const char *names, size_t i, const char **at) {
    for (const char *p = names; *p;) {
        size_t n = strcspn(p, " ");
        if (i-- == 0) {
            *at = p;
            return n;
        }
        p += n;
        while (*p == ' ') p++;
    }
    return 0;
}

static const cli_option *find_in(const cli_option *rows, const char *name, size_t length) {
    for (; rows && rows->names; rows++) {
        const char *at;
        size_t n;
        for (size_t i = 0; (n = name_at(rows->names, i, &at)) != 0; i++)
            if (n == length && !memcmp(at, name, n)) return rows;
    }
    return NULL;
}

enum { MAX_NAMES = 128, NAME_SIZE = 32 };
struct name_list {
    size_t n;
    char name[MAX_NAMES][NAME_SIZE];
};

static const char *nth_name(const void *ctx, size_t i) {
    const struct name_list *list = ctx;
    return i < list->n ? list->name[i] : NULL;
}

static void collect_names(const cli_option *rows, struct name_list *list) {
    for (; rows && rows->names; rows++) {
        const char *at;
        size_t n;
        for (size_t i = 0; (n = name_at(rows->names, i, &at)) != 0 && list->n < MAX_NAMES; i++)
            if (n < NAME_SIZE) {
                memcpy(list->name[list->n], at, n);
                list->name[list->n++][n] = '\0';
            }
    }
}

static bb_status unknown(const char *word, const cli_option *own, const char *who, bb_error *err) {
    char safe[96], name[64], near[160];
    size_t n = strcspn(word, "=");
    if (n >= sizeof name) n = sizeof name - 1;
    memcpy(name, word, n);
    name[n] = '\0';
    struct name_list list = {0};
    collect_names(own, &list);
    collect_names(cli_common_options, &list);
    bb_nearest(name, nth_name, &list, near, sizeof near);
    bb_status s = bb_fail(err, BB_E_ARG, "%sunknown option '%s'", who, bb_escape_buf(name, safe, sizeof safe));
    if (*near)
        bb_hint(err, "did you mean %s?", near);
    else
        bb_hint(err, "--help lists the options");
    return s;
}

/* ---- parsing -------------------------------------------------------------------------------------------------------
 */

static bool is_choice(const char *choices, const char *word) {
    size_t length = strlen(word);
    for (const char *p = choices; *p;) {
        size_t n = strcspn(p, "|");
        if (n == length && !memcmp(p, word, n)) return true;
        p += n;
        if (*p) p++;
    }
    return false;
}

static bool is_option_word(const char *word, bool numbers) {
    if (word[0] != '-' || !word[1]) return false;
    if ((word[1] >= '0' && word[1] <= '9') || word[1] == '.') return false;
    bb_number n;
    return !(numbers && bb_number_parse(word, &n, NULL) == BB_OK);
}

/* "on|off|auto" as "on, off or auto". */
static void list_choices(const char *choices, bb_str *out) {
    for (const char *p = choices; *p;) {
        size_t n = strcspn(p, "|");
        bb_str_addn(out, p, n);
        p += n;
        if (*p) bb_str_add(out, strchr(++p, '|') ? ", " : " or ");
    }
}

static bb_status wrong_choice(const cli_option *o, const char *word, const char *name, const char *who, bb_error *err) {
    char safe[96];
    bb_str list;
    bb_str_init(&list);
    list_choices(o->choices, &list);
    bb_status s = bb_fail(err, BB_E_ARG, "%s%s '%s': expected %s", who, name, bb_escape_buf(word, safe, sizeof safe),
                          bb_str_c(&list));
    bb_str_clear(&list);
    return s;
}

/* The value of option o, which stands at argv[*i]: after '=', in the next word, or left out. */
static bb_status take_value(int argc, char *const *argv, int *i, const cli_option *o, const char *name,
                            const char *inside, const char *who, const char **value, bb_error *err) {
    if (!o->value) {
        if (inside) return bb_fail(err, BB_E_ARG, "%s%s takes no value", who, name);
        *value = "";
        return BB_OK;
    }
    const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;
    if (inside)
        *value = inside;
    else if (o->optional && (!next || !is_choice(o->choices, next)))
        *value = "on";
    else if (!next || is_option_word(next, true))
        return bb_fail(err, BB_E_ARG, "%s%s needs a value: %s", who, name, o->value);
    else {
        *value = next;
        ++*i;
    }
    return !o->choices || is_choice(o->choices, *value) ? BB_OK : wrong_choice(o, *value, name, who, err);
}

static bb_status one_option(int argc, char *const *argv, int *i, const cli_option *own, const char *who, cli_args *args,
                            bb_error *err) {
    const char *word = argv[*i], *value = "";
    size_t n = !strncmp(word, "--", 2) ? strcspn(word, "=") : strlen(word);
    const cli_option *o = find_in(own, word, n);
    if (!o) o = find_in(cli_common_options, word, n);
    if (!o) return unknown(word, own, who, err);
    char name[NAME_SIZE]; /* a name of the table, so it fits */
    memcpy(name, word, n);
    name[n] = '\0';
    bb_status s = take_value(argc, argv, i, o, name, word[n] == '=' ? word + n + 1 : NULL, who, &value, err);
    if (s != BB_OK) return s;
    /* Of the forms of an answer the last one wins, as of every repeated option. */
    if (o->id == OPT_CSV || o->id == OPT_JSON || o->id == OPT_MD)
        args->value[OPT_CSV] = args->value[OPT_JSON] = args->value[OPT_MD] = NULL;
    args->value[o->id] = value;
    args->given[args->n_given++] = (cli_given){o->id, value};
    return BB_OK;
}

bb_status cli_parse(int argc, char *const *argv, int first, const cli_option *own, bool numbers, bool stop_at_word,
                    const char *who, cli_args *args, int *next, bb_error *err) {
    if (!args->words) {
        args->words = bb_alloc((size_t)argc + 1, sizeof *args->words);
        args->given = bb_alloc((size_t)argc + 1, sizeof *args->given);
        if (!args->words || !args->given) return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    int i = first;
    for (; i < argc; i++) {
        if (!args->dashes && !strcmp(argv[i], "--")) {
            args->dashes = true;
            args->before = args->n_words;
            continue;
        }
        if (args->dashes || !is_option_word(argv[i], numbers)) {
            if (stop_at_word) break;
            args->words[args->n_words++] = argv[i];
            continue;
        }
        bb_status s = one_option(argc, argv, &i, own, who, args, err);
        if (s != BB_OK) return s;
    }
    if (next) *next = i;
    return BB_OK;
}

void cli_args_clear(cli_args *args) {
    free(args->words);
    free(args->given);
    *args = (cli_args){0};
}

/* ---- values --------------------------------------------------------------------------------------------------------
 */

static bb_status bad_value(const char *name, const char *value, const char *expected, bb_error *err) {
    char safe[96];
    return bb_fail(err, BB_E_ARG, "%s '%s': expected %s", name, bb_escape_buf(value, safe, sizeof safe), expected);
}

bb_status cli_get_u64(const cli_args *args, cli_id id, const char *name, uint64_t *out, bb_error *err) {
    if (!cli_has(args, id)) return BB_OK;
    return bb_parse_u64(args->value[id], out) ? BB_OK : bad_value(name, args->value[id], "a whole number", err);
}

bb_status cli_get_unsigned(const cli_args *args, cli_id id, const char *name, unsigned max, unsigned *out,
                           bb_error *err) {
    uint64_t v = *out;
    bb_status s = cli_get_u64(args, id, name, &v, err);
    if (s != BB_OK) return s;
    if (v > max) return bb_fail(err, BB_E_ARG, "%s %s: at most %u", name, args->value[id], max);
    *out = (unsigned)v;
    return BB_OK;
}

bb_status cli_get_count(const cli_args *args, cli_id id, const char *name, uint64_t *out, bb_error *err) {
    uint64_t v = 1;
    bb_status s = cli_get_u64(args, id, name, &v, err);
    if (s == BB_OK && !v) s = bad_value(name, args->value[id], "at least 1", err);
    if (s == BB_OK && cli_has(args, id)) *out = v;
    return s;
}

static bb_status too_large(const char *name, const char *value, bb_error *err) {
    char safe[96];
    return bb_fail(err, BB_E_ARG, "%s '%s' is too large: it ends below 2^64", name,
                   bb_escape_buf(value, safe, sizeof safe));
}

bb_status cli_get_counts(const cli_args *args, cli_id id, const char *name, uint64_t *out, size_t most, size_t *n,
                         bb_error *err) {
    if (!cli_has(args, id)) return BB_OK;
    size_t found = 0;
    for (const char *p = args->value[id];; p++) {
        char word[24];
        size_t length = strcspn(p, ",");
        (void)snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 0, p);
        if (!bb_parse_u64(word, &out[found]) || out[found] == 0)
            return bad_value(name, args->value[id], "whole numbers, at least 1, separated by commas", err);
        found++;
        p += length;
        if (!*p) break;
        if (found == most) return bb_fail(err, BB_E_ARG, "%s: at most %zu numbers", name, most);
    }
    *n = found;
    return BB_OK;
}

bb_status cli_get_types(const cli_args *args, const char *usual, cli_names *names, bb_error *err) {
    const char *list = cli_has(args, OPT_TYPES) ? args->value[OPT_TYPES] : usual;
    names->n = 0;
    for (const char *p = list; p; p = *p ? p + 1 : NULL) {
        size_t length = strcspn(p, ",");
        if (length == 0 || length >= CLI_NAME_SIZE)
            return bb_fail(err, BB_E_ARG, "--types: expected names separated by commas, such as int8,q8_0,q4_0");
        if (names->n == CLI_NAMES_MAX) return bb_fail(err, BB_E_ARG, "--types: at most %d", CLI_NAMES_MAX);
        char *name = names->text[names->n];
        memcpy(name, p, length);
        name[length] = '\0';
        names->list[names->n++] = name;
        p += length;
    }
    return BB_OK;
}

bb_status cli_get_tokens(const cli_args *args, cli_id id, const char *name, const char *what, uint64_t *out,
                         bb_error *err) {
    if (!cli_has(args, id)) return BB_OK;
    uint64_t v;
    char expected[96];
    bb_status s = bb_parse_tokens(args->value[id], &v, NULL);
    if (s == BB_E_OVERFLOW) return too_large(name, args->value[id], err);
    if (s != BB_OK || !v) {
        (void)snprintf(expected, sizeof expected, "a whole number of %s, at least 1, such as %s", what,
                       strcmp(what, "tokens") == 0 ? "8192 or 8k" : "4");
        return bad_value(name, args->value[id], expected, err);
    }
    *out = v;
    return BB_OK;
}

bb_status cli_get_bytes(const cli_args *args, cli_id id, const char *name, uint64_t *out, bb_error *err) {
    if (!cli_has(args, id)) return BB_OK;
    bb_status s = bb_parse_bytes(args->value[id], out, NULL);
    if (s == BB_E_OVERFLOW) return too_large(name, args->value[id], err);
    return s == BB_OK ? s : bad_value(name, args->value[id], "a size with its unit such as 24GiB or 24GB", err);
}

bb_status cli_get_parameters(const cli_args *args, cli_id id, const char *name, uint64_t *out, bb_error *err) {
    if (!cli_has(args, id)) return BB_OK;
    if (bb_parse_count(args->value[id], out, NULL) == BB_OK) return BB_OK;
    return bad_value(name, args->value[id], "a count such as 7b or 1.5e9", err);
}

bb_status cli_get_isa(const cli_args *args, bb_isa *isa, bb_error *err) {
    bb_isa asked;
    bool given = false; /* on the command line, not by the environment */
    if (!cli_has(args, OPT_ISA)) return BB_OK;
    for (size_t i = 0; i < args->n_given; i++) given |= args->given[i].id == OPT_ISA;
    if (!bb_isa_find(args->value[OPT_ISA], &asked)) /* of the environment: an option's words are checked already */
        return bad_value("BITBUDGET_ISA", args->value[OPT_ISA], "auto, scalar, avx2 or avx512", err);
    if (!bb_isa_runs(asked))
        return bb_fail(err, BB_E_UNSUPPORTED, "%s %s: this processor or its system does not run it",
                       given ? "--isa" : "BITBUDGET_ISA", bb_isa_name(asked));
    *isa = asked;
    return BB_OK;
}

bb_status cli_get_positive(const cli_args *args, cli_id id, const char *name, double *out, bb_error *err) {
    if (!cli_has(args, id)) return BB_OK;
    bb_number n;
    double v = bb_number_parse(args->value[id], &n, NULL) == BB_OK ? bb_number_to_f64(&n) : (double)NAN;
    if (!(v > 0) || !isfinite(v)) return bad_value(name, args->value[id], "a positive number", err);
    *out = v;
    return BB_OK;
}

/* ---- help ----------------------------------------------------------------------------------------------------------
 */

enum { HELP_COLUMN = 26, HELP_WIDTH = 80 };

/* Words of text, the first at HELP_COLUMN, continued there. */
static void wrap(bb_str *out, const char *text) {
    size_t column = HELP_COLUMN;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + n > HELP_WIDTH) {
            bb_str_add(out, "\n");
            bb_str_addc(out, ' ', HELP_COLUMN);
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            bb_str_add(out, " ");
            column++;
        }
        bb_str_addn(out, text, n);
        column += n;
        text += n;
        while (*text == ' ') text++;
    }
    bb_str_add(out, "\n");
}

void cli_options_help(const cli_option *rows, bb_str *out) {
    for (; rows && rows->names; rows++) {
        size_t start = out->len;
        bb_str_add(out, "  ");
        bb_str_add(out, rows->names);
        if (rows->value)
            bb_str_addf(out, "%s%s%s", rows->optional ? " [" : " ", rows->value, rows->optional ? "]" : "");
        size_t column = out->len - start;
        if (column + 2 > HELP_COLUMN) {
            bb_str_add(out, "\n");
            column = 0;
        }
        bb_str_addc(out, ' ', HELP_COLUMN - column);
        bb_str text;
        bb_str_init(&text);
        bb_str_add(&text, rows->help);
        if (rows->choices) {
            bb_str_add(&text, ": ");
            list_choices(rows->choices, &text);
        }
        wrap(out, bb_str_c(&text));
        bb_str_clear(&text);
    }
}
