/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gguf_write.h - a GGUF v3 file before its data: metadata and tensors in, header bytes and offsets out. */
#ifndef BB_FILE_GGUF_WRITE_H
#define BB_FILE_GGUF_WRITE_H
#include "file/file.h"

typedef struct bb_gguf_out bb_gguf_out; /* owns all it was given */

/* An alignment other than 0 and 32, the default, becomes the key general.alignment, which decides at the seal. */
bb_status bb_gguf_out_new(uint32_t alignment, bb_gguf_out **out, bb_error *err);
void bb_gguf_out_free(bb_gguf_out *out);

/* ---- metadata, in the order of the calls; a key that is set again moves to the end, as gguf_set_* does ---- */
/* BB_E_ARG for a key that is empty or longer than 65535 bytes, BB_E_LIMIT when the header would pass 128 MiB. On
 * failure `out` is as before. */
/* Every entry of `from`, a GGUF of any version, with the bytes that it has there; keep NULL = all. Of a split file
 * those of its first part. What was checked at the opening is read again here: see bb_source_unchanged. */
bb_status bb_gguf_out_copy(bb_gguf_out *out, const bb_file *from, bool (*keep)(void *ctx, const char *key), void *ctx,
                           bb_error *err);
bb_status bb_gguf_out_u16(bb_gguf_out *out, const char *key, uint16_t v);
bb_status bb_gguf_out_u32(bb_gguf_out *out, const char *key, uint32_t v);
bb_status bb_gguf_out_i32(bb_gguf_out *out, const char *key, int32_t v);
bb_status bb_gguf_out_f32(bb_gguf_out *out, const char *key, float v);
bb_status bb_gguf_out_bool(bb_gguf_out *out, const char *key, bool v);
bb_status bb_gguf_out_text(bb_gguf_out *out, const char *key, const char *text);
bb_status bb_gguf_out_texts(bb_gguf_out *out, const char *key, const char *const *texts, size_t n); /* an array */
void bb_gguf_out_remove(bb_gguf_out *out, const char *key); /* nothing when absent */
bool bb_gguf_out_has(const bb_gguf_out *out, const char *key);

/* ---- tensors, in file order; dims innermost first ---- */
/* BB_E_UNSUPPORTED for a name of more than 63 bytes, more than 4 dimensions or a type without an id in GGUF; BB_E_ARG
 * for rows that no block divides. A name that stands twice is BB_E_INVALID at the seal. */
bb_status bb_gguf_out_tensor(bb_gguf_out *out, const char *name, uint32_t n_dims, const uint64_t *dims,
                             const bb_dtype *type, bb_error *err);

/* After the last of both: lays the file out. *header [*header_bytes] (padding up to the data included) is owned by
 * out; *file_bytes counts header, data and the padding behind every tensor. */
bb_status bb_gguf_out_seal(bb_gguf_out *out, const unsigned char **header, size_t *header_bytes, uint64_t *file_bytes,
                           bb_error *err);
uint64_t bb_gguf_out_offset(const bb_gguf_out *out, size_t tensor); /* absolute; after the seal */
uint64_t bb_gguf_out_bytes(const bb_gguf_out *out, size_t tensor);  /* without padding */
#endif
