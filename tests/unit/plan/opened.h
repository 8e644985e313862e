/* SPDX-License-Identifier: GPL-3.0-or-later */
/* opened.h - models of the catalogue opened for plans, and the lines of a plan. */
#ifndef BB_TESTS_PLAN_OPENED_H
#define BB_TESTS_PLAN_OPENED_H
#include "harness.h"
#include "plan/plan.h"
#include <string.h>

static bb_catalogue *cat;

static inline void setup(void) { ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK); }
static inline void teardown(void) { bb_catalogue_free(cat); }

typedef struct opened {
    bb_model *model;
    bb_subject subject;
} opened;

static inline void open_model(opened *o, const char *text) {
    bb_error err = {0};
    ck_assert_msg(bb_model_locate(cat, NULL, text, &o->model, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_subject_init(&o->subject, o->model, cat, &err) == BB_OK, "%s", err.text);
}

static inline void close_model(opened *o) {
    bb_subject_clear(&o->subject);
    bb_model_free(o->model);
}

static inline void plan_of(opened *o, const bb_plan_request *r, bb_plan *p) {
    bb_error err = {0};
    ck_assert_msg(bb_plan_subject(&o->subject, r, p, &err) == BB_OK, "%s", err.text);
}

/* All 0 when there is no such line. */
static inline bb_plan_line line_of(const bb_plan *p, const char *component, const char *device) {
    for (size_t i = 0; i < p->n_lines; i++)
        if (strcmp(p->lines[i].component, component) == 0 && strcmp(p->lines[i].device, device) == 0)
            return p->lines[i];
    return (bb_plan_line){0};
}
#endif
