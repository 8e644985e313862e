/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_parts.h - what the files of quantize_folder share: the plan of a folder and the work on one tensor. */
#ifndef BB_STUDY_FOLDER_PARTS_H
#define BB_STUDY_FOLDER_PARTS_H
#include "base/folder_sink.h"
#include "base/pool.h"
#include "base/str.h"
#include "file/safetensors_write.h"
#include "quant/codec_bnb.h"
#include "study/quantize_folder.h"

enum {
    BB_FOLDER_SLAB = 1 << 18, /* elements that are read, quantized and written at a time; rows are no longer */
    BB_FOLDER_THREADS = 32,   /* each has 5 MiB of buffers */
    BB_FOLDER_SMALL_FILE = 64 << 20,
};

typedef enum bb_form { BB_FORM_COPY, BB_FORM_CONVERT, BB_FORM_QUANTIZE } bb_form;

/* The tensors that one tensor of the checkpoint becomes, by what they hold. */
typedef enum bb_role {
    BB_ROLE_WEIGHT,
    BB_ROLE_SCALE,      /* weight_scale, SCB or absmax */
    BB_ROLE_ZERO,       /* weight_zero_point */
    BB_ROLE_FORMAT,     /* weight_format */
    BB_ROLE_MAP,        /* quant_map */
    BB_ROLE_NESTED,     /* nested_absmax */
    BB_ROLE_NESTED_MAP, /* nested_quant_map */
    BB_ROLE_STATE,      /* quant_state, a text */
    BB_ROLES
} bb_role;

typedef struct bb_folder_entry {
    char *name; /* owned */
    const bb_dtype *type;
    uint32_t n_dims;
    uint64_t dims[4];
    const uint64_t *long_dims; /* of a copied tensor with more dimensions, else NULL */
    uint64_t bytes;
    size_t item, shard;
    uint64_t offset; /* in its file */
    bool used;
} bb_folder_entry;

typedef struct bb_folder_item {
    const bb_tensor *source;
    bb_form form;
    bb_folder_entry entries[BB_ROLES];
} bb_folder_item;

typedef struct bb_folder_shard {
    bb_st_out *head;
    const unsigned char *header;
    size_t header_bytes;
    uint64_t file_bytes;
    char name[64];
} bb_folder_shard;

typedef struct bb_small_file {
    char *name;
    uint64_t bytes;
} bb_small_file;

struct bb_folder_job {
    const bb_model *model;
    bb_folder_opts opts;
    char title[64], folder[4096]; /* of the checkpoint */
    char **kept; /* [n_kept] modules that the config names as they are; owned, as are the names in it */
    size_t n_kept, cap_kept;
    bb_folder_item *items; /* [n] */
    bb_quantize_row *rows; /* [n] */
    size_t n;
    bb_folder_shard *shards; /* [n_shards] */
    size_t n_shards, cap_shards;
    bb_small_file *small; /* [n_small] files that are copied */
    size_t n_small, cap_small;
    bb_str config, index; /* texts; index is empty with one shard */
    char (*warnings)[256];
    size_t n_warnings, cap_warnings;
    uint64_t file_bytes, tensor_bytes;
    bb_dispatch dispatch;
};

bb_status bb_folder_warn(bb_folder_job *job, bb_error *err, const char *fmt, ...) BB_PRINTF(3, 4);
static inline bb_status bb_folder_no_memory(bb_error *err) { return bb_fail(err, BB_E_NOMEM, "out of memory"); }
/* ".weight" at its end: the length of what is before, else 0. */
size_t bb_module_length(const char *name);

/* folder_choose.c: the form of every item, and the modules that are kept. */
bb_status bb_folder_choose(bb_folder_job *job, bb_error *err);
/* folder_texts.c */
bb_status bb_folder_config(bb_folder_job *job, bb_error *err);
bb_status bb_folder_index(bb_folder_job *job, bb_error *err);
bb_status bb_folder_small_files(bb_folder_job *job, bb_error *err);
/* Whether a file of this name is one that is written into such a folder. */
bb_folder_entry_fn bb_folder_kind_of;
const char *bb_torch_dtype(const bb_dtype *t);
/* The text of a quant_state: nested_offset is padded with blanks behind it, so that the length is known before it is.
 * Returns the length, `size` is enough with 512. */
size_t bb_quant_state_text(const bb_folder_job *job, const bb_tensor *source, float nested_offset, char *out,
                           size_t size);
/* Units of elements that share a scale or stand in one block: slabs are whole numbers of them. */
uint64_t bb_folder_unit(const bb_folder_opts *o, const bb_tensor *t);

/* folder_slabs.c: buffers for the workers, and the whole of one item. */
typedef struct bb_folder_desk bb_folder_desk;
bb_status bb_folder_desk_new(bb_folder_job *job, bb_pool *pool, bb_progress *progress, bb_folder_desk **desk,
                             bb_error *err);
void bb_folder_desk_free(bb_folder_desk *desk);
bb_status bb_folder_do_item(bb_folder_desk *desk, size_t item, bb_sink *sink, bb_error *err);
#endif
