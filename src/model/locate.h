/* SPDX-License-Identifier: GPL-3.0-or-later */
/* locate.h - from the MODEL of a command line to what is known of it. */
#ifndef BB_MODEL_LOCATE_H
#define BB_MODEL_LOCATE_H
#include "model/catalogue.h"
#include "model/quantization.h"
#include "model/stores.h"

typedef enum bb_model_kind { BB_MODEL_COUNT, BB_MODEL_CATALOGUE, BB_MODEL_CONFIG, BB_MODEL_FILE } bb_model_kind;

struct bb_model {
    bb_model_kind kind;
    char title[96];        /* for people, escaped: "llama-3.1-8b", "model.gguf" */
    char called[96];       /* the model's own name: the title, but that of its folder for a file of a checkpoint */
    char path[512];        /* of a file or folder, escaped, or "" */
    char *config_path;     /* of the config.json that was read, as the system takes it; owned, or NULL */
    bb_arch *arch;         /* &arch_storage; NULL for a count, or a file whose architecture is not clear (see note). Its
                            * family may be one without a graph: bb_arch_known */
    bb_file *file;         /* owned; NULL unless kind is FILE */
    bb_file *listed;       /* owned; the names of an index whose shards are not there (kind CONFIG), else NULL */
    bb_quantization quant; /* of a checkpoint: by its config, else by its tensors */
    uint64_t parameters;   /* of a count, or that the tensors of the file stand for; else 0: the graph knows */
    const char *store;     /* the program in whose folder a name was found ("Hugging Face cache"); else NULL */
    char note[512];        /* what people should hear: why arch is NULL, or that shards were not read; else "" */
    bb_arch arch_storage;
};

/* bb_model_find with the user's catalogue and the folders in which other programs keep models (NULL = none). Read in
 * this order: a path that exists ("~/" in front is the home of stores); "demo", the shipped model (data folder: next to
 * the sources, then the installed one); a count; the name of a row of the catalogue; a name that bb_stores_find takes,
 * whose files win over a row with the same hub name; a row by its hub name, or by the beginning of its name.
 * BB_E_NAME offers the nearest names; "7x" is BB_E_VALUE.
 * A safetensors file takes the config.json beside it. A folder is its model.safetensors, else the shards of its
 * index, else the only safetensors file in it, else the only GGUF file, else its config.json alone, with a note;
 * several GGUF files are BB_E_NAME, and err lists them. models--org--name of the hub's cache stands for its newest
 * snapshot. */
bb_status bb_model_locate(const bb_catalogue *cat, const bb_stores *stores, const char *text, bb_model **model,
                          bb_error *err);
/* Path of a file of data/ ("demo.gguf"): beside the sources when run from a build, else the installed folder. */
bb_status bb_data_path(const char *name, char *path, size_t size, bb_error *err);
#endif
