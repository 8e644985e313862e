/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_draw.c - the Plan screen drawn: what is asked, the verdict with its bars, and line by line. */
#include "base/units.h"
#include "plan/rule.h"
#include "report/report.h"
#include "tui/plan_screen.h"
#include <math.h>
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

/* ---- the fields ---- */

typedef struct place { /* of a field on a row of the pane */
    bb_plan_field field;
    int row, x, label_w, width;
    const char *label;
} place;

static void put_field(const bb_app *app, const bb_plan_screen *s, const bb_rect *p, const place *f) {
    char value[160];
    (void)bb_plan_screen_value(s, f->field, value, sizeof value);
    char *beside = strstr(value, "  "); /* a card's size, where there is no room for it */
    if (beside && bb_text_columns(value) > f->width - f->label_w) *beside = 0;
    bb_field_draw(app, (int)f->field, s->focus == f->field, p->y + f->row, p->x + 1 + f->x, f->label_w, f->width,
                  f->label, value);
}

/* One field a row, and what is known of the model below its name where a row is left. */
static void ask_column(const bb_app *app, const bb_plan_screen *s, const bb_rect *p, const char *words) {
    static const char *const labels[BB_PLAN_FIELDS] = {"Model",   "Purpose", "Engine",    "Weights",
                                                       "Context", "KV type", "Sequences", "GPU",
                                                       "GPUs",    "Split",   "GPU layers"};
    int w = p->w - 1, free = p->h - BB_PLAN_FIELDS, row = 0;
    for (int f = 0; f < BB_PLAN_FIELDS; f++) {
        put_field(app, s, p, &(place){(bb_plan_field)f, row++, 0, 11, w, labels[f]});
        if (f == BB_PLAN_MODEL && free > 0)
            row += bb_put_wrapped(p->y + row, p->x + 12, free, w - 11, BB_ROLE_DIM, words);
    }
}

/* Two short fields a row. */
static void ask_pairs(const bb_app *app, const bb_plan_screen *s, const bb_rect *p) {
    int w = p->w - 1, half = w / 2;
    const place places[] = {{BB_PLAN_MODEL, 0, 0, 8, w, "Model"},
                            {BB_PLAN_PURPOSE, 1, 0, 8, half - 1, "Purpose"},
                            {BB_PLAN_ENGINE, 1, half, 7, w - half, "Engine"},
                            {BB_PLAN_WEIGHTS, 2, 0, 8, w, "Weights"},
                            {BB_PLAN_CTX, 3, 0, 8, w, "Context"},
                            {BB_PLAN_KV, 4, 0, 8, half - 1, "KV type"},
                            {BB_PLAN_SEQS, 4, half, 7, w - half, "Seqs"},
                            {BB_PLAN_GPU, 5, 0, 8, w, "GPU"},
                            {BB_PLAN_GPUS, 6, 0, 8, half - 1, "GPUs"},
                            {BB_PLAN_SPLIT, 6, half, 7, w - half, "Split"},
                            {BB_PLAN_LAYERS, 7, 0, 8, w, "Layers"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) put_field(app, s, p, &places[i]);
}

/* Four rows; of a narrow screen every column is used. */
static void ask_rows(const bb_app *app, const bb_plan_screen *s, const bb_rect *p, const char *words) {
    int w = p->w - 1, second = w * 30 / 78, third = w * 55 / 78, split = w - 32, count = split - 8;
    int name = 10 + (int)strlen(s->model->title) + 2;
    if (name < 26) name = 26;
    const place places[] = {{BB_PLAN_MODEL, 0, 0, 10, name < w ? name : w, "Model"},
                            {BB_PLAN_PURPOSE, 1, 0, 10, second - 1, "Purpose"},
                            {BB_PLAN_ENGINE, 1, second, 8, third - second - 1, "Engine"},
                            {BB_PLAN_WEIGHTS, 1, third, 9, w - third, "Weights"},
                            {BB_PLAN_CTX, 2, 0, 10, second - 1, "Context"},
                            {BB_PLAN_KV, 2, second, 8, third - second - 1, "KV type"},
                            {BB_PLAN_SEQS, 2, third, 11, w - third, "Sequences"},
                            {BB_PLAN_GPU, 3, 0, w < 70 ? 5 : 10, count - 1, "GPU"},
                            {BB_PLAN_GPUS, 3, count, 5, 7, "GPUs"},
                            {BB_PLAN_SPLIT, 3, split, 6, 14, "Split"},
                            {BB_PLAN_LAYERS, 3, split + 15, 7, 17, "Layers"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) put_field(app, s, p, &places[i]);
    if (!(app->mode == BB_MODE_EDIT && app->field == BB_PLAN_MODEL))
        (void)bb_put_cut(p->y, p->x + 1 + name, w - name, BB_ROLE_DIM, words);
}

static void draw_ask(const bb_app *app, const bb_plan_screen *s, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_ASK];
    char words[128];
    model_words(s, words, sizeof words);
    if (!l->wide) {
        ask_rows(app, s, p, words);
        return;
    }
    if (p->h < BB_PLAN_FIELDS)
        ask_pairs(app, s, p);
    else
        ask_column(app, s, p, words);
    bb_title_draw(l, p, BB_ROLE_TITLE, "Ask");
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

/* The bar of a device, or of all cards (NULL); brackets stand over the cells of the interval's ends. */
static void draw_bar(const bb_plan *plan, const bb_plan_device *device, int y, int x, int width) {
    bb_str bar;
    bb_str_init(&bar);
    bb_plan_bar(plan, device, width > 0 ? (size_t)width : 0, true, &bar);
    for (size_t i = 0; i < bar.len; i++) {
        char letter[2] = {bar.data[i], 0};
        const char *sign = part_sign(letter[0]);
        (void)bb_put(y, x + (int)i, 1, part_role(letter[0]), sign ? sign : letter);
    }
    uint64_t limit = device ? device->limit_bytes : plan->limit_bytes;
    uint64_t total = device ? device->total_bytes : plan->total_bytes, full = limit > total ? limit : total;
    uint64_t low = device ? device->low_bytes : plan->low_bytes, high = device ? device->high_bytes : plan->high_bytes;
    if (bar.len && full) {
        double cell = (double)full / (double)bar.len;
        double from = floor((double)low / cell), to = ceil((double)high / cell) - 1, last = (double)bar.len - 1;
        if (to > last) to = last;
        if (from < to) {
            (void)bb_put(y, x + (int)from, 1, BB_ROLE_TITLE, "[");
            (void)bb_put(y, x + (int)to, 1, BB_ROLE_TITLE, "]");
        }
    }
    bb_str_clear(&bar);
}

bb_role bb_plan_verdict_role(bb_fit_answer fits) {
    return fits == BB_FITS_YES     ? BB_ROLE_OK
           : fits == BB_FITS_NO    ? BB_ROLE_BAD
           : fits == BB_FITS_MAYBE ? BB_ROLE_WARN
                                   : BB_ROLE_TEXT;
}

const char *bb_plan_verdict_word(bb_fit_answer fits) {
    return fits == BB_FITS_YES ? "FITS" : fits == BB_FITS_NO ? "DOES NOT FIT" : fits == BB_FITS_MAYBE ? "MAY FIT" : "";
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

/* "gpu0 [bar] 20.12 of 23.64 GiB  FITS" */
static void draw_card_bar(const bb_plan *plan, const bb_plan_device *d, int y, int x, int w) {
    char total[32], limit[32], line[96];
    int words = w < 70 ? 26 : 36;
    (void)bb_bytes_text(d->total_bytes, false, total);
    (void)bb_bytes_text(d->limit_bytes, false, limit);
    if (same_unit(total, limit)) drop_unit(total);
    (void)snprintf(line, sizeof line, "%s%s%s", total, d->limit_bytes ? " of " : "", d->limit_bytes ? limit : "");
    (void)bb_put(y, x, 6, BB_ROLE_KEY, d->name);
    draw_bar(plan, d, y, x + 6, w - 6 - words);
    bb_put_right(y, x + w - words, 20, BB_ROLE_TEXT, line);
    (void)bb_put(y, x + w - words + 22, words - 22, bb_plan_verdict_role(d->fits),
                 words < 36 && d->fits != BB_FITS_YES ? "no" : bb_plan_verdict_word(d->fits));
}

static double left_on(const bb_plan_device *d) { return (double)d->limit_bytes - (double)d->total_bytes; }

/* A bar for each card; where not all have room, the fullest are seen. */
static void draw_card_bars(const bb_plan *plan, int y, int x, int rows, int w) {
    size_t cards = plan->n_devices - 1, room = cards > (size_t)rows ? (size_t)rows : cards, row = 0;
    for (size_t i = 0; i < cards; i++) {
        size_t fuller = 0;
        for (size_t k = 0; k < cards; k++) {
            double a = left_on(&plan->devices[k]), b = left_on(&plan->devices[i]);
            fuller += a < b || (!(b < a) && k < i);
        }
        if (fuller < room) draw_card_bar(plan, &plan->devices[i], y + (int)row++, x, w);
    }
}

/* Bar with a scale below; where the limit is passed, the scale says where it ends. With several cards a bar each. */
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
    bool cards = !plan->used.no_gpu && plan->n_devices > 2;
    bb_plan_verdict(plan, false, &verdict);
    fit_verdict(plan, l->wide ? w - 4 : w - 1, line, sizeof line, &verdict);
    if (l->wide) {
        bb_str title;
        bb_str_init(&title);
        bb_str_addf(&title, "%s%s%s", line, verdict.len ? "  " : "", bb_str_c(&verdict));
        bb_title_draw(l, p, bb_plan_verdict_role(plan->fits), bb_str_c(&title));
        bb_str_clear(&title);
    } else {
        int used = bb_put(y, x, w, BB_ROLE_TITLE, line);
        bb_put_right(y, x + used + 1, w - used - 2, bb_plan_verdict_role(plan->fits), bb_str_c(&verdict));
        y++;
    }
    if (cards)
        draw_card_bars(plan, y, x, p->y + p->h - y, w - 1);
    else
        draw_bar(plan, NULL, y, x, w - 1);
    if (!cards && p->h > (l->wide ? 1 : 2)) draw_scale(plan, y + 1, x, w);
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

bool bb_plan_rule_text(const bb_plan_screen *s, char *buf, size_t size) {
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
    if (l->wide && room > n && bb_plan_rule_text(s, rule, sizeof rule))
        (void)bb_putf(p->y + p->h - 1, p->x, p->w, BB_ROLE_DIM, "Rule of thumb 4 B/param: %s", rule);
}

void bb_plan_screen_wants(const bb_plan_screen *s, bb_wants *wants) {
    if (!s->planned) return;
    wants->lines = 1 + (int)bb_plan_screen_lines(s);
    wants->more = bb_plan_more_rows(s);
    wants->needs = s->plan.n_devices > 2 ? (int)s->plan.n_devices : 0; /* a line of words and the cards */
}

void bb_plan_screen_draw(const bb_app *app, const bb_plan_screen *s, const bb_panes *l) {
    draw_ask(app, s, l);
    draw_needs(s, l);
    draw_lines(s, l);
    bb_plan_draw_more(s, l);
    bb_plan_draw_ladder(s, l);
    bb_plan_draw_cards(s, l);
}
