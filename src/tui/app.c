/* SPDX-License-Identifier: GPL-3.0-or-later */
/* app.c - what all screens share: the frame, the message line, popups, and which keys go where. */
#include "tui/app.h"
#include "base/mem.h"
#include "tui/state.h"
#include <ncurses.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const bb_view *bb_view_of(bb_screen screen) {
    static const bb_view *const views[BB_SCREENS] = {[BB_SCREEN_BITS] = &bb_view_bits,
                                                     [BB_SCREEN_PLAN] = &bb_view_plan,
                                                     [BB_SCREEN_QUANTIZE] = &bb_view_quantize,
                                                     [BB_SCREEN_KERNELS] = &bb_view_kernels};
    return views[screen < BB_SCREENS ? screen : BB_SCREEN_PLAN];
}

/* ---- beginning and end ---- */

/* Hands the lines "key value" of the last time to the views; what they cannot use they ignore. */
static void recall(bb_app *app) {
    bb_str text;
    bb_str_init(&text);
    bb_state_read(&text);
    char line[BB_EDIT_MAX + 32]; /* a field and its key */
    for (const char *s = bb_str_c(&text); *s;) {
        size_t n = strcspn(s, "\n");
        if (n < sizeof line) {
            memcpy(line, s, n);
            line[n] = 0;
            char *blank = strchr(line, ' ');
            if (blank) {
                *blank = 0;
                for (int v = 0; v < BB_SCREENS; v++)
                    bb_view_of((bb_screen)v)->recall(app, app->state[v], line, blank + 1);
            }
        }
        s += n + (s[n] == '\n');
    }
    bb_str_clear(&text);
}

bb_status bb_app_new(const struct bb_tui_opts *opts, bb_app **out, bb_error *err) {
    bb_app *app = bb_alloc(1, sizeof *app);
    if (!app) return bb_fail(err, BB_E_NOMEM, "out of memory");
    app->screen = BB_SCREEN_PLAN;
    app->stores = opts->stores;
    app->isa = opts->isa;
    app->cards = opts->cards;
    bb_status st = BB_OK;
    if (opts->screen && *opts->screen) {
        int found = -1;
        for (int v = 0; v < BB_SCREENS; v++)
            if (bb_name_eq(bb_view_of((bb_screen)v)->name, opts->screen)) found = v;
        if (found < 0) {
            st = bb_fail(err, BB_E_ARG, "no screen of this name; there are bits, plan, quantize and kernels");
            goto out;
        }
        app->screen = (bb_screen)found;
    }
    st = bb_catalogue_load(opts->models_path, opts->gpus_path, &app->cat, err);
    if (st == BB_OK && opts->overheads_path) st = bb_catalogue_add_overheads(app->cat, opts->overheads_path, err);
    for (int v = 0; st == BB_OK && v < BB_SCREENS; v++)
        st = bb_view_of((bb_screen)v)->open(app, opts->model, &app->state[v], err);
    app->cards = NULL;
    if (st == BB_OK) recall(app);
    app->open = st == BB_OK;
out:
    if (st != BB_OK)
        bb_app_free(app);
    else
        *out = app;
    return st;
}

static void remember(const bb_app *app) {
    bb_str text;
    bb_str_init(&text);
    for (int v = 0; v < BB_SCREENS; v++) bb_view_of((bb_screen)v)->remember(app->state[v], &text);
    if (!text.failed) bb_state_write(bb_str_c(&text), text.len);
    bb_str_clear(&text);
}

void bb_app_free(bb_app *app) {
    if (!app) return;
    if (app->open) remember(app);
    for (int v = 0; v < BB_SCREENS; v++)
        if (app->state[v]) bb_view_of((bb_screen)v)->close(app->state[v]);
    bb_chooser_clear(&app->chooser);
    bb_reader_clear(&app->reader);
    bb_catalogue_free(app->cat);
    free(app);
}

/* ---- for the views ---- */

void bb_app_say(bb_app *app, bb_role role, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(app->message, sizeof app->message, fmt, args);
    va_end(args);
    app->message_role = role;
}

void bb_app_error(bb_app *app, const bb_error *err) {
    bb_app_say(app, BB_ROLE_BAD, "%.380s%s%.100s", err->text, err->hint[0] ? "; " : "", err->hint);
}

void bb_app_edit(bb_app *app, int field, const char *text) {
    app->mode = BB_MODE_EDIT;
    app->field = field;
    bb_edit_start(&app->edit, text);
}

void bb_app_choose(bb_app *app, int field, const char *title, const char *head, bool free_text) {
    app->mode = BB_MODE_CHOOSE;
    app->field = field;
    bb_chooser_start(&app->chooser, title, head, free_text);
}

void bb_app_count(bb_app *app, uint64_t count, uint64_t most, bb_refill fill) {
    app->chooser.count = count;
    app->chooser.most = most;
    app->refill = fill;
    fill(app);
}

/* The text in the width of today's screen. */
static void lay_reader(bb_app *app) {
    bb_reader *r = &app->reader;
    int width = bb_reader_width(&app->layout);
    if (width != r->width) {
        bb_str_clear(&r->text);
        app->compose(app, width, &r->text);
        r->width = width;
    }
    bb_reader_fit(r, bb_reader_page(r, &app->layout));
}

void bb_app_read(bb_app *app, const char *title, bb_compose compose) {
    app->mode = BB_MODE_READ;
    app->compose = compose;
    bb_reader_start(&app->reader, title);
    lay_reader(app);
}

void bb_field_draw(const bb_app *app, int field, bool focus, int y, int x, int label_w, int width, const char *label,
                   const char *value) {
    bool edited = app->mode == BB_MODE_EDIT && app->field == field;
    if (focus || edited) (void)bb_put(y, x - 1, 1, BB_ROLE_FOCUS, ">");
    (void)bb_put(y, x, label_w - 1, focus ? BB_ROLE_FOCUS : BB_ROLE_KEY, label);
    if (edited)
        bb_edit_draw(&app->edit, y, x + label_w, width - label_w);
    else
        (void)bb_put_cut(y, x + label_w, width - label_w, focus ? BB_ROLE_FOCUS : BB_ROLE_TEXT, value);
}

void bb_shell_word(bb_str *out, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./,:=+-@%";
    if (*word && strspn(word, plain) == strlen(word)) {
        bb_str_add(out, word);
        return;
    }
    bb_str_add(out, "'");
    for (; *word; word++) {
        if (*word == '\'')
            bb_str_add(out, "'\\''");
        else
            bb_str_addc(out, *word, 1);
    }
    bb_str_add(out, "'");
}

/* ---- drawing ---- */

static void draw_tabs(const bb_app *app, const bb_panes *l) {
    int x = 1 + bb_put(0, 1, 10, BB_ROLE_HEAD, "bitbudget ");
    for (int v = 0; v < BB_SCREENS; v++) {
        bool open = v == (int)app->screen;
        x += bb_putf(0, x, l->cols - x, open ? BB_ROLE_TITLE : BB_ROLE_TEXT, "%c%d %s%c", open ? '[' : ' ', v + 1,
                     bb_view_of((bb_screen)v)->tab, open ? ']' : ' ');
    }
    int right = l->cols - 1;
    bb_put_right(0, right - 6, 6, BB_ROLE_KEY, "? Help");
    if (!l->wide) return;
    char about[96] = "";
    bb_view_of(app->screen)->about(app->state[app->screen], about, sizeof about);
    bb_put_right(0, x + 2, right - 9 - x - 2, BB_ROLE_DIM, about);
}

/* The first note; when there are more, or it is cut, the key that shows them whole. */
static void draw_notes(const bb_app *app, const bb_rect *p) {
    bb_str notes;
    bb_str_init(&notes);
    bb_view_of(app->screen)->notes(app->state[app->screen], &notes);
    if (notes.data) {
        char *end = strchr(notes.data, '\n'), more[48] = "";
        size_t n = 0;
        for (const char *s = notes.data; *s; s++) n += *s == '\n';
        if (end) *end = 0;
        if (n > 1)
            (void)snprintf(more, sizeof more, "r reads all %zu", n);
        else if (bb_text_columns(notes.data) > p->w)
            (void)snprintf(more, sizeof more, "r reads it");
        int room = p->w - (*more ? (int)strlen(more) + 3 : 0);
        (void)bb_put_cut(p->y, p->x, room, BB_ROLE_DIM, notes.data);
        bb_put_right(p->y, p->x + room + 1, p->w - room - 2, BB_ROLE_KEY, more);
    }
    bb_str_clear(&notes);
}

static void draw_foot(const bb_app *app, const bb_panes *l) {
    const bb_rect *p = &l->message;
    if (app->message[0]) {
        bb_put_blank(p->y, 0, p->h, l->cols);
        (void)bb_put_wrapped(p->y, p->x, p->h, p->w, app->message_role, app->message);
    } else {
        draw_notes(app, p);
    }
    bb_str hints;
    bb_str_init(&hints);
    if (app->mode == BB_MODE_EDIT)
        bb_str_add(&hints, "Enter take  Esc back  Ctrl-U clear");
    else
        bb_keymap_hints(app->screen, (size_t)l->hints.w, &hints);
    (void)bb_put(l->hints.y, l->hints.x, l->hints.w, BB_ROLE_KEY, bb_str_c(&hints));
    bb_str_clear(&hints);
}

void bb_app_draw(bb_app *app) {
    int rows, cols;
    getmaxyx(stdscr, rows, cols);
    bb_panes *l = &app->layout;
    bb_wants wants = {0, 0, 0};
    const bb_view *view = bb_view_of(app->screen);
    if (view->wants) view->wants(app->state[app->screen], &wants);
    bb_panes_make(app->screen, rows, cols, &wants, l);
    if (app->message[0]) bb_panes_message(l, bb_wrap_lines(app->message, l->message.w));
    (void)erase();
    if (l->tiny) {
        (void)bb_putf(0, 0, cols, BB_ROLE_TEXT, "needs %dx%d, has %dx%d; q quits", BB_MIN_COLS, BB_MIN_ROWS, cols,
                      rows);
    } else {
        draw_tabs(app, l);
        bb_lines_draw(l);
        view->draw(app, app->state[app->screen], l);
        draw_foot(app, l);
        if (app->mode == BB_MODE_CHOOSE) bb_chooser_draw(&app->chooser, l);
        if (app->mode == BB_MODE_READ) {
            lay_reader(app);
            bb_reader_draw(&app->reader, l);
        }
    }
    (void)refresh();
}

/* ---- keys ---- */

static void write_report(bb_app *app) {
    bb_error err = {.status = BB_OK};
    const bb_view *view = bb_view_of(app->screen);
    bb_table *table = view->table(app->state[app->screen], &err);
    if (!table) {
        bb_app_error(app, &err);
        return;
    }
    bb_str csv;
    bb_str_init(&csv);
    char path[512];
    bb_status st = bb_table_to_str(table, BB_TABLE_CSV, &csv);
    if (st != BB_OK)
        st = bb_fail(&err, st, "the report cannot be made: %s", bb_status_text(st));
    else
        st = bb_report_save(view->name, bb_str_c(&csv), csv.len, path, sizeof path, &err);
    if (st == BB_OK)
        bb_app_say(app, BB_ROLE_OK, "written: %s", path);
    else
        bb_app_error(app, &err);
    bb_str_clear(&csv);
    bb_table_free(table);
}

static void compose_command(const bb_app *app, int width, bb_str *out) {
    bb_str text;
    bb_str_init(&text);
    bb_str_add(&text, "bitbudget ");
    bb_view_of(app->screen)->command(app->state[app->screen], &text);
    bb_wrap(out, bb_str_c(&text), width, 4);
    bb_str_clear(&text);
}

static void compose_help(const bb_app *app, int width, bb_str *out) {
    bb_keymap_help(app->screen, (size_t)width, out);
    bb_str_add(out, "\n");
    bb_wrap(out, "exact = counted; modelled = a formula with an error; assumed = a constant", width, 2);
    bb_wrap(out, "full text: man bitbudget, man 7 bitbudget", width, 2);
}

static void show_help(bb_app *app) {
    char title[32];
    (void)snprintf(title, sizeof title, "Help - %s", bb_view_of(app->screen)->tab);
    bb_app_read(app, title, compose_help);
}

static void compose_notes(const bb_app *app, int width, bb_str *out) {
    bb_str notes;
    bb_str_init(&notes);
    bb_view_of(app->screen)->notes(app->state[app->screen], &notes);
    for (char *s = notes.data; s && *s;) {
        size_t n = strcspn(s, "\n");
        bool more = s[n] == '\n';
        s[n] = 0;
        bb_wrap(out, s, width, 2);
        s += n + more;
    }
    if (!notes.len) bb_str_add(out, "nothing is assumed or left out here\n");
    bb_str_clear(&notes);
}

static void act(bb_app *app, bb_action action) {
    const bb_view *view = bb_view_of(app->screen);
    app->message[0] = 0;
    switch (action) {
    case BB_ACT_SCREEN_1:
    case BB_ACT_SCREEN_2:
    case BB_ACT_SCREEN_3:
    case BB_ACT_SCREEN_4: /* a list with numbers may have the digits */
        if (view->act(app, app->state[app->screen], action)) return;
        app->screen = (bb_screen)((int)action - (int)BB_ACT_SCREEN_1);
        return;
    case BB_ACT_HELP:
        show_help(app);
        return;
    case BB_ACT_COMMAND:
        bb_app_read(app, "the same as", compose_command);
        return;
    case BB_ACT_NOTES:
        bb_app_read(app, "Notes", compose_notes);
        return;
    case BB_ACT_WRITE:
        write_report(app);
        return;
    case BB_ACT_REDRAW:
        (void)clearok(stdscr, TRUE);
        return;
    case BB_ACT_QUIT:
        app->done = true;
        return;
    default:
        (void)view->act(app, app->state[app->screen], action);
        return;
    }
}

static bb_outcome choose(bb_app *app, int key) {
    bb_chooser *c = &app->chooser;
    uint64_t count = c->count;
    bb_outcome o = bb_chooser_key(c, key, bb_chooser_page(c, &app->layout));
    if (c->count == count) return o;
    bb_chooser_empty(c);
    app->refill(app);
    return o;
}

/* A field got its text: the view takes it, or says why not and the field stays open. */
static void accept(bb_app *app, const char *text) {
    char copy[BB_EDIT_MAX];
    (void)snprintf(copy, sizeof copy, "%s", text);
    bb_mode mode = app->mode;
    bb_error err = {.status = BB_OK};
    app->message[0] = 0;
    app->mode = BB_MODE_KEYS;
    if (bb_view_of(app->screen)->accept(app, app->state[app->screen], app->field, copy, &err)) return;
    app->mode = mode;
    bb_app_error(app, &err);
}

void bb_app_key(bb_app *app, int key) {
    if (key == BB_KEY_RESIZE || key == BB_KEY_NONE) return;
    if (app->layout.tiny) { /* nothing is seen: nothing else is done */
        app->done = key == 'q';
        return;
    }
    bb_outcome o = BB_STAYS;
    switch (app->mode) {
    case BB_MODE_KEYS: {
        bb_action action = bb_keymap_find(app->screen, key);
        if (action != BB_ACT_NONE) act(app, action);
        return;
    }
    case BB_MODE_EDIT:
        o = bb_edit_key(&app->edit, key);
        if (o == BB_TAKEN) accept(app, app->edit.text);
        break;
    case BB_MODE_CHOOSE:
        o = choose(app, key);
        if (o == BB_TAKEN) {
            char taken[BB_EDIT_MAX];
            bb_chooser_taken(&app->chooser, taken, sizeof taken);
            accept(app, taken);
        }
        break;
    case BB_MODE_READ:
        o = bb_reader_key(&app->reader, key, bb_reader_page(&app->reader, &app->layout));
        break;
    }
    if (o == BB_DROPPED) {
        app->mode = BB_MODE_KEYS;
        app->message[0] = 0;
    }
}

bool bb_app_tick(bb_app *app) {
    bool changed = false;
    for (int v = 0; v < BB_SCREENS; v++) {
        const bb_view *view = bb_view_of((bb_screen)v);
        if (view->tick && view->tick(app, app->state[v])) changed = true;
    }
    return changed;
}

bool bb_app_pending(const bb_app *app) {
    const bb_view *view = bb_view_of(app->screen);
    return view->pending && view->pending(app->state[app->screen]);
}
