/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file_bytes.h - the size of a model's GGUF file, as far as its tensors make it. */
#ifndef BB_PLAN_FILE_BYTES_H
#define BB_PLAN_FILE_BYTES_H
#include "plan/plan.h"

/* Bytes of all tensors in the types that the last plan left, each padded to GGUF's 32; also of those that the engine
 * does not load. Metadata, the vocabulary first of all, comes on top. BB_E_UNSUPPORTED without tensors. */
bb_status bb_file_bytes_of(const bb_subject *s, uint64_t *bytes, bb_error *err);
#endif
