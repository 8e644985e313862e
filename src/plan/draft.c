/* SPDX-License-Identifier: GPL-3.0-or-later */
/* draft.c - a plan in the making: its lines, notes and overhead, and the words of its enums. */
#include "base/escape.h"
#include "base/mem.h"
#include "base/units.h"
#include "plan/plan_parts.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names of components and devices are short; snprintf would cost more than the sums of a plan do. */
static void put(char *to, size_t size, const char *from) {
    size_t n = strlen(from);
    if (n >= size) n = size - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

void bb_draft_line(bb_draft *d, const char *component, const char *device, bb_span bytes, bb_evidence status,
                   const char *source, const char *fmt, ...) {
    if (d->st) return;
    if (d->calc.overflow) {
        d->st = bb_fail(d->err, BB_E_OVERFLOW, "the bytes of %s pass 2^64", component);
        return;
    }
    if (bytes.bytes == 0 && bytes.high == 0) return;
    size_t cap = d->plan->cap_lines;
    if (!bb_grow((void **)&d->plan->lines, d->plan->n_lines, &cap, sizeof *d->plan->lines)) {
        d->st = bb_fail(d->err, BB_E_NOMEM, "out of memory");
        return;
    }
    d->plan->cap_lines = cap;
    bb_plan_line *l = &d->plan->lines[d->plan->n_lines++];
    l->bytes = bytes.bytes;
    l->low_bytes = bytes.low;
    l->high_bytes = bytes.high;
    l->status = status;
    l->formula[0] = l->source[0] = '\0';
    put(l->component, sizeof l->component, component);
    put(l->device, sizeof l->device, device);
    if (d->numbers) return;
    (void)snprintf(l->source, sizeof l->source, "%s", source);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(l->formula, sizeof l->formula, fmt, args);
    va_end(args);
}

void bb_draft_note(bb_draft *d, const char *fmt, ...) {
    if (d->numbers) return;
    for (size_t i = 0; i < BB_PLAN_NOTES; i++) {
        if (*d->plan->note[i]) continue;
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(d->plan->note[i], sizeof d->plan->note[i], fmt, args);
        va_end(args);
        return;
    }
}

uint64_t bb_plan_component_bytes(const bb_plan *plan, const char *component) {
    uint64_t sum = 0;
    for (size_t i = 0; i < plan->n_lines; i++)
        if (strcmp(plan->lines[i].component, component) == 0) sum += plan->lines[i].bytes;
    return sum;
}

const char *bb_card_name(size_t card) {
    static const char *const names[BB_PLAN_CARDS] = {"gpu0",  "gpu1",  "gpu2",  "gpu3", "gpu4",  "gpu5",
                                                     "gpu6",  "gpu7",  "gpu8",  "gpu9", "gpu10", "gpu11",
                                                     "gpu12", "gpu13", "gpu14", "gpu15"};
    return names[card];
}

const char *bb_draft_device(const bb_draft *d) { return d->plan->used.no_gpu ? "host" : bb_card_name(0); }

/* What a display takes is on the first card, and of a smaller card less: 809 MiB of 12281 (the source of that row). */
enum { DISPLAY_PERMILLE = 66 };

/* Low, typical and high of a row on a card; false when it does not count there. */
static bool own_span(const bb_overhead *o, const bb_plan_request *u, bool first, bb_span *span) {
    /* ollama starts llama.cpp's own server */
    const char *name = bb_engine_name(u->engine == BB_ENGINE_OLLAMA ? BB_ENGINE_LLAMA_CPP : u->engine);
    uint64_t card = u->cards[0].limit_bytes;
    if (!bb_name_eq(o->engine, name)) return false;
    bool display = strcmp(o->part, "display") == 0, graphs = strcmp(o->part, "cuda_graphs") == 0;
    if (display && !first) return false;
    if (graphs && (u->eager || u->purpose == BB_FOR_LOAD)) return false; /* made after loading, if at all */
    *span = (bb_span){o->typical_bytes, o->low_bytes, o->high_bytes};
    if (display && card)
        span->high = bb_max_u64(o->typical_bytes, bb_min_u64(o->high_bytes, card / 1000 * DISPLAY_PERMILLE));
    return true;
}

static void add_span(bb_calc *c, bb_span *all, bb_span part) {
    all->bytes = bb_calc_add(c, all->bytes, part.bytes);
    all->low = bb_calc_add(c, all->low, part.low);
    all->high = bb_calc_add(c, all->high, part.high);
}

/* The card of a device; BB_PLAN_CARDS for the host. */
static size_t card_of(const char *device) {
    size_t i = 0;
    while (i < BB_PLAN_CARDS && strcmp(device, bb_card_name(i)) != 0) i++;
    return i;
}

static bool stands_for(const bb_overhead *measured, const bb_overhead *o, const char *card) {
    return bb_overhead_is_of(measured, card) && bb_name_eq(measured->engine, o->engine) &&
           (bb_name_eq(measured->part, o->part) || bb_name_eq(measured->part, BB_OVERHEAD_MEASURED));
}

/* What a row adds on a device. One that was measured on its card stands for the others of its part, and while few logs
 * made it their spread is kept around it. */
static bool overhead_of(const bb_draft *d, const bb_subject *s, size_t row, const char *device, bb_span *span) {
    const bb_plan_request *u = &d->plan->used;
    const bb_overhead *o = bb_catalogue_overhead(s->cat, row);
    size_t at = card_of(device), n = bb_catalogue_overheads(s->cat);
    const char *card = at < BB_PLAN_CARDS ? u->cards[at].name : "";
    bb_calc c = {false};
    bb_span others = {0}, one;
    if (!own_span(o, u, at == 0, span)) return false;
    if (!*o->card) {
        for (size_t i = 0; i < n && *card; i++)
            if (*bb_catalogue_overhead(s->cat, i)->card && stands_for(bb_catalogue_overhead(s->cat, i), o, card))
                return false;
        return true;
    }
    if (!bb_overhead_is_of(o, card)) return false;
    for (size_t i = 0; i < n && o->logs < BB_OVERHEAD_LOGS; i++) {
        const bb_overhead *other = bb_catalogue_overhead(s->cat, i);
        if (!*other->card && stands_for(o, other, card) && own_span(other, u, at == 0, &one))
            add_span(&c, &others, one);
    }
    if (others.high && !c.overflow) {
        span->low = bb_min_u64(span->low, others.low);
        span->high = bb_max_u64(span->high, others.high);
    }
    return true;
}

void bb_draft_overhead_own(bb_draft *d, const bb_subject *s, const char *device, const bb_overhead_own *own) {
    const bb_plan_request *u = &d->plan->used;
    if (u->overhead_set) {
        bb_draft_line(d, "overhead", device, bb_span_exact(u->overhead_bytes), BB_ASSUMED, "--overhead", "as asked");
        return;
    }
    bb_span all = {0}, one;
    bb_evidence status = BB_MEASURED;
    const char *source = "data overheads";
    size_t rows = 0, n = s->cat ? bb_catalogue_overheads(s->cat) : 0;
    for (size_t i = 0; i < n; i++) {
        const bb_overhead *o = bb_catalogue_overhead(s->cat, i);
        if (!overhead_of(d, s, i, device, &one)) continue;
        add_span(&d->calc, &all, one);
        if (o->status != BB_MEASURED && status != BB_ASSUMED) status = o->status;
        source = o->source;
        rows++;
    }
    if (own) {
        add_span(&d->calc, &all, own->bytes);
        if (own->status != BB_MEASURED && status != BB_ASSUMED) status = own->status;
        source = own->source;
        rows++;
    }
    if (d->numbers) {
        bb_draft_line(d, "overhead", device, all, status, "", "%s", "");
        return;
    }
    char low[32], high[32];
    bb_draft_line(d, "overhead", device, all, status, rows == 1 ? source : "data overheads",
                  "context, kernels, workspaces: %s to %s", bb_bytes_text(all.low, false, low),
                  bb_bytes_text(all.high, false, high));
    for (size_t i = 0; rows > 1 && i < n; i++) {
        const bb_overhead *o = bb_catalogue_overhead(s->cat, i);
        char part[40];
        if (!overhead_of(d, s, i, device, &one)) continue;
        (void)snprintf(part, sizeof part, "overhead:%.30s", o->part);
        bb_draft_line(d, part, device, one, o->status, o->source, "%s: %s to %s", o->name,
                      bb_bytes_text(one.low, false, low), bb_bytes_text(one.high, false, high));
    }
    if (!own || rows < 2) return;
    char part[40];
    (void)snprintf(part, sizeof part, "overhead:%.30s", own->part);
    bb_draft_line(d, part, device, own->bytes, own->status, own->source, "%s", own->formula);
}

void bb_draft_overhead(bb_draft *d, const bb_subject *s, const char *device) {
    bb_draft_overhead_own(d, s, device, NULL);
}

const char *bb_evidence_name(bb_evidence e) {
    static const char *const names[] = {"exact", "modelled", "assumed", "measured"};
    return names[e];
}

static const char *const engines[] = {"simple", "llama.cpp", "hf", "vllm", "ollama"};
const char *bb_engine_name(bb_engine e) { return engines[e]; }

bb_status bb_engine_find(const char *name, bb_engine *e, bb_error *err) {
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (bb_name_eq(name, engines[i])) {
            *e = (bb_engine)i;
            return BB_OK;
        }
    if (bb_name_eq(name, "llamacpp") || bb_name_eq(name, "llama-cpp")) {
        *e = BB_ENGINE_LLAMA_CPP;
        return BB_OK;
    }
    char shown[48];
    return bb_fail(err, BB_E_ARG, "'%s' is not an engine: expected simple, llama.cpp, hf, vllm or ollama",
                   bb_escape_buf(name, shown, sizeof shown));
}

const char *bb_fits_name(bb_fit_answer f) {
    static const char *const names[] = {NULL, "yes", "no", "maybe"};
    return names[f];
}

static const char *card_name(const bb_plan_card *c) { return *c->name ? c->name : "memory"; }

const char *bb_plan_cards_name(const bb_plan_request *u, char *buf, size_t size) {
    size_t n = bb_plan_cards(u), at = 0;
    if (u->no_gpu) {
        (void)snprintf(buf, size, "host");
        return buf;
    }
    buf[0] = '\0';
    for (size_t i = 0, same = 1; i < n && at < size; i += same) {
        for (same = 1; i + same < n && strcmp(u->cards[i].name, u->cards[i + same].name) == 0;) same++;
        int wrote = same == 1
                        ? snprintf(buf + at, size - at, "%s%s", i ? ", " : "", card_name(&u->cards[i]))
                        : snprintf(buf + at, size - at, "%s%zu x %s", i ? ", " : "", same, card_name(&u->cards[i]));
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    return buf;
}
