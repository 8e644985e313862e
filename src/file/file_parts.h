/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file_parts.h - what the readers share while they fill a bb_file: memory within the budget, warnings, final checks. */
#ifndef BB_FILE_FILE_PARTS_H
#define BB_FILE_FILE_PARTS_H
#include "file/file.h"

/* Memory that lives as long as the file, zeroed; NULL with BB_E_LIMIT or BB_E_NOMEM in *status. */
void *bb_file_alloc(bb_file *f, size_t n, size_t size, bb_status *status);
void bb_file_free_blocks(bb_file *f);
/* n bytes and a NUL. */
char *bb_file_text(bb_file *f, const char *text, size_t n, bb_status *status);
void bb_file_warn(bb_file *f, const char *fmt, ...) BB_PRINTF(2, 3);
/* The sentence for a failed allocation. */
bb_status bb_file_no_memory(const bb_file *f, bb_status status, bb_error *err);

/* rows, cols and elements from dims; BB_E_OVERFLOW when the product passes 2^63 - 1. inner_first: GGUF's order. */
bb_status bb_tensor_shape(bb_tensor *t, bool inner_first);
/* Sorts the names; BB_E_INVALID for one that stands twice. */
bb_status bb_file_index_names(bb_file *f, bb_error *err);
/* No two tensors may share a byte, all must end within the file. *gaps tells of bytes between them, *ordered whether
 * they follow each other in the order of the list, *end where the last one ends. */
bb_status bb_file_check_extents(const bb_file *f, bool *gaps, bool *ordered, uint64_t *end, bb_error *err);

bb_status bb_gguf_read(bb_file *f, bb_error *err);
bb_status bb_safetensors_read(bb_file *f, bb_error *err);
#endif
