/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view_quantize.c - the Quantize screen: its fields, keys and choices, and the command that does the same. */
#include "base/escape.h"
#include "base/mem.h"
#include "base/units.h"
#include "report/report.h"
#include "tui/quantize.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_TYPE "q4_K_M"

enum { FILES_LISTED = 200 /* of the working folder */, PATIENCE_NS = 500000000 /* the screen stands still */ };

static bb_status quantize_open(bb_app *app, const char *model, void **state, bb_error *err) {
    bb_quantize_screen *q = bb_alloc(1, sizeof *q);
    if (!q) return bb_fail(err, BB_E_NOMEM, "out of memory");
    q->cat = app->cat;
    q->stores = app->stores;
    q->isa = app->isa;
    q->ftype = bb_ftype_find(FIRST_TYPE, NULL);
    q->given = model && *model && strlen(model) < sizeof q->file;
    (void)snprintf(q->file, sizeof q->file, "%s", q->given ? model : BB_QUANTIZE_FIRST_FILE);
    q->histogram = true;
    bb_progress_init(&q->progress);
    atomic_init(&q->ended, false);
    *state = q;
    return BB_OK;
}

static void quantize_close(void *state) { bb_quantize_screen_close(state); }

static void quantize_wants(void *state, bb_wants *wants) {
    bb_quantize_screen *q = state;
    bb_quantize_screen_begin(q);
    wants->more = q->histogram && q->n;
}

/* ---- the worker ---- */

/* True while it works: then nothing that it reads may change. */
static bool busy(bb_app *app, const bb_quantize_screen *q) {
    if (q->working) bb_app_say(app, BB_ROLE_DIM, "running; Esc cancels");
    return q->working;
}

static void compose_types(const bb_app *app, int width, bb_str *out) {
    (void)width;
    bb_quantize_screen_types(app->state[BB_SCREEN_QUANTIZE], out);
}

static void show_types(bb_app *app, const bb_quantize_screen *q) {
    char title[96], name[80];
    (void)snprintf(title, sizeof title, "%s", bb_quantize_screen_name(bb_quantize_at(q->job, q->tried), name));
    bb_app_read(app, title, compose_types);
}

/* Whether the pane beside the table shows every type. */
static bool types_have_room(const bb_app *app, const bb_quantize_screen *q) {
    int h = app->layout.pane[BB_PANE_TYPES].h;
    return h > 0 && (size_t)h >= q->n_trials;
}

static void tell_error(bb_app *app, const bb_error *err) {
    if (err->status == BB_E_EXISTS)
        bb_app_say(app, BB_ROLE_BAD, "%.300s; another name: Tab to out, then e (the command has --force)", err->text);
    else
        bb_app_error(app, err);
}

static void begin_work(bb_app *app, bb_quantize_screen *q, bb_quantize_work work) {
    bb_error err = {.status = BB_OK};
    if (!busy(app, q) && bb_quantize_screen_start(q, work, &err) != BB_OK) tell_error(app, &err);
}

static void compare(bb_app *app, bb_quantize_screen *q) {
    if (q->n_trials && q->n && q->tried == q->order[q->marked])
        show_types(app, q);
    else
        begin_work(app, q, BB_WORK_TRIALS);
}

static void tell_end(bb_app *app, const bb_quantize_screen *q) {
    char bytes[32], out[256];
    if (q->status == BB_E_CANCELLED) {
        bb_app_say(app, BB_ROLE_DIM, "cancelled");
    } else if (q->status != BB_OK) {
        tell_error(app, &q->err);
    } else if (q->work == BB_WORK_RUN) {
        bb_app_say(app, BB_ROLE_OK, "written: %s, %s", bb_escape_buf(q->out, out, sizeof out),
                   bb_bytes_text(bb_quantize_file_bytes(q->job), false, bytes));
    }
}

static bool quantize_tick(bb_app *app, void *state) {
    bb_quantize_screen *q = state;
    if (!q->working) return false;
    if (!bb_quantize_screen_look(q)) return true;
    tell_end(app, q);
    bool seen = app->screen == BB_SCREEN_QUANTIZE && app->mode == BB_MODE_KEYS && !app->layout.tiny;
    if (seen && q->work == BB_WORK_TRIALS && q->status == BB_OK && !types_have_room(app, q)) show_types(app, q);
    return true;
}

/* ---- fields ---- */

static int is_model(const struct dirent *e) {
    return bb_ends_with(e->d_name, ".gguf") || bb_ends_with(e->d_name, ".safetensors");
}

static void list_folder(bb_app *app) {
    struct dirent **list = NULL;
    int n = scandir(".", &list, is_model, alphasort);
    for (int i = 0; i < n; i++) {
        char shown[160], safe[128];
        (void)snprintf(shown, sizeof shown, "%-28s this folder", bb_escape_buf(list[i]->d_name, safe, sizeof safe));
        if (i < FILES_LISTED) bb_chooser_add(&app->chooser, list[i]->d_name, shown);
        free(list[i]);
    }
    free(list);
}

static void choose_file(bb_app *app, const bb_quantize_screen *q) {
    bb_app_choose(app, BB_QUANTIZE_FILE, "File", "path, or a model on this disk", true);
    bb_chooser_add(&app->chooser, BB_QUANTIZE_FIRST_FILE,
                   BB_QUANTIZE_FIRST_FILE "                         the shipped model");
    list_folder(app);
    for (size_t i = 0; q->stores && i < q->stores->n; i++) {
        bb_names names = {0};
        (void)bb_store_list(&q->stores->at[i], &names, NULL);
        for (size_t k = 0; k < names.n; k++) {
            char shown[160], safe[96];
            if (strlen(names.at[k]) >= sizeof q->file) continue;
            (void)snprintf(shown, sizeof shown, "%-28s %s", bb_escape_buf(names.at[k], safe, sizeof safe),
                           bb_store_name(q->stores->at[i].kind));
            bb_chooser_add(&app->chooser, names.at[k], shown);
        }
        bb_names_clear(&names);
    }
    bb_chooser_mark(&app->chooser, q->file);
}

/* Every type with the size of the file that it gives, or why it gives none, as far as that is known at once. */
static void choose_type(bb_app *app, const bb_quantize_screen *q) {
    const bb_ftype *ft;
    uint64_t until = bb_quantize_screen_ns() + PATIENCE_NS;
    bb_app_choose(app, BB_QUANTIZE_TYPE, "Type", "type        whole file", true);
    for (size_t i = 0; (ft = bb_quantize_screen_writable(i)) != NULL; i++) {
        char shown[160], bytes[32] = "";
        uint64_t size;
        bb_error err = {.status = BB_OK};
        bool known = q->job && bb_quantize_screen_ns() < until;
        if (known && bb_quantize_screen_size(q, ft, &size, &err) == BB_OK) (void)bb_bytes_text(size, false, bytes);
        (void)snprintf(shown, sizeof shown, "%-10s %11s  %.100s", ft->name, bytes, known ? err.text : "");
        bb_chooser_add(&app->chooser, ft->name, shown);
    }
    bb_chooser_mark(&app->chooser, q->ftype->name);
}

static void edit_field(bb_app *app, bb_quantize_screen *q) {
    if (q->field == BB_QUANTIZE_FILE)
        choose_file(app, q);
    else if (q->field == BB_QUANTIZE_TYPE)
        choose_type(app, q);
    else if (q->field == BB_QUANTIZE_IMATRIX)
        bb_app_edit(app, BB_QUANTIZE_IMATRIX, q->imatrix ? q->imatrix_path : "");
    else
        bb_app_edit(app, BB_QUANTIZE_OUT, q->out);
}

/* The mark to the next tensor whose name has the text, in the order that is shown. */
static bool next_match(bb_app *app, bb_quantize_screen *q, int step, bool here) {
    size_t matches = 0, at = 0;
    for (size_t i = 0; i < q->n; i++) matches += bb_name_contains(bb_quantize_at(q->job, q->order[i])->name, q->find);
    char safe[128];
    if (!*q->find || !matches) {
        bb_app_say(app, BB_ROLE_WARN, *q->find ? "no tensor has '%s' in its name" : "nothing was looked for: / finds",
                   bb_escape_buf(q->find, safe, sizeof safe));
        return false;
    }
    size_t i = q->marked;
    do {
        if (!here) i = (i + (step > 0 ? 1 : q->n - 1)) % q->n;
        here = false;
    } while (!bb_name_contains(bb_quantize_at(q->job, q->order[i])->name, q->find));
    q->marked = i;
    q->follow = false;
    for (size_t k = 0; k <= i; k++) at += bb_name_contains(bb_quantize_at(q->job, q->order[k])->name, q->find);
    bb_app_say(app, BB_ROLE_DIM, "match %zu of %zu; n next, N before", at, matches);
    return true;
}

static bool set_out(bb_quantize_screen *q, const char *text, bb_error *err) {
    if (!*text || strlen(text) >= sizeof q->out) {
        (void)bb_fail(err, BB_E_VALUE, "the new file needs a name%s", *text ? " that is shorter" : "");
        return false;
    }
    (void)snprintf(q->out, sizeof q->out, "%s", text);
    q->own_out = true;
    return true;
}

static bool quantize_accept(bb_app *app, void *state, int field, const char *text, bb_error *err) {
    bb_quantize_screen *q = state;
    bb_quantize_screen_begin(q);
    if (field == BB_QUANTIZE_FIND) {
        (void)snprintf(q->find, sizeof q->find, "%.127s", text);
        if (*q->find) (void)next_match(app, q, 1, true);
        return true;
    }
    if (q->working) { /* it began while the field was open */
        (void)bb_fail(err, BB_E_ARG, "running; Esc twice cancels");
        return false;
    }
    switch (field) {
    case BB_QUANTIZE_FILE:
        return bb_quantize_screen_file(q, text, err) == BB_OK;
    case BB_QUANTIZE_TYPE: {
        static const char *const folders[] = {"int8", "nf4", "fp4"};
        for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
            if (bb_name_eq(text, folders[i])) {
                (void)bb_fail(err, BB_E_ARG,
                              "folders of %s are written by the command: bitbudget quantize ... --type %s", folders[i],
                              folders[i]);
                return false;
            }
        const bb_ftype *ft = bb_ftype_find(text, err);
        return ft && bb_quantize_screen_type(q, ft, err) == BB_OK;
    }
    case BB_QUANTIZE_IMATRIX:
        return bb_quantize_screen_imatrix(q, text, err) == BB_OK;
    default:
        return set_out(q, text, err);
    }
}

/* The type beside, among those that this model can have. */
static void step_type(bb_app *app, bb_quantize_screen *q, bool fewer) {
    size_t n = 0, at = 0;
    bb_error err = {.status = BB_OK};
    for (const bb_ftype *ft; (ft = bb_quantize_screen_writable(n)) != NULL; n++)
        if (ft == q->ftype) at = n;
    for (size_t tries = 1; tries < n; tries++) {
        at = (at + (fewer ? 1 : n - 1)) % n;
        if (bb_quantize_screen_type(q, bb_quantize_screen_writable(at), &err) == BB_OK) return;
    }
    if (err.status != BB_OK) bb_app_error(app, &err);
}

/* ---- keys ---- */

static void move(bb_quantize_screen *q, size_t to) {
    q->marked = to;
    q->follow = false;
}

static void toggle_histogram(bb_app *app, bb_quantize_screen *q) {
    q->histogram = !q->histogram;
    if (!q->histogram) return;
    bb_panes l;
    bb_wants wants = {.more = 1};
    bb_panes_make(BB_SCREEN_QUANTIZE, app->layout.rows, app->layout.cols, &wants, &l);
    if (!l.pane[BB_PANE_HISTOGRAM].h) bb_app_say(app, BB_ROLE_WARN, "the histogram needs a screen of more rows");
}

static bool act_on_table(bb_app *app, bb_quantize_screen *q, bb_action action) {
    size_t last = q->n ? q->n - 1 : 0;
    size_t page = app->layout.pane[BB_PANE_TENSORS].h > 2 ? (size_t)app->layout.pane[BB_PANE_TENSORS].h - 1 : 1;
    switch (action) {
    case BB_ACT_UP:
        move(q, q->marked - (q->marked > 0));
        return true;
    case BB_ACT_DOWN:
        move(q, q->marked + (q->marked < last));
        return true;
    case BB_ACT_FIRST:
        move(q, 0);
        return true;
    case BB_ACT_LAST:
        move(q, last);
        return true;
    case BB_ACT_PAGE_UP:
        move(q, q->marked - (q->marked < page ? q->marked : page));
        return true;
    case BB_ACT_PAGE_DOWN:
        move(q, q->marked + page < last ? q->marked + page : last);
        return true;
    case BB_ACT_FIND:
        bb_app_edit(app, BB_QUANTIZE_FIND, q->find);
        return true;
    case BB_ACT_NEXT_MATCH:
    case BB_ACT_PREV_MATCH:
        (void)next_match(app, q, action == BB_ACT_NEXT_MATCH ? 1 : -1, false);
        return true;
    case BB_ACT_SORT:
        q->sort = (bb_quantize_order)((q->sort + 1) % BB_QUANTIZE_ORDERS);
        bb_quantize_screen_sort(q);
        return true;
    default:
        return false;
    }
}

static bool quantize_act(bb_app *app, void *state, bb_action action) {
    bb_quantize_screen *q = state;
    bb_quantize_screen_begin(q);
    if (act_on_table(app, q, action)) return true;
    switch (action) {
    case BB_ACT_NEXT_FIELD:
        q->field = (q->field + 1) % BB_QUANTIZE_FIELDS;
        return true;
    case BB_ACT_PREV_FIELD:
        q->field = (q->field + BB_QUANTIZE_FIELDS - 1) % BB_QUANTIZE_FIELDS;
        return true;
    case BB_ACT_LEFT:
    case BB_ACT_RIGHT:
        if (!busy(app, q)) step_type(app, q, action == BB_ACT_RIGHT);
        return true;
    case BB_ACT_EDIT:
        if (!busy(app, q)) edit_field(app, q);
        return true;
    case BB_ACT_TYPES:
        if (!busy(app, q)) choose_type(app, q);
        return true;
    case BB_ACT_ENTER:
        if (q->phase == BB_QUANTIZE_NONE)
            choose_file(app, q);
        else
            begin_work(app, q, BB_WORK_RUN);
        return true;
    case BB_ACT_COMPARE:
        compare(app, q);
        return true;
    case BB_ACT_HISTOGRAM:
        toggle_histogram(app, q);
        return true;
    case BB_ACT_BACK:
        bb_quantize_screen_cancel(q);
        return true;
    default:
        return false;
    }
}

/* ---- the same elsewhere ---- */

static void quantize_command(void *state, bb_str *out) {
    bb_quantize_screen *q = state;
    bb_quantize_screen_begin(q);
    bb_str_add(out, "quantize ");
    bb_shell_word(out, q->file);
    bb_str_add(out, " -o ");
    bb_shell_word(out, q->out);
    bb_str_addf(out, " --type %s --output-error", q->ftype->name);
    if (q->isa != BB_ISA_AUTO) bb_str_addf(out, " --isa %s", bb_isa_name(q->isa));
    if (q->imatrix) {
        bb_str_add(out, " --imatrix ");
        bb_shell_word(out, q->imatrix_path);
    }
}

static bb_table *quantize_table(void *state, bb_error *err) {
    const bb_quantize_screen *q = state;
    bb_quantize_sum sum;
    bb_quantize_screen_sum(q, &sum);
    if (!sum.all.done) {
        (void)bb_fail(err, BB_E_ARG, "nothing was quantized yet: Enter starts");
        return NULL;
    }
    const bb_quantize_row **rows = bb_alloc(q->n, sizeof *rows); /* in the order of the file, as the command has them */
    bb_table *t = NULL;
    for (size_t i = 0; rows && i < q->n; i++) rows[i] = bb_quantize_at(q->job, i);
    if (rows)
        t = bb_report_quantize(&(bb_quantization_report){.rows = rows,
                                                         .n = q->n,
                                                         .title = bb_quantize_title(q->job),
                                                         .file_bytes = bb_quantize_file_bytes(q->job),
                                                         .files = bb_quantize_files(q->job),
                                                         .output_tokens = BB_QUANTIZE_TOKENS,
                                                         .seed = BB_QUANTIZE_SEED,
                                                         .dispatch = bb_quantize_dispatch(q->job),
                                                         .written = q->phase == BB_QUANTIZE_DONE,
                                                         .dry = q->phase != BB_QUANTIZE_DONE});
    free(rows);
    if (!t) (void)bb_fail(err, BB_E_NOMEM, "out of memory");
    return t;
}

static void quantize_about(void *state, char *text, size_t size) {
    const bb_quantize_screen *q = state;
    bb_quantize_sum sum;
    char bytes[32];
    bb_quantize_screen_sum(q, &sum);
    text[0] = 0;
    if (q->model && sum.from)
        (void)snprintf(text, size, "%s %s %s", q->model->title, sum.from->name,
                       bb_bytes_text(sum.all.from_bytes, false, bytes));
}

static void quantize_notes(void *state, bb_str *out) {
    const bb_quantize_screen *q = state;
    bb_quantize_sum sum;
    size_t fell_back = 0;
    const char *warning;
    if (q->phase == BB_QUANTIZE_NONE && q->begun)
        bb_str_addf(out, "%s%s%s\n", q->why.text, *q->why.hint ? "; " : "", q->why.hint);
    if (!q->n) return;
    if (q->model && q->model->note[0]) bb_str_addf(out, "%s\n", q->model->note);
    for (size_t i = 0; !q->working && (warning = bb_quantize_warning(q->job, i)) != NULL; i++)
        bb_str_addf(out, "%s\n", warning);
    bb_quantize_screen_sum(q, &sum);
    for (size_t i = 0; i < q->n; i++) fell_back += bb_quantize_at(q->job, i)->fell_back;
    if (fell_back)
        bb_str_addf(out, "%zu tensor%s of another type than the recipe's: no block of it divides the rows.\n",
                    fell_back, fell_back == 1 ? " is" : "s are");
    if (sum.low) bb_str_addf(out, "! SQNR below %d dB: an error of more than a tenth.\n", (int)BB_QUANTIZE_LOW_DB);
    bb_str_addf(out, "Tensors %s; o changes the order.\n", bb_quantize_order_words(q->sort));
    if (sum.all.measured)
        bb_str_addf(
            out,
            "OUT ERR: of the product of up to 128 rows with %d activations of N(0,1), through the type's kernel, "
            "against float64.\n",
            (int)BB_QUANTIZE_TOKENS);
}

static void quantize_remember(void *state, bb_str *out) {
    const bb_quantize_screen *q = state;
    bool named = q->model || (!q->begun && !q->given);
    if (named && !strchr(q->file, '\n')) bb_str_addf(out, "quantize-file %s\n", q->file);
    bb_str_addf(out, "quantize-type %s\n", q->ftype->name);
}

static void quantize_recall(bb_app *app, void *state, const char *key, const char *value) {
    bb_quantize_screen *q = state;
    (void)app;
    if (strcmp(key, "quantize-file") == 0 && !q->given && strlen(value) < sizeof q->file)
        (void)snprintf(q->file, sizeof q->file, "%s", value);
    const bb_ftype *ft = strcmp(key, "quantize-type") == 0 ? bb_ftype_find(value, NULL) : NULL;
    if (ft) q->ftype = ft;
}

static void quantize_draw(bb_app *app, void *state, const bb_panes *l) { bb_quantize_screen_draw(app, state, l); }

const bb_view bb_view_quantize = {
    .name = "quantize",
    .tab = "Quantize",
    .open = quantize_open,
    .close = quantize_close,
    .wants = quantize_wants,
    .draw = quantize_draw,
    .act = quantize_act,
    .accept = quantize_accept,
    .tick = quantize_tick,
    .about = quantize_about,
    .notes = quantize_notes,
    .command = quantize_command,
    .table = quantize_table,
    .remember = quantize_remember,
    .recall = quantize_recall,
};
