/* SPDX-License-Identifier: GPL-3.0-or-later */
/* solve.h - the inverse of a plan: the most of one thing that still fits. */
#ifndef BB_PLAN_SOLVE_H
#define BB_PLAN_SOLVE_H
#include "plan/plan.h"

/* What `solve` can be in *fit; the value of it in the request is not read. BB_E_ARG without a limit. */
bb_status bb_solve_subject(bb_subject *s, const bb_plan_request *request, bb_solve solve, bb_fit *fit, bb_error *err);
#endif
