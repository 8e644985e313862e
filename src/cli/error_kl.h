/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_kl.h - the half of bitbudget error that lets the whole model predict a text. */
#ifndef BB_CLI_ERROR_KL_H
#define BB_CLI_ERROR_KL_H
#include "cli/commands.h"

/* *taken: --kl was given, and this was the whole command. BB_E_ARG for options that do not go together. */
bb_status cli_error_kl(cli_call *call, bool *taken, bb_error *err);
#endif
