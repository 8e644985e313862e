/* SPDX-License-Identifier: GPL-3.0-or-later */
/* differences.h - what a file holds against what its architecture has: each difference with its reason. */
#ifndef BB_GRAPH_DIFFERENCES_H
#define BB_GRAPH_DIFFERENCES_H
#include "graph/stored.h"

typedef enum bb_diff_reason {
    BB_DIFF_BUFFER,       /* tables that code makes again: rotary frequencies, masks, position numbers */
    BB_DIFF_TIED_HEAD,    /* the embedding stored a second time as the head */
    BB_DIFF_MTP,          /* layers behind the last, which predict further tokens */
    BB_DIFF_TOWER,        /* another tower: vision, audio */
    BB_DIFF_ADAPTER,      /* LoRA matrices */
    BB_DIFF_TASK_HEAD,    /* a matrix of another task on top */
    BB_DIFF_SCALES,       /* of a quantization that the config does not tell of */
    BB_DIFF_CACHE_SCALES, /* of keys and values that are kept in 8 bits */
    BB_DIFF_ZERO_BIAS,    /* of AutoGPTQ, where the architecture has no bias */
    BB_DIFF_UNKNOWN,      /* a tensor that the architecture does not have */
    BB_DIFF_MISSING,      /* a tensor that the file does not have */
    BB_DIFF_SHAPE,        /* another shape than the architecture gives */
    BB_DIFF_TYPE,         /* another type than the config says */
    BB_DIFF_TOTAL_SIZE,   /* the index's total_size */
    BB_DIFF_TOTAL_PARAMETERS,
    BB_DIFF_REASONS
} bb_diff_reason;

typedef struct bb_difference {
    bb_diff_reason reason;
    uint64_t tensors;  /* that it is about; 0 for a total */
    uint64_t elements; /* in the file; of missing ones in the architecture; 0 when only names are known */
    uint64_t bytes;
    char example[96]; /* name of the first tensor, escaped, or "" */
    char text[224];   /* a sentence for people, escaped */
} bb_difference;

const char *bb_diff_word(bb_diff_reason reason); /* "buffer", "tied-head", "mtp", ... */

/* Compares the tensors of `file` with those of the graph: of a checkpoint with `stored`, which bb_stored_hf made; of a
 * GGUF file, where stored is not read, with the graph's own list. Reasons in the order of bb_diff_reason, each once;
 * *n = 0 when all agrees. The caller frees the array. */
bb_status bb_graph_differences(const bb_graph *graph, const bb_stored_list *stored, const bb_file *file,
                               bb_difference **list, size_t *n, bb_error *err);
#endif
