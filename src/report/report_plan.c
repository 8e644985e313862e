/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_plan.c - a plan as the Plan screen shows it: what was asked, the bar, the verdict, line by line. */
#include "base/units.h"
#include "report/report.h"
#include "report/report_options.h"
#include "report/show.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- bar and verdict ------------------------------------------------------------------------------------------------
 */

/* One letter a part; colour and glyphs only repeat what the letter says. */
static char letter_of(const char *component) {
    static const struct {
        const char *component;
        char letter;
    } letters[] = {{"weights", 'W'},        {"kv_cache", 'K'},        {"recurrent_state", 'R'}, {"compute_buffer", 'A'},
                   {"output_buffer", 'L'},  {"activations", 'A'},     {"logits", 'L'},          {"gradients", 'G'},
                   {"master_weights", 'M'}, {"optimizer_state", 'O'}, {"adapters", 'D'},        {"communication", 'C'},
                   {"overhead", 'H'}};
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (!strcmp(letters[i].component, component)) return letters[i].letter;
    return '+';
}

/* Shades in the order of the lines; the fourth and later repeat. */
static const char *glyph_of(size_t nth) {
    static const char *const glyphs[] = {"\xE2\x96\x88", "\xE2\x96\x93", "\xE2\x96\x92", "\xE2\x96\x91"};
    return glyphs[nth < 4 ? nth : 3];
}

/* Lines of the card's total are on the plan's first device; "host" lines count only where there is no card. */
static bool on_target(const bb_plan *plan, const bb_plan_line *l) {
    return !bb_plan_is_part(l) && (strcmp(l->device, "host") != 0) == !plan->used.no_gpu;
}

void bb_plan_bar(const bb_plan *plan, const bb_plan_device *device, size_t width, bool ascii, bb_str *out) {
    uint64_t limit = device ? device->limit_bytes : plan->limit_bytes;
    uint64_t total = device ? device->total_bytes : plan->total_bytes, full = limit > total ? limit : total;
    if (!full || !width) return;
    double per_cell = (double)full / (double)width, sum = 0;
    size_t at = 0, nth = 0;
    size_t end = limit && limit < full ? (size_t)((double)limit / per_cell) : width;
    for (size_t i = 0; i < plan->n_lines; i++) {
        const bb_plan_line *l = &plan->lines[i];
        if (!l->bytes || bb_plan_is_part(l) || (device ? strcmp(l->device, device->name) != 0 : !on_target(plan, l)))
            continue;
        sum += (double)l->bytes;
        size_t to = (size_t)lround(sum / per_cell);
        if (to > width) to = width;
        for (; at < to; at++) {
            if (at >= end)
                bb_str_add(out, ">");
            else if (ascii)
                bb_str_addc(out, letter_of(l->component), 1);
            else
                bb_str_add(out, glyph_of(nth));
        }
        nth++;
    }
    bb_str_addc(out, '.', width - at);
}

/* The card that decides: the one that lacks most, else the one that has least left. */
static const bb_plan_device *fullest(const bb_plan *plan) {
    const bb_plan_device *found = NULL;
    for (size_t i = 0; i < plan->n_devices; i++) {
        const bb_plan_device *d = &plan->devices[i];
        if (!d->limit_bytes) continue;
        double left = (double)d->limit_bytes - (double)d->total_bytes;
        if (!found || left < (double)found->limit_bytes - (double)found->total_bytes) found = d;
    }
    return found;
}

static void verdict_of_card(const bb_plan *plan, const bb_plan_device *d, bool si, bb_str *out) {
    char amount[32];
    bool lacks = d->total_bytes > d->limit_bytes;
    uint64_t bytes = lacks ? d->total_bytes - d->limit_bytes : d->limit_bytes - d->total_bytes;
    bb_str_addf(out, "%s  %s %s on %s",
                plan->fits == BB_FITS_YES  ? "FITS"
                : plan->fits == BB_FITS_NO ? "DOES NOT FIT"
                                           : "MAY FIT",
                bb_bytes_text(bytes, si, amount), lacks ? "short" : "left", d->name);
}

void bb_plan_verdict(const bb_plan *plan, bool si, bb_str *out) {
    char amount[32], share[BB_SHOW_SIZE];
    if (plan->fits == BB_FITS_UNKNOWN || !plan->limit_bytes) return;
    const bb_plan_device *card = plan->used.n_cards > 1 ? fullest(plan) : NULL;
    if (card) {
        verdict_of_card(plan, card, si, out);
        return;
    }
    if (plan->total_bytes > plan->limit_bytes) {
        bb_str_addf(out, "%s  %s short", plan->fits == BB_FITS_NO ? "DOES NOT FIT" : "MAY FIT",
                    bb_bytes_text(plan->total_bytes - plan->limit_bytes, si, amount));
        return;
    }
    uint64_t left = plan->limit_bytes - plan->total_bytes;
    bb_show_share(left, plan->limit_bytes, share);
    bb_str_addf(out, "%s  %s left (%s)",
                plan->fits == BB_FITS_YES  ? "FITS"
                : plan->fits == BB_FITS_NO ? "DOES NOT FIT"
                                           : "MAY FIT",
                bb_bytes_text(left, si, amount), share);
}

/* ---- the text above the lines
 * ---------------------------------------------------------------------------------------- */

static void add_tokens(bb_str *s, const char *name, uint64_t v) {
    if (v) bb_str_addf(s, ", %s %" PRIu64, name, v);
}

/* The word of transformers for the attention that is planned; NULL for other engines, and where none is. */
static const char *attention_of(const bb_plan_request *u) {
    if (u->engine != BB_ENGINE_HF || u->purpose == BB_FOR_LOAD) return NULL;
    return u->flash_attn > 0 ? "flash" : u->flash_attn < 0 ? "eager" : "sdpa";
}

void bb_report_options_text(const bb_plan_request *u, bb_str *s) {
    bb_str_addf(s, "%s, %s", u->purpose == BB_FOR_LOAD ? "load" : "infer", bb_engine_name(u->engine));
    if (*u->weights) bb_str_addf(s, ", weights %s", u->weights);
    add_tokens(s, "ctx", u->ctx);
    add_tokens(s, "batch", u->batch);
    add_tokens(s, "ubatch", u->ubatch);
    add_tokens(s, "parallel", u->parallel);
    if (u->kv_unified) bb_str_add(s, ", one KV pool");
    if (*u->kv_k) {
        bb_str_addf(s, ", kv %s", u->kv_k);
        if (*u->kv_v && strcmp(u->kv_k, u->kv_v)) bb_str_addf(s, "/%s", u->kv_v);
    }
    if (attention_of(u))
        bb_str_addf(s, ", attention %s", attention_of(u));
    else if (u->flash_attn)
        bb_str_addf(s, ", flash-attn %s", u->flash_attn > 0 ? "on" : "off");
    if (u->no_gpu)
        bb_str_add(s, ", no GPU");
    else if (u->gpu_layers_set && u->gpu_layers == BB_ALL)
        bb_str_add(s, ", gpu-layers all");
    else if (u->gpu_layers_set)
        bb_str_addf(s, ", gpu-layers %" PRIu64, u->gpu_layers);
    add_tokens(s, "outputs", u->outputs);
    char size[32];
    if (u->overhead_set) bb_str_addf(s, ", overhead %s", bb_bytes_text(u->overhead_bytes, false, size));
}

static void title(bb_table *t, const bb_plan *plan, const bb_subject *subject) {
    char count[32];
    bb_str s;
    bb_str_init(&s);
    if (subject && subject->model) bb_str_addf(&s, "%s  ", subject->model->title);
    if (plan->parameters) bb_str_addf(&s, "%s parameters", bb_count_text(plan->parameters, count));
    const bb_arch *a = subject && subject->model ? subject->model->arch : NULL;
    if (a)
        bb_str_addf(&s, ", %" PRIu64 " layers, %" PRIu64 "/%" PRIu64 " kv heads, d %" PRIu64, a->layers, a->kv_heads,
                    a->heads, a->hidden);
    bb_table_head(t, "%s", bb_str_c(&s));
    bb_str_clear(&s);
    bb_report_options_text(&plan->used, &s);
    bb_table_head_wrapped(t, bb_str_c(&s));
    bb_table_head(t, "%s", "");
    bb_str_clear(&s);
}

/* "NEEDS 6.01 GiB (5.67 GiB to 6.83 GiB) of 23.63 GiB  FITS  17.62 GiB left (74.6%)" */
static void need_line(bb_table *t, const bb_plan *plan, bool si) {
    char total[32], low[32], high[32], limit[32];
    bb_str s, verdict;
    bb_str_init(&s);
    bb_str_init(&verdict);
    bb_str_addf(&s, "NEEDS %s", bb_bytes_text(plan->total_bytes, si, total));
    if (plan->low_bytes != plan->high_bytes)
        bb_str_addf(&s, " (%s to %s)", bb_bytes_text(plan->low_bytes, si, low),
                    bb_bytes_text(plan->high_bytes, si, high));
    if (plan->limit_bytes) bb_str_addf(&s, " of %s", bb_bytes_text(plan->limit_bytes, si, limit));
    bb_plan_verdict(plan, si, &verdict);
    size_t used = s.len + verdict.len;
    if (verdict.len) {
        bb_str_addc(&s, ' ', used + 2 <= BB_TEXT_WIDTH ? BB_TEXT_WIDTH - used : 2);
        bb_str_add(&s, bb_str_c(&verdict));
    }
    bb_table_head(t, "%s", bb_str_c(&s));
    bb_str_clear(&s);
    bb_str_clear(&verdict);
}

static void answer(bb_table *t, const bb_plan *plan, bool si) {
    char limit[32];
    bb_str s;
    bb_str_init(&s);
    need_line(t, plan, si);
    bb_plan_bar(plan, NULL, BB_TEXT_WIDTH, true, &s);
    if (s.len) bb_table_head(t, "%s", bb_str_c(&s));
    if (plan->limit_bytes) {
        char name[128];
        (void)bb_plan_cards_name(&plan->used, name, sizeof name);
        (void)bb_bytes_text(plan->limit_bytes, si, limit);
        bb_str_clear(&s);
        if (plan->total_bytes > plan->limit_bytes) {
            size_t at = (size_t)((double)plan->limit_bytes / (double)plan->total_bytes * BB_TEXT_WIDTH);
            bb_str_addc(&s, ' ', at < 50 ? at : 50);
            bb_str_addf(&s, "^ %s of %s end here (%s)", limit, name,
                        bb_evidence_name(plan->used.cards[0].limit_status));
        } else
            bb_str_addf(&s, "0%*s%s of %s (%s)", 20, "", limit, name,
                        bb_evidence_name(plan->used.cards[0].limit_status));
        bb_table_head(t, "%s", bb_str_c(&s));
    } else
        bb_table_head(t, "No verdict without a limit: --gpu NAME or --memory SIZE gives one.");
    bb_table_head(t, "%s", "");
    bb_str_clear(&s);
}

/* ---- JSON totals
 * ------------------------------------------------------------------------------------------------------ */

/* What an engine does not have, or nobody asked and nothing sets, is null. */
static void json_u64(bb_json *o, const char *key, uint64_t v) {
    if (v)
        bb_json_add_u64(o, key, v);
    else
        bb_json_add_null(o, key);
}

static void json_text(bb_json *o, const char *key, const char *v) {
    if (v && *v)
        bb_json_add_text(o, key, v);
    else
        bb_json_add_null(o, key);
}

void bb_report_options_json(bb_json *root, const bb_plan_request *u) {
    bb_json *o = bb_json_add_object(root, "options");
    bool llama = u->engine == BB_ENGINE_LLAMA_CPP;
    bb_json_add_text(o, "for", u->purpose == BB_FOR_LOAD ? "load" : "infer");
    bb_json_add_text(o, "engine", bb_engine_name(u->engine));
    json_text(o, "weights", u->weights);
    json_u64(o, "ctx", u->ctx);
    json_u64(o, "batch", u->batch);
    json_u64(o, "ubatch", u->ubatch);
    json_u64(o, "parallel", u->parallel);
    if (llama && u->purpose == BB_FOR_INFER)
        bb_json_add_bool(o, "kv_unified", u->kv_unified);
    else
        bb_json_add_null(o, "kv_unified");
    json_text(o, "kv_k", u->kv_k);
    json_text(o, "kv_v", u->kv_v);
    json_text(o, "flash_attn", !llama || !u->flash_attn ? NULL : u->flash_attn > 0 ? "on" : "off");
    json_text(o, "attention", attention_of(u));
    if (u->gpu_layers_set && u->gpu_layers != BB_ALL)
        bb_json_add_u64(o, "gpu_layers", u->gpu_layers);
    else
        json_text(o, "gpu_layers", !llama ? NULL : u->no_gpu ? "none" : "all");
    json_u64(o, "outputs", u->outputs);
    json_text(o, "gpu", u->no_gpu ? "none" : u->cards[0].name);
    bb_json_add_u64(o, "gpus", u->no_gpu ? 0 : u->n_cards ? u->n_cards : 1);
    if (u->overhead_set)
        bb_json_add_u64(o, "overhead_bytes", u->overhead_bytes);
    else
        bb_json_add_null(o, "overhead_bytes");
}

static void json_devices(bb_json *root, const bb_plan *plan) {
    bb_json *devices = bb_json_add_array(root, "devices");
    for (size_t i = 0; i < plan->n_devices; i++) {
        const bb_plan_device *from = &plan->devices[i];
        if (!from->high_bytes && !from->limit_bytes) continue;
        bb_json *d = bb_json_add_object(devices, NULL);
        bb_json_add_text(d, "device", from->name);
        bb_json_add_u64(d, "total_bytes", from->total_bytes);
        bb_json_add_u64(d, "low_bytes", from->low_bytes);
        bb_json_add_u64(d, "high_bytes", from->high_bytes);
        if (from->limit_bytes)
            bb_json_add_u64(d, "limit_bytes", from->limit_bytes);
        else
            bb_json_add_null(d, "limit_bytes");
        if (bb_fits_name(from->fits))
            bb_json_add_text(d, "fits", bb_fits_name(from->fits));
        else
            bb_json_add_null(d, "fits");
    }
}

/* What is not known is null. */
static void json_rate(bb_json *o, const char *key, double v) {
    if (v > 0)
        bb_json_add_f64(o, key, v);
    else
        bb_json_add_null(o, key);
}

static void json_speed(bb_json *root, const bb_plan_speed *v) {
    bb_json *o = bb_json_add_object(root, "tokens_per_s");
    json_rate(o, "decode", v->decode);
    json_rate(o, "decode_low", v->decode_low);
    json_rate(o, "decode_high", v->decode_high);
    json_rate(o, "prefill", v->prefill);
    json_rate(o, "prefill_low", v->prefill_low);
    json_rate(o, "prefill_high", v->prefill_high);
    bb_json_add_text(o, "status", bb_evidence_name(BB_MODELLED));
    json_text(o, "decode_formula", v->decode_formula);
    json_text(o, "prefill_formula", v->prefill_formula);
}

static void json_totals(bb_table *t, const bb_plan *plan, const bb_subject *subject) {
    bb_json *root = bb_table_json(t);
    if (subject && subject->model) bb_json_add_text(root, "model", subject->model->title);
    bb_json_add_u64(root, "parameters", plan->parameters);
    bb_json_add_u64(root, "total_bytes", plan->total_bytes);
    bb_json_add_u64(root, "low_bytes", plan->low_bytes);
    bb_json_add_u64(root, "high_bytes", plan->high_bytes);
    bb_json_add_u64(root, "host_bytes", plan->host_bytes);
    if (plan->limit_bytes)
        bb_json_add_u64(root, "limit_bytes", plan->limit_bytes);
    else
        bb_json_add_null(root, "limit_bytes");
    if (plan->limit_bytes) bb_json_add_text(root, "limit_status", bb_evidence_name(plan->used.cards[0].limit_status));
    if (bb_fits_name(plan->fits))
        bb_json_add_text(root, "fits", bb_fits_name(plan->fits));
    else
        bb_json_add_null(root, "fits");
    bb_report_options_json(root, &plan->used);
    json_devices(root, plan);
    json_speed(root, &plan->speed);
    bb_json *notes = bb_json_add_array(root, "notes");
    for (size_t i = 0; i < BB_PLAN_NOTES; i++)
        if (*plan->note[i]) bb_json_add_text(notes, NULL, plan->note[i]);
}

/* ---- the table
 * --------------------------------------------------------------------------------------------------------- */

static void rule_line(bb_table *t, const bb_plan *plan, bool si) {
    bb_rule_row rule[BB_RULE_ROWS];
    char a[32], b[32], c[32], d[32];
    if (!plan->parameters || bb_rule(plan->parameters, rule, NULL) != BB_OK) return;
    bb_table_foot(t, "%s", "");
    bb_str line;
    bb_str_init(&line);
    bb_str_addf(&line, "Rule of thumb, 4 B/param: fp32 %s, 16 bit %s, 8 bit %s, 4 bit %s",
                bb_bytes_text(rule[0].load_bytes, si, a), bb_bytes_text(rule[1].load_bytes, si, b),
                bb_bytes_text(rule[2].load_bytes, si, c), bb_bytes_text(rule[3].load_bytes, si, d));
    bb_table_foot_wrapped(t, bb_str_c(&line));
    bb_str_clear(&line);
}

static void add_rate(bb_str *s, double v, double low, double high) {
    int digits = v < 9.95 ? 2 : v < 99.5 ? 1 : 0;
    bb_str_addf(s, "%.*f (%.*f to %.*f)", digits, v, digits, low, digits, high);
}

/* "Tokens/s, modelled: 124 (96 to 140) decoded at the end of the context, 5206 (1911 to 7551) of a prompt" */
static void speed_lines(bb_table *t, const bb_plan *plan, bool explain) {
    const bb_plan_speed *v = &plan->speed;
    bb_str s;
    if (!(v->decode > 0)) return;
    bb_str_init(&s);
    bb_table_foot(t, "%s", "");
    bb_str_add(&s, "Tokens/s, modelled: ");
    add_rate(&s, v->decode, v->decode_low, v->decode_high);
    bb_str_add(&s, " decoded at the end of the context");
    if (v->prefill > 0) {
        bb_str_add(&s, ", ");
        add_rate(&s, v->prefill, v->prefill_low, v->prefill_high);
        bb_str_add(&s, " of a prompt");
    }
    bb_table_foot_wrapped(t, bb_str_c(&s));
    bb_str_clear(&s);
    if (!explain) return;
    bb_table_foot_wrapped(t, v->decode_formula);
    if (v->prefill > 0) bb_table_foot_wrapped(t, v->prefill_formula);
}

static void line_row(bb_table *t, const bb_plan *plan, const bb_plan_line *l, bool si, bool hide) {
    char letter[2] = {bb_plan_is_part(l) || !on_target(plan, l) ? ' ' : letter_of(l->component), '\0'},
         buf[BB_SHOW_SIZE];
    bool part = bb_plan_is_part(l);
    char shown[64];
    bb_table_row(t);
    if (hide) bb_table_row_hidden(t);
    bb_cell_text(t, letter);
    snprintf(shown, sizeof shown, "%s%s", part ? "  " : "", part ? strchr(l->component, ':') + 1 : l->component);
    bb_cell_text_as(t, l->component, shown);
    bb_cell_text(t, l->device);
    bb_cell_u64_as(t, l->bytes, bb_gib_text(l->bytes, si, 3, buf));
    bb_cell_text(t, on_target(plan, l) ? bb_show_share(l->bytes, plan->total_bytes, buf) : "");
    bb_cell_u64(t, l->low_bytes);
    bb_cell_u64(t, l->high_bytes);
    bb_cell_text(t, bb_evidence_name(l->status));
    bb_cell_text(t, l->formula);
    bb_cell_text(t, l->source);
}

bb_table *bb_report_plan(const bb_plan *plan, const bb_subject *subject, bool si, bb_plan_detail detail) {
    bb_table *t = bb_table_new("bitbudget.plan/1");
    bool brief = detail == BB_PLAN_BRIEF;
    if (brief) {
        need_line(t, plan, si);
    } else {
        title(t, plan, subject);
        answer(t, plan, si);
    }
    bb_table_column(t, "letter", "", BB_COL_LEFT | BB_COL_TEXT_ONLY);
    bb_table_column(t, "component", "LINE", BB_COL_LEFT);
    bb_table_column(t, "device", "WHERE", BB_COL_LEFT);
    bb_table_column(t, "bytes", si ? "GB" : "GiB", BB_COL_RIGHT);
    bb_table_column(t, "share", "SHARE", BB_COL_RIGHT | BB_COL_TEXT_ONLY);
    bb_table_column(t, "low_bytes", "LOW", BB_COL_DATA_ONLY);
    bb_table_column(t, "high_bytes", "HIGH", BB_COL_DATA_ONLY);
    bb_table_column(t, "status", "STATUS", BB_COL_LEFT);
    bb_table_column(t, "formula", "HOW", BB_COL_LEFT | BB_COL_WRAP);
    bb_table_column(t, "source", "SOURCE", BB_COL_DATA_ONLY);
    for (size_t i = 0; i < plan->n_lines; i++) {
        if (detail != BB_PLAN_PARTS && bb_plan_is_part(&plan->lines[i])) continue;
        line_row(t, plan, &plan->lines[i], si, brief);
    }
    char host[32];
    if (plan->host_bytes && !brief) {
        bb_table_foot(t, "%s", "");
        bb_table_foot(t, "On the host beside the card: %s", bb_bytes_text(plan->host_bytes, si, host));
    }
    if (!brief) speed_lines(t, plan, detail == BB_PLAN_PARTS);
    if (!brief) rule_line(t, plan, si);
    if (subject && subject->model) bb_report_origin(t, subject->model);
    for (size_t i = 0; i < BB_PLAN_NOTES; i++)
        if (*plan->note[i]) bb_table_foot_wrapped(t, plan->note[i]);
    json_totals(t, plan, subject);
    return t;
}

bb_status bb_plan_table(const bb_plan *plan, bb_table **table) {
    if (!plan || !table) return BB_E_ARG;
    bb_table *t = bb_report_plan(plan, NULL, false, BB_PLAN_WHOLE);
    if (!t) return BB_E_NOMEM;
    *table = t;
    return BB_OK;
}
