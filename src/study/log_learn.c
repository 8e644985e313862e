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

#define LOGS_COLUMN "logs" /* how many a row stands for */
static const char *const columns[] = {"name",          "engine",     "part",   "low_bytes",
                                      "typical_bytes", "high_bytes", "status", "source",
                                      LOGS_COLUMN,     "note",       NULL};

/* What a log adds: over its cards the least, the mean and the most. */
static bool measure(const bb_log *log, bb_overhead *o) {
    uint64_t n = 0, sum = 0;
    o->low_bytes = UINT64_MAX;
    for (size_t i = 0; i < log->n_devices; i++) {
        const bb_log_device *d = &log->devices[i];
        if (!d->unaccounted_step) continue;
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
static void join(const bb_csv *csv, size_t row, bb_overhead *o, uint64_t *logs) {
    uint64_t low = number(csv, row, "low_bytes"), high = number(csv, row, "high_bytes");
    uint64_t before = number(csv, row, LOGS_COLUMN), typical = number(csv, row, "typical_bytes");
    if (!before || before > UINT32_MAX) return;
    o->low_bytes = low < o->low_bytes ? low : o->low_bytes;
    o->high_bytes = high > o->high_bytes ? high : o->high_bytes;
    o->typical_bytes = (uint64_t)(((double)typical * (double)before + (double)o->typical_bytes) / (double)(before + 1));
    *logs = before + 1;
}

static void put_row(bb_str *out, const bb_overhead *o, uint64_t logs) {
    bb_csv_text(out, o->name);
    bb_str_add(out, ",");
    bb_csv_text(out, o->engine);
    bb_str_addf(out, ",%s,%llu,%llu,%llu,measured,", o->part, (unsigned long long)o->low_bytes,
                (unsigned long long)o->typical_bytes, (unsigned long long)o->high_bytes);
    bb_csv_text(out, o->source);
    bb_str_addf(out, ",%llu,\n", (unsigned long long)logs);
}

static void put_file(bb_str *out, const bb_csv *old, const bb_overhead *o, uint64_t logs) {
    size_t name = old ? bb_csv_column(old, "name") : 0;
    for (const char *const *c = columns; *c; c++) bb_str_addf(out, "%s%s", c == columns ? "" : ",", *c);
    bb_str_add(out, "\n");
    for (size_t i = 0; old && i < bb_csv_rows(old); i++) {
        if (bb_name_eq(bb_csv_cell(old, i, name), o->name)) continue;
        for (const char *const *c = columns; *c; c++) {
            bb_str_add(out, c == columns ? "" : ",");
            bb_csv_text(out, bb_csv_cell(old, i, bb_csv_column(old, *c)));
        }
        bb_str_add(out, "\n");
    }
    put_row(out, o, logs);
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

bb_status bb_log_learn(const bb_log *log, const char *engine, const char *path, bb_overhead *row, bb_error *err) {
    bb_overhead o = {.status = BB_MEASURED};
    uint64_t logs = 1;
    bb_csv *old = NULL;
    if (!measure(log, &o)) {
        bb_fail(err, BB_E_NAME, "check --learn: the log does not tell what stands beside the buffers");
        bb_hint(err, "llama.cpp prints it in its memory breakdown when it ends, vLLM as non_torch_memory");
        return BB_E_NAME;
    }
    bb_status st = read_old(path, &old, err);
    if (st) return st;
    (void)snprintf(o.name, sizeof o.name, "%.15s on this machine", engine);
    (void)snprintf(o.engine, sizeof o.engine, "%.15s", engine);
    strcpy(o.part, log->kind == BB_LOG_VLLM ? "non_torch" : BB_OVERHEAD_MEASURED);
    for (size_t i = 0; old && i < bb_csv_rows(old); i++)
        if (bb_name_eq(bb_csv_cell(old, i, bb_csv_column(old, "name")), o.name)) join(old, i, &o, &logs);
    (void)snprintf(o.source, sizeof o.source, "bitbudget check --learn, %llu log%s", (unsigned long long)logs,
                   logs == 1 ? "" : "s");
    bb_str text;
    bb_str_init(&text);
    put_file(&text, old, &o, logs);
    bb_csv_free(old);
    st = save(path, &text, err);
    bb_str_clear(&text);
    if (!st) *row = o;
    return st;
}
