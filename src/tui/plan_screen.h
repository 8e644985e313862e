/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_screen.h - the state of the Plan screen: a request, its plan, and what follows from it. */
#ifndef BB_TUI_PLAN_SCREEN_H
#define BB_TUI_PLAN_SCREEN_H
#include "plan/ways.h"
#include "tui/app.h"

typedef enum bb_plan_field {
    BB_PLAN_MODEL,
    BB_PLAN_PURPOSE,
    BB_PLAN_ENGINE,
    BB_PLAN_WEIGHTS,
    BB_PLAN_CTX,
    BB_PLAN_KV,
    BB_PLAN_SEQS,
    BB_PLAN_GPU,
    BB_PLAN_GPUS,   /* how many */
    BB_PLAN_SPLIT,  /* how they share the model */
    BB_PLAN_LAYERS, /* on the cards */
    BB_PLAN_FIELDS
} bb_plan_field;

/* What is found after the plan: one between two keys, so that none waits for all. */
typedef enum bb_plan_part {
    BB_PART_WAYS,
    BB_PART_CTX,
    BB_PART_RUNGS,
    BB_PART_SEQS,
    BB_PART_MODEL,
    BB_PART_GPU,
    BB_PART_CARDS,
    BB_PART_ERRORS,
    BB_PARTS
} bb_plan_part;

enum { BB_WAYS = 5, BB_RUNGS = 12, BB_TYPE_ERRORS = 16, BB_CARDS = 24, BB_UNDO = 32, BB_SOLVES = BB_SOLVE_KV + 1 };

typedef struct bb_rung { /* the same plan with other weights */
    char weights[24];
    uint64_t total_bytes;
    bb_fit_answer fits;
    double bits;  /* a weight, over all tensors */
    double error; /* of its base type (bb_type_error); NaN = not known */
} bb_rung;

typedef struct bb_type_loss { /* what was measured once */
    const bb_dtype *type;
    double error;
} bb_type_loss;

typedef struct bb_card { /* the same plan on other cards */
    const bb_gpu *gpu;   /* of the catalogue */
    bb_fit_answer fits;
} bb_card;

typedef struct bb_before { /* for undo */
    char model_text[BB_EDIT_MAX];
    bb_plan_request ask;
    bool engine_set;
} bb_before;

typedef struct bb_plan_screen {
    const bb_catalogue *cat;
    const bb_stores *stores;      /* borrowed, or NULL */
    char model_text[BB_EDIT_MAX]; /* as it was typed or chosen */
    bb_model *model;              /* owned */
    bb_subject subject;           /* of the model */
    bb_plan_request ask;
    bool engine_set; /* the user named the engine; else it follows from the rest */
    char start_model[BB_EDIT_MAX], start_cards[BB_EDIT_MAX]; /* what "back to the start" means; "" = no such cards */
    bool given;   /* the command line named the model: what was remembered does not count */
    bb_str kept;  /* then: the lines that were remembered, for the next time */
    bool planned; /* plan is one; else why says what is wrong */
    bb_plan plan, trial;
    bb_error why;
    int part; /* the next bb_plan_part to find; BB_PARTS = all are known */
    bool fit_known[BB_SOLVES];
    bb_fit fit[BB_SOLVES];
    bb_plan_way ways[BB_WAYS];
    size_t n_ways;
    bb_rung rungs[BB_RUNGS];
    size_t n_rungs;
    bb_type_loss losses[BB_TYPE_ERRORS];
    size_t n_losses;
    bb_card cards[BB_CARDS];
    size_t n_cards;
    const bb_gpu *smallest; /* card that so many of hold the plan; NULL = none, or not looked for */
    size_t focus;           /* a field, then a line, then a way */
    bb_before undo[BB_UNDO];
    size_t n_undo;
    char first_title[96]; /* the plan that was kept to be compared; "" = none */
    bb_plan first;
} bb_plan_screen;

/* The plan from the fields; what follows from it is found by bb_plan_screen_work. */
void bb_plan_screen_update(bb_plan_screen *s);
/* Finds the next part; false when all are known. */
bool bb_plan_screen_work(bb_plan_screen *s);
/* A request that was found takes the place of the user's; what it found holds for its engine alone. */
void bb_plan_screen_take(bb_plan_screen *s, const bb_plan_request *ask);
/* Numbers of a request into s->trial; false when it cannot be planned. */
bool bb_plan_screen_try(bb_plan_screen *s, const bb_plan_request *ask);
/* The request with so many of that card. */
bb_plan_request bb_plan_screen_on(const bb_plan_screen *s, const bb_gpu *g, uint64_t cards);
/* Cards that people have, some of each size, as the catalogue names them; NULL past the end. */
const char *bb_plan_known_card(size_t i);
/* Lines that are shown: those without a colon. */
size_t bb_plan_screen_lines(const bb_plan_screen *s);
const bb_plan_line *bb_plan_screen_line(const bb_plan_screen *s, size_t i);
static inline size_t bb_plan_screen_cards(const bb_plan_request *ask) { return ask->n_cards ? ask->n_cards : 1; }

/* ---- fields (plan_fields.c, plan_beside.c) ---- */
extern const char *const bb_plan_kv_types[], *const bb_plan_weight_types[]; /* to choose from; NULL at the end */
extern const char *const bb_plan_engines[];
bb_status bb_plan_screen_model(bb_plan_screen *s, const char *text, bb_error *err);
/* Layers can lie on a card or on the host; several cards can share the model in more than one way. */
bool bb_plan_screen_has_layers(const bb_plan_screen *s);
bool bb_plan_screen_has_split(const bb_plan_screen *s);
const char *const *bb_plan_screen_splits(const bb_plan_screen *s);
/* Text of a field into the request; what belongs to the model or the card before is forgotten with it. */
bb_status bb_plan_screen_set(bb_plan_screen *s, bb_plan_field f, const char *text, bb_error *err);
/* What Left (step -1) and Right (1) put into a field; false when there is nothing else. */
bool bb_plan_screen_beside(bb_plan_screen *s, bb_plan_field f, int step, char *text, size_t size);
/* The value of a field as people read it. */
const char *bb_plan_screen_value(const bb_plan_screen *s, bb_plan_field field, char *buf, size_t size);
/* That engine into a request; types that it does not take give way to its own. False when it plans nothing here. */
bool bb_plan_screen_engine(bb_plan_screen *s, bb_engine engine, bb_plan_request *ask);
/* The cards as the GPU field takes them: "RTX 3090x2", "24696061952Bx2", "none", or "". */
void bb_plan_screen_card_text(const bb_plan_request *ask, bb_str *out);

/* ---- solving a field (plan_solve_field.c) ---- */
/* Puts what just fits into a field and says so in a sentence; false with one when nothing does. */
bool bb_plan_screen_solve(bb_plan_screen *s, bb_plan_field f, char *said, size_t size);

/* ---- lists and popups (plan_lists.c, plan_popups.c) ---- */
void bb_plan_list_models(bb_app *app, const bb_plan_screen *s);
void bb_plan_list_gpus(bb_app *app, const char *title);
void bb_plan_compose_formula(const bb_app *app, int width, bb_str *out);
void bb_plan_compose_compare(const bb_app *app, int width, bb_str *out);

/* ---- drawing (plan_draw.c, plan_draw_more.c) ---- */
void bb_plan_screen_wants(const bb_plan_screen *s, bb_wants *wants);
void bb_plan_screen_draw(const bb_app *app, const bb_plan_screen *s, const bb_panes *l);
void bb_plan_draw_more(const bb_plan_screen *s, const bb_panes *l);
void bb_plan_draw_ladder(const bb_plan_screen *s, const bb_panes *l);
void bb_plan_draw_cards(const bb_plan_screen *s, const bb_panes *l);
/* Rows that the pane below the lines has something for. */
int bb_plan_more_rows(const bb_plan_screen *s);
/* "fp32 29.92 GiB, 16 bit 14.96 GiB"; false when the parameters are not known. */
bool bb_plan_rule_text(const bb_plan_screen *s, char *buf, size_t size);
bb_role bb_plan_verdict_role(bb_fit_answer fits);
const char *bb_plan_verdict_word(bb_fit_answer fits); /* FITS, DOES NOT FIT, MAY FIT, "" */
#endif
