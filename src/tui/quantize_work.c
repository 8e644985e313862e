/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_work.c - the plan of the Quantize screen, the worker that carries it out, and what its rows add up to. */
#include "base/escape.h"
#include "base/mem.h"
#include "base/sink.h"
#include "tui/quantize.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t bb_quantize_screen_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- the plan ---- */

/* NAME.TYPE.gguf in the working folder, whose NAME is the model's without its folder and ending. */
static void name_output(bb_quantize_screen *q) {
    if (q->own_out) return;
    char name[sizeof q->file];
    const char *slash = strrchr(q->file, '/'), *base = slash && slash[1] ? slash + 1 : q->file;
    (void)snprintf(name, sizeof name, "%s", *base ? base : "model");
    size_t n = strlen(name);
    while (n > 1 && name[n - 1] == '/') name[--n] = 0; /* a folder, "models/tiny/" */
    if ((slash = strrchr(name, '/')) != NULL) memmove(name, slash + 1, strlen(slash));
    static const char *const endings[] = {".gguf", ".safetensors", ".safetensors.index.json", "/config.json"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (bb_ends_with(name, endings[i]) && strlen(name) > strlen(endings[i]))
            name[strlen(name) - strlen(endings[i])] = 0;
    for (char *c = name; *c; c++)
        if (*c == ':') *c = '-'; /* llama3.1:8b */
    (void)snprintf(q->out, sizeof q->out, "%.480s.%s.gguf", name, q->ftype->name);
}

typedef struct plan {
    bb_quantize_job *job;
    size_t *order;
} plan;

static bb_status make_plan(const bb_quantize_screen *q, const bb_model *model, const bb_ftype *ftype,
                           const bb_imatrix *imatrix, plan *made, bb_error *err) {
    if (!model) return bb_fail(err, BB_E_ARG, "no file is chosen");
    if (!model->file)
        return bb_fail(err, BB_E_ARG, "'%s' has no tensors on this disk: choose a file or a folder", model->title);
    bb_quantize_opts opts = {.recipe = {.ftype = ftype},
                             .imatrix = imatrix,
                             .imatrix_path = imatrix ? q->imatrix_path : NULL,
                             .quant = {.isa = q->isa},
                             .output_tokens = BB_QUANTIZE_TOKENS,
                             .seed = BB_QUANTIZE_SEED};
    bb_quantize_job *job = NULL;
    bb_status st = bb_quantize_plan(model, &opts, NULL, &job, err);
    if (st == BB_OK) st = bb_quantize_check(job, err);
    if (st != BB_OK) {
        bb_quantize_free(job);
        return st;
    }
    size_t n = bb_quantize_count(job), *order = bb_alloc(n ? n : 1, sizeof *order);
    if (!order) {
        bb_quantize_free(job);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) order[i] = i;
    *made = (plan){job, order};
    return BB_OK;
}

static void forget_trials(bb_quantize_screen *q) {
    free(q->trials);
    q->trials = NULL;
    q->n_trials = 0;
}

/* The new plan takes the place of the old; the mark stays on the row of the same number. */
static void take_plan(bb_quantize_screen *q, const plan *made) {
    size_t row = q->n ? q->order[q->marked] : 0;
    bb_quantize_free(q->job);
    free(q->order);
    q->job = made->job;
    q->order = made->order;
    q->n = bb_quantize_count(q->job);
    q->marked = row < q->n ? row : 0;
    q->phase = BB_QUANTIZE_READY;
    bb_quantize_screen_sort(q);
    name_output(q);
}

bb_status bb_quantize_screen_file(bb_quantize_screen *q, const char *text, bb_error *err) {
    bb_model *model = NULL;
    plan made;
    char file[sizeof q->file];
    if (strlen(text) >= sizeof file) return bb_fail(err, BB_E_VALUE, "the name is too long");
    (void)snprintf(file, sizeof file, "%s", text);
    bb_status st = bb_model_locate(q->cat, q->stores, file, &model, err);
    if (st != BB_OK) return st;
    if ((st = make_plan(q, model, q->ftype, q->imatrix, &made, err)) != BB_OK) {
        bb_model_free(model);
        return st;
    }
    bb_model *before = q->model;
    forget_trials(q);
    memcpy(q->file, file, sizeof file);
    q->own_out = false;
    q->model = model;
    take_plan(q, &made);
    q->marked = 0;
    bb_model_free(before); /* after the plan that borrowed it */
    return BB_OK;
}

bb_status bb_quantize_screen_type(bb_quantize_screen *q, const bb_ftype *ftype, bb_error *err) {
    plan made;
    if (!q->model) { /* perhaps it was the type that its file could not have */
        const bb_ftype *before = q->ftype;
        q->ftype = ftype;
        bb_status found = bb_quantize_screen_file(q, q->file, err);
        if (found != BB_OK) q->ftype = before;
        return found;
    }
    bb_status st = make_plan(q, q->model, ftype, q->imatrix, &made, err);
    if (st != BB_OK) return st;
    q->ftype = ftype;
    take_plan(q, &made);
    return BB_OK;
}

bb_status bb_quantize_screen_imatrix(bb_quantize_screen *q, const char *path, bb_error *err) {
    bb_imatrix *imatrix = NULL, *before = q->imatrix;
    plan made;
    char path_before[sizeof q->imatrix_path];
    bool none = !*path || strcmp(path, "none") == 0;
    if (strlen(path) >= sizeof path_before) return bb_fail(err, BB_E_VALUE, "the name is too long");
    bb_status st = none ? BB_OK : bb_imatrix_open(path, &imatrix, err);
    if (st != BB_OK) return st;
    memcpy(path_before, q->imatrix_path, sizeof path_before);
    (void)snprintf(q->imatrix_path, sizeof q->imatrix_path, "%s", none ? "" : path);
    if ((st = make_plan(q, q->model, q->ftype, imatrix, &made, err)) != BB_OK) {
        memcpy(q->imatrix_path, path_before, sizeof path_before);
        bb_imatrix_free(imatrix);
        return st;
    }
    forget_trials(q);
    q->imatrix = imatrix;
    take_plan(q, &made);
    bb_imatrix_free(before);
    return BB_OK;
}

void bb_quantize_screen_begin(bb_quantize_screen *q) {
    if (q->begun) return;
    q->begun = true;
    if (bb_quantize_screen_file(q, q->file, &q->why) == BB_OK) return;
    /* what was looked at the last time is not there any more */
    if (!q->given && bb_quantize_screen_file(q, BB_QUANTIZE_FIRST_FILE, &q->why) == BB_OK) return;
    q->phase = BB_QUANTIZE_NONE;
    name_output(q);
}

bb_status bb_quantize_screen_size(const bb_quantize_screen *q, const bb_ftype *ftype, uint64_t *bytes, bb_error *err) {
    plan made;
    bb_status st = make_plan(q, q->model, ftype, q->imatrix, &made, err);
    if (st != BB_OK) return st;
    *bytes = bb_quantize_file_bytes(made.job);
    bb_quantize_free(made.job);
    free(made.order);
    return BB_OK;
}

static bool writable(const bb_ftype *ft) {
    const bb_dtype *t = bb_dtype_find(ft->base, NULL);
    const bb_codec *codec = t ? bb_codec_find(t, BB_ISA_AUTO) : NULL;
    return !ft->old && codec && codec->encode;
}

static double bits_of(const bb_ftype *ft) { return bb_dtype_bits_per_weight(bb_dtype_find(ft->base, NULL), 0); }

/* How many stand before `ft`: those of more bits, and among equals those that the table has first. */
static size_t rank(size_t of) {
    const bb_ftype *ft = bb_ftype_at(of);
    size_t before = 0;
    for (size_t i = 0; i < bb_ftype_count(); i++) {
        const bb_ftype *other = bb_ftype_at(i);
        if (i == of || !writable(other)) continue;
        before += bits_of(other) > bits_of(ft) || (bits_of(other) == bits_of(ft) && i < of);
    }
    return before;
}

const bb_ftype *bb_quantize_screen_writable(size_t at) {
    for (size_t i = 0; i < bb_ftype_count(); i++)
        if (writable(bb_ftype_at(i)) && rank(i) == at) return bb_ftype_at(i);
    return NULL;
}

/* Done, and not the same as before. */
static bool measured(const bb_quantize_row *r) { return atomic_load(&r->state) == BB_ROW_DONE && r->error.rel > 0; }

/* ---- the worker ---- */

static void *work(void *arg) {
    bb_quantize_screen *q = arg;
    if (q->work == BB_WORK_RUN)
        q->status = bb_quantize_run(q->job, q->out, false, &q->progress, &q->err);
    else
        q->status = bb_quantize_trials(q->job, q->trying, 0, &q->progress, &q->made, &q->n_made, &q->err);
    atomic_store(&q->ended, true);
    return NULL;
}

bb_status bb_quantize_screen_start(bb_quantize_screen *q, bb_quantize_work what, bb_error *err) {
    if (q->phase == BB_QUANTIZE_NONE || !q->n) return bb_fail(err, BB_E_ARG, "there is nothing to quantize");
    if (what == BB_WORK_RUN) { /* before the rows of the run before are given up */
        bb_status st = bb_sink_probe(q->out, false, err);
        if (st != BB_OK) return st;
    }
    if (what == BB_WORK_RUN && q->phase != BB_QUANTIZE_READY) { /* rows of the run before are not filled again */
        bb_status st = bb_quantize_screen_type(q, q->ftype, err);
        if (st != BB_OK) return st;
    }
    bb_progress_init(&q->progress);
    atomic_store(&q->ended, false);
    q->err = (bb_error){.status = BB_OK};
    q->work = what;
    q->trying = q->order[q->marked];
    q->n_samples = 0;
    if (pthread_create(&q->thread, NULL, work, q) != 0) return bb_fail(err, BB_E_NOMEM, "no thread could be started");
    q->working = true;
    if (what == BB_WORK_RUN) {
        q->phase = BB_QUANTIZE_RUNNING;
        q->follow = true;
    }
    return BB_OK;
}

void bb_quantize_screen_cancel(bb_quantize_screen *q) {
    if (q->working) atomic_store(&q->progress.cancel, true);
}

static void take_sample(bb_quantize_screen *q) {
    uint64_t now = bb_quantize_screen_ns(), apart = 500000000;
    if (q->n_samples && now - q->sample[q->n_samples - 1].ns < apart) return;
    if (q->n_samples == BB_QUANTIZE_SAMPLES) {
        q->n_samples--;
        memmove(q->sample, q->sample + 1, q->n_samples * sizeof *q->sample);
    }
    q->sample[q->n_samples].ns = now;
    q->sample[q->n_samples++].done = atomic_load(&q->progress.done);
}

/* The mark to the last row in the order of the file whose error is known: its histogram can be seen. */
static void follow_work(bb_quantize_screen *q) {
    for (size_t i = q->n; i-- > 0;)
        if (measured(bb_quantize_at(q->job, i))) {
            bb_quantize_screen_mark(q, i);
            return;
        }
}

static void end_run(bb_quantize_screen *q) {
    bb_quantize_sum sum;
    q->stopped_at = bb_quantize_screen_part(q);
    q->phase = q->status == BB_OK            ? BB_QUANTIZE_DONE
               : q->status == BB_E_CANCELLED ? BB_QUANTIZE_CANCELLED
                                             : BB_QUANTIZE_FAILED;
    if (q->phase == BB_QUANTIZE_FAILED) q->why = q->err;
    bb_quantize_screen_sort(q);
    bb_quantize_screen_sum(q, &sum);
    for (size_t i = 0; q->follow && i < q->n; i++)
        if (bb_quantize_at(q->job, i) == sum.all.worst) bb_quantize_screen_mark(q, i);
    q->follow = false;
}

static int by_bits(const void *a, const void *b) {
    const bb_quantize_trial *x = a, *y = b;
    if (x->bits_per_weight != y->bits_per_weight) return x->bits_per_weight < y->bits_per_weight ? 1 : -1;
    return (x->error.sqnr_db < y->error.sqnr_db) - (x->error.sqnr_db > y->error.sqnr_db);
}

static void end_trials(bb_quantize_screen *q) {
    if (q->status != BB_OK) return;
    forget_trials(q);
    q->trials = q->made;
    q->n_trials = q->n_made;
    q->tried = q->trying;
    if (q->n_trials) qsort(q->trials, q->n_trials, sizeof *q->trials, by_bits);
}

bool bb_quantize_screen_look(bb_quantize_screen *q) {
    if (!q->working) return false;
    if (!atomic_load(&q->ended)) {
        if (q->work == BB_WORK_RUN) {
            take_sample(q);
            if (q->sort != BB_BY_FILE) bb_quantize_screen_sort(q);
            if (q->follow) follow_work(q);
        }
        return false;
    }
    pthread_join(q->thread, NULL);
    q->working = false;
    if (q->work == BB_WORK_RUN)
        end_run(q);
    else
        end_trials(q);
    return true;
}

void bb_quantize_screen_close(bb_quantize_screen *q) {
    bb_quantize_screen_cancel(q);
    if (q->working) {
        pthread_join(q->thread, NULL);
        if (q->work == BB_WORK_TRIALS && q->status == BB_OK) free(q->made);
    }
    forget_trials(q);
    bb_quantize_free(q->job);
    bb_imatrix_free(q->imatrix);
    bb_model_free(q->model);
    free(q->order);
    free(q);
}

double bb_quantize_screen_part(const bb_quantize_screen *q) {
    uint64_t total = atomic_load(&q->progress.total), done = atomic_load(&q->progress.done);
    return total == 0 ? 0 : done >= total ? 1 : (double)done / (double)total;
}

double bb_quantize_screen_speed(const bb_quantize_screen *q, double *seconds) {
    *seconds = 0;
    if (q->n_samples < 3) return 0;
    uint64_t total = atomic_load(&q->progress.total), done = q->sample[q->n_samples - 1].done;
    double took = 1e-9 * (double)(q->sample[q->n_samples - 1].ns - q->sample[0].ns);
    double speed = (double)(done - q->sample[0].done) / took;
    if (speed > 0 && total > done) *seconds = (double)(total - done) / speed;
    return speed;
}

/* ---- rows ---- */

bool bb_quantize_screen_low(const bb_quantize_row *r) {
    return atomic_load(&r->state) == BB_ROW_DONE && r->error.sqnr_db < BB_QUANTIZE_LOW_DB;
}

void bb_quantize_screen_sum(const bb_quantize_screen *q, bb_quantize_sum *sum) {
    uint64_t most = 0;
    *sum = (bb_quantize_sum){.low = 0};
    for (size_t i = 0; i < q->n; i++) {
        const bb_quantize_row *r = bb_quantize_at(q->job, i);
        bb_quantize_total_add(&sum->all, r);
        if (r->from_bytes > most) { /* the largest tensor's: models are of one type but for vectors */
            most = r->from_bytes;
            sum->from = r->from;
        }
        if (atomic_load(&r->state) == BB_ROW_DONE) sum->low += bb_quantize_screen_low(r);
    }
}

const bb_quantize_row *bb_quantize_screen_marked(const bb_quantize_screen *q) {
    return q->n ? bb_quantize_at(q->job, q->order[q->marked]) : NULL;
}

const char *bb_quantize_screen_name(const bb_quantize_row *r, char *buf) {
    size_t n = strlen(r->name), end = strlen(".weight");
    memcpy(buf, r->name, n + 1);
    if (n > end && strcmp(buf + n - end, ".weight") == 0) buf[n - end] = 0;
    return buf;
}

const char *bb_quantize_order_words(bb_quantize_order order) {
    static const char *const words[BB_QUANTIZE_ORDERS] = {"as in the file",          "by name",
                                                          "by SQNR, lowest first",   "by size, largest first",
                                                          "by error, largest first", "by output error, largest first"};
    return words[order];
}

void bb_quantize_screen_mark(bb_quantize_screen *q, size_t row) {
    for (size_t i = 0; i < q->n; i++)
        if (q->order[i] == row) {
            q->marked = i;
            return;
        }
}

typedef struct sort_key {
    double value; /* the smallest first */
    const char *name;
    size_t row;
} sort_key;

/* Numbers in names by their value: blk.2 before blk.10. */
static int compare_names(const char *a, const char *b) {
    while (*a && *b) {
        size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
        if (n && m) {
            while (n > 1 && *a == '0') a++, n--;
            while (m > 1 && *b == '0') b++, m--;
            int order = n != m ? (n < m ? -1 : 1) : memcmp(a, b, n);
            if (order) return order;
            a += n;
            b += m;
        } else {
            if (*a != *b) break;
            a++;
            b++;
        }
    }
    return (unsigned char)*a - (unsigned char)*b;
}

static int by_key(const void *a, const void *b) {
    const sort_key *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    int order = x->name && y->name ? compare_names(x->name, y->name) : 0;
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* What is not measured yet comes last. */
static double sort_value(const bb_quantize_row *r, bb_quantize_order sort) {
    if (sort == BB_BY_SIZE) return -(double)r->bytes;
    if (sort == BB_BY_SQNR) return measured(r) && !isnan(r->error.sqnr_db) ? r->error.sqnr_db : (double)INFINITY;
    if (sort == BB_BY_OUTPUT_ERROR)
        return measured(r) && r->kernel && !isnan(r->output_rel) ? -r->output_rel : (double)INFINITY;
    if (sort == BB_BY_MAX_ERROR) return measured(r) && !isnan(r->error.max_abs) ? -r->error.max_abs : (double)INFINITY;
    return 0;
}

void bb_quantize_screen_sort(bb_quantize_screen *q) {
    sort_key *keys = q->n ? bb_alloc(q->n, sizeof *keys) : NULL;
    if (!keys) return; /* the order of before is one too */
    size_t marked = q->order[q->marked];
    for (size_t i = 0; i < q->n; i++) {
        const bb_quantize_row *r = bb_quantize_at(q->job, i);
        keys[i] = (sort_key){sort_value(r, q->sort), q->sort == BB_BY_TENSOR ? r->name : NULL, i};
    }
    qsort(keys, q->n, sizeof *keys, by_key);
    for (size_t i = 0; i < q->n; i++) q->order[i] = keys[i].row;
    free(keys);
    bb_quantize_screen_mark(q, marked);
}
