/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_folder.h - a Hugging Face checkpoint quantized into a folder that transformers loads: int8, NF4, FP4. */
#ifndef BB_STUDY_QUANTIZE_FOLDER_H
#define BB_STUDY_QUANTIZE_FOLDER_H
#include "study/quantize_study.h"

/* The layouts. int8: compressed-tensors "int-quantized", weight I8 [out][in] with weight_scale F32 ([1], [out][1] or
 * [out][in / group]) and, asymmetric, weight_zero_point I8 of the same shape; w = (q - zero) * scale. LLM.int8():
 * bitsandbytes' weight I8, SCB F32 [out], weight_format U8; w = q * SCB / 127. NF4, FP4: bitsandbytes' weight
 * U8 [n / 2][1], weight.absmax, weight.quant_map, weight.quant_state and the nested tables (specs/methods.md 4.5). */
typedef enum bb_folder_method { BB_FOLDER_INT8, BB_FOLDER_LLM_INT8, BB_FOLDER_NF4, BB_FOLDER_FP4 } bb_folder_method;
typedef enum bb_granularity { BB_PER_ROW, BB_PER_TENSOR, BB_PER_GROUP } bb_granularity; /* of int8 */

/* Pointers are borrowed until the job is freed. */
typedef struct bb_folder_opts {
    bb_folder_method method;
    bb_granularity granularity;
    uint64_t group; /* inputs that share a scale, with BB_PER_GROUP: 2 to 2^18 */
    bool asymmetric;
    /* int8, symmetric, per tensor or row: the config does not ask for inputs of 8 bits. vLLM loads int8 weights only
     * with them (W8A8, inputs scaled per token while it runs); the weights are the same. */
    bool weight_only;
    bool double_quant;        /* nf4, fp4: the absmaxes are quantized too */
    uint64_t block;           /* of nf4, fp4: a power of two, 64 to 4096; others were written by no one */
    double outlier_threshold; /* of LLM.int8(): columns of inputs beyond it are not quantized; 0 = none are */
    const char *const *keep;  /* [n_keep] modules that stay as they are ("model.layers.0.mlp.down_proj") beside
                               * the output matrix, embeddings, routers and whatever is no linear map */
    size_t n_keep;
    const bb_dtype *rest;   /* f32, f16 or bf16 for the floats that are not quantized; NULL = as they are */
    bool allow_nonfinite;   /* NaN becomes 0, infinities the largest finite value near them */
    uint64_t shard_bytes;   /* a file's tensors take at most this */
    unsigned output_tokens; /* as of bb_quantize_opts; of int8 per row or matrix, LLM.int8(), nf4 and fp4 */
    uint64_t seed;
    unsigned threads; /* at most 32 are used; 0 = the processors */
    bb_isa isa;
} bb_folder_opts;

/* int8 per row, blocks of 64, threshold 6.0, shards of 5 GB (transformers' defaults). */
void bb_folder_opts_init(bb_folder_opts *opts);

typedef struct bb_folder_job bb_folder_job; /* owns its rows; the model outlives it */

/* Plans every file to the byte; no tensor's data is read. BB_E_UNSUPPORTED for a GGUF, for a checkpoint that is
 * quantized already, and when there is no matrix to quantize. */
bb_status bb_folder_quantize_plan(const bb_model *model, const bb_folder_opts *opts, bb_folder_job **job,
                                  bb_error *err);
void bb_folder_quantize_free(bb_folder_job *job);
/* Rows: one for each tensor of the checkpoint, in its order; bytes are those of all tensors that it becomes. */
size_t bb_folder_quantize_count(const bb_folder_job *job);
const bb_quantize_row *bb_folder_quantize_at(const bb_folder_job *job, size_t i);
uint64_t bb_folder_quantize_bytes(const bb_folder_job *job); /* of all files of the folder */
uint64_t bb_folder_quantize_tensor_bytes(const bb_folder_job *job);
size_t bb_folder_quantize_shards(const bb_folder_job *job);
const char *bb_folder_quantize_title(const bb_folder_job *job);             /* "nf4, double" */
const bb_dispatch *bb_folder_quantize_dispatch(const bb_folder_job *job);   /* as bb_quantize_dispatch */
const char *bb_folder_quantize_warning(const bb_folder_job *job, size_t i); /* NULL past the end */

/* Writes the folder `path`, absent or complete whatever happens, in the place of nothing, of an empty folder, or with
 * force of one that holds a checkpoint's files and nothing else: model.safetensors or shards with their index,
 * config.json, and the tokenizer, license and other small files of the checkpoint's folder. */
bb_status bb_folder_quantize_run(bb_folder_job *job, const char *path, bool force, bb_progress *progress,
                                 bb_error *err);
#endif
