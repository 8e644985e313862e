/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_draw.c - the Plan screen drawn: what is asked, the verdict with its bar, line by line, and what else fits. */
#include "base/units.h"
#include "plan/rule.h"
#include "report/report.h"
#include "tui/plan_screen.h"
#include <stdio.h>
#include <string.h>

/* ---- words ---- */

const char *bb_plan_screen_value(const bb_plan_screen *s, bb_plan_field field, char *buf, size_t size) {
    const bb_plan_request *u = s->planned ? &s->plan.used : &s->ask;
    char bytes[32];
    switch (field) {
    case BB_PLAN_MODEL:
        (void)snprintf(buf, size, "%s", s->model->title);
        break;
    case BB_PLAN_PURPOSE:
        (void)snprintf(buf, size, "%s", s->ask.purpose == BB_FOR_LOAD ? "load" : "infer");
        break;
    case BB_PLAN_WEIGHTS:
        (void)snprintf(buf, size, "%s", u->weights);
        break;
    case BB_PLAN_CTX:
        if (u->ctx)
            (void)snprintf(buf, size, "%llu", (unsigned long long)u->ctx);
        else
            (void)snprintf(buf, size, "-");
        break;
    case BB_PLAN_KV:
        if (strcmp(u->kv_k, u->kv_v) == 0)
            (void)snprintf(buf, size, "%s", *u->kv_k ? u->kv_k : "-");
        else
            (void)snprintf(buf, size, "%s,%s", u->kv_k, u->kv_v);
        break;
    case BB_PLAN_SEQS:
        if (u->parallel)
            (void)snprintf(buf, size, "%llu", (unsigned long long)u->parallel);
        else
            (void)snprintf(buf, size, "-");
        break;
    case BB_PLAN_GPU:
    case BB_PLAN_FIELDS:
        if (u->no_gpu)
            (void)snprintf(buf, size, "none");
        else if (!u->limit_bytes)
            (void)snprintf(buf, size, "%s", *u->gpu ? u->gpu : "any");
        else
            (void)snprintf(buf, size, "%s%s%s", u->gpu, *u->gpu ? "  " : "",
                           bb_bytes_text(u->limit_bytes, false, bytes));
        break;
    }
    return buf;
}

static void model_words(const bb_plan_screen *s, char *buf, size_t size) {
    char count[32];
    const bb_arch *a = s->model->arch;
    if (a)
        (void)snprintf(buf, size, "%s parameters, %llu layers, %llu/%llu kv heads, d %llu",
                       bb_count_text(s->subject.parameters, count), (unsigned long long)a->layers,
                       (unsigned long long)a->kv_heads, (unsigned long long)a->heads, (unsigned long long)a->hidden);
    else
        (void)snprintf(buf, size, "%s parameters", bb_count_text(s->subject.parameters, count));
}

static const char *const labels[BB_PLAN_FIELDS] = {"Model",   "Purpose",   "Weights", "Context",
                                                   "KV type", "Sequences", "GPU"};

/* ---- the fields ---- */

static void field(const bb_app *app, const bb_plan_screen *s, bb_plan_field f, int y, int x, int label_w, int width) {
    char value[160];
    bb_field_draw(app, (int)f, s->focus == f, y, x, label_w, width, labels[f],
                  bb_plan_screen_value(s, f, value, sizeof value));
}

static void draw_ask(const bb_app *app, const bb_plan_screen *s, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_ASK];
    char words[128];
    int y = p->y, x = p->x + 1, w = p->w - 1;
    model_words(s, words, sizeof words);
    if (l->wide) {
        int step = 0;
        for (int f = 0; f < BB_PLAN_FIELDS && step < p->h; f++) {
            field(app, s, (bb_plan_field)f, y + step++, x, 10, w);
            if (f == BB_PLAN_MODEL && p->h > BB_PLAN_FIELDS)
                (void)bb_put(y + step++, x + 10, w - 10, BB_ROLE_DIM, words);
        }
        bb_title_draw(l, p, BB_ROLE_TITLE, "Ask");
        return;
    }
    int name = 10 + (int)strlen(s->model->title) + 2, second = w * 44 / 80, third = w * 62 / 80;
    if (name < 26) name = 26;
    field(app, s, BB_PLAN_MODEL, y, x, 10, name < w ? name : w);
    if (!(app->mode == BB_MODE_EDIT && app->field == BB_PLAN_MODEL))
        (void)bb_put(y, x + name, w - name, BB_ROLE_DIM, words);
    field(app, s, BB_PLAN_PURPOSE, y + 1, x, 10, second - 2);
    (void)bb_put(y + 1, x + 17, second - 19, BB_ROLE_DIM, "[load | infer]");
    field(app, s, BB_PLAN_WEIGHTS, y + 1, x + second, 9, w - second);
    field(app, s, BB_PLAN_CTX, y + 2, x, 10, 24);
    field(app, s, BB_PLAN_KV, y + 2, x + 26, 9, second + 6 - 26);
    field(app, s, BB_PLAN_SEQS, y + 2, x + third, 11, w - third);
    field(app, s, BB_PLAN_GPU, y + 3, x, 10, w);
}

/* ---- verdict and bar ---- */

static bb_role part_role(char letter) {
    switch (letter) {
    case 'W':
        return BB_ROLE_WEIGHTS;
    case 'K':
        return BB_ROLE_KV;
    case 'A':
    case 'L':
        return BB_ROLE_COMPUTE;
    case 'H':
        return BB_ROLE_OVERHEAD;
    case '>':
        return BB_ROLE_BAD;
    default:
        return BB_ROLE_DIM;
    }
}

static const char *part_sign(char letter) {
    if (bb_glyphs_ascii()) return NULL;
    switch (letter) {
    case 'W':
        return "█";
    case 'K':
        return "▓";
    case 'A':
    case 'L':
        return "▒";
    case 'H':
        return "░";
    default:
        return NULL;
    }
}

static void draw_bar(const bb_plan_screen *s, int y, int x, int width) {
    bb_str bar;
    bb_str_init(&bar);
    bb_plan_bar(&s->plan, width > 0 ? (size_t)width : 0, true, &bar);
    for (size_t i = 0; i < bar.len; i++) {
        char letter[2] = {bar.data[i], 0};
        const char *sign = part_sign(letter[0]);
        (void)bb_put(y, x + (int)i, 1, part_role(letter[0]), sign ? sign : letter);
    }
    bb_str_clear(&bar);
}

static bb_role verdict_role(bb_fit_answer fits) {
    return fits == BB_FITS_YES     ? BB_ROLE_OK
           : fits == BB_FITS_NO    ? BB_ROLE_BAD
           : fits == BB_FITS_MAYBE ? BB_ROLE_WARN
                                   : BB_ROLE_TEXT;
}

static bool same_unit(const char *a, const char *b) {
    const char *x = strchr(a, ' '), *y = strchr(b, ' ');
    return x && y && strcmp(x, y) == 0;
}

static void drop_unit(char *text) {
    char *blank = strchr(text, ' ');
    if (blank) *blank = 0;
}

/* Bar with a scale below; where the limit is passed, the scale says where it ends. */
static void draw_needs(const bb_plan_screen *s, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_NEEDS];
    char total[32], low[32], high[32], limit[32] = "", line[160];
    int y = p->y, x = p->x, w = p->w;
    if (!s->planned) {
        (void)bb_put(y, x, w, BB_ROLE_BAD, s->why.text);
        (void)bb_put(y + 1, x, w, BB_ROLE_DIM, s->why.hint);
        if (l->wide) bb_title_draw(l, p, BB_ROLE_BAD, "No plan");
        return;
    }
    const bb_plan *plan = &s->plan;
    bb_str verdict;
    bb_str_init(&verdict);
    bb_plan_verdict(plan, false, &verdict);
    if (plan->limit_bytes) (void)bb_bytes_text(plan->limit_bytes, false, limit);
    (void)bb_bytes_text(plan->total_bytes, false, total);
    (void)bb_bytes_text(plan->low_bytes, false, low);
    (void)bb_bytes_text(plan->high_bytes, false, high);
    /* one unit for all, said once at the end, when they share it */
    char *last = *limit ? limit : high;
    if (same_unit(total, last) && same_unit(low, last) && same_unit(high, last)) {
        drop_unit(total);
        drop_unit(low);
        if (*limit) drop_unit(high);
    }
    (void)snprintf(line, sizeof line, "NEEDS %s (%s to %s)%s%s", total, low, high, *limit ? " of " : "", limit);
    if (l->wide) {
        bb_str title;
        char *bracket = verdict.data ? strstr(verdict.data, " (") : NULL;
        if (bracket && (int)(strlen(line) + verdict.len) + 8 > w) *bracket = 0;
        bb_str_init(&title);
        bb_str_addf(&title, "%s%s%s", line, verdict.len ? "  " : "", bb_str_c(&verdict));
        bb_title_draw(l, p, verdict_role(plan->fits), bb_str_c(&title));
        bb_str_clear(&title);
    } else {
        int used = bb_put(y, x, w, BB_ROLE_TITLE, line);
        int room = w - used - 2;
        if ((int)verdict.len > room) { /* a narrow screen keeps the words and leaves out the share */
            char *bracket = verdict.data ? strstr(verdict.data, " (") : NULL;
            if (bracket) *bracket = 0;
        }
        bb_put_right(y, x + used + 1, w - used - 2, verdict_role(plan->fits), bb_str_c(&verdict));
        y++;
    }
    draw_bar(s, y, x, w - 1);
    if (p->h > (l->wide ? 1 : 2)) {
        uint64_t full = plan->limit_bytes > plan->total_bytes ? plan->limit_bytes : plan->total_bytes;
        if (plan->limit_bytes && plan->total_bytes > plan->limit_bytes) {
            int at = (int)((double)plan->limit_bytes / (double)full * (w - 1));
            (void)snprintf(line, sizeof line, "^ %s ends here", limit);
            int room = w - 1 - (int)strlen(line);
            (void)bb_put(y + 1, x + (at < room ? at : room > 0 ? room : 0), w, BB_ROLE_BAD, line);
        } else {
            char half[32], whole[32];
            (void)bb_put(y + 1, x, 1, BB_ROLE_DIM, "0");
            (void)bb_put(y + 1, x + (w - 1) / 2 - 4, 10, BB_ROLE_DIM, bb_gib_text(full / 2, false, 1, half));
            (void)snprintf(line, sizeof line, "%s%s", bb_bytes_text(full, false, whole),
                           plan->limit_bytes ? "" : " needed");
            bb_put_right(y + 1, x + (w - 1) / 2 + 8, w - 1 - (w - 1) / 2 - 8, BB_ROLE_DIM, line);
        }
    }
    bb_str_clear(&verdict);
}

/* ---- line by line ---- */

static char letter_of(const bb_plan_screen *s, const bb_plan_line *l) {
    bool card = strcmp(l->device, "host") != 0;
    if (card == s->plan.used.no_gpu) return ' ';
    switch (l->component[0]) {
    case 'w':
        return 'W';
    case 'k':
        return 'K';
    case 'c':
    case 'a':
        return 'A';
    case 'o':
        return strcmp(l->component, "overhead") == 0 ? 'H' : 'L';
    default:
        return '+';
    }
}

static void draw_line(const bb_plan_screen *s, const bb_plan_line *l, bool focus, int y, const bb_rect *p) {
    char letter[2] = {letter_of(s, l), 0}, gib[32], share[32] = "", status[16];
    const char *sign = part_sign(letter[0]);
    bb_role role = focus ? BB_ROLE_FOCUS : BB_ROLE_TEXT;
    int x = p->x, how = 44, status_w = 11;
    bool target = (strcmp(l->device, "host") == 0) == s->plan.used.no_gpu;
    if (target && s->plan.total_bytes)
        (void)snprintf(share, sizeof share, "%.1f%%", 100.0 * (double)l->bytes / (double)s->plan.total_bytes);
    if (focus) (void)bb_put(y, x - 1, 1, BB_ROLE_FOCUS, ">");
    (void)bb_put(y, x, 1, part_role(letter[0]), sign ? sign : letter);
    (void)bb_put(y, x + 2, 15, role, l->component);
    (void)bb_put(y, x + 18, 5, role, l->device);
    bb_put_right(y, x + 23, 9, role, bb_gib_text(l->bytes, false, 3, gib));
    bb_put_right(y, x + 33, 8, role, share);
    (void)snprintf(status, sizeof status, "[%s]", bb_evidence_name(l->status));
    if (p->w > how + status_w + 8) {
        (void)bb_put(y, x + how - 1, p->w - how - status_w, role, l->formula);
        bb_put_right(y, x + p->w - status_w - 1, status_w, l->status == BB_EXACT ? BB_ROLE_DIM : BB_ROLE_WARN, status);
    }
}

static void draw_lines(const bb_plan_screen *s, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_LINES];
    if (!s->planned || p->h < 2) return;
    size_t n = bb_plan_screen_lines(s), room = (size_t)p->h - 1;
    size_t marked = s->focus >= BB_PLAN_FIELDS && s->focus < BB_PLAN_FIELDS + n ? s->focus - BB_PLAN_FIELDS : SIZE_MAX;
    (void)bb_put(p->y, p->x + 2, 16, BB_ROLE_HEAD, "LINE");
    (void)bb_put(p->y, p->x + 18, 5, BB_ROLE_HEAD, "WHERE");
    bb_put_right(p->y, p->x + 23, 9, BB_ROLE_HEAD, "GiB");
    bb_put_right(p->y, p->x + 33, 8, BB_ROLE_HEAD, "SHARE");
    (void)bb_put(p->y, p->x + 43, 8, BB_ROLE_HEAD, "HOW");
    size_t top = marked == SIZE_MAX ? 0 : bb_scroll(marked, n, room);
    for (size_t i = top; i < n && i < top + room; i++)
        draw_line(s, bb_plan_screen_line(s, i), i == marked, p->y + 1 + (int)(i - top), p);
    if (room > n && s->plan.parameters) {
        bb_rule_row rule[BB_RULE_ROWS];
        char a[32], b[32], line[128];
        if (bb_rule(s->plan.parameters, rule, NULL) != BB_OK) return;
        (void)snprintf(line, sizeof line, "Rule of thumb 4 B/param: fp32 %s, 16 bit %s",
                       bb_bytes_text(rule[0].load_bytes, false, a), bb_bytes_text(rule[1].load_bytes, false, b));
        (void)bb_put(p->y + p->h - 1, p->x, p->w, BB_ROLE_DIM, line);
    }
}

/* ---- what else fits, or the ways out ---- */

static void draw_ways(const bb_plan_screen *s, const bb_rect *p) {
    size_t first = BB_PLAN_FIELDS + bb_plan_screen_lines(s);
    bool stacked = p->w < 50; /* a narrow pane has the need below the way */
    (void)bb_put(p->y, p->x, p->w, BB_ROLE_HEAD,
                 !s->n_ways ? "NOTHING THAT WAS TRIED MAKES IT FIT"
                 : stacked  ? "TO MAKE IT FIT (Enter takes)"
                            : "TO MAKE IT FIT (Enter takes the marked one)");
    for (size_t i = 0; i < s->n_ways; i++) {
        char high[32], line[128];
        int y = p->y + 1 + (int)i * (1 + stacked);
        if (y + stacked >= p->y + p->h) break;
        bool focus = s->focus == first + i;
        (void)snprintf(line, sizeof line, "%zu  %s", i + 1, s->ways[i].text);
        if (focus) (void)bb_put(y, p->x, 1, BB_ROLE_FOCUS, ">");
        (void)bb_put(y, p->x + 2, stacked ? p->w - 2 : p->w - 24, focus ? BB_ROLE_FOCUS : BB_ROLE_TEXT, line);
        (void)snprintf(line, sizeof line, "at most %s", bb_bytes_text(s->ways[i].high_bytes, false, high));
        if (stacked)
            (void)bb_put(y + 1, p->x + 5, p->w - 5, BB_ROLE_OK, line);
        else
            bb_put_right(y, p->x + p->w - 22, 21, BB_ROLE_OK, line);
    }
}

static int say(const bb_rect *p, int row, const char *label, const char *value) {
    bool stacked = p->w < 50; /* a narrow pane has the value below its label */
    if (row + stacked >= p->h) return row;
    (void)bb_put(p->y + row, p->x + 2, stacked ? p->w - 2 : 22, stacked ? BB_ROLE_DIM : BB_ROLE_TEXT, label);
    if (stacked)
        (void)bb_put(p->y + row + 1, p->x + 4, p->w - 4, BB_ROLE_TEXT, value);
    else
        (void)bb_put(p->y + row, p->x + 24, p->w - 24, BB_ROLE_TEXT, value);
    return row + 1 + stacked;
}

static void draw_more(const bb_plan_screen *s, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_MORE];
    char line[128], bytes[32];
    if (!s->planned || p->h < 1) return;
    if (s->plan.limit_bytes && s->plan.fits != BB_FITS_YES) {
        draw_ways(s, p);
        return;
    }
    int row = 1;
    if (!s->plan.limit_bytes) {
        (void)bb_put(p->y, p->x, p->w, BB_ROLE_HEAD, "NO CARD IS CHOSEN");
        (void)say(p, row, "GPU", "choose one for a verdict");
        return;
    }
    (void)bb_put(p->y, p->x, p->w, BB_ROLE_HEAD, "WHAT ELSE FITS ON THIS GPU");
    if (s->fit_known) {
        (void)snprintf(line, sizeof line, "%llu tokens%s", (unsigned long long)s->fit.answer,
                       s->fit.model_limit ? " (all)" : "");
        row = say(p, row, "longest context", line);
    }
    for (size_t i = 0; i < s->n_rungs; i++) {
        if (s->rungs[i].fits != BB_FITS_YES) continue;
        (void)snprintf(line, sizeof line, "%s, %s", s->rungs[i].weights,
                       bb_bytes_text(s->rungs[i].total_bytes, false, bytes));
        row = say(p, row, "widest weights", line);
        break;
    }
    for (size_t i = 0; i < s->n_rungs; i++) {
        if (s->rungs[i].fits == BB_FITS_YES) continue;
        bool last = i + 1 == s->n_rungs || s->rungs[i + 1].fits == BB_FITS_YES;
        if (!last) continue;
        (void)snprintf(line, sizeof line, "%s, %s", s->rungs[i].weights,
                       bb_bytes_text(s->rungs[i].total_bytes, false, bytes));
        row = say(p, row, "does not fit any more", line);
        break;
    }
    if (s->plan.host_bytes) row = say(p, row, "on the host beside it", bb_bytes_text(s->plan.host_bytes, false, bytes));
    (void)row;
}

static void draw_ladder(const bb_plan_screen *s, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_LADDER];
    if (!s->planned || p->h < 1 || !s->n_rungs) return;
    int y = p->y, end = p->y + p->h;
    if (l->wide) bb_title_draw(l, p, BB_ROLE_TITLE, "Precision ladder");
    uint64_t most = s->plan.limit_bytes;
    for (size_t i = 0; i < s->n_rungs; i++)
        if (s->rungs[i].total_bytes > most) most = s->rungs[i].total_bytes;
    for (size_t i = 0; i < s->n_rungs && y < end; i++, y++) {
        const bb_rung *r = &s->rungs[i];
        char bytes[32];
        int room = p->w - 8 - 26, n = most ? (int)((double)r->total_bytes / (double)most * room + 0.5) : 0;
        (void)bb_put(y, p->x, 7, strcmp(r->weights, s->plan.used.weights) == 0 ? BB_ROLE_FOCUS : BB_ROLE_TEXT,
                     r->weights);
        bb_put_times(y, p->x + 8, n, BB_ROLE_WEIGHTS, "█");
        bb_put_right(y, p->x + p->w - 26, 11, BB_ROLE_TEXT, bb_bytes_text(r->total_bytes, false, bytes));
        (void)bb_put(y, p->x + p->w - 13, 12, verdict_role(r->fits),
                     r->fits == BB_FITS_YES     ? "FITS"
                     : r->fits == BB_FITS_NO    ? "DOES NOT FIT"
                     : r->fits == BB_FITS_MAYBE ? "MAY FIT"
                                                : "");
    }
}

static void draw_cards(const bb_plan_screen *s, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_CARDS];
    if (!s->planned || p->h < 1 || !s->n_cards) return;
    bb_title_draw(l, p, BB_ROLE_TITLE, "The same on other GPUs (p)");
    int cell = 27, across = p->w / cell > 0 ? p->w / cell : 1;
    for (size_t i = 0; i < s->n_cards; i++) {
        int row = (int)i / across, x = p->x + (int)i % across * cell;
        if (row >= p->h) break;
        bb_fit_answer fits = s->cards[i].fits;
        (void)bb_put(p->y + row, x, 17, BB_ROLE_TEXT, s->cards[i].gpu->name);
        (void)bb_put(p->y + row, x + 18, 8, verdict_role(fits),
                     fits == BB_FITS_YES  ? "FITS"
                     : fits == BB_FITS_NO ? "no"
                                          : "MAY FIT");
    }
}

void bb_plan_screen_draw(const bb_app *app, const bb_plan_screen *s, const bb_layout *l) {
    draw_ask(app, s, l);
    draw_needs(s, l);
    draw_lines(s, l);
    draw_more(s, l);
    draw_ladder(s, l);
    draw_cards(s, l);
}
