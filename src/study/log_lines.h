/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_lines.h - what the readers of a line share: numbers with units beside words, and the log that they fill. */
#ifndef BB_STUDY_LOG_LINES_H
#define BB_STUDY_LOG_LINES_H
#include "study/log_sizes.h"

typedef struct bb_log_amount {
    uint64_t bytes, step;
} bb_log_amount;

/* "4403.49 MiB", "2.89GiB", "12 GB" at the start of text; a number without a unit is in `unit` bytes (0 = none is no
 * amount). GB is read as GiB where binary: vLLM printed so what it had divided by 2^30. */
bool bb_log_amount_at(const char *text, uint64_t unit, bool binary, bb_log_amount *a);
/* The amount behind `word`, the first that stands in the line. */
bool bb_log_after(const char *line, const char *word, bb_log_amount *a);
/* The amount in front of `word`: "22.08 GiB already allocated". */
bool bb_log_before(const char *line, const char *word, bb_log_amount *a);
/* Digits, with commas between thousands, behind `word`. */
bool bb_log_count_after(const char *line, const char *word, uint64_t *n);
/* The text behind `word` up to one of `ends`. */
bool bb_log_text_after(const char *line, const char *word, const char *ends, char *out, size_t size);

/* The device of a name in the log, which becomes known; "host" for buffers of the host. */
bb_log_device *bb_log_device_of(bb_log *log, const char *name);
/* How a size joins those that stand for the same component and device. */
typedef enum bb_log_join { BB_LOG_ADD, BB_LOG_MOST, BB_LOG_FIRST, BB_LOG_FINER } bb_log_join;
void bb_log_add(bb_log *log, const char *component, const char *device, bb_log_amount a, bb_log_join join);
/* Takes the sizes of a component away, of every device. */
void bb_log_drop(bb_log *log, const char *component);
static inline void bb_log_set(uint64_t *to, uint64_t v) {
    if (!*to) *to = v;
}

/* Each reads a line where it is its program's. */
void bb_log_llama_line(bb_log *log, const char *line);
void bb_log_vllm_line(bb_log *log, const char *line);
void bb_log_torch_line(bb_log *log, const char *line);
#endif
