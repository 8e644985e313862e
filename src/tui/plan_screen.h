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
    BB_PLAN_LAYERS, /* on the card */
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
    char model_text[BB_EDIT_MAX];
    bb_plan_request ask;
} bb_before;

typedef struct bb_plan_screen {
    const bb_catalogue *cat;
    const bb_stores *stores;      /* borrowed, or NULL */
    char model_text[BB_EDIT_MAX]; /* as it was typed or chosen */
    bb_model *model;              /* owned */
    bb_subject subject;           /* of the model */
    bb_plan_request ask;
    bool given;   /* the command line named the model: what was remembered does not count */
    bb_str kept;  /* then: the lines that were remembered, for the next time */
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
/* ---- fields ---- */
extern const char *const bb_plan_kv_types[], *const bb_plan_weight_types[]; /* to choose from; NULL at the end */
bb_status bb_plan_screen_model(bb_plan_screen *s, const char *text, bb_error *err);
void bb_plan_screen_gpu(bb_plan_request *ask, const bb_gpu *g);
/* Layers can lie on a card or on the host. */
bool bb_plan_screen_has_layers(const bb_plan_screen *s);
/* Text of a field into the request; what belongs to the model or the card before is forgotten with it. */
bb_status bb_plan_screen_set(bb_plan_screen *s, bb_plan_field f, const char *text, bb_error *err);
/* What Left (step -1) and Right (1) put into a field; false when there is nothing else. */
bool bb_plan_screen_beside(bb_plan_screen *s, bb_plan_field f, int step, char *text, size_t size);
/* The value of a field as people read it. */
const char *bb_plan_screen_value(const bb_plan_screen *s, bb_plan_field field, char *buf, size_t size);

/* ---- drawing ---- */
void bb_plan_screen_wants(const bb_plan_screen *s, bb_wants *wants);
void bb_plan_screen_draw(const bb_app *app, const bb_plan_screen *s, const bb_panes *l);
/* High end of the need of a request; false when it cannot be planned. */
bool bb_plan_screen_try(bb_plan_screen *s, const bb_plan_request *ask, uint64_t *total, uint64_t *high,
                        bb_fit_answer *fits);
#endif
