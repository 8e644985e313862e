/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stores.h - the folders in which other programs keep models on this disk, and the models in them by name. */
#ifndef BB_MODEL_STORES_H
#define BB_MODEL_STORES_H
#include "model/folder.h"

typedef enum bb_store_kind { BB_STORE_HUB, BB_STORE_OLLAMA, BB_STORE_LM_STUDIO } bb_store_kind;

typedef struct bb_store {
    bb_store_kind kind;
    char path[BB_PATH_SIZE]; /* raw; perhaps nothing is there */
} bb_store;

enum { BB_STORES_MAX = 6 };

typedef struct bb_stores {
    char home[BB_PATH_SIZE]; /* for a name that begins with "~/"; "" = unknown */
    bb_store at[BB_STORES_MAX];
    size_t n;
} bb_stores;

/* What the environment of a program says. The library never reads it: its callers do. NULL and "" are not set. */
typedef struct bb_stores_places {
    const char *home;           /* HOME */
    const char *xdg_cache_home; /* XDG_CACHE_HOME; a relative one does not count */
    const char *hf_home;        /* HF_HOME */
    const char *hf_hub_cache;   /* HF_HUB_CACHE */
    const char *ollama_models;  /* OLLAMA_MODELS */
} bb_stores_places;

/* Where those programs look themselves: the first of HF_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub and
 * ~/.cache/huggingface/hub; OLLAMA_MODELS, else ~/.ollama/models and that of Ollama's service; LM Studio's two. */
void bb_stores_init(bb_stores *s, const bb_stores_places *places);
const char *bb_store_name(bb_store_kind kind); /* "Hugging Face cache", "Ollama", "LM Studio" */

typedef struct bb_place { /* a model that was found */
    bb_store_kind kind;
    char path[BB_PATH_SIZE]; /* a folder, or a file */
    char title[96];          /* escaped: "org/name", "llama3.1:8b" */
    char note[192];          /* what people should hear, or "" */
} bb_place;

/* "org/name", "org/name@revision", "org/name/file.gguf", "name" (hub cache and LM Studio); "ollama:name",
 * "name:tag", "user/name:tag", "host/user/name:tag" (Ollama, tag latest when there is none). *found is false when no
 * store has it; an error is for a name that only Ollama can have, and for a model that is there but cannot be used. */
bb_status bb_stores_find(const bb_stores *s, const char *text, bool *found, bb_place *place, bb_error *err);

/* Names of models, raw; to be cleared. */
typedef struct bb_names {
    char **at; /* [n], owned */
    size_t n, cap;
    bool more; /* there were others: 4096 are kept */
} bb_names;

/* Appends the names of a store. BB_E_OPEN when it is not there or cannot be read. */
bb_status bb_store_list(const bb_store *store, bb_names *names, bb_error *err);
void bb_names_clear(bb_names *names);
const char *bb_names_next(const void *names, size_t i); /* for bb_nearest */
#endif
