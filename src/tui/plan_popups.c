/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_popups.c - texts of the Plan screen: where a number comes from, and two plans side by side. */
#include "base/units.h"
#include "report/report.h"
#include "tui/plan_screen.h"
#include <stdio.h>
#include <string.h>

/* ---- formula and source ---- */

static void flush(bb_str *text, int width, int indent, bb_str *out) {
    bb_wrap(out, bb_str_c(text), width, indent);
    bb_str_clear(text);
}

static void compose_line(const bb_plan_line *l, int w, bb_str *out) {
    char bytes[32], low[32], high[32];
    bb_str text;
    bb_str_init(&text);
    bb_str_addf(&text, "%s on %s: %llu bytes = %s", l->component, l->device, (unsigned long long)l->bytes,
                bb_bytes_text(l->bytes, false, bytes));
    if (l->low_bytes != l->high_bytes)
        bb_str_addf(&text, ", between %s and %s", bb_bytes_text(l->low_bytes, false, low),
                    bb_bytes_text(l->high_bytes, false, high));
    flush(&text, w, 2, out);
    bb_str_addf(&text, "= %s", l->formula);
    flush(&text, w, 2, out);
    bb_str_addf(&text, "%s; source: %s", bb_evidence_name(l->status), l->source);
    flush(&text, w, 2, out);
}

/* The line and, below it, its parts. */
static void compose_with_parts(const bb_plan *p, const bb_plan_line *l, int w, bb_str *out) {
    size_t n = strlen(l->component);
    compose_line(l, w, out);
    for (size_t i = 0; i < p->n_lines; i++) {
        const bb_plan_line *part = &p->lines[i];
        if (strcmp(part->device, l->device) != 0 || strncmp(part->component, l->component, n) != 0 ||
            part->component[n] != ':')
            continue;
        bb_str_add(out, "\n");
        compose_line(part, w, out);
    }
}

static void compose_speed(const bb_plan_speed *v, int w, bb_str *out) {
    bb_str text;
    bb_str_init(&text);
    if (v->decode > 0) {
        bb_str_addf(&text, "decode: %.1f tokens/s (%.1f to %.1f), modelled", v->decode, v->decode_low, v->decode_high);
        flush(&text, w, 2, out);
        bb_str_addf(&text, "= %s", v->decode_formula);
        flush(&text, w, 2, out);
    }
    if (v->prefill > 0) {
        bb_str_addf(&text, "prefill: %.0f tokens/s (%.0f to %.0f), modelled", v->prefill, v->prefill_low,
                    v->prefill_high);
        flush(&text, w, 2, out);
        bb_str_addf(&text, "= %s", v->prefill_formula);
        flush(&text, w, 2, out);
    }
}

/* Of the marked line and its parts; of all lines where another thing is marked. */
void bb_plan_compose_formula(const bb_app *app, int w, bb_str *out) {
    const bb_plan_screen *s = app->state[BB_SCREEN_PLAN];
    size_t n = bb_plan_screen_lines(s);
    bool one = s->focus >= BB_PLAN_FIELDS && s->focus < BB_PLAN_FIELDS + n;
    size_t from = one ? s->focus - BB_PLAN_FIELDS : 0, to = one ? from + 1 : n;
    for (size_t i = from; i < to; i++) {
        const bb_plan_line *l = bb_plan_screen_line(s, i);
        if (l && one) compose_with_parts(&s->plan, l, w, out);
        if (!l || one) continue;
        compose_line(l, w, out);
        bb_str_add(out, "\n");
    }
    if (!one && s->planned) compose_speed(&s->plan.speed, w, out);
    if (!s->planned) bb_wrap(out, s->why.text, w, 2);
}

/* ---- two plans side by side ---- */

typedef struct columns {
    bb_str *out;
    int label, width; /* of the first column, and of the two behind it */
} columns;

/* A row; '*' where the two differ. */
static void row(const columns *c, const char *label, const char *a, const char *b) {
    bb_str_addf(c->out, "%-*.*s %-*.*s %c %.*s\n", c->label, c->label, label, c->width, c->width, a,
                strcmp(a, b) == 0 ? ' ' : '*', c->width, b);
}

static void tokens_row(const columns *c, const char *label, uint64_t a, uint64_t b) {
    char x[24] = "-", y[24] = "-";
    if (a) (void)snprintf(x, sizeof x, "%llu", (unsigned long long)a);
    if (b) (void)snprintf(y, sizeof y, "%llu", (unsigned long long)b);
    if (a || b) row(c, label, x, y);
}

static void bytes_row(const columns *c, const char *label, uint64_t a, uint64_t b) {
    char x[32] = "-", y[32] = "-";
    if (a) (void)bb_bytes_text(a, false, x);
    if (b) (void)bb_bytes_text(b, false, y);
    if (a || b) row(c, label, x, y);
}

static void speed_row(const columns *c, const char *label, double a, double b) {
    char x[32] = "-", y[32] = "-";
    if (a > 0) (void)snprintf(x, sizeof x, "%.1f tokens/s", a);
    if (b > 0) (void)snprintf(y, sizeof y, "%.1f tokens/s", b);
    if (a > 0 || b > 0) row(c, label, x, y);
}

/* Bytes of a component on the cards together, or on the host. */
static uint64_t component_bytes(const bb_plan *p, const char *component, bool host) {
    uint64_t sum = 0; /* no more than the plan's total, which did not pass 2^64 */
    for (size_t i = 0; i < p->n_lines; i++)
        if (strcmp(p->lines[i].component, component) == 0 && (strcmp(p->lines[i].device, "host") == 0) == host)
            sum += p->lines[i].bytes;
    return sum;
}

static void component_rows(const columns *c, const bb_plan *a, const bb_plan *b) {
    static const char *const components[] = {"weights",       "kv_cache",    "recurrent_state", "compute_buffer",
                                             "output_buffer", "activations", "logits",          "overhead"};
    for (int host = 0; host < 2; host++)
        for (size_t i = 0; i < sizeof components / sizeof *components; i++) {
            char label[40];
            (void)snprintf(label, sizeof label, "%s%s", components[i], host ? ", host" : "");
            bytes_row(c, label, component_bytes(a, components[i], host), component_bytes(b, components[i], host));
        }
}

static void verdict_row(const columns *c, const bb_plan *a, const bb_plan *b) {
    bb_str x, y;
    bb_str_init(&x);
    bb_str_init(&y);
    bb_plan_verdict(a, false, &x);
    bb_plan_verdict(b, false, &y);
    row(c, "verdict", bb_str_c(&x), bb_str_c(&y));
    bb_str_clear(&x);
    bb_str_clear(&y);
}

void bb_plan_compose_compare(const bb_app *app, int w, bb_str *out) {
    const bb_plan_screen *s = app->state[BB_SCREEN_PLAN];
    const bb_plan *a = &s->first, *b = &s->plan;
    const bb_plan_request *u = &a->used, *v = &b->used;
    char x[128], y[128];
    columns c = {out, w >= 66 ? 20 : 15, 0};
    int each = (w - c.label - 4) / 2;
    c.width = each > 36 ? 36 : each;
    bb_str_addf(out, "%-*s %-*s   %s\n", c.label, "", c.width, "KEPT", "NOW");
    row(&c, "model", s->first_title, s->model->title);
    row(&c, "engine", bb_engine_name(u->engine), bb_engine_name(v->engine));
    row(&c, "weights", u->weights, v->weights);
    tokens_row(&c, "context", u->ctx, v->ctx);
    tokens_row(&c, "sequences", u->parallel, v->parallel);
    row(&c, "KV type", u->kv_k, v->kv_k);
    row(&c, "cards", bb_plan_cards_name(u, x, sizeof x), bb_plan_cards_name(v, y, sizeof y));
    if (u->gpu_layers != v->gpu_layers)
        tokens_row(&c, "GPU layers", u->gpu_layers == BB_ALL ? 0 : u->gpu_layers,
                   v->gpu_layers == BB_ALL ? 0 : v->gpu_layers);
    bb_str_add(out, "\n");
    bytes_row(&c, "needs", a->total_bytes, b->total_bytes);
    bytes_row(&c, "at most", a->high_bytes, b->high_bytes);
    bytes_row(&c, "of", a->limit_bytes, b->limit_bytes);
    verdict_row(&c, a, b);
    speed_row(&c, "decode, modelled", a->speed.decode, b->speed.decode);
    bb_str_add(out, "\n");
    component_rows(&c, a, b);
    bb_str_add(out, "\n");
    bb_wrap(out, "* differs. C keeps the plan of now for the next comparison.", w, 2);
}
