/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan.h - memory of loading and inference: lines per component and device, an interval, a verdict. Never opens a file.
 */
#ifndef BB_PLAN_PLAN_H
#define BB_PLAN_PLAN_H
#include "graph/graph.h"
#include "model/catalogue.h"
#include "model/locate.h"
#include "model/mixture.h"

/* Everything about the model that does not change while the user turns the knobs: build once, plan many times. */
typedef struct bb_subject {
    const bb_model *model;   /* borrowed */
    const bb_catalogue *cat; /* borrowed: overheads */
    bb_graph graph;          /* n_nodes 0 when there is no architecture */
    uint64_t parameters, active_parameters;
    bb_mix_tensor *tensors; /* [n_tensors] GGUF names; types as in the file, or for the last file type asked */
    char (*names)[96];
    size_t n_tensors;
    bool from_file; /* types are the file's own */
} bb_subject;

bb_status bb_subject_init(bb_subject *s, const bb_model *model, const bb_catalogue *cat, bb_error *err);
void bb_subject_clear(bb_subject *s);

/* The plan of a subject. *plan must be cleared. Errors: BB_E_UNSUPPORTED (quantity that needs an architecture, unknown
 * combination), BB_E_NAME (weights, kv type), BB_E_ARG (ranges), BB_E_OVERFLOW. */
bb_status bb_plan_subject(bb_subject *s, const bb_plan_request *request, bb_plan *plan, bb_error *err);
bb_status bb_fit_ctx_subject(bb_subject *s, const bb_plan_request *request, bb_fit *fit, bb_error *err);

const char *bb_evidence_name(bb_evidence e);
const char *bb_engine_name(bb_engine e);
bb_status bb_engine_find(const char *name, bb_engine *e, bb_error *err);
const char *bb_fits_name(bb_fit_answer f); /* "yes", "no", "maybe"; NULL for unknown */
#endif
