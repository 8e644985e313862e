/* SPDX-License-Identifier: GPL-3.0-or-later */
/* solve.h - the inverse of a plan: the most of one thing that still fits. */
#ifndef BB_PLAN_SOLVE_H
#define BB_PLAN_SOLVE_H
#include "plan/plan.h"

/* What `solve` can be in *fit; the value of it in the request is not read. "Fits" is BB_FITS_YES: the high end on each
 * card. What an engine refuses does not fit; the error of the smallest that is tried is returned.
 *  ctx      llama.cpp: of all sequences together, a multiple of 256 for each
 *  batch    llama.cpp alone: tokens of the physical batch, the logical one not below it
 *  slots    sequences of request->ctx tokens each
 *  layers   llama.cpp alone: what --gpu-layers takes
 *  params   of a count: itself; else of a model of as many layers of this shape as fit
 *  weights  fit->answer is their bytes, answer_name the widest rung of bb_ladder_weights
 *  gpus     cards like the request's first
 *  kv       fit->answer is its bytes, answer_name the widest rung of bb_ladder_kv
 * BB_E_ARG without a limit; BB_E_UNSUPPORTED where the engine or the model has no such thing. */
bb_status bb_solve_subject(bb_subject *s, const bb_plan_request *request, bb_solve solve, bb_fit *fit, bb_error *err);
/* The answer as a request that can be planned: the value, and what goes with it (of slots the context of all). False
 * without an answer, and for params, which are another model's. */
bool bb_solve_request(const bb_plan_request *request, const bb_fit *fit, bb_plan_request *answer);

/* Types to choose from, from wide to narrow; NULL past the end. */
const char *bb_ladder_weights(const bb_plan_request *request, size_t i);
const char *bb_ladder_kv(const bb_plan_request *request, size_t i);

const char *bb_solve_name(bb_solve solve); /* "ctx" */
bb_status bb_solve_find(const char *name, bb_solve *solve, bb_error *err);
#endif
