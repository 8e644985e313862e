/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_kernels_plot.c - the Kernels screen drawn on every size, from made-up measurements: nothing outside its pane,
 * every kernel at its place, the ceilings with their names. */
#include "base/random.h"
#include "harness.h"
#include "tui/kernels.h"
#include <locale.h>
#include <math.h>
#include <ncurses.h>
#include <string.h>
#include <wchar.h>

enum { ROWS = 80, COLS_HERE = 210 };
static bb_kernels *k;
static bb_app *app;
static SCREEN *screen;
static wchar_t seen[ROWS][COLS_HERE + 1];

static double unit(uint64_t *draw) { return bb_random_unit(11, (*draw)++); }

/* Speeds over four decades, weights of 0.2 to 8 bytes for each of tokens; peaks as some machine has them. */
static void make_up(uint64_t *draw) {
    bb_bench_report *r = &k->last;
    k->shown = k->job = k->ask;
    r->threads = 1;
    r->read_gbps = exp2(4 + 4 * unit(draw));
    r->fp32_gops = exp2(4 + 5 * unit(draw));
    r->bf16_gops = r->fp32_gops * (1 + (unit(draw) < 0.5));
    r->int8_gops = r->fp32_gops * exp2(3 * unit(draw));
    r->roof.one.threads = r->roof.used.threads = 1;
    r->roof.all.threads = unit(draw) < 0.5 ? 1 : 16;
    for (int t = 0; t < BB_TIERS; t++)
        r->roof.one.read_gbps[t] = r->roof.used.read_gbps[t] = r->roof.all.read_gbps[t] = r->read_gbps * (BB_TIERS - t);
    for (size_t i = 0; i < k->n; i++) {
        bb_bench_row *b = &k->result[k->list[i]];
        *b = (bb_bench_row){.tokens = k->ask.tokens, .out = k->ask.out, .in = k->ask.in, .tier = BB_TIER_MEMORY};
        double work = 2 * (double)b->tokens * (double)b->out * (double)b->in;
        b->weight_bytes = (uint64_t)((double)b->out * (double)b->in * (0.2 + 8 * unit(draw)));
        b->gops = r->int8_gops * exp2(-13 * unit(draw));
        b->ns = work / b->gops;
        b->gbps = (double)b->weight_bytes / b->ns;
        b->roof_ns = b->ns * unit(draw);
        b->roof_fraction = b->roof_ns / b->ns;
        b->error_rel = unit(draw);
        b->bound_by = "memory";
        k->measured[k->list[i]] = unit(draw) < 0.8;
    }
    k->marked = (size_t)(unit(draw) * (double)k->n);
    k->measured[k->list[k->marked]] = true;
}

static void look(void) {
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLS_HERE; x++) {
            cchar_t cell;
            wchar_t text[CCHARW_MAX + 1] = {0};
            attr_t attrs;
            short pair;
            (void)mvin_wch(y, x, &cell);
            (void)getcchar(&cell, text, &attrs, &pair, NULL);
            seen[y][x] = text[0];
        }
}

static bool written(const bb_rect *p, const char *word) {
    wchar_t wide[32];
    size_t n = mbstowcs(wide, word, 32);
    for (int y = p->y; y < p->y + p->h; y++)
        for (int x = p->x; x + (int)n <= p->x + p->w; x++)
            if (wmemcmp(&seen[y][x], wide, n) == 0) return true;
    return false;
}

static bool inside(const bb_rect *p, int y, int x) {
    return y >= p->y && y < p->y + p->h && x >= p->x && x < p->x + p->w;
}

static void start(void) {
    void *state = NULL;
    FILE *out = fopen("/dev/null", "w"), *in = fopen("/dev/null", "r");
    ck_assert(out && in);
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    screen = newterm("xterm", out, in);
    if (screen) (void)resizeterm(ROWS, COLS_HERE);
    app = calloc(1, sizeof *app);
    ck_assert_int_eq(bb_view_kernels.open(app, NULL, &state, NULL), BB_OK);
    k = state;
    ck_assert(bb_kernels_set_isa(k, "every"));
}

static void stop(void) {
    if (screen) (void)endwin();
    bb_view_kernels.close(k);
    free(app);
}

/* The places of points are where the speed and the intensity are, whatever the size. */
static void check_points(const bb_rect *p) {
    int row[BB_KERNELS_MAX], n = 0;
    for (int y = p->y; y < p->y + p->h; y++)
        for (int x = p->x; x < p->x + p->w; x++)
            if (seen[y][x] == L'●' || seen[y][x] == L'○') row[n++] = y;
    ck_assert(n >= 1 && (size_t)n <= bb_kernels_measured(k));
    double fastest = 0, slowest = (double)INFINITY;
    for (size_t i = 0; i < k->n; i++) {
        const bb_bench_row *b = bb_kernels_result(k, i);
        if (b) {
            fastest = fmax(fastest, b->gops);
            slowest = fmin(slowest, b->gops);
        }
    }
    if (fastest > 1000 * slowest && p->h >= 8) ck_assert_int_lt(row[0], row[n - 1]);
}

START_TEST(plot_on_every_size) {
    uint64_t draw = 0;
    if (!screen) {
        fprintf(stderr, "# skipped: no description of xterm\n");
        return;
    }
    for (int i = 0; i < 400; i++) {
        bb_rect p = {.y = 1 + (int)(5 * unit(&draw)), .x = 1 + (int)(5 * unit(&draw))};
        p.h = 5 + (int)(68 * unit(&draw));
        p.w = 30 + (int)(170 * unit(&draw));
        k->ask.tokens = (uint64_t)exp2(13 * unit(&draw));
        make_up(&draw);
        (void)erase();
        bb_kernels_plot(k, &p);
        look();
        for (int y = 0; y < ROWS; y++)
            for (int x = 0; x < COLS_HERE; x++)
                if (seen[y][x] != L' ' && !inside(&p, y, x)) ck_abort_msg("drawn at %d,%d", y, x);
        check_points(&p);
        if (p.w >= 60 && p.h >= 8)
            ck_assert(written(&p, " fp32") && written(&p, " bf16") && written(&p, " int8") && written(&p, "└"));
    }
}
END_TEST

/* The whole screen: every pane in its place on every size, and the table tells what is known. */
START_TEST(screen_on_every_size) {
    uint64_t draw = 1 << 20;
    if (!screen) return;
    for (int rows = BB_MIN_ROWS; rows <= ROWS; rows += 3)
        for (int cols = BB_MIN_COLS; cols <= COLS_HERE; cols += 7) {
            bb_panes l;
            bb_panes_make(BB_SCREEN_KERNELS, rows, cols, NULL, &l);
            make_up(&draw);
            (void)erase();
            bb_kernels_draw(app, k, &l);
            look();
            for (int y = 0; y < ROWS; y++)
                for (int x = 0; x < COLS_HERE; x++) {
                    bool ok = seen[y][x] == L' ' || bb_panes_joint(&l, y, x);
                    for (int i = 0; i < BB_PANES && !ok; i++) ok = inside(&l.pane[i], y, x);
                    if (!ok) ck_abort_msg("%dx%d: drawn at %d,%d", cols, rows, y, x);
                }
            ck_assert(written(&l.pane[BB_PANE_SHAPE], "tokens") && written(&l.pane[BB_PANE_SHAPE], "ISA every"));
            ck_assert(written(&l.pane[BB_PANE_ROOF], "fp32") && written(&l.pane[BB_PANE_ROOF], "memory") &&
                      written(&l.pane[BB_PANE_ROOF], "thread"));
            ck_assert(written(&l.pane[BB_PANE_TABLE], "REL ERR") && written(&l.pane[BB_PANE_TABLE], ">"));
        }
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("kernels_plot");
    TCase *t = tcase_create("kernels_plot");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, start, stop);
    tcase_add_test(t, plot_on_every_size);
    tcase_add_test(t, screen_on_every_size);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
