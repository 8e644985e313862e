/* SPDX-License-Identifier: GPL-3.0-or-later */
/* choose_types.c - types under a limit of bytes: a knapsack with one choice a tensor, by its relaxation and exchanges.
 */
#include "base/checked.h"
#include "base/mem.h"
#include "model/recipe.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Exchanges until none helps; their number only bounds the time where errors differ by rounding alone. */
enum { EXCHANGES_MAX = 400 };
/* Few tensors are searched through: there a single choice is a large part of the error. */
enum { SEARCH_TENSORS = 64, SEARCH_NODES = 200000 };

/* Sums of differences stay far from the ends of int64_t. */
static const uint64_t bytes_max = UINT64_C(1) << 62;

/* A type that a tensor may have and that no other is smaller than without a larger error. */
typedef struct option {
    uint64_t bytes;
    double error;
    size_t type, before; /* before: the one before it on the hull */
    bool on_hull;        /* of the tensor's options in the plane of bytes and error: what the relaxation mixes */
} option;

typedef struct tensor {
    option *options; /* [n] by bytes, errors falling; part of one allocation */
    size_t n, at;
} tensor;

/* From one option of a tensor to another. */
typedef struct move {
    size_t tensor, from, to;
    int64_t bytes;
    double error;
} move;

typedef struct problem {
    tensor *tensors; /* [n] */
    option *options;
    move *moves;       /* room for every option of every tensor */
    size_t (*best)[2]; /* [moves] of the moves up to each: the two of least error, of different tensors */
    size_t n;
    uint64_t bytes, limit;
    double price; /* of a byte, in error: the relaxation's */
} problem;

static int by_size(const void *a, const void *b) {
    const option *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    if (x->error < y->error || x->error > y->error) return x->error < y->error ? -1 : 1;
    return x->type < y->type ? -1 : x->type > y->type;
}

/* Whether b lies on or above the line from a to c. */
static bool above(const option *a, const option *b, const option *c) {
    return (b->error - a->error) * (double)(c->bytes - a->bytes) >=
           (c->error - a->error) * (double)(b->bytes - a->bytes);
}

static void mark_hull(tensor *t) {
    option *o = t->options;
    o[0].on_hull = true;
    for (size_t i = 1, last = 0; i < t->n; last = i++) {
        while (last > 0 && above(&o[o[last].before], &o[last], &o[i])) {
            o[last].on_hull = false;
            last = o[last].before;
        }
        o[i].on_hull = true;
        o[i].before = last;
    }
}

/* The options of one tensor that are worth to be looked at. */
static bb_status set_options(tensor *t, const bb_type_choice *c, size_t n_types, size_t index, bb_error *err) {
    size_t n = 0;
    for (size_t k = 0; k < n_types; k++) {
        if (!isfinite(c->error[k])) continue;
        if (c->bytes[k] > bytes_max)
            return bb_fail(err, BB_E_OVERFLOW, "tensor %zu of %" PRIu64 " bytes is too large", index, c->bytes[k]);
        t->options[n++] = (option){.bytes = c->bytes[k], .error = c->error[k], .type = k};
    }
    if (n == 0) return bb_fail(err, BB_E_VALUE, "tensor %zu can have none of the %zu types", index, n_types);
    qsort(t->options, n, sizeof *t->options, by_size);
    t->n = 1;
    for (size_t k = 1; k < n; k++)
        if (t->options[k].error < t->options[t->n - 1].error) t->options[t->n++] = t->options[k];
    mark_hull(t);
    return BB_OK;
}

static void apply(problem *p, const move *m) {
    p->tensors[m->tensor].at = m->to;
    p->bytes += (uint64_t)m->bytes; /* modulo 2^64: right for negative ones too */
}

static int by_gain(const void *a, const void *b) {
    const move *x = a, *y = b;
    double gx = x->error / (double)x->bytes, gy = y->error / (double)y->bytes;
    if (gx < gy || gx > gy) return gx < gy ? -1 : 1;
    if (x->tensor != y->tensor) return x->tensor < y->tensor ? -1 : 1;
    return x->to < y->to ? -1 : x->to > y->to;
}

/* Up along every tensor's hull, the most error per byte first: the optimum of the relaxation until one step does not
 * fit; later ones that do are taken too. */
static void climb(problem *p) {
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        const tensor *t = &p->tensors[i];
        for (size_t from = 0, to = 1; to < t->n; to++) {
            if (!t->options[to].on_hull) continue;
            p->moves[n++] = (move){i, from, to, (int64_t)(t->options[to].bytes - t->options[from].bytes),
                                   t->options[to].error - t->options[from].error};
            from = to;
        }
    }
    qsort(p->moves, n, sizeof *p->moves, by_gain);
    for (size_t k = 0; k < n; k++) {
        const move *m = &p->moves[k];
        if ((uint64_t)m->bytes > p->limit - p->bytes) {
            if (!(p->price > 0)) p->price = -m->error / (double)m->bytes;
        } else if (p->tensors[m->tensor].at == m->from)
            apply(p, m);
    }
}

static int by_bytes(const void *a, const void *b) {
    const move *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    if (x->error < y->error || x->error > y->error) return x->error < y->error ? -1 : 1;
    if (x->tensor != y->tensor) return x->tensor < y->tensor ? -1 : 1;
    return x->to < y->to ? -1 : x->to > y->to;
}

/* Every other option of every tensor, by bytes, and the best of each beginning of that list. */
static size_t list_moves(problem *p) {
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        const tensor *t = &p->tensors[i];
        const option *now = &t->options[t->at];
        for (size_t to = 0; to < t->n; to++)
            if (to != t->at)
                p->moves[n++] = (move){i, t->at, to, (int64_t)(t->options[to].bytes - now->bytes),
                                       t->options[to].error - now->error};
    }
    qsort(p->moves, n, sizeof *p->moves, by_bytes);
    for (size_t k = 0; k < n; k++) {
        size_t first = k ? p->best[k - 1][0] : SIZE_MAX, second = k ? p->best[k - 1][1] : SIZE_MAX;
        const move *m = p->moves;
        if (first == SIZE_MAX || m[k].error < m[first].error) {
            if (first != SIZE_MAX && m[first].tensor != m[k].tensor) second = first;
            first = k;
        } else if (m[k].tensor != m[first].tensor && (second == SIZE_MAX || m[k].error < m[second].error))
            second = k;
        p->best[k][0] = first;
        p->best[k][1] = second;
    }
    return n;
}

/* The move of least error with at most `room` bytes in another tensor than `but`; SIZE_MAX = none. */
static size_t partner(const problem *p, size_t n, int64_t room, size_t but) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->moves[mid].bytes <= room)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0) return SIZE_MAX;
    size_t first = p->best[low - 1][0];
    return p->moves[first].tensor != but ? first : p->best[low - 1][1];
}

/* The best move of one tensor, or of two at once, that fits; false when none lowers the error. */
static bool exchange(problem *p) {
    size_t n = list_moves(p), chosen = SIZE_MAX, with = SIZE_MAX;
    uint64_t free_bytes = p->limit - p->bytes;
    int64_t room = free_bytes < bytes_max ? (int64_t)free_bytes : (int64_t)bytes_max;
    double least = 0;
    for (size_t k = 0; k < n; k++) {
        const move *m = &p->moves[k];
        size_t other = partner(p, n, room - m->bytes, m->tensor);
        if (m->bytes <= room && m->error < least) {
            least = m->error;
            chosen = k;
            with = SIZE_MAX;
        }
        if (other != SIZE_MAX && m->error + p->moves[other].error < least) {
            least = m->error + p->moves[other].error;
            chosen = k;
            with = other;
        }
    }
    if (chosen == SIZE_MAX) return false;
    apply(p, &p->moves[chosen]);
    if (with != SIZE_MAX) apply(p, &p->moves[with]);
    return true;
}

/* Depth first through all combinations, leaving out what the relaxation's price shows to be no better. */
typedef struct search {
    problem *p;
    double rest[SEARCH_TENSORS + 1];         /* of the tensors from here on: sum of least error + price * bytes */
    uint64_t rest_bytes[SEARCH_TENSORS + 1]; /* and of their smallest types */
    size_t at[SEARCH_TENSORS], best[SEARCH_TENSORS];
    double least;
    size_t nodes; /* that may still be visited */
} search;

/* Tensors before i have their types, which make `bytes` and `error`. */
static void look(search *s, size_t i, uint64_t bytes, double error) {
    const problem *p = s->p;
    if (i == p->n) {
        if (error >= s->least) return;
        s->least = error;
        memcpy(s->best, s->at, p->n * sizeof *s->best);
        return;
    }
    uint64_t room = p->limit - bytes - s->rest_bytes[i + 1];
    for (size_t k = 0; k < p->tensors[i].n && s->nodes > 0; k++) {
        const option *o = &p->tensors[i].options[k];
        if (o->bytes > room) break;
        s->nodes--;
        uint64_t left = p->limit - bytes - o->bytes;
        if (error + o->error + s->rest[i + 1] - p->price * (double)left >= s->least) continue;
        s->at[i] = k;
        look(s, i + 1, bytes + o->bytes, error + o->error);
    }
}

static double error_of(const problem *p) {
    double sum = 0;
    for (size_t i = 0; i < p->n; i++) sum += p->tensors[i].options[p->tensors[i].at].error;
    return sum;
}

static void search_all(problem *p) {
    search s = {.p = p, .least = error_of(p), .nodes = SEARCH_NODES};
    for (size_t i = p->n; i-- > 0;) {
        const tensor *t = &p->tensors[i];
        double least = t->options[0].error + p->price * (double)t->options[0].bytes;
        for (size_t k = 1; k < t->n; k++)
            least = fmin(least, t->options[k].error + p->price * (double)t->options[k].bytes);
        s.rest[i] = s.rest[i + 1] + least;
        s.rest_bytes[i] = s.rest_bytes[i + 1] + t->options[0].bytes;
        s.best[i] = t->at;
    }
    look(&s, 0, 0, 0);
    p->bytes = 0;
    for (size_t i = 0; i < p->n; i++) {
        p->tensors[i].at = s.best[i];
        p->bytes += p->tensors[i].options[s.best[i]].bytes;
    }
}

static bb_status set_tensors(problem *p, const bb_type_choice *choices, size_t n_types, bb_error *err) {
    for (size_t i = 0; i < p->n; i++) {
        p->tensors[i].options = p->options + i * n_types;
        bb_status st = set_options(&p->tensors[i], &choices[i], n_types, i, err);
        if (st) return st;
        if (!bb_add_u64(p->bytes, p->tensors[i].options[0].bytes, &p->bytes))
            return bb_fail(err, BB_E_OVERFLOW, "even the smallest types have more than 2^64 bytes");
    }
    if (p->bytes <= p->limit) return BB_OK;
    return bb_fail(err, BB_E_VALUE, "the smallest possible size is %" PRIu64 " bytes, more than %" PRIu64, p->bytes,
                   p->limit);
}

bb_status bb_choose_types(const bb_type_choice *choices, size_t n, size_t n_types, uint64_t limit, size_t *picked,
                          uint64_t *bytes, double *error, bb_error *err) {
    problem p = {.n = n, .limit = limit};
    size_t all = 0;
    bb_status st = BB_OK;
    bool fits = bb_mul_size(n, n_types, &all);
    p.tensors = bb_alloc(n, sizeof *p.tensors);
    p.options = fits ? bb_alloc(all, sizeof *p.options) : NULL;
    p.moves = fits ? bb_alloc(all, sizeof *p.moves) : NULL;
    p.best = fits ? bb_alloc(all, sizeof *p.best) : NULL;
    if (!p.tensors || !p.options || !p.moves || !p.best)
        st = bb_fail(err, BB_E_NOMEM, "no memory to choose types for %zu tensors", n);
    if (!st) st = set_tensors(&p, choices, n_types, err);
    if (!st) {
        climb(&p);
        for (int i = 0; i < EXCHANGES_MAX && exchange(&p); i++) {
        }
        if (n <= SEARCH_TENSORS) search_all(&p);
        for (size_t i = 0; i < n; i++) picked[i] = p.tensors[i].options[p.tensors[i].at].type;
        *bytes = p.bytes;
        *error = error_of(&p);
    }
    free(p.tensors);
    free(p.options);
    free(p.moves);
    free(p.best);
    return st;
}
