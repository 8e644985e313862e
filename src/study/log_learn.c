/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_learn.c - the measured overhead of a machine, kept in a user's file of overheads. */
#include "base/csv.h"
#include "base/escape.h"
#include "base/sink.h"
#include "base/str.h"
#include "study/log_check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGS_COLUMN "logs"
static const char *const columns[] = {"name",       "engine", "part",   "card",      "low_bytes", "typical_bytes",
                                      "high_bytes", "status", "source", LOGS_COLUMN, "note",      NULL};

const bb_log_device *bb_log_measured(const bb_log *log) {
    for (size_t i = 0; i < log->n_devices; i++)
        if (log->devices[i].unaccounted_step) return &log->devices[i];
    return NULL;
}

/* What a log adds: over its cards of one kind the least, the mean and the most. */
static bool measure(const bb_log *log, bb_overhead *o) {
    const bb_log_device *first = bb_log_measured(log);
    uint64_t n = 0, sum = 0;
    o->low_bytes = UINT64_MAX;
    for (size_t i = 0; i < log->n_devices && first; i++) {
        const bb_log_device *d = &log->devices[i];
        if (!d->unaccounted_step || strcmp(d->card, first->card) != 0) continue;
        o->low_bytes = d->unaccounted_bytes < o->low_bytes ? d->unaccounted_bytes : o->low_bytes;
        o->high_bytes = d->unaccounted_bytes > o->high_bytes ? d->unaccounted_bytes : o->high_bytes;
        sum += d->unaccounted_bytes; /* each below 2^60, of at most 17 devices */
        n++;
    }
    if (!n) return false;
    o->typical_bytes = sum / n;
    return true;
}

static uint64_t number(const bb_csv *csv, size_t row, const char *name) {
    uint64_t v = 0;
    bool empty;
    return bb_csv_get_u64(csv, row, bb_csv_column(csv, name), &v, &empty, NULL) == BB_OK && !empty ? v : 0;
}

/* What the row of the same name had already. */
static void join(const bb_csv *csv, size_t row, bb_overhead *o) {
    uint64_t low = number(csv, row, "low_bytes"), high = number(csv, row, "high_bytes");
    uint64_t before = number(csv, row, LOGS_COLUMN), typical = number(csv, row, "typical_bytes");
    if (!before || before > UINT32_MAX) return;
    o->low_bytes = low < o->low_bytes ? low : o->low_bytes;
    o->high_bytes = high > o->high_bytes ? high : o->high_bytes;
    o->typical_bytes = (uint64_t)(((double)typical * (double)before + (double)o->typical_bytes) / (double)(before + 1));
    o->logs = before + 1;
}

/* The text of a known column of the measured row; NULL of another. */
static const char *cell_of(const bb_overhead *o, const char *column, char number[24]) {
    const struct {
        const char *column, *text;
    } texts[] = {{"name", o->name}, {"engine", o->engine},  {"part", o->part},
                 {"card", o->card}, {"status", "measured"}, {"source", o->source}};
    const struct {
        const char *column;
        uint64_t v;
    } numbers[] = {{"low_bytes", o->low_bytes},
                   {"typical_bytes", o->typical_bytes},
                   {"high_bytes", o->high_bytes},
                   {LOGS_COLUMN, o->logs}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (bb_name_eq(texts[i].column, column)) return texts[i].text;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (bb_name_eq(numbers[i].column, column)) return bb_u64_text(numbers[i].v, number);
    return NULL;
}

/* Column i of the new file: those of the old one, then ours that it has not; NULL past the end. */
static const char *column_at(const bb_csv *old, size_t i) {
    size_t n = old ? bb_csv_columns(old) : 0;
    if (i < n) return bb_csv_name(old, i);
    for (const char *const *c = columns; *c; c++)
        if ((!old || bb_csv_column(old, *c) == SIZE_MAX) && i-- == n) return *c;
    return NULL;
}

/* An old row with what the measured one says in its place (o NULL: as it stands; row SIZE_MAX: there is none). */
static void put_row(bb_str *out, const bb_csv *old, size_t row, const bb_overhead *o) {
    const char *column, *text;
    char number[24];
    for (size_t i = 0; (column = column_at(old, i)); i++) {
        text = o ? cell_of(o, column, number) : NULL;
        if (!text) text = row == SIZE_MAX ? "" : bb_csv_cell(old, row, bb_csv_column(old, column));
        bb_str_add(out, i ? "," : "");
        bb_csv_text(out, text);
    }
    bb_str_add(out, "\n");
}

/* at: the old row of the same name, SIZE_MAX = none. */
static void put_file(bb_str *out, const bb_csv *old, size_t at, const bb_overhead *o) {
    const char *column;
    for (size_t i = 0; (column = column_at(old, i)); i++) {
        bb_str_add(out, i ? "," : "");
        bb_csv_text(out, column);
    }
    bb_str_add(out, "\n");
    for (size_t i = 0; old && i < bb_csv_rows(old); i++) put_row(out, old, i, i == at ? o : NULL);
    if (at == SIZE_MAX) put_row(out, old, SIZE_MAX, o);
}

static bb_status save(const char *path, const bb_str *text, bb_error *err) {
    bb_sink *sink = NULL;
    if (text->failed) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status st = bb_sink_open(path, text->len, true, &sink, err);
    if (st) return st;
    st = bb_sink_write(sink, 0, bb_str_c(text), text->len, err);
    if (!st) return bb_sink_commit(sink, err);
    bb_sink_abandon(sink);
    return st;
}

/* The user's file, NULL when there is none yet. One that cannot be read is not written over. */
static bb_status read_old(const char *path, bb_csv **old, bb_error *err) {
    char *text = NULL;
    size_t n = 0;
    bb_error why;
    bb_status st = bb_source_slurp(path, bb_csv_default_limits.max_bytes, &text, &n, &why);
    if (st == BB_E_OPEN && bb_sink_probe(path, false, NULL) == BB_OK) return BB_OK;
    if (!st) st = bb_csv_parse(text, n, path, &bb_csv_default_limits, old, &why);
    free(text);
    if (!st && (bb_csv_column(*old, "name") == SIZE_MAX || bb_csv_column(*old, "engine") == SIZE_MAX)) {
        char shown[256];
        bb_csv_free(*old);
        *old = NULL;
        st = bb_fail(&why, BB_E_INVALID, "%s: is no table of overheads, and stays as it is",
                     bb_escape_buf(path, shown, sizeof shown));
    }
    if (st && err) *err = why;
    return st;
}

bb_status bb_log_learn(const bb_log *log, const char *engine, const char *card, const char *path, bb_overhead *row,
                       bb_error *err) {
    bb_overhead o = {.status = BB_MEASURED, .logs = 1};
    size_t at = SIZE_MAX;
    bb_csv *old = NULL;
    if (!measure(log, &o)) {
        bb_fail(err, BB_E_NAME, "check --learn: the log does not tell what stands beside the buffers");
        bb_hint(err, "llama.cpp prints it in its memory breakdown when it ends, vLLM as non_torch_memory");
        return BB_E_NAME;
    }
    bb_status st = read_old(path, &old, err);
    if (st) return st;
    (void)snprintf(o.name, sizeof o.name, "%.15s on this %.63s", engine, card);
    (void)snprintf(o.card, sizeof o.card, "%.63s", card);
    (void)snprintf(o.engine, sizeof o.engine, "%.15s", engine);
    strcpy(o.part, log->kind == BB_LOG_VLLM ? "non_torch" : BB_OVERHEAD_MEASURED);
    for (size_t i = 0; old && i < bb_csv_rows(old); i++)
        if (bb_name_eq(bb_csv_cell(old, i, bb_csv_column(old, "name")), o.name)) at = i;
    if (at != SIZE_MAX) join(old, at, &o);
    (void)snprintf(o.source, sizeof o.source, "bitbudget check --learn, %llu log%s", (unsigned long long)o.logs,
                   o.logs == 1 ? "" : "s");
    bb_str text;
    bb_str_init(&text);
    put_file(&text, old, at, &o);
    bb_csv_free(old);
    st = save(path, &text, err);
    bb_str_clear(&text);
    if (!st) *row = o;
    return st;
}
