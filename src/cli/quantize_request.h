/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_request.h - the half of bitbudget quantize that writes folders of safetensors. */
#ifndef BB_CLI_QUANTIZE_REQUEST_H
#define BB_CLI_QUANTIZE_REQUEST_H
#include "cli/commands.h"
#include "report/report.h"

/* int8, nf4 and fp4: no GGUF, but a folder. type may be NULL. */
bool cli_quantize_is_folder(const char *type);
/* BB_E_ARG for an option that the kind of output does not know. */
bb_status cli_quantize_check_kind(const cli_args *args, bb_error *err);
bb_status cli_quantize_folder(cli_call *call, const bb_model *model, bb_error *err);
#endif
