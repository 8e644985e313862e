/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config_keys.h - which keys of config.json say what, by model_type; private to model/. */
#ifndef BB_MODEL_CONFIG_KEYS_H
#define BB_MODEL_CONFIG_KEYS_H
#include "model/arch_fields.h"

/* A key of a config: the first of `keys` that is there and not null counts. */
typedef struct bb_config_number {
    bb_arch_field field;
    bool required;
    const char *keys[4]; /* NULL-terminated unless four */
} bb_config_number;

typedef struct bb_config_flag {
    bb_arch_flag flag;
    bool standard; /* value of transformers' config class where the key is absent */
    bool inverted; /* the key says the opposite of the flag */
    const char *key;
} bb_config_flag;

enum { BB_CONFIG_LISTS = 3, BB_CONFIG_FLAGS = 6 };

/* The keys that the code of a model_type looks at; others in its config say nothing about the model. */
typedef struct bb_config_spec {
    const char *type;
    const bb_config_number *numbers[BB_CONFIG_LISTS]; /* lists that end with no key; NULL = none */
    bb_config_flag flags[BB_CONFIG_FLAGS];            /* ends with no key */
} bb_config_spec;

/* The spec of a model_type; of one that nobody knows the keys that most have, none of them required. */
const bb_config_spec *bb_config_spec_of(const char *type);
#endif
