/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_inputs_options.h - the half of bitbudget error that says what the matrices are multiplied with. */
#ifndef BB_CLI_ERROR_INPUTS_OPTIONS_H
#define BB_CLI_ERROR_INPUTS_OPTIONS_H
#include "cli/commands.h"
#include "model/locate.h"
#include "study/error_inputs.h"

/* Options that exclude each other, and outputs that exist, before long work. */
bb_status cli_error_inputs_check(const cli_call *call, const bb_model *model, bb_error *err);
/* --input, --inputs or --text with what goes with it. rows: kept of a text's. */
bb_status cli_error_inputs(cli_call *call, const bb_catalogue *cat, const bb_model *model, uint64_t rows,
                           bb_inputs **inputs, bb_error *err);
/* What goes with --text: --chunks, --ctx and the file of --vocab; *vocab, the caller's, stays as it is without. Warns
 * of chunks beyond what the model was trained for. */
bb_status cli_error_text(cli_call *call, const bb_catalogue *cat, const bb_model *model, uint64_t *chunks,
                         uint64_t *ctx, bb_model **vocab, bb_error *err);
/* BB_E_ARG when an output is a file that the model is read from. */
bb_status cli_error_refuse(const char *path, const bb_model *model, bb_error *err);
#endif
