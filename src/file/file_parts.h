/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file_parts.h - what the readers share while they fill a bb_file: memory within the budget, warnings, final checks. */
#ifndef BB_FILE_FILE_PARTS_H
#define BB_FILE_FILE_PARTS_H
#include "file/file.h"

/* Memory that lives as long as the file, zeroed; NULL with BB_E_LIMIT or BB_E_NOMEM in *status. */
void *bb_file_alloc(bb_file *f, size_t n, size_t size, bb_status *status);
void bb_file_free_blocks(bb_file *f);
/* The memory of `from`, which was opened with the budget of f. */
void bb_file_take_blocks(bb_file *f, bb_file *from);
/* n bytes and a NUL; shared by the tensors that have the same short word when bb_file_word made it. */
char *bb_file_text(bb_file *f, const char *text, size_t n, bb_status *status);
const char *bb_file_word(bb_file *f, const char *word, bb_status *status);
void bb_file_warn(bb_file *f, const char *fmt, ...) BB_PRINTF(2, 3);
/* The sentence for a failed allocation. */
bb_status bb_file_no_memory(const bb_file *f, bb_status status, bb_error *err);

/* rows, cols and elements from dims; BB_E_OVERFLOW when the product passes 2^63 - 1. inner_first: GGUF's order. */
bb_status bb_tensor_shape(bb_tensor *t, bool inner_first);
/* Sorts the names, or the keys of the metadata; BB_E_INVALID for one that stands twice. */
bb_status bb_file_index_names(bb_file *f, bb_error *err);
bb_status bb_file_index_keys(bb_file *f, bb_error *err);
/* No two tensors may share a byte, all must end within the file. *gaps tells of bytes between them, *ordered whether
 * they follow each other in the order of the list, *end where the last one ends. */
bb_status bb_file_check_extents(const bb_file *f, bool *gaps, bool *ordered, uint64_t *end, bb_error *err);

/* One file with its headers read, its kind by its first bytes; what a split GGUF or an index refers to is not opened.
 */
bb_status bb_file_open_one(const char *path, size_t budget, bb_file **file, bb_error *err);
/* The file `name` beside `path`, as the next part of f. Its sentence is about f and names the part. */
bb_status bb_file_open_part(const bb_file *f, const char *path, const char *name, bb_file **part, bb_error *err);
/* Moves tensors and source of a part into f, whose next part it becomes, and closes it. */
bb_status bb_file_join(bb_file *f, bb_file *part, bb_error *err);
/* A part that was not opened. */
bb_status bb_file_add_part(bb_file *f, const char *path, bb_error *err);

/* What stands in front of the last part of a path, its slash included. */
size_t bb_folder_length(const char *path);

bb_status bb_gguf_read(bb_file *f, bb_error *err);
bb_status bb_safetensors_read(bb_file *f, bb_error *err);
bb_status bb_npy_read(bb_file *f, bb_error *err);
/* Whether the first n bytes are those of a JSON object rather than of a safetensors header. */
bool bb_file_begins_json(const unsigned char *head, size_t n);
/* The shards of an index, and the other parts of a split GGUF. */
bb_status bb_index_read(bb_file *f, const char *path, bool shards_needed, bb_error *err);
bb_status bb_split_read(bb_file *f, const char *path, bb_error *err);
#endif
