/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_study.c - reading every tensor of a file once and gathering what was found. */
#include "study/audit_study.h"
#include "base/escape.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "base/pool.h"
#include "study/audit_findings.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    const bb_file *file;
    bb_audit_scan *scans; /* [tensors] */
    bb_progress *progress;
    pthread_mutex_t lock;
    size_t failed; /* the first tensor that failed, and why */
    bb_status status;
    bb_error err;
    atomic_bool stop;
} job;

const char *bb_severity_word(bb_severity severity) {
    static const char *const words[BB_SEVERITIES] = {"error", "warning", "note"};
    return words[severity];
}

bb_finding *bb_audit_add(bb_audit_report *r, bb_severity severity, const char *word, const bb_tensor *t,
                         const char *fmt, ...) {
    bb_error text;
    char buf[sizeof text.text];
    va_list ap;
    if (!bb_grow((void **)&r->findings, r->n, &r->cap, sizeof *r->findings)) return NULL;
    bb_finding *f = &r->findings[r->n++];
    *f = (bb_finding){.severity = severity, .word = word, .type = "", .count = 1};
    va_start(ap, fmt);
    (void)vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    bb_escape_buf(buf, f->detail, sizeof f->detail);
    if (t) {
        bb_escape_buf(t->name, f->tensor, sizeof f->tensor);
        f->type = t->type ? t->type->name : "";
    }
    r->by_severity[severity]++;
    return f;
}

static void work(void *ctx, size_t i) {
    job *j = ctx;
    bb_error err = {0};
    if (atomic_load(&j->stop) || (j->progress && atomic_load(&j->progress->cancel))) return;
    bb_status s = bb_audit_scan_tensor(j->file, &j->file->tensors[i], j->progress, &j->scans[i], &err);
    if (s == BB_OK) return;
    pthread_mutex_lock(&j->lock);
    if (j->status == BB_OK || i < j->failed) {
        j->status = s;
        j->err = err;
        j->failed = i;
    }
    pthread_mutex_unlock(&j->lock);
    atomic_store(&j->stop, true);
}

static bb_status scan_all(const bb_file *file, unsigned threads, bb_progress *progress, bb_audit_scan *scans,
                          bb_error *err) {
    bb_pool *pool = NULL;
    job j = {.file = file, .scans = scans, .progress = progress, .lock = PTHREAD_MUTEX_INITIALIZER};
    bb_status s = bb_pool_new(threads, &pool);
    if (s != BB_OK) return bb_fail(err, s, "%s", bb_status_text(s));
    atomic_init(&j.stop, false);
    if (progress) {
        snprintf(progress->what, sizeof progress->what, "reading");
        atomic_store(&progress->total, bb_file_tensor_bytes(file));
    }
    bb_pool_run(pool, file->n_tensors, work, &j);
    bb_pool_free(pool);
    pthread_mutex_destroy(&j.lock);
    if (j.status != BB_OK && err) *err = j.err;
    if (j.status == BB_OK && progress && atomic_load(&progress->cancel))
        return bb_fail(err, BB_E_CANCELLED, "cancelled");
    return j.status;
}

/* Errors first; within a severity as they were found. */
static bb_status sort(bb_audit_report *r) {
    bb_finding *sorted = bb_alloc(r->n, sizeof *sorted);
    size_t n = 0;
    if (!sorted) return BB_E_NOMEM;
    for (int s = 0; s < BB_SEVERITIES; s++)
        for (size_t i = 0; i < r->n; i++)
            if ((int)r->findings[i].severity == s) sorted[n++] = r->findings[i];
    free(r->findings);
    r->findings = sorted;
    r->cap = n;
    return BB_OK;
}

static bb_status audit(const bb_model *model, unsigned threads, bb_progress *progress, bb_audit_report *report,
                       bb_error *err) {
    const bb_file *file = model->file;
    bb_audit_report r = {.model = model, .tensors = file->n_tensors};
    bb_audit_scan *scans = bb_alloc(file->n_tensors, sizeof *scans);
    bb_status s = scans ? BB_OK : bb_fail(err, BB_E_NOMEM, "no memory for %zu tensors", file->n_tensors);
    if (s == BB_OK) s = scan_all(file, threads, progress, scans, err);
    for (size_t i = 0; s == BB_OK && i < file->n_tensors; i++)
        if (scans[i].read) r.bytes += file->tensors[i].bytes;
    if (s == BB_OK) s = bb_audit_metadata(&r, err);
    if (s == BB_OK) s = bb_audit_tensors(&r, scans, progress, err);
    if (s == BB_OK && sort(&r) != BB_OK) s = bb_fail(err, BB_E_NOMEM, "no memory for %zu findings", r.n);
    free(scans);
    if (s == BB_OK)
        *report = r;
    else
        bb_audit_report_clear(&r);
    return s;
}

bb_status bb_audit_study(const bb_model *model, unsigned threads, bb_progress *progress, bb_audit_report *report,
                         bb_error *err) {
    fenv_t saved;
    bb_fp_enter(&saved);
    bb_status status = audit(model, threads, progress, report, err);
    bb_fp_leave(&saved);
    return status;
}

void bb_audit_report_clear(bb_audit_report *report) {
    free(report->findings);
    *report = (bb_audit_report){0};
}
