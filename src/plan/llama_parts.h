/* SPDX-License-Identifier: GPL-3.0-or-later */
/* llama_parts.h - what the lines of llama.cpp's plan share; private to plan_llama*.c. */
#ifndef BB_PLAN_LLAMA_PARTS_H
#define BB_PLAN_LLAMA_PARTS_H
#include "plan/placement.h"
#include "plan/plan_parts.h"
#include "plan/weight_set.h"

/* One plan in the making. */
typedef struct bb_llama {
    bb_draft *d;
    bb_subject *s;
    bb_placement place;
    const bb_weight_set *set;
    const bb_dtype *k, *v; /* of the cache */
    uint64_t ctx;          /* tokens of all sequences together */
} bb_llama;

/* Name of a device of the placement, the host for place.n_devices. */
const char *bb_llama_device(const bb_llama *p, uint32_t device);
/* Device of tensor i; of the second copy of a tied embedding when `copy`. */
uint32_t bb_llama_home(const bb_llama *p, size_t i, bool copy);

void bb_llama_kv(bb_llama *p);
void bb_llama_state(bb_llama *p);
void bb_llama_compute(bb_llama *p);
void bb_llama_output(bb_llama *p);
/* The batch, which ollama chooses by the context and the memory where none is asked. */
void bb_ollama_batch(bb_llama *p);
/* Sentences about options that do not mean what they say. */
void bb_llama_notes(bb_llama *p);
#endif
