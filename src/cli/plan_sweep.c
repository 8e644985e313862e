/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_sweep.c - bitbudget plan over lists of values: rows of a sweep, or a matrix of weights and contexts. */
#include "base/escape.h"
#include "cli/plan_options.h"
#include "report/report.h"
#include <stdio.h>
#include <string.h>

bool cli_plan_is_sweep(const cli_args *a) { return cli_has(a, OPT_SWEEP) || cli_has(a, OPT_MATRIX) || a->n_words > 1; }

/* "KEY=A,B,C" */
static bb_status add_list(bb_sweep *sweep, const char *text, bb_error *err) {
    char key[16], one[160], safe[96];
    size_t n = strcspn(text, "=");
    bb_sweep_key k;
    if (text[n] != '=' || !text[n + 1] || n >= sizeof key)
        return bb_fail(err, BB_E_ARG, "--sweep '%s': expected KEY=LIST, such as ctx=4k,8k,16k",
                       bb_escape_buf(text, safe, sizeof safe));
    memcpy(key, text, n);
    key[n] = '\0';
    bb_status s = bb_sweep_key_find(key, &k, err);
    for (const char *p = text + n + 1; s == BB_OK && *p;) {
        n = strcspn(p, ",");
        if (!n || n >= sizeof one) return bb_fail(err, BB_E_ARG, "--sweep %s: expected values between the commas", key);
        memcpy(one, p, n);
        one[n] = '\0';
        s = bb_sweep_add(sweep, k, one, err);
        p += n + (p[n] == ',');
    }
    return s;
}

/* What a matrix has where nothing else is asked: the types that people choose from, and doubled contexts. */
static bb_status add_matrix(bb_sweep *sweep, bb_error *err) {
    static const char *const weights[] = {"f16", "q8_0", "q6_K", "q5_K_M", "q4_K_M", "q3_K_M", "q2_K"};
    static const char *const contexts[] = {"4k", "8k", "16k", "32k", "64k", "128k"};
    bb_status s = BB_OK;
    if (!bb_sweep_count(sweep, BB_SWEEP_WEIGHTS))
        for (size_t i = 0; i < sizeof weights / sizeof *weights && s == BB_OK; i++)
            s = bb_sweep_add(sweep, BB_SWEEP_WEIGHTS, weights[i], err);
    if (!bb_sweep_count(sweep, BB_SWEEP_CTX))
        for (size_t i = 0; i < sizeof contexts / sizeof *contexts && s == BB_OK; i++)
            s = bb_sweep_add(sweep, BB_SWEEP_CTX, contexts[i], err);
    if (s == BB_OK &&
        bb_sweep_rows(sweep) != bb_sweep_count(sweep, BB_SWEEP_WEIGHTS) * bb_sweep_count(sweep, BB_SWEEP_CTX))
        s = bb_fail(err, BB_E_ARG, "--matrix has weights and contexts: expected one model, and no list of other keys");
    return s;
}

/* Facts of one card say nothing of the cards of a list. */
static bb_status check_facts(const cli_args *a, const bb_sweep *sweep, bb_error *err) {
    static const struct {
        cli_id id;
        const char *name;
    } facts[] = {{OPT_MEMORY, "--memory"}, {OPT_BANDWIDTH, "--bandwidth"}, {OPT_FLOPS, "--tflops"}};
    for (size_t i = 0; bb_sweep_count(sweep, BB_SWEEP_GPU) && i < sizeof facts / sizeof *facts; i++)
        if (cli_has(a, facts[i].id))
            return bb_fail(err, BB_E_ARG,
                           "%s is of one card: it does not go with --sweep gpu=LIST, whose cards have theirs",
                           facts[i].name);
    return BB_OK;
}

static bb_status add_values(const cli_args *a, bb_sweep *sweep, bb_error *err) {
    bb_status s = BB_OK;
    for (size_t i = 0; i < a->n_words && s == BB_OK; i++) s = bb_sweep_add(sweep, BB_SWEEP_MODEL, a->words[i], err);
    for (size_t i = 0; i < a->n_given && s == BB_OK; i++)
        if (a->given[i].id == OPT_SWEEP) s = add_list(sweep, a->given[i].value, err);
    if (s == BB_OK) s = check_facts(a, sweep, err);
    if (s == BB_OK && cli_has(a, OPT_MATRIX)) s = add_matrix(sweep, err);
    if (s == BB_OK && !bb_sweep_count(sweep, BB_SWEEP_MODEL))
        s = bb_fail(err, BB_E_ARG, "plan: MODEL is missing: a word, or --sweep model=LIST");
    if (s == BB_OK && bb_sweep_rows(sweep) == BB_SWEEP_TOO_MANY)
        s = bb_fail(err, BB_E_OVERFLOW, "--sweep: more than 2^63 combinations");
    return s;
}

bb_status cli_plan_sweep(cli_call *call, bb_error *err) {
    cli_plan p = {0};
    bb_sweep *sweep = NULL;
    bool engine = cli_has(&call->args, OPT_ENGINE);
    bb_status s = cli_has(&call->args, OPT_CHECK)
                      ? bb_fail(err, BB_E_ARG, "--check asks about one plan: not with several models or --sweep")
                      : cli_plan_request(call, &p, err);
    if (s == BB_OK && cli_has(&call->args, OPT_MATRIX) && p.request.purpose == BB_FOR_LOAD)
        s = bb_fail(err, BB_E_ARG, "--matrix has contexts: loading alone knows none");
    if (s == BB_OK) s = cli_plan_host(call, &p.request, err);
    if (s == BB_OK) s = bb_sweep_new(p.cat, &call->stores, &p.request, engine, &sweep, err);
    if (s == BB_OK) s = add_values(&call->args, sweep, err);
    bool people = call->out.form == BB_TABLE_TEXT || call->out.form == BB_TABLE_MARKDOWN;
    bool matrix = cli_has(&call->args, OPT_MATRIX) && people;
    if (s == BB_OK)
        s = cli_output_table(&call->out,
                             matrix ? bb_report_matrix(sweep, call->out.si) : bb_report_sweep(sweep, call->out.si),
                             false, err);
    bb_sweep_free(sweep);
    cli_plan_clear(&p);
    return s;
}
