/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize.h - the state of the Quantize screen: what is asked, the plan with its rows, and the worker that fills them.
 */
#ifndef BB_TUI_QUANTIZE_H
#define BB_TUI_QUANTIZE_H
#include "study/quantize_study.h"
#include "tui/app.h"
#include <pthread.h>

#define BB_QUANTIZE_FIRST_FILE "demo"
enum { BB_QUANTIZE_FILE, BB_QUANTIZE_TYPE, BB_QUANTIZE_IMATRIX, BB_QUANTIZE_OUT, BB_QUANTIZE_FIELDS };
enum { BB_QUANTIZE_FIND = BB_QUANTIZE_FIELDS /* edited like a field, and none of them */ };

typedef enum bb_quantize_order {
    BB_BY_FILE,
    BB_BY_TENSOR,
    BB_BY_SQNR,
    BB_BY_SIZE,
    BB_BY_MAX_ERROR,
    BB_BY_OUTPUT_ERROR,
    BB_QUANTIZE_ORDERS
} bb_quantize_order;

/* Of the rows that are seen. */
typedef enum bb_quantize_phase {
    BB_QUANTIZE_NONE, /* no plan: `why` says it */
    BB_QUANTIZE_READY,
    BB_QUANTIZE_RUNNING,
    BB_QUANTIZE_DONE,
    BB_QUANTIZE_CANCELLED,
    BB_QUANTIZE_FAILED, /* `why` */
} bb_quantize_phase;

typedef enum bb_quantize_work { BB_WORK_RUN, BB_WORK_TRIALS } bb_quantize_work;

enum { BB_QUANTIZE_SAMPLES = 16 }; /* of the progress, half a second apart: speed is over the last eight seconds */

typedef struct bb_quantize_screen {
    const bb_catalogue *cat;
    const bb_stores *stores;
    bb_isa isa;
    /* what is asked */
    char file[512], imatrix_path[512], out[512];
    bool given;   /* the command line named the file */
    bool own_out; /* out was typed; else it follows the file and the type */
    const bb_ftype *ftype;
    int field;
    /* the plan; made when the screen is first seen */
    bool begun;
    bb_model *model;     /* owned, like what follows */
    bb_imatrix *imatrix; /* NULL = none */
    bb_quantize_job *job;
    bb_quantize_phase phase;
    double stopped_at; /* part that was done when it was cancelled or failed */
    bb_error why;
    /* the table */
    size_t *order; /* [n] rows of the job as they are shown */
    size_t n, marked;
    bb_quantize_order sort;
    bool follow; /* the mark goes with the work until somebody moves it */
    bool histogram;
    char find[128];
    /* types of one tensor */
    bb_quantize_trial *trials; /* [n_trials] of row `tried`; NULL = none */
    size_t n_trials, tried;
    /* the worker: started and joined by the thread of the screen only */
    pthread_t thread;
    bool working;
    bb_quantize_work work;
    atomic_bool ended;
    bb_progress progress;
    size_t trying;
    bb_quantize_trial *made;
    size_t n_made;
    bb_status status;
    bb_error err;
    struct {
        uint64_t ns, done;
    } sample[BB_QUANTIZE_SAMPLES]; /* oldest first */
    size_t n_samples;
} bb_quantize_screen;

/* ---- plan and worker: quantize_work.c ---- */
/* The model, type and importance matrix of before stay when it fails. */
bb_status bb_quantize_screen_file(bb_quantize_screen *q, const char *text, bb_error *err);
bb_status bb_quantize_screen_type(bb_quantize_screen *q, const bb_ftype *ftype, bb_error *err);
bb_status bb_quantize_screen_imatrix(bb_quantize_screen *q, const char *path, bb_error *err); /* "none" */
/* Makes the first plan, once. */
void bb_quantize_screen_begin(bb_quantize_screen *q);
/* The size of the whole file for a type; nothing else changes. */
bb_status bb_quantize_screen_size(const bb_quantize_screen *q, const bb_ftype *ftype, uint64_t *bytes, bb_error *err);
/* Types that can be written, in the order of falling bits; NULL past the end. */
const bb_ftype *bb_quantize_screen_writable(size_t i);
bb_status bb_quantize_screen_start(bb_quantize_screen *q, bb_quantize_work work, bb_error *err);
void bb_quantize_screen_cancel(bb_quantize_screen *q);
/* Looks at the worker; true when it has just ended, `status` and `err` tell how. */
bool bb_quantize_screen_look(bb_quantize_screen *q);
void bb_quantize_screen_close(bb_quantize_screen *q);
void bb_quantize_screen_sort(bb_quantize_screen *q); /* the mark stays on its tensor */
void bb_quantize_screen_mark(bb_quantize_screen *q, size_t row);

/* ---- what the screen says ---- */
enum { BB_QUANTIZE_LOW_DB = 20 }; /* a tensor below it is flagged: its error is a tenth of it and more */
/* Of the rows that are done. */
typedef struct bb_quantize_sum {
    bb_quantize_total all;
    const bb_dtype *from; /* the type that has most of the bytes */
    size_t low;           /* rows below BB_QUANTIZE_LOW_DB */
} bb_quantize_sum;
void bb_quantize_screen_sum(const bb_quantize_screen *q, bb_quantize_sum *sum);
const bb_quantize_row *bb_quantize_screen_marked(const bb_quantize_screen *q); /* NULL = no rows */
bool bb_quantize_screen_low(const bb_quantize_row *r);
/* "blk.0.attn_q" of "blk.0.attn_q.weight"; buf of at least 80. */
const char *bb_quantize_screen_name(const bb_quantize_row *r, char *buf);
double bb_quantize_screen_part(const bb_quantize_screen *q); /* 0 to 1 */
/* Bytes a second and seconds that are left; 0 = not known yet. */
double bb_quantize_screen_speed(const bb_quantize_screen *q, double *seconds);
uint64_t bb_quantize_screen_ns(void); /* of a clock that nobody sets */
const char *bb_quantize_order_words(bb_quantize_order order);

/* ---- drawing: quantize_draw.c ---- */
typedef enum bb_quantize_column {
    BB_QCOL_TENSOR,
    BB_QCOL_SHAPE,
    BB_QCOL_FROM,
    BB_QCOL_TO,
    BB_QCOL_SIZE,
    BB_QCOL_SQNR,
    BB_QCOL_OUTPUT,
    BB_QCOL_MAX,
    BB_QCOL_COSINE,
    BB_QCOL_WORST,
    BB_QUANTIZE_COLUMNS
} bb_quantize_column;
/* Width of each column with the blank before it, 0 = left out: what matters least goes first. shape: the widest. The
 * sum with two columns in front, for the mark and the flag. */
int bb_quantize_columns(int width, int shape, int widths[BB_QUANTIZE_COLUMNS]);
void bb_quantize_screen_draw(const bb_app *app, const bb_quantize_screen *q, const bb_panes *l);
/* The table of all types as lines, for people who read it whole. */
void bb_quantize_screen_types(const bb_quantize_screen *q, bb_str *out);
#endif
