/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_draw.c - the Plan screen drawn: what is asked, the verdict with its bar, line by line, and what else fits. */
#include "base/units.h"
#include "plan/rule.h"
#include "report/report.h"
#include "tui/plan_screen.h"
#include <stdio.h>
#include <string.h>

/* ---- words ---- */

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
                                                   "KV type", "Sequences", "GPU",     "GPU layers"};

/* ---- the fields ---- */

static void field(const bb_app *app, const bb_plan_screen *s, bb_plan_field f, int y, int x, int label_w, int width) {
    char value[160];
    bb_field_draw(app, (int)f, s->focus == f, y, x, label_w, width, labels[f],
                  bb_plan_screen_value(s, f, value, sizeof value));
}

static void draw_ask(const bb_app *app, const bb_plan_screen *s, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_ASK];
    char words[128];
    int y = p->y, x = p->x + 1, w = p->w - 1;
    model_words(s, words, sizeof words);
    if (l->wide) {
        int free = p->h - BB_PLAN_FIELDS, row = y;
        for (int f = 0; f < BB_PLAN_FIELDS; f++) {
            field(app, s, (bb_plan_field)f, row++, x, 11, w);
            if (f == BB_PLAN_MODEL && free > 0) row += bb_put_wrapped(row, x + 11, free, w - 11, BB_ROLE_DIM, words);
        }
        bb_title_draw(l, p, BB_ROLE_TITLE, "Ask");
        return;
    }
    int name = 10 + (int)strlen(s->model->title) + 2, second = w * 44 / 80, third = w - 20, kv = third - 18;
    if (kv > 26) kv = 26;
    if (name < 26) name = 26;
    field(app, s, BB_PLAN_MODEL, y, x, 10, name < w ? name : w);
    if (!(app->mode == BB_MODE_EDIT && app->field == BB_PLAN_MODEL))
        (void)bb_put_cut(y, x + name, w - name, BB_ROLE_DIM, words);
    field(app, s, BB_PLAN_PURPOSE, y + 1, x, 10, second - 2);
    if (second >= 34) (void)bb_put(y + 1, x + 17, second - 19, BB_ROLE_DIM, "[load | infer]");
    field(app, s, BB_PLAN_WEIGHTS, y + 1, x + second, 9, w - second);
    field(app, s, BB_PLAN_CTX, y + 2, x, 10, kv - 2);
    field(app, s, BB_PLAN_KV, y + 2, x + kv, 8, third - kv - 2);
    field(app, s, BB_PLAN_SEQS, y + 2, x + third, 11, w - third);
    field(app, s, BB_PLAN_GPU, y + 3, x, 10, third - 2);
    field(app, s, BB_PLAN_LAYERS, y + 3, x + third, 11, w - third);
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

/* "NEEDS 6.01 (5.67 to 6.83) of 23.63 GiB": one unit for all, said once at the end, when they share it. */
static void needs_text(const bb_plan *plan, bool interval, char *buf, size_t size) {
    char total[32], low[32], high[32], limit[32] = "";
    if (plan->limit_bytes) (void)bb_bytes_text(plan->limit_bytes, false, limit);
    (void)bb_bytes_text(plan->total_bytes, false, total);
    (void)bb_bytes_text(plan->low_bytes, false, low);
    (void)bb_bytes_text(plan->high_bytes, false, high);
    const char *of = *limit ? " of " : "";
    if (!interval) {
        if (same_unit(total, limit)) drop_unit(total);
        (void)snprintf(buf, size, "NEEDS %s%s%s", total, of, limit);
        return;
    }
    char *last = *limit ? limit : high;
    if (same_unit(total, last) && same_unit(low, last) && same_unit(high, last)) {
        drop_unit(total);
        drop_unit(low);
        if (*limit) drop_unit(high);
    }
    (void)snprintf(buf, size, "NEEDS %s (%s to %s)%s%s", total, low, high, of, limit);
}

/* Where there is no room for all, the share goes first, then the interval: numbers are never cut. */
static void fit_verdict(const bb_plan *plan, int room, char *line, size_t size, bb_str *verdict) {
    char *share = verdict->data ? strstr(verdict->data, " (") : NULL;
    needs_text(plan, true, line, size);
    if (share && (int)(strlen(line) + strlen(bb_str_c(verdict))) + 2 > room) *share = 0;
    if ((int)(strlen(line) + strlen(bb_str_c(verdict))) + 2 > room) needs_text(plan, false, line, size);
}

static void draw_scale(const bb_plan *plan, int y, int x, int w) {
    uint64_t full = plan->limit_bytes > plan->total_bytes ? plan->limit_bytes : plan->total_bytes;
    char line[64], half[32], whole[32];
    if (plan->limit_bytes && plan->total_bytes > plan->limit_bytes) {
        int at = (int)((double)plan->limit_bytes / (double)full * (w - 1));
        (void)snprintf(line, sizeof line, "^ %s ends here", bb_bytes_text(plan->limit_bytes, false, whole));
        int room = w - 1 - (int)strlen(line);
        (void)bb_put(y, x + (at < room ? at : room > 0 ? room : 0), w, BB_ROLE_BAD, line);
        return;
    }
    (void)bb_bytes_text(full, false, whole);
    (void)bb_bytes_text(full / 2, false, half);
    if (same_unit(half, whole)) drop_unit(half);
    (void)bb_put(y, x, 1, BB_ROLE_DIM, "0");
    (void)bb_put(y, x + (w - 1) / 2 - 4, 12, BB_ROLE_DIM, half);
    (void)snprintf(line, sizeof line, "%s%s", whole, plan->limit_bytes ? "" : " needed");
    bb_put_right(y, x + (w - 1) / 2 + 8, w - 1 - (w - 1) / 2 - 8, BB_ROLE_DIM, line);
}

/* Bar with a scale below; where the limit is passed, the scale says where it ends. */
static void draw_needs(const bb_plan_screen *s, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_NEEDS];
    const bb_plan *plan = &s->plan;
    char line[160];
    int y = p->y, x = p->x, w = p->w;
    if (!s->planned) {
        int used = bb_put_wrapped(y, x, p->h, w, BB_ROLE_BAD, s->why.text);
        (void)bb_put_cut(y + used, x, used < p->h ? w : 0, BB_ROLE_DIM, s->why.hint);
        if (l->wide) bb_title_draw(l, p, BB_ROLE_BAD, "No plan");
        return;
    }
    bb_str verdict;
    bb_str_init(&verdict);
    bb_plan_verdict(plan, false, &verdict);
    fit_verdict(plan, l->wide ? w - 4 : w - 1, line, sizeof line, &verdict);
    if (l->wide) {
        bb_str title;
        bb_str_init(&title);
        bb_str_addf(&title, "%s%s%s", line, verdict.len ? "  " : "", bb_str_c(&verdict));
        bb_title_draw(l, p, verdict_role(plan->fits), bb_str_c(&title));
        bb_str_clear(&title);
    } else {
        int used = bb_put(y, x, w, BB_ROLE_TITLE, line);
        bb_put_right(y, x + used + 1, w - used - 2, verdict_role(plan->fits), bb_str_c(&verdict));
        y++;
    }
    draw_bar(s, y, x, w - 1);
    if (p->h > (l->wide ? 1 : 2)) draw_scale(plan, y + 1, x, w);
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

/* A plan of less than a GiB has its bytes in the unit that each row needs. */
static bool in_gib(const bb_plan_screen *s) { return s->plan.total_bytes >> 30 != 0; }

enum { HOW_X = 43 };
static bool has_how(const bb_rect *p) { return p->w > 64; }

static void draw_line(const bb_plan_screen *s, const bb_plan_line *l, bool focus, int y, const bb_rect *p) {
    char letter[2] = {letter_of(s, l), 0}, gib[32], share[32] = "", status[16];
    const char *sign = part_sign(letter[0]);
    bb_role role = focus ? BB_ROLE_FOCUS : BB_ROLE_TEXT;
    int x = p->x, status_w = 11;
    bool target = (strcmp(l->device, "host") == 0) == s->plan.used.no_gpu;
    if (target && s->plan.total_bytes)
        (void)snprintf(share, sizeof share, "%.1f%%", 100.0 * (double)l->bytes / (double)s->plan.total_bytes);
    if (focus) (void)bb_put(y, x - 1, 1, BB_ROLE_FOCUS, ">");
    (void)bb_put(y, x, 1, part_role(letter[0]), sign ? sign : letter);
    (void)bb_put(y, x + 2, 15, role, l->component);
    (void)bb_put(y, x + 18, 5, role, l->device);
    bb_put_right(y, x + 23, 10, role,
                 in_gib(s) ? bb_gib_text(l->bytes, false, 3, gib) : bb_bytes_text(l->bytes, false, gib));
    bb_put_right(y, x + 33, 8, role, share);
    (void)snprintf(status, sizeof status, "[%s]", bb_evidence_name(l->status));
    if (has_how(p)) (void)bb_put_cut(y, x + HOW_X, p->w - HOW_X - 2 - status_w, role, l->formula);
    bb_put_right(y, x + p->w - status_w - 1, status_w, l->status == BB_EXACT ? BB_ROLE_DIM : BB_ROLE_WARN, status);
}

static const char rule_label[] = "rule of 4 B/parameter";

static bool rule_text(const bb_plan_screen *s, char *buf, size_t size) {
    bb_rule_row rule[BB_RULE_ROWS];
    char a[32], b[32];
    if (!s->plan.parameters || bb_rule(s->plan.parameters, rule, NULL) != BB_OK) return false;
    (void)snprintf(buf, size, "fp32 %s, 16 bit %s", bb_bytes_text(rule[0].load_bytes, false, a),
                   bb_bytes_text(rule[1].load_bytes, false, b));
    return true;
}

static void draw_lines(const bb_plan_screen *s, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_LINES];
    if (!s->planned || p->h < 2) return;
    size_t n = bb_plan_screen_lines(s), rows = (size_t)p->h - 1, room = n > rows ? rows - 1 : rows;
    size_t marked = s->focus >= BB_PLAN_FIELDS && s->focus < BB_PLAN_FIELDS + n ? s->focus - BB_PLAN_FIELDS : SIZE_MAX;
    (void)bb_put(p->y, p->x + 2, 16, BB_ROLE_HEAD, "LINE");
    (void)bb_put(p->y, p->x + 18, 5, BB_ROLE_HEAD, "WHERE");
    bb_put_right(p->y, p->x + 23, 10, BB_ROLE_HEAD, in_gib(s) ? "GiB" : "SIZE");
    bb_put_right(p->y, p->x + 33, 8, BB_ROLE_HEAD, "SHARE");
    if (has_how(p)) (void)bb_put(p->y, p->x + HOW_X, 8, BB_ROLE_HEAD, "HOW");
    size_t top = marked == SIZE_MAX ? 0 : bb_scroll(marked, n, room);
    for (size_t i = top; i < n && i < top + room; i++)
        draw_line(s, bb_plan_screen_line(s, i), i == marked, p->y + 1 + (int)(i - top), p);
    if (n > room)
        (void)bb_putf(p->y + p->h - 1, p->x + 2, p->w - 2, BB_ROLE_DIM, "%zu more: Up and Down show them", n - room);
    char rule[96];
    if (l->wide && room > n && rule_text(s, rule, sizeof rule))
        (void)bb_putf(p->y + p->h - 1, p->x, p->w, BB_ROLE_DIM, "Rule of thumb 4 B/param: %s", rule);
}

/* ---- what else fits, or the ways out ---- */

static bool shows_ways(const bb_plan_screen *s) { return s->plan.limit_bytes && s->plan.fits != BB_FITS_YES; }

/* The rows that were used. */
static int draw_ways(const bb_plan_screen *s, const bb_rect *p) {
    size_t first = BB_PLAN_FIELDS + bb_plan_screen_lines(s);
    bool stacked = p->w < 50; /* a narrow pane has the need below the way */
    int y = p->y + 1, end = p->y + p->h, need_w = 18;
    (void)bb_put(p->y, p->x, p->w, BB_ROLE_HEAD,
                 !s->n_ways ? "NOTHING THAT WAS TRIED MAKES IT FIT"
                 : stacked  ? "TO MAKE IT FIT (Enter takes)"
                            : "TO MAKE IT FIT (Enter takes the marked one)");
    /* where not all have room, the marked one is seen */
    size_t room = p->h > 1 ? (size_t)(p->h - 1) / (stacked ? 3 : 1) : 0;
    size_t top = s->focus >= first ? bb_scroll(s->focus - first, s->n_ways, room ? room : 1) : 0;
    for (size_t i = top; i < s->n_ways && y < end; i++) {
        char high[32], line[128];
        bool focus = s->focus == first + i;
        bb_role role = focus ? BB_ROLE_FOCUS : BB_ROLE_TEXT;
        if (focus) (void)bb_put(y, p->x, 1, BB_ROLE_FOCUS, ">");
        (void)bb_putf(y, p->x + 2, 2, role, "%zu", i + 1);
        (void)snprintf(line, sizeof line, "at most %s", bb_bytes_text(s->ways[i].high_bytes, false, high));
        if (stacked) {
            y += bb_put_wrapped(y, p->x + 5, end - y < 2 ? 1 : 2, p->w - 5, role, s->ways[i].text);
            if (y < end) (void)bb_put(y++, p->x + 5, p->w - 5, BB_ROLE_OK, line);
        } else {
            (void)bb_put_cut(y, p->x + 5, p->w - 6 - need_w, role, s->ways[i].text);
            bb_put_right(y++, p->x + p->w - need_w, need_w, BB_ROLE_OK, line);
        }
    }
    return y - p->y;
}

typedef struct item {
    const char *label;
    char value[96];
} item;
enum { ITEMS = 5 };

static void add_item(item *items, int *n, const char *label, const char *value) {
    if (!*value) return;
    items[*n].label = label;
    (void)snprintf(items[(*n)++].value, sizeof items->value, "%s", value);
}

static void rung_text(const bb_plan_screen *s, size_t i, char *buf, size_t size) {
    char bytes[32];
    buf[0] = 0;
    if (i < s->n_rungs)
        (void)snprintf(buf, size, "%s, %s", s->rungs[i].weights, bb_bytes_text(s->rungs[i].total_bytes, false, bytes));
}

/* What else can be said of a plan that fits, what matters most first. */
static int list_items(const bb_plan_screen *s, bool wide, item *items) {
    char text[96], bytes[32];
    int n = 0;
    size_t first = 0;
    const bb_arch *a = s->model->arch;
    if (!s->plan.limit_bytes) add_item(items, &n, "GPU", "choose one for a verdict");
    while (first < s->n_rungs && s->rungs[first].fits != BB_FITS_YES) first++;
    if (s->fit_known) {
        /* sequences share the context in equal steps, which may leave a rest */
        (void)snprintf(text, sizeof text, "%llu tokens%s", (unsigned long long)s->fit.answer,
                       !s->fit.model_limit                ? ""
                       : a && s->fit.answer >= a->context ? " (all)"
                                                          : " (the most they can share)");
        add_item(items, &n, "longest context", text);
    }
    if (s->plan.limit_bytes) {
        rung_text(s, first, text, sizeof text);
        add_item(items, &n, "widest weights", text);
    }
    if (!wide && rule_text(s, text, sizeof text)) add_item(items, &n, rule_label, text);
    if (s->plan.limit_bytes && first > 0) {
        rung_text(s, first - 1, text, sizeof text);
        add_item(items, &n, "does not fit any more", text);
    }
    if (s->plan.host_bytes)
        add_item(items, &n, "on the host beside it", bb_bytes_text(s->plan.host_bytes, false, bytes));
    return n;
}

static int say(const bb_rect *p, int row, const char *label, const char *value) {
    bool stacked = p->w < 50; /* a narrow pane has the value below its label */
    if (row + stacked >= p->h) return row;
    (void)bb_put(p->y + row, p->x + 2, stacked ? p->w - 2 : 22, stacked ? BB_ROLE_DIM : BB_ROLE_TEXT, label);
    if (stacked)
        (void)bb_put_cut(p->y + row + 1, p->x + 4, p->w - 4, BB_ROLE_TEXT, value);
    else
        (void)bb_put_cut(p->y + row, p->x + 24, p->w - 24, BB_ROLE_TEXT, value);
    return row + 1 + stacked;
}

static void draw_more(const bb_plan_screen *s, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_MORE];
    item items[ITEMS];
    char rule[96];
    if (!s->planned || p->h < 1) return;
    if (shows_ways(s)) {
        int used = draw_ways(s, p);
        if (!l->wide && used < p->h && rule_text(s, rule, sizeof rule)) (void)say(p, used, rule_label, rule);
        return;
    }
    (void)bb_put(p->y, p->x, p->w, BB_ROLE_HEAD,
                 s->plan.limit_bytes ? "WHAT ELSE FITS ON THIS GPU" : "NO CARD IS CHOSEN");
    int n = list_items(s, l->wide, items), row = 1;
    for (int i = 0; i < n; i++) row = say(p, row, items[i].label, items[i].value);
}

void bb_plan_screen_wants(const bb_plan_screen *s, bb_wants *wants) {
    item items[ITEMS];
    if (!s->planned) return;
    wants->lines = 1 + (int)bb_plan_screen_lines(s);
    wants->more = shows_ways(s) ? 2 + (int)s->n_ways : 1 + list_items(s, false, items);
}

static void draw_ladder(const bb_plan_screen *s, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_LADDER];
    if (!s->planned || p->h < 1 || !s->n_rungs) return;
    int y = p->y;
    if (l->wide) bb_title_draw(l, p, BB_ROLE_TITLE, "Precision ladder");
    /* where not all have room: those around the weights of the plan */
    size_t now = 0, room = s->n_rungs > (size_t)p->h ? (size_t)p->h - 1 : s->n_rungs;
    while (now + 1 < s->n_rungs && strcmp(s->rungs[now].weights, s->plan.used.weights) != 0) now++;
    size_t top = bb_scroll(now, s->n_rungs, room);
    if (room < s->n_rungs) (void)bb_putf(p->y + p->h - 1, p->x, p->w, BB_ROLE_DIM, "%zu more", s->n_rungs - room);
    uint64_t most = s->plan.limit_bytes;
    for (size_t i = 0; i < s->n_rungs; i++)
        if (s->rungs[i].total_bytes > most) most = s->rungs[i].total_bytes;
    for (size_t i = top; i < top + room; i++, y++) {
        const bb_rung *r = &s->rungs[i];
        char bytes[32];
        int bar = p->w - 8 - 26, n = most ? (int)((double)r->total_bytes / (double)most * bar + 0.5) : 0;
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

static void draw_cards(const bb_plan_screen *s, const bb_panes *l) {
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

void bb_plan_screen_draw(const bb_app *app, const bb_plan_screen *s, const bb_panes *l) {
    draw_ask(app, s, l);
    draw_needs(s, l);
    draw_lines(s, l);
    draw_more(s, l);
    draw_ladder(s, l);
    draw_cards(s, l);
}
