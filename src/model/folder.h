/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder.h - what a folder of model files holds, by its names alone; for model/ and the studies. */
#ifndef BB_MODEL_FOLDER_H
#define BB_MODEL_FOLDER_H
#include "base/fail.h"
#include <sys/stat.h>

enum {
    BB_PATH_SIZE = 4096,
    BB_NAME_SIZE = 520,          /* "subfolder/file" */
    BB_FOLDER_ENTRIES = 1 << 20, /* more than that is no folder of a model */
    BB_SETS_MAX = 64,            /* kept of one kind; choices that people are shown come from these */
};

/* dir/name into out of BB_PATH_SIZE; false when it does not fit. An empty dir is the current folder. */
bool bb_path_join(const char *dir, const char *name, char *out);
/* The last part of a path and the length of it, without slashes at its end. */
const char *bb_path_last(const char *path, size_t *len);
/* True for relative text whose parts are neither empty nor "." nor "..". */
bool bb_path_inside(const char *text);
bool bb_is_folder(const char *path);
/* What stat's errno means for a path that cannot be looked at, as a sentence; BB_OK when it just is not there. */
bb_status bb_path_refusal(const char *path, int cause, bb_error *err);

/* Calls visit for every entry but "." and ".." until it gives false. BB_E_LIMIT past BB_FOLDER_ENTRIES. */
typedef bool bb_entry_fn(void *ctx, int dir, const char *name);
bb_status bb_folder_each(const char *path, bb_entry_fn *visit, void *ctx, bb_error *err);

typedef struct bb_weights {  /* one file, or the parts of one that was split */
    char name[BB_NAME_SIZE]; /* of the first part, relative to the folder */
    uint32_t parts, present;
} bb_weights;

typedef struct bb_sets { /* sorted by name */
    bb_weights at[BB_SETS_MAX];
    size_t n;
    bool more; /* there were others */
} bb_sets;

typedef struct bb_folder {
    size_t entries;
    bool config, index, adapter_config, adapter, weights; /* weights: model.safetensors */
    bb_sets gguf;            /* without projectors; one level of subfolders counts when the folder itself has none */
    bb_sets safetensors;     /* without model.safetensors and adapter_model.safetensors */
    char projector[256];     /* a GGUF with the vision part, or "" */
    char pickled[256];       /* weights that are never read here, or "" */
    char dangling[256];      /* a link of interest whose target is not there, or "" */
    char folders[32][256];   /* of the subfolders */
    size_t n_folders, tried; /* entries that were asked whether they are one */
} bb_folder;

/* *folder is to be freed. BB_E_OPEN, BB_E_LIMIT, BB_E_NOMEM. */
bb_status bb_folder_look(const char *path, bb_folder **folder, bb_error *err);
/* "a, b, ... and others" for sentences, escaped, at most eight and no more than fit. */
void bb_sets_text(const bb_sets *sets, char *out, size_t size);
#endif
