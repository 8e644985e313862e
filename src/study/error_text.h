/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_text.h - the real inputs of a model's matrices: it runs over a text, and what reaches each of them is kept. */
#ifndef BB_STUDY_ERROR_TEXT_H
#define BB_STUDY_ERROR_TEXT_H
#include "base/cpu.h"
#include "model/locate.h"
#include "study/error_inputs.h"

enum { BB_TEXT_CHUNKS = 8 }; /* of a text that are run where nothing else is asked for */

typedef struct bb_text_opts {
    const bb_model *model; /* a GGUF or a checkpoint that bb_infer_open takes */
    const bb_file *vocab;  /* a GGUF whose vocabulary splits the text; NULL = the model's own */
    const char *text;      /* path */
    uint64_t ctx;          /* tokens of a chunk; 0 = the model's context, at most 512 */
    uint64_t chunks;       /* at most; 0 = BB_TEXT_CHUNKS */
    uint64_t rows;         /* kept of each matrix's inputs; 0 = 16 */
    unsigned threads;
    bb_isa isa;
    const char *save_inputs;  /* a folder that gets NAME.npy of each matrix; NULL = none */
    const char *save_imatrix; /* a file that gets the importance of all that was run; NULL = none */
    bool force;               /* both may replace what is there */
} bb_text_opts;

/* Chunks are run each on its own, <s> in the place of their first token where the vocabulary has it there; a text
 * shorter than one is one. The model is gone from memory when this returns, and must stay open. BB_E_INVALID for a text
 * without tokens or a vocabulary larger than the model's. */
bb_status bb_inputs_from_text(const bb_text_opts *opts, bb_progress *progress, bb_inputs **inputs, bb_error *err);
#endif
