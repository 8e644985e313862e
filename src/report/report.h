/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report.h - one function per answer: results in, a table out. */
#ifndef BB_REPORT_REPORT_H
#define BB_REPORT_REPORT_H
#include "format/format.h"
#include "graph/differences.h"
#include "model/catalogue.h"
#include "model/locate.h"
#include "plan/plan.h"
#include "plan/rule.h"
#include "plan/ways.h"
#include "report/table.h"
#include "study/audit_study.h"
#include "study/bench_study.h"
#include "study/compare_study.h"
#include "study/error_study.h"
#include "study/kl_study.h"
#include "study/log_check.h"
#include "study/quantize_study.h"
#include "study/sweep.h"
#include "study/types_study.h"

/* Each gives a new table (bb_table_free) or NULL when memory ended. si: GB instead of GiB in what people see. */
/* An input and one of its encodings. Rows of one input stand together, share its pointer, and have the same formats in
 * the same order for every input. */
typedef struct bb_bits_row {
    const char *input;
    bb_encoding enc;
} bb_bits_row;
bb_table *bb_report_bits(const bb_bits_row *rows, size_t n, bool exact);
bb_table *bb_report_formats(const bb_format *only); /* NULL = all of them */
bb_table *bb_report_codes(const bb_format *f);      /* every code of a format of at most 16 bits */
/* What people see of a plan (CSV and JSON have all lines, parts with PARTS only): the need and the notes; the lines;
 * the parts of each line as well. */
typedef enum bb_plan_detail { BB_PLAN_BRIEF, BB_PLAN_WHOLE, BB_PLAN_PARTS } bb_plan_detail;
bb_table *bb_report_plan(const bb_plan *plan, const bb_subject *subject, bool si, bb_plan_detail detail);
bb_table *bb_report_fit(const bb_fit *fit, const bb_plan_request *used, bool si);
/* Ways out below a plan and in its JSON, when there are any. commands [n]: that of another program which goes each way,
 * NULL where none does. */
void bb_report_ways(bb_table *t, const bb_plan_way *ways, const char *const *commands, size_t n, bool si);
/* Every row of a sweep, made while it is written; the sweep lasts as long as the table. */
bb_table *bb_report_sweep(bb_sweep *s, bool si);
/* The same for people, as one table of weights x contexts: the need of each and its verdict. One model and one value of
 * every other key. */
bb_table *bb_report_matrix(bb_sweep *s, bool si);
bb_table *bb_report_types(const bb_types_report *r, const bb_subject *subject, bool si);
/* A log beside a plan; used NULL: nothing was planned. What was learned: a row of overheads, or NULL. */
bb_table *bb_report_check(const bb_log *log, const bb_log_report *r, const char *model, const bb_plan_request *used,
                          const bb_overhead *learned, bool si);
bb_table *bb_report_rule(uint64_t parameters, const bb_rule_row *rows, bool si);
/* What is known of a model, for `inspect`. Everything is borrowed and outlives the table. */
typedef struct bb_inspection {
    const bb_model *model;
    uint64_t parameters, active;  /* of the architecture; 0 = not known */
    const bb_stored_list *stored; /* the tensors that it has in a checkpoint; NULL when not known */
    bool typed;                   /* their types and bytes are known too */
    bool compared;                /* the file was held against the architecture: */
    const bb_difference *differences;
    size_t n_differences;
    bool si;
    bool verbose; /* metadata whole */
    bool quiet;   /* people see the summary without the tensors */
} bb_inspection;
/* What only another form than `form` shows may be left out. */
bb_table *bb_report_inspect(const bb_inspection *in, bb_table_form form);
/* Where a name was found on this disk, as a line below the table and in its JSON; nothing for other models. */
void bb_report_origin(bb_table *t, const bb_model *model);
/* quiet: people see the summary without the tensors, or without the notes. */
bb_table *bb_report_compare(const bb_compare_report *r, bool si, bool quiet);
bb_table *bb_report_audit(const bb_audit_report *r, bool si, bool quiet);
/* ranked: people see what each tensor loses, in place of the parts of its error. */
bb_table *bb_report_error(const bb_error_report *r, bool ranked);
bb_table *bb_report_kl(const bb_kl_report *r, bool si);
/* Error against bits per weight, and against speed, as an SVG picture: BB_E_NOMEM. */
bb_status bb_report_error_svg(const bb_error_report *r, bb_str *out);
/* A quantized file, or one that would be written; everything is borrowed. Errors of tensors that are not done are
 * empty. */
typedef struct bb_quantization_report {
    const bb_quantize_row *const *rows; /* [n] */
    size_t n;
    const char *title; /* "q4_K_M" */
    uint64_t file_bytes;
    size_t files;
    bool folder;          /* several files: a checkpoint */
    unsigned part, parts; /* of a run that wrote only a part; 0 */
    bool written;         /* the output is there */
    bool dry;             /* nothing was to be written */
    bool weighted;        /* importance decided what was minimized */
    /* Errors of products were asked for: with so many activations of that seed; 0 = not. */
    unsigned output_tokens;
    uint64_t seed;
    const bb_dispatch *dispatch; /* products that were run; NULL = none */
    bool quiet;                  /* people see no rows */
    bool si;
} bb_quantization_report;
bb_table *bb_report_quantize(const bb_quantization_report *in);
/* Into the JSON: {"dispatch": {"gemm_q4_0 avx512_vnni": 12}}, kernels that ran. */
void bb_report_dispatch(bb_table *t, const bb_dispatch *dispatch);
bb_table *bb_report_bench(const bb_bench_report *r);
/* Which rows of the tables models and gpus are shown: those that meet all that is given. */
typedef struct bb_data_filter {
    const char *const *words; /* [n_words] each a part of the name, or of the hub's name or the vendor */
    size_t n_words;
    const char *arch, *vendor; /* a model's architecture or model_type; who makes a card; NULL = any */
    uint64_t min, max;         /* parameters of a model; bytes that a program can get of a card */
} bb_data_filter;
/* table: models gpus overheads formats dtypes; filter NULL = every row. cat has to last as long as the table. */
bb_table *bb_report_data(const bb_catalogue *cat, const char *table, const bb_data_filter *filter, bool si);

/* The bar of a plan, or of one of its devices unless that is NULL, `width` columns: one letter (ASCII) or block glyph
 * per part, '>' where it passes the limit. */
void bb_plan_bar(const bb_plan *plan, const bb_plan_device *device, size_t width, bool ascii, bb_str *out);
/* "FITS  6.96 GiB left (29%)", "DOES NOT FIT  155.5 GiB short", "MAY FIT ...", or "" without a limit. With several
 * cards it is the fullest that decides: "FITS  2.36 GiB left on gpu1". */
void bb_plan_verdict(const bb_plan *plan, bool si, bb_str *out);
#endif
