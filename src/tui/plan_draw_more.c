/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_draw_more.c - the Plan screen drawn, what follows: ways out, the inverse, other weights, other cards. */
#include "base/units.h"
#include "report/show.h"
#include "tui/plan_screen.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char rule_label[] = "rule of 4 B/parameter";

static bool shows_ways(const bb_plan_screen *s) { return s->plan.limit_bytes && s->plan.fits != BB_FITS_YES; }

/* ---- ways out ---- */

/* The rows that were used. */
static int draw_ways(const bb_plan_screen *s, const bb_rect *p, bool titled) {
    size_t first = BB_PLAN_FIELDS + bb_plan_screen_lines(s);
    bool stacked = p->w < 50, looking = s->part <= BB_PART_WAYS; /* a narrow pane has the need below the way */
    int y = p->y + !titled, end = p->y + p->h, need_w = 18;
    if (!titled)
        (void)bb_put(p->y, p->x, p->w, BB_ROLE_HEAD,
                     s->n_ways ? "TO MAKE IT FIT (Tab goes there, Enter or the number takes one)"
                     : looking ? "TO MAKE IT FIT"
                               : "NOTHING THAT WAS TRIED MAKES IT FIT");
    /* where not all have room, the marked one is seen */
    size_t room = end > y ? (size_t)(end - y) / (stacked ? 3 : 1) : 0;
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

/* ---- what else can be said, what matters most first ---- */

typedef struct item {
    const char *label;
    char value[96];
} item;
enum { ITEMS = 8 };

static void add_item(item *items, int *n, const char *label, const char *value) {
    if (!*value) return;
    items[*n].label = label;
    (void)snprintf(items[(*n)++].value, sizeof items->value, "%s", value);
}

static void context_text(const bb_plan_screen *s, char *buf, size_t size) {
    const bb_fit *fit = &s->fit[BB_SOLVE_CTX];
    const bb_arch *a = s->model->arch;
    buf[0] = 0;
    if (!s->fit_known[BB_SOLVE_CTX]) return;
    /* sequences share the context in equal steps, which may leave a rest */
    const char *limit = !fit->model_limit ? "" : a && fit->answer >= a->context ? " (all)" : " (all they can share)";
    if (fit->answer)
        (void)snprintf(buf, size, "%llu tokens%s", (unsigned long long)fit->answer, limit);
    else
        (void)snprintf(buf, size, "none fits");
}

static void sequences_text(const bb_plan_screen *s, char *buf, size_t size) {
    const bb_fit *fit = &s->fit[BB_SOLVE_SLOTS];
    buf[0] = 0;
    if (s->fit_known[BB_SOLVE_SLOTS] && fit->answer)
        (void)snprintf(buf, size, "%llu x %llu tokens", (unsigned long long)fit->answer,
                       (unsigned long long)s->plan.used.ctx);
}

static void model_text(const bb_plan_screen *s, char *buf, size_t size) {
    const bb_fit *fit = &s->fit[BB_SOLVE_PARAMS];
    char count[32];
    buf[0] = 0;
    if (s->fit_known[BB_SOLVE_PARAMS] && fit->answer)
        (void)snprintf(buf, size, "%s at %s", bb_count_text(fit->answer, count), s->plan.used.weights);
}

static void weights_text(const bb_plan_screen *s, char *buf, size_t size) {
    char bytes[32];
    size_t i = 0;
    buf[0] = 0;
    while (i < s->n_rungs && s->rungs[i].fits != BB_FITS_YES) i++;
    if (s->plan.limit_bytes && i < s->n_rungs)
        (void)snprintf(buf, size, "%s, %s", s->rungs[i].weights, bb_bytes_text(s->rungs[i].total_bytes, false, bytes));
}

static int list_items(const bb_plan_screen *s, item *items) {
    char text[96], bytes[32];
    int n = 0;
    if (!s->plan.limit_bytes) add_item(items, &n, "verdict", "choose a GPU (p)");
    context_text(s, text, sizeof text);
    add_item(items, &n, "longest context", text);
    sequences_text(s, text, sizeof text);
    add_item(items, &n, "most sequences", text);
    weights_text(s, text, sizeof text);
    add_item(items, &n, "widest weights", text);
    model_text(s, text, sizeof text);
    add_item(items, &n, "largest model", text);
    add_item(items, &n, "smallest GPU", s->smallest ? s->smallest->name : "");
    if (s->plan.speed.decode > 0) {
        (void)snprintf(text, sizeof text, "%.1f tokens/s", s->plan.speed.decode);
        add_item(items, &n, "decode (modelled)", text);
    }
    if (s->plan.host_bytes) add_item(items, &n, "host beside it", bb_bytes_text(s->plan.host_bytes, false, bytes));
    return n;
}

/* Two items a row where there is room, the value below its label where there is little. */
static bool in_pairs(const bb_rect *p) { return p->w >= 76; }

static int draw_items(const bb_plan_screen *s, const bb_rect *p, int row) {
    item items[ITEMS];
    int n = list_items(s, items), half = p->w / 2;
    bool stacked = p->w < 50, pairs = in_pairs(p);
    for (int i = 0; i < n && row + stacked < p->h; i++) {
        int x = p->x + 2 + (pairs && i % 2 ? half : 0), label = pairs ? 18 : 22, w = pairs ? half - 2 : p->w - 2;
        (void)bb_put(p->y + row, x, stacked ? w : label, stacked ? BB_ROLE_DIM : BB_ROLE_TEXT, items[i].label);
        if (stacked)
            (void)bb_put_cut(p->y + row + 1, x + 2, w - 2, BB_ROLE_TEXT, items[i].value);
        else
            (void)bb_put_cut(p->y + row, x + label, w - label, BB_ROLE_TEXT, items[i].value);
        if (!pairs || i % 2 || i + 1 == n) row += 1 + stacked;
    }
    return row;
}

int bb_plan_more_rows(const bb_plan_screen *s) {
    item items[ITEMS];
    if (!s->planned) return 0;
    int n = list_items(s, items);
    return shows_ways(s) ? 2 + BB_WAYS : 2 + (n + 1) / 2;
}

void bb_plan_draw_more(const bb_plan_screen *s, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_MORE];
    char rule[96];
    int row = 0;
    if (!s->planned || p->h < 1) return;
    if (shows_ways(s)) {
        bool none = !s->n_ways && s->part > BB_PART_WAYS;
        bb_title_draw(l, p, BB_ROLE_TITLE, none ? "Nothing tried makes it fit" : "To make it fit (Enter, number)");
        row = draw_ways(s, p, l->wide);
        if (l->wide) (void)draw_items(s, p, row + (row > 0));
    } else {
        bb_title_draw(l, p, BB_ROLE_TITLE, s->plan.limit_bytes ? "Reverse" : "No card is chosen");
        if (!l->wide)
            (void)bb_put(p->y, p->x, p->w, BB_ROLE_HEAD,
                         !s->plan.limit_bytes                ? "NO CARD IS CHOSEN"
                         : bb_plan_screen_cards(&s->ask) > 1 ? "WHAT ELSE FITS ON THESE GPUS"
                                                             : "WHAT ELSE FITS ON THIS GPU");
        row = draw_items(s, p, !l->wide);
    }
    if (l->wide || row >= p->h || !bb_plan_rule_text(s, rule, sizeof rule)) return;
    (void)bb_put(p->y + row, p->x + 2, 22, BB_ROLE_DIM, rule_label);
    (void)bb_put_cut(p->y + row, p->x + 24, p->w - 24, BB_ROLE_DIM, rule);
}

/* ---- other weights, other cards ---- */

enum { NAME_W = 8, BITS_W = 6, NEED_W = 11, WORD_W = 13, ERROR_W = 8 };

static void draw_rung(const bb_plan_screen *s, const bb_rung *r, uint64_t most, int y, const bb_rect *p) {
    char bytes[32], text[BB_SHOW_SIZE];
    int right = NEED_W + 2 + WORD_W + ERROR_W, bar = p->w - NAME_W - BITS_W - 1 - right, x = p->x + p->w - right;
    int n = most && bar > 0 ? (int)((double)r->total_bytes / (double)most * bar + 0.5) : 0;
    bool now = strcmp(r->weights, s->plan.used.weights) == 0;
    (void)bb_put(y, p->x, NAME_W - 1, now ? BB_ROLE_FOCUS : BB_ROLE_TEXT, r->weights);
    bb_put_right(y, p->x + NAME_W, BITS_W - 1, BB_ROLE_TEXT, r->bits > 0 ? bb_show_fixed(r->bits, 2, text) : "");
    bb_put_times(y, p->x + NAME_W + BITS_W, n, BB_ROLE_WEIGHTS, "█");
    bb_put_right(y, x, NEED_W, BB_ROLE_TEXT, bb_bytes_text(r->total_bytes, false, bytes));
    (void)bb_put(y, x + NEED_W + 2, WORD_W, bb_plan_verdict_role(r->fits), bb_plan_verdict_word(r->fits));
    bb_put_right(y, p->x + p->w - ERROR_W, ERROR_W, BB_ROLE_TEXT, bb_show_ratio(r->error, 1, text));
}

void bb_plan_draw_ladder(const bb_plan_screen *s, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_LADDER];
    if (!s->planned || p->h < 1 || !s->n_rungs) return;
    int y = p->y;
    bb_title_draw(l, p, BB_ROLE_TITLE, "Precision ladder: bits, need, verdict, error measured on normal weights");
    /* where not all have room: those around the weights of the plan */
    size_t now = 0, room = s->n_rungs > (size_t)p->h ? (size_t)p->h - 1 : s->n_rungs;
    while (now + 1 < s->n_rungs && strcmp(s->rungs[now].weights, s->plan.used.weights) != 0) now++;
    size_t top = bb_scroll(now, s->n_rungs, room);
    if (room < s->n_rungs) (void)bb_putf(p->y + p->h - 1, p->x, p->w, BB_ROLE_DIM, "%zu more", s->n_rungs - room);
    uint64_t most = s->plan.limit_bytes;
    for (size_t i = 0; i < s->n_rungs; i++)
        if (s->rungs[i].total_bytes > most) most = s->rungs[i].total_bytes;
    for (size_t i = top; i < top + room; i++) draw_rung(s, &s->rungs[i], most, y++, p);
}

void bb_plan_draw_cards(const bb_plan_screen *s, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_CARDS];
    if (!s->planned || p->h < 1 || !s->n_cards) return;
    size_t many = bb_plan_screen_cards(&s->ask);
    char title[64] = "The same on other GPUs (p)";
    if (many > 1) (void)snprintf(title, sizeof title, "The same on %zu x other GPUs (p)", many);
    bb_title_draw(l, p, BB_ROLE_TITLE, title);
    int cell = 26, across = p->w / cell > 0 ? p->w / cell : 1;
    for (size_t i = 0; i < s->n_cards; i++) {
        int row = (int)i / across, x = p->x + (int)i % across * cell;
        if (row >= p->h) break;
        bb_fit_answer fits = s->cards[i].fits;
        (void)bb_put(p->y + row, x, 17, BB_ROLE_TEXT, s->cards[i].gpu->name);
        (void)bb_put(p->y + row, x + 18, 8, bb_plan_verdict_role(fits),
                     fits == BB_FITS_NO ? "no" : bb_plan_verdict_word(fits));
    }
}
