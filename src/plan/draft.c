/* SPDX-License-Identifier: GPL-3.0-or-later */
/* draft.c - a plan in the making: its lines, notes and overhead, and the words of its enums. */
#include "base/escape.h"
#include "base/mem.h"
#include "base/units.h"
#include "plan/plan_parts.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void bb_draft_line(bb_draft *d, const char *component, const char *device, bb_span bytes, bb_evidence status,
                   const char *source, const char *fmt, ...) {
    if (d->st) return;
    if (d->calc.overflow) {
        d->st = bb_fail(d->err, BB_E_OVERFLOW, "the bytes of %s pass 2^64", component);
        return;
    }
    if (bytes.bytes == 0 && bytes.high == 0) return;
    if (!bb_grow((void **)&d->plan->lines, d->plan->n_lines, &d->cap, sizeof *d->plan->lines)) {
        d->st = bb_fail(d->err, BB_E_NOMEM, "out of memory");
        return;
    }
    bb_plan_line *l = &d->plan->lines[d->plan->n_lines++];
    *l = (bb_plan_line){.bytes = bytes.bytes, .low_bytes = bytes.low, .high_bytes = bytes.high, .status = status};
    (void)snprintf(l->component, sizeof l->component, "%s", component);
    (void)snprintf(l->device, sizeof l->device, "%s", device);
    (void)snprintf(l->source, sizeof l->source, "%s", source);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(l->formula, sizeof l->formula, fmt, args);
    va_end(args);
}

void bb_draft_note(bb_draft *d, const char *fmt, ...) {
    for (size_t i = 0; i < BB_PLAN_NOTES; i++) {
        if (*d->plan->note[i]) continue;
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(d->plan->note[i], sizeof d->plan->note[i], fmt, args);
        va_end(args);
        return;
    }
}

const char *bb_draft_device(const bb_draft *d) { return d->plan->used.no_gpu ? "host" : "gpu0"; }

void bb_draft_overhead(bb_draft *d, const bb_subject *s, const char *device) {
    const bb_plan_request *u = &d->plan->used;
    if (u->overhead_set) {
        bb_draft_line(d, "overhead", device, bb_span_exact(u->overhead_bytes), BB_ASSUMED, "--overhead", "as asked");
        return;
    }
    for (size_t i = 0; s->cat && i < bb_catalogue_overheads(s->cat); i++) {
        const bb_overhead *o = bb_catalogue_overhead(s->cat, i);
        if (!bb_name_eq(o->engine, bb_engine_name(u->engine))) continue;
        char low[32], high[32];
        bb_span span = {o->typical_bytes, o->low_bytes, o->high_bytes};
        bb_draft_line(d, "overhead", device, span, o->status, o->source, "context, kernels, workspaces: %s to %s",
                      bb_bytes_text(o->low_bytes, false, low), bb_bytes_text(o->high_bytes, false, high));
        return;
    }
}

const char *bb_evidence_name(bb_evidence e) {
    static const char *const names[] = {"exact", "modelled", "assumed", "measured"};
    return names[e];
}

static const char *const engines[] = {"simple", "llama.cpp", "hf"};
const char *bb_engine_name(bb_engine e) { return engines[e]; }

bb_status bb_engine_find(const char *name, bb_engine *e, bb_error *err) {
    for (int i = 0; i < 3; i++)
        if (bb_name_eq(name, engines[i])) {
            *e = (bb_engine)i;
            return BB_OK;
        }
    if (bb_name_eq(name, "llamacpp") || bb_name_eq(name, "llama-cpp")) {
        *e = BB_ENGINE_LLAMA_CPP;
        return BB_OK;
    }
    if (bb_name_eq(name, "vllm"))
        return bb_fail(err, BB_E_UNSUPPORTED,
                       "engine vllm is not modelled in this version: simple, llama.cpp and hf are");
    char shown[48];
    return bb_fail(err, BB_E_ARG, "'%s' is not an engine: expected simple, llama.cpp or hf",
                   bb_escape_buf(name, shown, sizeof shown));
}

const char *bb_fits_name(bb_fit_answer f) {
    static const char *const names[] = {NULL, "yes", "no", "maybe"};
    return names[f];
}
