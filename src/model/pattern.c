/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pattern.c - patterns as programs that follow all ways through a name at once (K. Thompson 1968). */
#include "model/pattern.h"
#include "model/pattern_program.h"
#include <stdlib.h>
#include <string.h>

/* Places in the program that wait for the next byte. */
typedef struct places {
    size_t n;
    bool match; /* the end of the program is reached, and the other places may be missing */
    uint16_t at[BB_PROGRAM_MAX];
} places;

/* What has been reached at one place in a name. */
typedef struct walk {
    const bb_pattern *p;
    uint32_t round;
    uint32_t seen[BB_PROGRAM_MAX]; /* the last round that came here */
    uint16_t stack[BB_PROGRAM_MAX];
} walk;

static void walk_begin(walk *w, const bb_pattern *p) {
    w->p = p;
    w->round = 0;
    memset(w->seen, 0, p->n * sizeof *w->seen);
}

static void next_round(walk *w, places *out) {
    w->round++;
    out->n = 0;
    out->match = false;
}

static bool holds(unsigned op, const char *name, const char *at) {
    bool before = at > name && bb_is_word((unsigned char)at[-1]), after = bb_is_word((unsigned char)*at);
    switch (op) {
    case BB_OP_BEGIN:
        return at == name;
    case BB_OP_END:
        return !*at;
    case BB_OP_LINE_END:
        return !*at || (*at == '\n' && !at[1]);
    case BB_OP_WORD_EDGE:
        return before != after;
    default:
        return before == after;
    }
}

static void visit(walk *w, size_t place, size_t *n) {
    if (w->seen[place] == w->round) return;
    w->seen[place] = w->round;
    w->stack[(*n)++] = (uint16_t)place;
}

/* Adds every place that can be reached from `from` without a byte, where `at` is in the name. */
static void reach(walk *w, size_t from, const char *name, const char *at, places *out) {
    size_t n = 0;
    visit(w, from, &n);
    while (n) {
        size_t i = w->stack[--n];
        const bb_instruction *x = &w->p->code[i];
        switch (x->op) {
        case BB_OP_MATCH:
            out->match = true;
            return;
        case BB_OP_BYTE:
        case BB_OP_SET:
            out->at[out->n++] = (uint16_t)i;
            break;
        case BB_OP_FORK:
            visit(w, (size_t)((ptrdiff_t)i + x->b), &n);
            visit(w, (size_t)((ptrdiff_t)i + x->a), &n);
            break;
        case BB_OP_JUMP:
            visit(w, (size_t)((ptrdiff_t)i + x->a), &n);
            break;
        default:
            if (holds(x->op, name, at)) visit(w, i + 1, &n);
        }
    }
}

static bool takes(const bb_pattern *p, const bb_instruction *x, unsigned char c) {
    return x->op == BB_OP_BYTE ? x->byte == c : bb_in_set(p->sets[x->a], c);
}

bool bb_pattern_match(const bb_pattern *pattern, const char *name) {
    places lists[2], *now = &lists[0], *next = &lists[1];
    walk w;
    size_t begin = 0;
    const char *at = name;
    /* most names differ from most patterns here, and nothing has to be set up for it */
    for (; pattern->code[begin].op == BB_OP_BYTE; begin++, at++)
        if (!*at || pattern->code[begin].byte != (unsigned char)*at) return false;
    walk_begin(&w, pattern);
    next_round(&w, now);
    reach(&w, begin, name, at, now);
    while (!now->match && now->n && *at) {
        unsigned char c = (unsigned char)*at++;
        next_round(&w, next);
        for (size_t i = 0; i < now->n && !next->match; i++)
            if (takes(pattern, &pattern->code[now->at[i]], c)) reach(&w, now->at[i] + (size_t)1, name, at, next);
        places *past = now;
        now = next;
        next = past;
    }
    return now->match;
}

/* ---- numbers ---- */

/* Whether the place takes digits, and all of them when it does. */
static bool digits(const bb_pattern *p, size_t place, bool *all) {
    size_t n = 0;
    bool waits = p->code[place].op == BB_OP_BYTE || p->code[place].op == BB_OP_SET;
    for (unsigned char c = '0'; waits && c <= '9'; c++) n += takes(p, &p->code[place], c);
    *all = n == 10;
    return n > 0;
}

static bool same(const bb_pattern *p, const places *a, const places *b) {
    bool in[BB_PROGRAM_MAX];
    if (a->match || b->match) return a->match && b->match;
    if (a->n != b->n) return false;
    memset(in, 0, p->n * sizeof *in);
    for (size_t i = 0; i < a->n; i++) in[a->at[i]] = true;
    for (size_t i = 0; i < b->n; i++)
        if (!in[b->at[i]]) return false;
    return true;
}

/* Whether the place leads on to the same after one digit and after two, whatever follows them. Then it does after any
 * number: each digit more changes nothing. */
static bool steady(walk *w, size_t place) {
    /* a digit, then another, the end, and what `$` and \b tell apart */
    static const char *const after[] = {"00", "0", "0\n", "0a", "0."};
    places middle, one, two;
    bool all;
    next_round(w, &middle);
    reach(w, place + 1, after[0], after[0] + 1, &middle);
    for (size_t k = 0; k < sizeof after / sizeof *after; k++) {
        next_round(w, &one);
        reach(w, place + 1, after[k], after[k] + 1, &one);
        next_round(w, &two);
        for (size_t i = 0; i < middle.n && !two.match; i++)
            if (digits(w->p, middle.at[i], &all)) reach(w, middle.at[i] + (size_t)1, after[k], after[k] + 1, &two);
        two.match |= middle.match;
        if (!same(w->p, &one, &two)) return false;
    }
    return true;
}

bool bb_pattern_uniform(const bb_pattern *pattern) {
    enum { MOST = 32 }; /* each takes as long as the program */
    walk w;
    size_t n = 0;
    walk_begin(&w, pattern);
    for (size_t i = 0; i < pattern->n; i++) {
        bool all;
        if (digits(pattern, i, &all) && (!all || ++n > MOST || !steady(&w, i))) return false;
    }
    return true;
}

uint64_t bb_pattern_cost(const bb_pattern *pattern) { return pattern->cost; }

uint64_t bb_pattern_steps(const bb_pattern *pattern) {
    size_t begin = 0;
    while (pattern->code[begin].op == BB_OP_BYTE) begin++;
    return pattern->n - begin;
}

void bb_pattern_free(bb_pattern *pattern) {
    if (!pattern) return;
    free(pattern->code);
    free(pattern->sets);
    free(pattern);
}
