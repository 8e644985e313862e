/* SPDX-License-Identifier: GPL-3.0-or-later */
/* output.h - where answers and messages go: stdout or a report file, and stderr. */
#ifndef BB_CLI_OUTPUT_H
#define BB_CLI_OUTPUT_H
#include "base/sink.h"
#include "cli/option.h"
#include "report/table.h"

typedef struct cli_output {
    bb_table_form form;
    bool ascii; /* text and messages without any character beyond ASCII */
    bool color; /* of text on stdout */
    bool quiet, verbose, si, force;
    const char *path; /* --report, or NULL for stdout */
    bb_sink *sink;    /* of path, once something was written */
    uint64_t written;
    bool closed_pipe; /* the reader went away: nothing more to say */
} cli_output;

/* From the common options and the environment (NO_COLOR, TERM, the locale's character set). */
void cli_output_init(cli_output *o, const cli_args *args);
/* Opens the report before long work, so that what is wrong with it shows first. */
bb_status cli_output_begin(cli_output *o, bb_error *err);
/* BB_E_ARG when an output (--report, --svg, --save-imatrix, --save-inputs) names a file that the command reads or
 * writes otherwise: --force would replace it, and of two outputs the second the first. */
bb_status cli_output_refuse(const cli_output *o, const cli_args *args, bb_error *err);
/* n bytes of the answer. */
bb_status cli_output_write(cli_output *o, const char *data, size_t n, bb_error *err);
/* A whole table in the chosen form; frees it. t NULL is BB_E_NOMEM. With headless the first line of CSV is left out. */
bb_status cli_output_table(cli_output *o, bb_table *t, bool headless, bb_error *err);
/* Commits the report, if there is one. */
bb_status cli_output_finish(cli_output *o, bb_error *err);
void cli_output_abandon(cli_output *o);
/* "bitbudget: warning: ..." on stderr, unless quiet. */
void cli_warn(const cli_output *o, const char *fmt, ...) BB_PRINTF(2, 3);
/* "bitbudget: ..." and the hint on stderr. */
void cli_print_error(const cli_output *o, const bb_error *err);
#endif
