/* SPDX-License-Identifier: GPL-3.0-or-later */
/* app.h - what all screens share: the frame, the message line, popups, and the functions that a screen consists of. */
#ifndef BB_TUI_APP_H
#define BB_TUI_APP_H
#include "model/catalogue.h"
#include "model/stores.h"
#include "report/table.h"
#include "tui/tui.h"
#include "tui/widgets.h"

typedef enum bb_mode { BB_MODE_KEYS, BB_MODE_EDIT, BB_MODE_CHOOSE, BB_MODE_READ } bb_mode;

struct bb_app;
/* Appends a text in lines of at most `width` columns: called when a popup opens and when its width changes. */
typedef void (*bb_compose)(const struct bb_app *app, int width, bb_str *out);
/* Adds the items of the list again: how many of them would be taken has changed. */
typedef void (*bb_refill)(struct bb_app *app);

typedef struct bb_app {
    bb_catalogue *cat;       /* owned */
    const bb_stores *stores; /* borrowed, or NULL */
    const char *cards;       /* of this machine, while the views open; borrowed, or NULL */
    bb_isa isa;
    bb_screen screen;
    void *state[BB_SCREENS]; /* of the views, owned */
    bb_mode mode;
    int field; /* that is edited or chosen for */
    bb_edit edit;
    bb_chooser chooser;
    bb_reader reader;
    bb_compose compose; /* what is read */
    bb_refill refill;   /* of the list that counts */
    char message[512];
    bb_role message_role;
    bb_panes layout; /* of the last drawing */
    bool open;       /* every view has a state */
    bool done;
} bb_app;

/* One screen. Fields have numbers that are the view's own. */
typedef struct bb_view {
    const char *name; /* "plan": as `bitbudget tui` takes it, and the first part of a report's name */
    const char *tab;
    bb_status (*open)(bb_app *app, const char *model, void **state, bb_error *err);
    void (*close)(void *state);
    void (*wants)(void *state, bb_wants *wants); /* NULL = none */
    void (*draw)(bb_app *app, void *state, const bb_panes *l);
    /* False: the action means nothing here. */
    bool (*act)(bb_app *app, void *state, bb_action action);
    /* The text of a field that was edited or chosen. False with a sentence: the field stays open. */
    bool (*accept)(bb_app *app, void *state, int field, const char *text, bb_error *err);
    bool (*tick)(bb_app *app, void *state);              /* true: draw again; NULL = never */
    bool (*pending)(void *state);                        /* the next tick has work to do; NULL = never */
    void (*about)(void *state, char *text, size_t size); /* a few words for the first line of wide screens */
    void (*notes)(void *state, bb_str *out);             /* the message line when there is nothing else to say: lines */
    void (*command)(void *state, bb_str *out);           /* the command that gives the same answer */
    bb_table *(*table)(void *state, bb_error *err);      /* what `w` writes; NULL with a sentence */
    void (*remember)(void *state, bb_str *out);          /* lines "key value" for the next start */
    void (*recall)(bb_app *app, void *state, const char *key, const char *value);
} bb_view;

extern const bb_view bb_view_bits, bb_view_plan, bb_view_quantize, bb_view_kernels;
const bb_view *bb_view_of(bb_screen screen);

bb_status bb_app_new(const struct bb_tui_opts *opts, bb_app **app, bb_error *err);
void bb_app_free(bb_app *app);
void bb_app_draw(bb_app *app); /* onto stdscr, then refresh */
void bb_app_key(bb_app *app, int key);
bool bb_app_tick(bb_app *app);          /* true: draw again */
bool bb_app_pending(const bb_app *app); /* the screen that is shown has work for the next tick */

/* For the views. */
void bb_app_say(bb_app *app, bb_role role, const char *fmt, ...) BB_PRINTF(3, 4);
void bb_app_error(bb_app *app, const bb_error *err);
void bb_app_edit(bb_app *app, int field, const char *text);
/* Then bb_chooser_add and bb_chooser_mark on app->chooser. */
void bb_app_choose(bb_app *app, int field, const char *title, const char *head, bool free_text);
/* The list of bb_app_choose takes 1 to `most` of an item; fill makes its items, now and whenever the number changes. */
void bb_app_count(bb_app *app, uint64_t count, uint64_t most, bb_refill fill);
void bb_app_read(bb_app *app, const char *title, bb_compose compose);
/* "Label value" at (y, x), value at x + label_w; with '>' before it when it has the focus; the field that is edited
 * shows what is typed. */
void bb_field_draw(const bb_app *app, int field, bool focus, int y, int x, int label_w, int width, const char *label,
                   const char *value);
/* A word of a command line, quoted when the shell needs it. */
void bb_shell_word(bb_str *out, const char *word);
#endif
