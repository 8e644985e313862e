/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_options.h - what a plan was made with, as words and as JSON; shared by the answers of plan and fit. */
#ifndef BB_REPORT_REPORT_OPTIONS_H
#define BB_REPORT_REPORT_OPTIONS_H
#include "base/json.h"
#include "base/str.h"
#include "plan/plan.h"

/* "infer, llama.cpp, weights q4_K_M, ctx 8192, ..." */
void bb_report_options_text(const bb_plan_request *used, bb_str *out);
/* The object `options` into root; null for what the engine does not have. */
void bb_report_options_json(bb_json *root, const bb_plan_request *used);
#endif
