/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bitbudget.h - the public interface of libbitbudget: number formats, model files, memory plans, quantization error.
 *
 * Rules that hold for every call:
 *  - Sizes are bytes or elements in uint64_t/size_t; nothing is counted in int.
 *  - A fallible call returns bb_status; its outputs come last and are untouched on failure. The optional
 *    `bb_error *err` receives one sentence for people; NULL is always allowed.
 *  - The library never prints, exits, aborts, reads the environment or touches the network.
 *  - No global state: calls on different objects may run in different threads.
 *  - Strings returned as `const char *` belong to the object they came from, or are static.
 */
#ifndef BITBUDGET_H
#define BITBUDGET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BB_VERSION "0.1.0"

/* ---- status ---------------------------------------------------------------------------------------------------- */

/* X(name, number, exit status of the program, text). Numbers are pinned: they never change or get a second meaning. */
#define BB_STATUS_LIST(X)                                                                                              \
    X(OK, 0, 0, "done")                                                                                                \
    X(E_ARG, 1, 2, "an argument is outside what the call accepts")                                                     \
    X(E_NAME, 2, 3, "no such name, or a name that means several things")                                               \
    X(E_VALUE, 3, 3, "text that is not the value it should be")                                                        \
    X(E_OPEN, 4, 3, "a file cannot be opened")                                                                         \
    X(E_READ, 5, 3, "reading failed")                                                                                  \
    X(E_INVALID, 6, 3, "the content breaks a rule of its format")                                                      \
    X(E_TRUNCATED, 7, 3, "the content ends too early")                                                                 \
    X(E_LIMIT, 8, 3, "the content is larger than the limits allow")                                                    \
    X(E_OVERFLOW, 9, 3, "a size passes 2^64")                                                                          \
    X(E_UNSUPPORTED, 10, 4, "valid, but not supported")                                                                \
    X(E_EXISTS, 11, 5, "the output exists already")                                                                    \
    X(E_WRITE, 12, 5, "writing failed")                                                                                \
    X(E_NOMEM, 13, 6, "out of memory")                                                                                 \
    X(E_CANCELLED, 14, 5, "cancelled")                                                                                 \
    X(E_BUG, 15, 70, "a bug in bitbudget")

typedef enum bb_status {
#define BB_STATUS_ENUM(name, number, code, text) BB_##name = number,
    BB_STATUS_LIST(BB_STATUS_ENUM)
#undef BB_STATUS_ENUM
} bb_status;

/* One sentence about what failed, where, and what was expected; `hint` is empty or one more line. Text that came from
 * a file is escaped already. */
typedef struct bb_error {
    bb_status status;
    char text[512];
    char hint[256];
} bb_error;

/* The general text of a status; never NULL. */
const char *bb_status_text(bb_status status);
/* The exit status that the program uses for it: 0, 2, 3, 4, 5, 6 or 70. */
int bb_status_exit(bb_status status);
/* Version of the library that runs, as BB_VERSION. */
const char *bb_version(void);

/* ---- number formats -------------------------------------------------------------------------------------------- */

typedef struct bb_format bb_format; /* a row of a constant table; never freed */

typedef enum bb_round { BB_ROUND_NE, BB_ROUND_NA, BB_ROUND_TZ, BB_ROUND_UP, BB_ROUND_DOWN, BB_ROUND_ODD } bb_round;

/* What a finite value beyond the largest becomes: NATIVE is the format's own definition (infinity, NaN or the
 * maximum), IEEE infinity where there is one (else native), OCP the OFP8 saturating mode (overflow and infinity to the
 * maximum, for the OCP 8-bit formats; else native), SATURATE the maximum for finite values in every format. */
typedef enum bb_overflow { BB_OVERFLOW_NATIVE, BB_OVERFLOW_IEEE, BB_OVERFLOW_OCP, BB_OVERFLOW_SATURATE } bb_overflow;

/* What NaN becomes in a format that has none. */
typedef enum bb_nan { BB_NAN_MAX, BB_NAN_ZERO, BB_NAN_ERROR } bb_nan;

enum {
    BB_FLAG_INEXACT = 1,
    BB_FLAG_UNDERFLOW = 2,
    BB_FLAG_OVERFLOW = 4,
    BB_FLAG_DIVBYZERO = 8,
    BB_FLAG_INVALID = 16,
    BB_FLAG_NAN_LOST = 32,  /* NaN went into a format without NaN */
    BB_FLAG_SIGN_LOST = 64, /* -0, or what rounds to it, went into a format without -0 */
};

typedef struct bb_encode_opts {
    bb_round round;
    bb_overflow overflow;
    bb_nan nan;
} bb_encode_opts;

/* Format by public name or alias, ignoring case ("fp16", "float16", "e4m3fn", ...). NULL when the name is unknown or
 * ambiguous ("e4m3", "fp8"): err then lists the candidates. */
const bb_format *bb_format_find(const char *name, bb_error *err);
size_t bb_format_count(void);
const bb_format *bb_format_at(size_t index); /* NULL past the end */
const char *bb_format_name(const bb_format *f);
unsigned bb_format_bits(const bb_format *f); /* width of a code, 4..64 */
/* Value of a code; exact for every format of the table; of an integer format without a scale. A NaN has the sign of its
 * code where the format has signed ones. Bits above the width are ignored. */
double bb_format_decode(const bb_format *f, uint64_t code);
/* Code of a value, rounded once. opts NULL = nearest-even, native, max. *flags gets BB_FLAG_*; may be NULL.
 * BB_E_VALUE for NaN under BB_NAN_ERROR. */
bb_status bb_format_encode(const bb_format *f, double value, const bb_encode_opts *opts, uint64_t *code,
                           unsigned *flags);

/* ---- storage types --------------------------------------------------------------------------------------------- */

typedef struct bb_dtype bb_dtype; /* a row of a constant table; never freed */

/* Storage type by its GGUF, safetensors or format name, ignoring case. NULL when unknown: err offers the nearest. */
const bb_dtype *bb_dtype_find(const char *name, bb_error *err);
const char *bb_dtype_name(const bb_dtype *t);
/* Bytes of one row of `cols` elements. BB_E_ARG when no whole number of blocks makes a row; BB_E_OVERFLOW past 2^64. */
bb_status bb_dtype_row_bytes(const bb_dtype *t, uint64_t cols, uint64_t *bytes);

/* Quantize x [rows][cols] into out, rows * bb_dtype_row_bytes bytes. importance is [cols] weights or NULL; types whose
 * rule does not use it ignore it. f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_K q3_K q4_K q5_K q6_K iq4_nl iq4_xs tq1_0
 * tq2_0 mxfp4 nvfp4 q1_0 q2_0 give the bytes of ggml 0.25.1, on every processor; int8 and int4 are a row's fp32 scale
 * and its codes; e4m3fn and e5m2 have no scale, and what is beyond their largest becomes it. BB_E_UNSUPPORTED for a
 * type that this library only sizes. Weights that are zero over a whole block lose it, as in ggml. x must be finite,
 * which the caller checks: NaN or infinity can spoil the block or row around it, and no status says so. Finite values
 * too large for a type are no failure either: from 65520 on f16, from 127 * 65520 on the scale of q8_0 and from 8 *
 * 65520 on that of q4_0 become infinity, and what is decoded is infinite or NaN (bb_error_stats.lost counts it). */
bb_status bb_quantize_rows(const bb_dtype *t, const float *x, size_t rows, size_t cols, const float *importance,
                           void *out);
/* The reverse: data, rows of bb_dtype_row_bytes each, into x [rows][cols]. */
bb_status bb_dequantize_rows(const bb_dtype *t, const void *data, size_t rows, size_t cols, float *x);

/* ---- matmul ---------------------------------------------------------------------------------------------------- */

typedef struct bb_packed bb_packed; /* weights in the layout of a kernel; owns its memory */

/* Instruction sets that the fast paths are written for; the results are the same bytes in all of them. */
typedef enum bb_isa { BB_ISA_AUTO, BB_ISA_SCALAR, BB_ISA_AVX2, BB_ISA_AVX512 } bb_isa;

/* Weights W [out][in] as stored by bb_quantize_rows, packed for the kernel of their type. The caller frees with
 * bb_packed_free; data may be freed at once. BB_E_UNSUPPORTED when no kernel takes the type. */
bb_status bb_pack(const bb_dtype *t, const void *data, size_t out, size_t in, bb_packed **packed);
void bb_packed_free(bb_packed *packed);
/* y [tokens][out] = x [tokens][in] times W transposed. threads 0 = one. The result does not depend on threads or isa.
 */
bb_status bb_matmul(const bb_packed *w, const float *x, size_t tokens, unsigned threads, bb_isa isa, float *y);

/* ---- error between arrays -------------------------------------------------------------------------------------- */

/* Over the elements whose reference is finite. When some of them are lost, rel and max_abs are infinity, sqnr_db is
 * minus infinity, and mean, sd and cosine are NaN. Without any element all are NaN, as is what the squares, which must
 * stay in the range of fp64, do not tell (magnitudes below 1e-162 or above 1e154). */
typedef struct bb_error_stats {
    double rel;     /* sqrt(sum (got-ref)^2 / sum ref^2); 0 when equal; infinity when only the reference is zero */
    double sqnr_db; /* -20 log10(rel); infinity when equal */
    double max_abs;
    double mean;        /* mean of got-ref */
    double sd;          /* its standard deviation */
    double cosine;      /* 1 when both are zero, 0 when one is */
    uint64_t n;         /* elements that were finite on both sides */
    uint64_t nonfinite; /* elements left out because the reference was not finite */
    uint64_t lost;      /* elements with a finite reference that are not finite: overflow, not error */
} bb_error_stats;

bb_status bb_error_measure(const double *ref, const double *got, size_t n, bb_error_stats *stats);

/* ---- model files ----------------------------------------------------------------------------------------------- */

typedef struct bb_file bb_file; /* an open container; only its headers are in memory */

typedef struct bb_tensor {
    const char *name;         /* raw bytes of the file, NUL-terminated, not escaped */
    const char *type_in_file; /* the file's own spelling ("Q4_K", "BF16", or a number) */
    const bb_dtype *type;     /* NULL when unknown: then bytes is 0 for GGUF, the extent for the others */
    uint32_t n_dims;
    uint32_t part;        /* which of the files of a container in several parts holds it, from 0 */
    const uint64_t *dims; /* [n_dims] in the file's order: GGUF innermost first, others outermost first */
    uint64_t elements;
    uint64_t bytes;
    uint64_t offset; /* from the start of its file, the part */
    uint64_t rows;   /* as a matrix: product of the outer dimensions ... */
    uint64_t cols;   /* ... and elements of one row; 1 x n for a vector, 1 x 1 for a scalar */
} bb_tensor;

/* Opens a GGUF (v1-v3) or safetensors file, an index of safetensors shards or a NumPy array (.npy); the kind comes from
 * its first bytes. The first part of a split GGUF and an index open all parts. Reads headers only. */
bb_status bb_file_open(const char *path, bb_file **file, bb_error *err);
void bb_file_close(bb_file *file);
const char *bb_file_format(const bb_file *file); /* "gguf", "safetensors", "npy", or "index" without its shards */
size_t bb_file_tensor_count(const bb_file *file);
const bb_tensor *bb_file_tensor(const bb_file *file, size_t index);   /* NULL past the end */
const bb_tensor *bb_file_find(const bb_file *file, const char *name); /* NULL when absent */
/* The files that hold the tensors: 1, or all parts. A path is escaped; NULL past the end. */
size_t bb_file_parts(const bb_file *file);
const char *bb_file_part_path(const bb_file *file, size_t part);
/* Rows [first, first+count) of a tensor as fp32 into x [count][cols]. Plain types (floats and integers) are decoded;
 * BB_E_UNSUPPORTED for block types, whose rows bb_dequantize_rows decodes. */
bb_status bb_file_read_rows(const bb_file *file, const bb_tensor *t, uint64_t first, uint64_t count, float *x,
                            bb_error *err);

/* ---- architectures, plans, tables: see the end of this header for what each struct holds ------------------------ */

typedef struct bb_arch bb_arch;

/* The architecture that a file's metadata describes, or a catalogue row by name or hub name. Free with bb_arch_free. */
bb_status bb_arch_from_file(const bb_file *file, bb_arch **arch, bb_error *err);
bb_status bb_arch_find(const char *name, bb_arch **arch, bb_error *err);
void bb_arch_free(bb_arch *arch);

typedef enum bb_evidence { BB_EXACT, BB_MODELLED, BB_ASSUMED, BB_MEASURED } bb_evidence;

typedef enum bb_purpose { BB_FOR_LOAD, BB_FOR_INFER } bb_purpose;
/* ollama runs llama.cpp with defaults of its own */
typedef enum bb_engine {
    BB_ENGINE_SIMPLE,
    BB_ENGINE_LLAMA_CPP,
    BB_ENGINE_HF,
    BB_ENGINE_VLLM,
    BB_ENGINE_OLLAMA
} bb_engine;
typedef enum bb_fit_answer { BB_FITS_UNKNOWN, BB_FITS_YES, BB_FITS_NO, BB_FITS_MAYBE } bb_fit_answer;
/* How a device keeps buffers: CUDA pads rows of quantized tensors to 512 elements and tensors to 128 bytes, and
 * computes large batches of weights that lie on the host; a generic device does neither. */
typedef enum bb_backend { BB_BACKEND_CUDA, BB_BACKEND_GENERIC } bb_backend;
typedef enum bb_split_mode { BB_SPLIT_LAYER, BB_SPLIT_ROW, BB_SPLIT_NONE } bb_split_mode;

#define BB_ALL UINT64_MAX    /* "all" for gpu_layers and cpu_moe_layers */
enum { BB_PLAN_CARDS = 16 }; /* llama.cpp's own most (llama_max_devices) */

typedef struct bb_plan_card {
    char name[64];         /* shown name, "" = no more than a size is known */
    uint64_t limit_bytes;  /* memory of it that a program can get; 0 = no verdict */
    uint64_t driver_bytes; /* memory that its driver tells of in all; 0 = unknown */
    bb_evidence limit_status;
    double bandwidth_gbs, fp16_tflops, int8_tops; /* 0 = unknown */
    double split; /* llama.cpp --tensor-split: its share; all 0 = by limit_bytes, equal where that is unknown */
} bb_plan_card;

/* What the host can do, for the speed of what it computes; zeroes = unknown. bitbudget plan --measure-host asks it. */
typedef struct bb_plan_host {
    double bandwidth_gbs;        /* 10^9 bytes a second that its threads read together */
    double thread_gbs;           /* and one of them alone */
    double fp32_gops, int8_gops; /* peaks of one thread, 10^9 operations a second */
    unsigned threads;
} bb_plan_host;

/* What to plan. Zeroed members mean the engine's default; bb_plan writes back what it used (bb_plan.used). */
typedef struct bb_plan_request {
    bb_purpose purpose;
    bb_engine engine;
    /* storage type, file type ("q4_K_M") or layout of a checkpoint ("gptq-4-128", "nf4-dq"); "" = as in the file, or
     * the engine's default */
    char weights[24];
    uint64_t ctx;      /* tokens of context in all sequences together (llama.cpp) or of each (the others) */
    uint64_t batch;    /* logical batch, tokens (llama.cpp n_batch, vLLM max_num_batched_tokens) */
    uint64_t ubatch;   /* physical batch, tokens (llama.cpp n_ubatch) */
    uint64_t parallel; /* sequences; vllm: as many of the whole context must fit */
    bool kv_unified;   /* one pool for all sequences (llama.cpp --kv-unified) */
    char kv_k[16];     /* storage types of keys and values; "" = the engine's default */
    char kv_v[16];
    int flash_attn;      /* 0 = engine's default, 1 = on, -1 = off (hf: sdpa, flash, eager) */
    uint64_t gpu_layers; /* layers on the card counting the output layer; BB_ALL; only read when gpu_layers_set */
    bool gpu_layers_set;
    uint64_t outputs; /* rows of logits that one batch can ask for: 0 = batch; vLLM's max_num_seqs: 0 = 256 */
    bool no_gpu;      /* everything on the host */
    bb_plan_card cards[BB_PLAN_CARDS]; /* [n_cards] */
    size_t n_cards;                    /* 0 = one, of which no more is known than cards[0] says */
    bb_plan_host host;
    bool overhead_set; /* overhead_bytes on each card replaces the table's interval (0 = leave it out) */
    uint64_t overhead_bytes;
    bool imatrix; /* llama-quantize had an importance matrix: a few of its mixture rules differ */
    /* llama.cpp and ollama */
    bb_backend backend;
    bb_split_mode split_mode;
    uint64_t main_gpu;         /* the card of BB_SPLIT_NONE */
    bool kv_on_host;           /* --no-kv-offload */
    bool swa_full;             /* layers with a window keep the whole context */
    bool no_op_offload;        /* large batches of host weights stay on the host */
    bool no_mmap;              /* weights on the host are memory of the process, not pages of the file */
    uint64_t cpu_moe_layers;   /* --n-cpu-moe: experts of that many first layers stay on the host; BB_ALL */
    char override_tensor[192]; /* --override-tensor REGEX=BUFFER,...; "" = none */
    bool dry_run_rule;         /* the compute buffer of a dry run (llama-fit-params), not of a real reservation */
    /* vLLM */
    double utilization;                          /* --gpu-memory-utilization, 0 = its default */
    uint64_t tensor_parallel, pipeline_parallel; /* 0 = 1 */
    uint64_t kv_block;                           /* --block-size, tokens; 0 = its default */
    bool eager;                                  /* --enforce-eager: no CUDA graphs */
    bool serves;                                 /* its API server, whose step is shorter than LLM()'s on most cards */
    bool long_ctx; /* a context beyond the model's own is meant (rope scaling); else vLLM refuses it */
} bb_plan_request;

typedef struct bb_plan_line {
    char component[40]; /* "weights", "kv_cache", ...; a part after a colon refines one and is not added again */
    char device[16];    /* "gpu0" or "host" */
    uint64_t bytes, low_bytes, high_bytes;
    bb_evidence status;
    char formula[192];
    char source[96];
} bb_plan_line;

enum { BB_PLAN_NOTES = 6 };

/* What one device takes: "gpu0", "gpu1", ..., "host". */
typedef struct bb_plan_device {
    char name[16];
    uint64_t total_bytes, low_bytes, high_bytes;
    uint64_t limit_bytes; /* 0 = unknown */
    bb_fit_answer fits;
} bb_plan_device;

/* Tokens per second that bandwidth and arithmetic allow, times an efficiency; 0 = not known. Modelled. */
typedef struct bb_plan_speed {
    double decode, decode_low, decode_high;    /* of all sequences together */
    double prefill, prefill_low, prefill_high; /* of a prompt */
    char decode_formula[160], prefill_formula[160];
} bb_plan_speed;

typedef struct bb_plan {
    bb_plan_line *lines; /* [n_lines], owned, with room for cap_lines */
    size_t n_lines, cap_lines;
    uint64_t parameters;
    bb_plan_device devices[BB_PLAN_CARDS + 1]; /* [n_devices] in the order of the cards, the host last */
    size_t n_devices;
    uint64_t total_bytes, low_bytes, high_bytes; /* on the cards together, or on the host when there is no card */
    uint64_t host_bytes;                         /* on the host beside the cards; 0 when there is no card */
    uint64_t limit_bytes;                        /* of the cards together; 0 = unknown */
    bb_fit_answer fits;                          /* the worst of the cards */
    bool partial; /* something that takes memory is not known: a note says what, and nothing FITS for certain */
    bb_plan_speed speed;
    bb_plan_request used;          /* the request with every default filled in */
    char note[BB_PLAN_NOTES][384]; /* sentences that the reader must see; "" = none */
} bb_plan;

/* What a plan is made of when the model is not just an architecture: the storage types of its file. */
typedef struct bb_model bb_model;

/* MODEL as the command line takes it: a count ("7b"), a catalogue or hub name, or a path to a GGUF, safetensors,
 * config.json or directory. "demo" is the demo model that ships. The folders of other programs are not searched for
 * names: where they are is told by the environment. Free with bb_model_free. */
bb_status bb_model_find(const char *text, bb_model **model, bb_error *err);
void bb_model_free(bb_model *model);

/* The plan of a model; *plan is filled and must be cleared with bb_plan_clear. */
bb_status bb_plan_make(const bb_model *model, const bb_plan_request *request, bb_plan *plan, bb_error *err);
void bb_plan_clear(bb_plan *plan);

/* What the inverse looks for: the largest context, physical batch (llama.cpp), number of sequences of that context
 * each, of layers on the cards, of parameters, the widest weights, the fewest cards, the widest KV cache that fits. */
typedef enum bb_solve {
    BB_SOLVE_CTX,
    BB_SOLVE_BATCH,
    BB_SOLVE_SLOTS,
    BB_SOLVE_LAYERS,
    BB_SOLVE_PARAMS,
    BB_SOLVE_WEIGHTS,
    BB_SOLVE_GPUS,
    BB_SOLVE_KV
} bb_solve;

typedef struct bb_fit {
    bb_solve solve;
    /* The largest whose high end fits each card (gpus: the fewest cards; weights, kv: the bytes of them); 0 = none. */
    uint64_t answer;
    char answer_name[24]; /* of weights and kv the type, of params the layers of a model; "" = none */
    uint64_t total_bytes; /* high end of the need at the answer; 0 = none */
    uint64_t limit_bytes;
    uint64_t next_total_bytes; /* high end at the next step; 0 when there is none */
    bool model_limit;          /* the answer is the most that the model or the engine knows */
    uint64_t next;             /* the next step (without an answer the smallest that was tried); 0 = none */
    char next_name[24];
    char next_device[16]; /* the card with the least room at the next step, which decides; "" = none */
    uint64_t next_device_bytes, next_device_limit_bytes; /* its high end and limit */
    uint64_t each_ctx;                                   /* of slots: the tokens of each sequence */
} bb_fit;

/* BB_E_ARG without a limit. */
bb_status bb_fit_make(const bb_model *model, const bb_plan_request *request, bb_solve solve, bb_fit *fit,
                      bb_error *err);

/* ---- tables ---------------------------------------------------------------------------------------------------- */

typedef struct bb_table bb_table; /* rows of typed cells with a schema, notes and totals */
typedef enum bb_table_form { BB_TABLE_TEXT, BB_TABLE_CSV, BB_TABLE_JSON, BB_TABLE_MARKDOWN } bb_table_form;

/* Receives the output in pieces; returns false to stop. */
typedef bool (*bb_write_fn)(void *ctx, const char *data, size_t length);

bb_status bb_table_write(const bb_table *table, bb_table_form form, bb_write_fn write, void *ctx);
void bb_table_free(bb_table *table);
/* The table that `bitbudget plan` prints for a plan, so that a program can write its CSV or JSON. */
bb_status bb_plan_table(const bb_plan *plan, bb_table **table);

#ifdef __cplusplus
}
#endif
#endif
