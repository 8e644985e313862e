/* SPDX-License-Identifier: GPL-3.0-or-later */
/* convert.h - from a Hugging Face checkpoint to the tensors and keys of a GGUF (specs/ggml.md 3.12). */
#ifndef BB_GRAPH_CONVERT_H
#define BB_GRAPH_CONVERT_H
#include "file/gguf_write.h"
#include "model/arch.h"

/* A tensor of the GGUF and where its rows come from. */
typedef struct bb_converted {
    char name[64];
    uint32_t n_dims;
    uint64_t dims[4];         /* innermost first */
    const bb_tensor **source; /* [n_sources] of the checkpoint, one after the other along the outermost dimension: one,
                                 or one for each expert; n_sources 0 = made */
    size_t n_sources;
    /* Rows of a head to interleave, even; 0 = none. Within each head of d rows, new row 2j + t = old row t d/2 + j. The
     * rows of a bias are its elements. */
    uint64_t head_rows;
    const float *made; /* [elements] of a tensor that the checkpoint does not have (rope_freqs) */
    bool f32;          /* one-dimensional, or a router: F32 in the GGUF whatever the checkpoint has */
} bb_converted;

typedef struct bb_conversion {
    bb_converted *t; /* [n], in the order of the graph */
    size_t n;
    void *memory; /* owned: lists of sources and made values; the sources themselves are the checkpoint's */
} bb_conversion;

/* The new row `row` of a tensor is which row of its sources, counted over all of them one after the other. */
uint64_t bb_converted_row(const bb_converted *t, uint64_t row);

/* config: the text of config.json, n bytes, of which arch was made. Families llama (mistral and mixtral too), qwen2 and
 * qwen3; others are BB_E_UNSUPPORTED with the rule that is missing, as are quantized checkpoints and types beside F32,
 * F16 and BF16. A tensor that is missing, of another shape, or left over is BB_E_INVALID; rotary buffers are dropped.
 * The head of a tied model that the checkpoint has all the same is kept, as llama.cpp's converter does. */
bb_status bb_convert_hf(const bb_arch *arch, const char *config, size_t n, const bb_file *checkpoint,
                        bb_conversion *conversion, bb_error *err);
void bb_conversion_clear(bb_conversion *conversion);
/* The keys of the GGUF, file_type and quantization_version apart, after those that out has. vocab: the GGUF whose
 * tokenizer.* keys are taken, or NULL = "no_vocab". llama.cpp gives the embedding as many rows as there are tokens, and
 * its converter pads the tokens to the rows, so BB_E_INVALID when these differ; name: general.name. */
bb_status bb_convert_keys(const bb_arch *arch, const char *config, size_t n, const char *name, const bb_file *vocab,
                          bb_gguf_out *out, bb_error *err);
#endif
