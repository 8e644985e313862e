/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file_bytes.c - a model's tensors as a GGUF file holds them, added up. */
#include "plan/file_bytes.h"
#include "plan/plan_parts.h"

enum { GGUF_ALIGNMENT = 32 }; /* general.alignment when a file does not say another (specs/ggml.md 1) */

bb_status bb_file_bytes_of(const bb_subject *s, uint64_t *bytes, bb_error *err) {
    bb_calc c = {false};
    uint64_t sum = 0, one, elements;
    if (!s->n_tensors) return bb_fail(err, BB_E_UNSUPPORTED, "%s has no tensors in GGUF", s->model->title);
    for (size_t i = 0; i < s->n_tensors; i++) {
        bb_status st = bb_subject_tensor(s, i, s->tensors[i].type, &one, &elements, err);
        if (st) return st;
        sum = bb_calc_add(&c, sum, bb_calc_align(&c, one, GGUF_ALIGNMENT));
    }
    if (c.overflow) return bb_fail(err, BB_E_OVERFLOW, "the bytes of the file pass 2^64");
    *bytes = sum;
    return BB_OK;
}
