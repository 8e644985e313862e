/* SPDX-License-Identifier: GPL-3.0-or-later */
/* coded_weight.h - the values of a checkpoint's weights that are codes, through the scales that stand beside them. */
#ifndef BB_STUDY_CODED_WEIGHT_H
#define BB_STUDY_CODED_WEIGHT_H
#include "file/file.h"

/* A matrix [rows][cols] whose scales are held: a number for every `unit` elements, row after row. */
typedef struct bb_coded {
    const bb_file *file;    /* borrowed */
    const bb_tensor *codes; /* borrowed */
    const char *name;       /* "int8", "fp8", "LLM.int8()", "nf4", "fp4" */
    uint64_t rows, cols, unit;
    size_t n_scales;
    float *scales;  /* [n_scales], owned */
    float *zeros;   /* [n_scales], owned, or NULL */
    float map[16];  /* of 4-bit codes */
    bool four, scb; /* two codes a byte; SCB, which counts in 127ths */
} bb_coded;

/* The layouts of quantize_folder.h, and fp8 with a weight_scale. *coded stays NULL where the tensor's own values are
 * meant; then *unread tells whether there are scales beside it all the same, of a layout that is not known here. */
bb_status bb_coded_open(const bb_file *file, const bb_tensor *t, bb_coded **coded, bool *unread, bb_error *err);
void bb_coded_free(bb_coded *coded); /* NULL is allowed */
/* Elements [first, first + count), as fp32 computes them. */
bb_status bb_coded_read(const bb_coded *coded, uint64_t first, size_t count, double *x, bb_error *err);
/* Whether equal codes have equal values; both NULL: yes. */
bool bb_coded_same_scales(const bb_coded *a, const bb_coded *b);
#endif
