/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command_model.h - the model that another program's command line names, found on this disk or in the catalogue. */
#ifndef BB_CLI_COMMAND_MODEL_H
#define BB_CLI_COMMAND_MODEL_H
#include "cli/plan_command.h"

/* Takes the value of an option that names the model: TAKE_MODEL, TAKE_HF or TAKE_HF_FILE. */
bb_status cli_command_model(cli_their_command *c, const char *value, cli_take take, bb_error *err);
/* Where nothing of that name is here, c->model becomes the row of the catalogue that its name means, c->type the file
 * type in its name, and a warning says so. BB_E_NAME when there is no such row, BB_E_ARG when no model is named. */
bb_status cli_command_find_model(cli_call *call, cli_their_command *c, bb_error *err);
/* The row and the flavour that the name of a checkpoint on the hub says ("Qwen/Qwen3-8B-AWQ"), with a warning;
 * BB_E_NAME, with nothing said, when it says no flavour or there is no such row. */
bb_status cli_model_by_flavour(cli_call *call, cli_plan *p, const char *text);
/* A word that names a file type with another in its place ("x-Q8_0.gguf", "org/name:Q8_0"); false when it names none,
 * or the result is too long. */
bool cli_command_retype(const char *word, const char *type, char *out, size_t size);
#endif
