/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_screen.h - the state of the Plan screen: a request, its plan, and what follows from it. */
#ifndef BB_TUI_PLAN_SCREEN_H
#define BB_TUI_PLAN_SCREEN_H
#include "plan/plan.h"
#include "tui/app.h"

typedef enum bb_plan_field {
    BB_PLAN_MODEL,
    BB_PLAN_PURPOSE,
    BB_PLAN_WEIGHTS,
    BB_PLAN_CTX,
    BB_PLAN_KV,
    BB_PLAN_SEQS,
    BB_PLAN_GPU,
    BB_PLAN_FIELDS
} bb_plan_field;

enum { BB_WAYS = 3, BB_RUNGS = 8, BB_CARDS = 24, BB_UNDO = 32 };

typedef struct bb_way { /* a change of the request after which it fits */
    char text[80];
    uint64_t high_bytes, limit_bytes;
    bb_plan_request ask;
} bb_way;

typedef struct bb_rung { /* the same plan with other weights */
    char weights[24];
    uint64_t total_bytes;
    bb_fit_answer fits;
} bb_rung;

typedef struct bb_card { /* the same plan on another card */
    const bb_gpu *gpu;   /* of the catalogue */
    bb_fit_answer fits;
} bb_card;

typedef struct bb_before { /* for undo */
    char model_text[256];
    bb_plan_request ask;
} bb_before;

typedef struct bb_plan_screen {
    const bb_catalogue *cat;
    const bb_stores *stores; /* borrowed, or NULL */
    char model_text[256];    /* as it was typed or chosen */
    bb_model *model;         /* owned */
    bb_subject subject;      /* of the model */
    bb_plan_request ask;
    bool given;   /* the command line named the model: what was remembered does not count */
    bool planned; /* plan is one; else why says what is wrong */
    bb_plan plan;
    bb_error why;
    bool fit_known;
    bb_fit fit;
    bb_way ways[BB_WAYS];
    size_t n_ways;
    bb_rung rungs[BB_RUNGS];
    size_t n_rungs;
    bb_card cards[BB_CARDS];
    size_t n_cards;
    size_t focus; /* a field, then a line, then a way */
    bb_before undo[BB_UNDO];
    size_t n_undo;
} bb_plan_screen;

/* Everything below the fields, from the fields. */
void bb_plan_screen_update(bb_plan_screen *s);
/* Lines that are shown: those without a colon. */
size_t bb_plan_screen_lines(const bb_plan_screen *s);
const bb_plan_line *bb_plan_screen_line(const bb_plan_screen *s, size_t i);
/* The value of a field as people read it. */
const char *bb_plan_screen_value(const bb_plan_screen *s, bb_plan_field field, char *buf, size_t size);
void bb_plan_screen_draw(const bb_app *app, const bb_plan_screen *s, const bb_layout *l);
/* High end of the need of a request; false when it cannot be planned. */
bool bb_plan_screen_try(bb_plan_screen *s, const bb_plan_request *ask, uint64_t *total, uint64_t *high,
                        bb_fit_answer *fits);
#endif
