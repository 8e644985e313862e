/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_sizes.c - a log line by line, and the amounts in a line. */
#include "base/source.h"
#include "base/str.h"
#include "study/log_lines.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- amounts ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static uint64_t unit_at(const char *text, bool binary, size_t *length) {
    static const struct {
        const char *name;
        uint64_t binary, decimal;
    } units[] = {{"KiB", UINT64_C(1) << 10, UINT64_C(1) << 10},
                 {"MiB", UINT64_C(1) << 20, UINT64_C(1) << 20},
                 {"GiB", UINT64_C(1) << 30, UINT64_C(1) << 30},
                 {"TiB", UINT64_C(1) << 40, UINT64_C(1) << 40},
                 {"KB", UINT64_C(1) << 10, 1000},
                 {"MB", UINT64_C(1) << 20, 1000000},
                 {"GB", UINT64_C(1) << 30, 1000000000},
                 {"B", 1, 1},
                 {"bytes", 1, 1}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (bb_starts_with(text, units[i].name)) {
            *length = strlen(units[i].name);
            return binary ? units[i].binary : units[i].decimal;
        }
    return 0;
}

bool bb_log_amount_at(const char *text, uint64_t unit, bool binary, bb_log_amount *a) {
    static const double most = 1152921504606846976.0; /* 2^60: no memory is larger */
    size_t n, length;
    char number[24];
    while (*text == ' ' || *text == '"') text++;
    n = strspn(text, "0123456789.");
    if (!n || !is_digit(*text) || n >= sizeof number) return false;
    memcpy(number, text, n);
    if (number[n - 1] == '.') n--; /* the end of a sentence */
    number[n] = '\0';
    const char *point = strchr(number, '.'), *behind = text + n;
    double v, step = 1;
    if (!bb_parse_f64(number, &v)) return false;
    for (const char *p = point ? point + 1 : ""; *p; p++) step /= 10;
    while (*behind == ' ') behind++;
    uint64_t printed = unit_at(behind, binary, &length);
    if (!printed) printed = unit;
    if (!printed || v * (double)printed > most) return false;
    a->bytes = (uint64_t)(v * (double)printed + 0.5);
    a->step = (uint64_t)(step * (double)printed + 0.5);
    if (!a->step) a->step = 1;
    return true;
}

bool bb_log_after(const char *line, const char *word, bb_log_amount *a) {
    const char *at = strstr(line, word);
    return at && bb_log_amount_at(at + strlen(word), 0, true, a);
}

bool bb_log_before(const char *line, const char *word, bb_log_amount *a) {
    const char *at = strstr(line, word);
    if (!at) return false;
    while (at > line && at[-1] == ' ') at--;
    while (at > line && ((at[-1] >= 'A' && at[-1] <= 'Z') || at[-1] == 'i')) at--;
    while (at > line && at[-1] == ' ') at--;
    while (at > line && (is_digit(at[-1]) || at[-1] == '.')) at--;
    return bb_log_amount_at(at, 0, true, a);
}

bool bb_log_count_after(const char *line, const char *word, uint64_t *n) {
    const char *p = strstr(line, word);
    uint64_t v = 0;
    if (!p) return false;
    for (p += strlen(word); *p == ' '; p++)
        ;
    if (!is_digit(*p)) return false;
    for (; is_digit(*p) || (*p == ',' && is_digit(p[1])); p++) {
        if (*p == ',') continue;
        if (v > UINT64_MAX / 100) return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    *n = v;
    return true;
}

bool bb_log_text_after(const char *line, const char *word, const char *ends, char *out, size_t size) {
    const char *p = strstr(line, word);
    if (!p) return false;
    p += strlen(word);
    size_t n = strcspn(p, ends);
    if (!n || n >= size) return false;
    memcpy(out, p, n);
    out[n] = '\0';
    return true;
}

/* ---- what was found ---- */

/* llama.cpp's names of the host's buffers: CPU, CPU_Mapped, CPU_REPACK, CUDA_Host, BLAS, AMX. */
static bool is_host(const char *name) {
    return bb_starts_with(name, "CPU") || bb_ends_with(name, "_Host") || bb_name_eq(name, "Host") ||
           bb_name_eq(name, "BLAS") || bb_name_eq(name, "AMX") || bb_name_eq(name, "ACCEL");
}

/* Metal_Mapped and MTL0_Private are buffers of one card. */
static void base_name(const char *name, char *out, size_t size) {
    static const char *const ends[] = {"_Mapped", "_Private", "_Split", "_Managed"};
    (void)snprintf(out, size, "%.23s", name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (bb_ends_with(out, ends[i])) out[strlen(out) - strlen(ends[i])] = '\0';
}

bb_log_device *bb_log_device_of(bb_log *log, const char *name) {
    char base[24];
    size_t cards = 0;
    base_name(name, base, sizeof base);
    if (is_host(base)) strcpy(base, "Host");
    for (size_t i = 0; i < log->n_devices; i++) {
        if (strcmp(log->devices[i].name, base) == 0) return &log->devices[i];
        cards += strcmp(log->devices[i].device, "host") != 0;
    }
    if (log->n_devices == BB_LOG_DEVICES) return NULL;
    bb_log_device *d = &log->devices[log->n_devices++];
    *d = (bb_log_device){0};
    strcpy(d->name, base);
    if (is_host(base))
        strcpy(d->device, "host");
    else
        (void)snprintf(d->device, sizeof d->device, "gpu%zu", cards);
    return d;
}

const bb_log_size *bb_log_find(const bb_log *log, const char *component, const char *device) {
    for (size_t i = 0; i < log->n_sizes; i++)
        if (strcmp(log->sizes[i].component, component) == 0 && strcmp(log->sizes[i].device, device) == 0)
            return &log->sizes[i];
    return NULL;
}

void bb_log_add(bb_log *log, const char *component, const char *device, bb_log_amount a, bb_log_join join) {
    for (size_t i = 0; i < log->n_sizes; i++) {
        bb_log_size *s = &log->sizes[i];
        if (strcmp(s->component, component) != 0 || strcmp(s->device, device) != 0) continue;
        if (join == BB_LOG_ADD) { /* each below 2^60, and there are lines enough for a sum beyond 2^64 */
            s->bytes = s->bytes > UINT64_MAX - a.bytes ? UINT64_MAX : s->bytes + a.bytes;
            s->step = s->step > UINT64_MAX - a.step ? UINT64_MAX : s->step + a.step;
        } else if ((join == BB_LOG_MOST && a.bytes > s->bytes) || (join == BB_LOG_FINER && a.step < s->step)) {
            s->bytes = a.bytes;
            s->step = a.step;
        }
        return;
    }
    if (log->n_sizes == BB_LOG_SIZES) return;
    bb_log_size *s = &log->sizes[log->n_sizes++];
    *s = (bb_log_size){.bytes = a.bytes, .step = a.step};
    (void)snprintf(s->component, sizeof s->component, "%s", component);
    (void)snprintf(s->device, sizeof s->device, "%s", device);
}

void bb_log_drop(bb_log *log, const char *component) {
    size_t n = 0;
    for (size_t i = 0; i < log->n_sizes; i++)
        if (strcmp(log->sizes[i].component, component) != 0) log->sizes[n++] = log->sizes[i];
    log->n_sizes = n;
}

/* ---- lines ---- */

static void take_line(bb_log *log) {
    log->line[log->used] = '\0';
    log->used = 0;
    log->lines++;
    bb_log_llama_line(log, log->line);
    bb_log_vllm_line(log, log->line);
    bb_log_torch_line(log, log->line);
}

void bb_log_init(bb_log *log) { *log = (bb_log){0}; }

void bb_log_feed(bb_log *log, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n' || text[i] == '\r')
            take_line(log);
        else if (log->used + 1 < sizeof log->line)
            log->line[log->used++] = text[i] ? text[i] : ' '; /* a NUL would hide the rest */
    }
}

void bb_log_end(bb_log *log) {
    if (log->used) take_line(log);
}

bb_status bb_log_read(const char *path, bb_log *log, bb_error *err) {
    enum { PIECE = 65536 };
    bb_source *src = NULL;
    bb_status s = bb_source_open(path, &src, err);
    if (s) return s;
    char *piece = malloc(PIECE);
    if (!piece) s = bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_log_init(log);
    for (uint64_t at = 0, size = bb_source_size(src); !s && at < size;) {
        size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;
        s = bb_source_read(src, at, piece, n, err);
        if (!s) bb_log_feed(log, piece, n);
        at += n;
    }
    if (!s) bb_log_end(log);
    free(piece);
    bb_source_close(src);
    return s;
}
