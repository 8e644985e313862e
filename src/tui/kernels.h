/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels.h - the state of the Kernels screen: what is asked, what was measured, and the worker that measures. */
#ifndef BB_TUI_KERNELS_H
#define BB_TUI_KERNELS_H
#include "study/bench_study.h"
#include "tui/app.h"
#include <pthread.h>

enum {
    BB_KERNELS_TOKENS,
    BB_KERNELS_OUT,
    BB_KERNELS_IN,
    BB_KERNELS_THREADS,
    BB_KERNELS_ISA,
    BB_KERNELS_FIELDS,
    BB_KERNELS_PRESET = BB_KERNELS_FIELDS /* chosen like a field, and none of them */
};
typedef enum bb_kernels_order { BB_BY_TIME, BB_BY_ROOF, BB_BY_ERROR, BB_BY_NAME, BB_KERNELS_ORDERS } bb_kernels_order;

typedef struct bb_kernels {
    bb_bench_opts ask;
    int field;
    /* Kernels by their number in bb_kernel_at. */
    bool picked[BB_KERNELS_MAX]; /* for the next run */
    bool measured[BB_KERNELS_MAX];
    bb_bench_row result[BB_KERNELS_MAX]; /* of the shape `shown` */
    size_t list[BB_KERNELS_MAX], n;      /* their numbers in the order of the screen */
    size_t marked;                       /* in the list */
    bb_kernels_order order;
    bb_bench_opts shown;
    bb_bench_report last; /* of the last run, without its rows: roof, processor, notes; threads 0 = none yet */
    /* the worker: started and joined by the thread of the screen only */
    pthread_t thread;
    bool running;
    atomic_bool ended;
    bb_progress progress;
    bb_bench_opts job;
    const bb_dtype *types[BB_KERNELS_MAX]; /* of the job */
    bb_bench_report made;
    bb_status status;
    bb_error err;
} bb_kernels;

/* ---- rows: kernels_rows.c ---- */
/* The kernels within the instruction set that is asked for; the mark stays on its kernel where that is among them. */
void bb_kernels_list(bb_kernels *k);
void bb_kernels_sort(bb_kernels *k);
/* What was measured takes its place; with another shape or number of threads the rest is forgotten. Clears made. */
void bb_kernels_take(bb_kernels *k, bb_bench_report *made);
/* Of a row of the list; NULL = not measured. */
const bb_bench_row *bb_kernels_result(const bb_kernels *k, size_t i);
size_t bb_kernels_measured(const bb_kernels *k); /* rows of the list */
/* The table is of another shape than the fields say. */
bool bb_kernels_stale(const bb_kernels *k);
/* What is seen as a report, in the order of `bench`: rows [BB_KERNELS_MAX] are its rows. */
bb_bench_report bb_kernels_report(const bb_kernels *k, bb_bench_row *rows);
/* The command that gives this table, or would give the one that is asked for. */
void bb_kernels_command(const bb_kernels *k, bb_str *out);
const char *bb_kernels_order_words(bb_kernels_order order);

/* Instruction sets that run here, then "every": each level that runs. NULL past the end. */
const char *bb_kernels_isa_at(size_t i);
const char *bb_kernels_isa(const bb_bench_opts *o);
bool bb_kernels_set_isa(bb_kernels *k, const char *name);
const char *bb_kernels_value(const bb_kernels *k, int field, char *buf); /* buf of 32 */
const char *bb_kernels_label(int field);

/* Shapes of real matrices; tokens 0 = as they are. NULL past the end. */
typedef struct bb_kernels_preset {
    const char *name;
    uint64_t tokens, out, in;
} bb_kernels_preset;
const bb_kernels_preset *bb_kernels_preset_at(size_t i);

/* ---- drawing: kernels_draw.c, kernels_plot.c ---- */
/* Columns of the table, in the order in which they stand. */
typedef enum bb_kernels_column {
    BB_COL_KERNEL,
    BB_COL_ISA,
    BB_COL_TIME,
    BB_COL_SPREAD,
    BB_COL_GOPS,
    BB_COL_GBPS,
    BB_COL_ROOF,
    BB_COL_BOUND,
    BB_COL_ERROR,
    BB_KERNELS_COLUMNS
} bb_kernels_column;
/* Width of each column with the blank before it, 0 = left out: what matters least goes first. The sum with the column
 * in front, for the mark. */
int bb_kernels_columns(int width, int widths[BB_KERNELS_COLUMNS]);
void bb_kernels_draw(const bb_app *app, const bb_kernels *k, const bb_panes *l);
/* How the figure of the marked row comes about, line by line. */
void bb_kernels_formula(const bb_kernels *k, int width, bb_str *out);

/* The roofline: speed over operations per byte of weights, both logarithmic. */
void bb_kernels_plot(const bb_kernels *k, const bb_rect *p);
#endif
