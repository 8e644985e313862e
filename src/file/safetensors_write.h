/* SPDX-License-Identifier: GPL-3.0-or-later */
/* safetensors_write.h - a safetensors file before its data: tensors in, header bytes and offsets out. */
#ifndef BB_FILE_SAFETENSORS_WRITE_H
#define BB_FILE_SAFETENSORS_WRITE_H
#include "file/file.h"

typedef struct bb_st_out bb_st_out; /* owns all it was given */

bb_status bb_st_out_new(bb_st_out **out, bb_error *err);
void bb_st_out_free(bb_st_out *out);
/* An entry of __metadata__. */
bb_status bb_st_out_meta(bb_st_out *out, const char *key, const char *text, bb_error *err);
/* dims outermost first; a type without a name in safetensors is BB_E_UNSUPPORTED. Names of tensors are unique. */
bb_status bb_st_out_tensor(bb_st_out *out, const char *name, uint32_t n_dims, const uint64_t *dims,
                           const bb_dtype *type, bb_error *err);
/* As bb_gguf_out_seal. The header is padded with blanks to 8 bytes; the data follows without gaps. */
bb_status bb_st_out_seal(bb_st_out *out, const unsigned char **header, size_t *header_bytes, uint64_t *file_bytes,
                         bb_error *err);
uint64_t bb_st_out_offset(const bb_st_out *out, size_t tensor);
uint64_t bb_st_out_bytes(const bb_st_out *out, size_t tensor);
#endif
