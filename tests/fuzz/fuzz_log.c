/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_log.c - any text as a log: its sizes, the model by its shape, the comparison with nothing. */
#include "study/log_check.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    bb_log *log = malloc(sizeof *log);
    bb_log_report report = {0};
    bb_model *model = NULL;
    if (!log) abort();
    bb_log_init(log);
    /* in two pieces: what was cut belongs together */
    bb_log_feed(log, (const char *)data, n / 2);
    bb_log_feed(log, (const char *)data + n / 2, n - n / 2);
    bb_log_end(log);
    if (log->n_sizes > BB_LOG_SIZES || log->n_devices > BB_LOG_DEVICES || log->n_keys > BB_LOG_KEYS) abort();
    for (size_t i = 0; i < log->n_sizes; i++)
        if (!memchr(log->sizes[i].component, 0, sizeof log->sizes[i].component) || !log->sizes[i].step) abort();
    if (log->kind == BB_LOG_LLAMA) (void)bb_log_file_type(log);
    /* the tensors of a made-up shape are many: shapes of a few layers are enough here */
    for (size_t i = 0; i < log->n_keys; i++)
        if (strcmp(log->keys[i].key, "block_count") == 0 && log->keys[i].value > 64) log->n_keys = 0;
    if (bb_log_model(log, &model, NULL) == BB_OK) bb_model_free(model);
    if (bb_log_compare(log, NULL, &report, NULL) != BB_OK) abort();
    bb_log_report_clear(&report);
    free(log);
    return 0;
}
