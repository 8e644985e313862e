/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels.h - the state of the Kernels screen: what is asked, what was measured, and the worker that measures. */
#ifndef BB_TUI_KERNELS_H
#define BB_TUI_KERNELS_H
#include "study/bench_study.h"
#include "tui/app.h"
#include <pthread.h>

enum { BB_KERNELS_TOKENS, BB_KERNELS_OUT, BB_KERNELS_IN, BB_KERNELS_THREADS, BB_KERNELS_FIELDS };
typedef enum bb_kernels_order { BB_BY_TIME, BB_BY_ERROR, BB_BY_NAME, BB_KERNELS_ORDERS } bb_kernels_order;

typedef struct bb_kernels {
    bb_bench_opts ask;
    int field;
    size_t marked;
    bb_kernels_order order;
    bb_bench_report report; /* the last that ended well; n_rows 0 = none */
    bb_bench_opts shown;    /* of that report */
    /* the worker: started and joined by the thread of the screen only */
    pthread_t thread;
    bool running;
    atomic_bool ended;
    bb_progress progress;
    bb_bench_opts job;
    bb_bench_report made;
    bb_status status;
    bb_error err;
} bb_kernels;

/* Columns of the table, in the order in which they stand. */
typedef enum bb_kernels_column {
    BB_COL_KERNEL,
    BB_COL_ISA,
    BB_COL_TIME,
    BB_COL_SPREAD,
    BB_COL_GOPS,
    BB_COL_GBPS,
    BB_COL_ROOF,
    BB_COL_ERROR,
    BB_COL_BOUND,
    BB_KERNELS_COLUMNS
} bb_kernels_column;
/* Width of each column with the blank before it, 0 = left out: what matters least goes first. The sum is the width. */
int bb_kernels_columns(int width, int widths[BB_KERNELS_COLUMNS]);

uint64_t bb_kernels_value(const bb_kernels *k, int field);
const char *bb_kernels_label(int field);
const char *bb_kernels_order_words(bb_kernels_order order);
/* The table is of another shape than the fields say. */
bool bb_kernels_stale(const bb_kernels *k);
void bb_kernels_draw(const bb_app *app, const bb_kernels *k, const bb_panes *l);
#endif
