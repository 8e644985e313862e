/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arch_fields.h - the numbers of an architecture by name, with the range that each may have; private to model/. */
#ifndef BB_MODEL_ARCH_FIELDS_H
#define BB_MODEL_ARCH_FIELDS_H
#include "model/arch.h"

typedef enum bb_arch_field {
    BB_ARCH_LAYERS,
    BB_ARCH_HIDDEN,
    BB_ARCH_HEADS,
    BB_ARCH_KV_HEADS,
    BB_ARCH_HEAD_DIM,
    BB_ARCH_FFN,
    BB_ARCH_VOCAB,
    BB_ARCH_CONTEXT,
    BB_ARCH_SLIDING_WINDOW,
    BB_ARCH_SWA_PERIOD,
    BB_ARCH_EXPERTS,
    BB_ARCH_EXPERTS_USED,
    BB_ARCH_EXPERT_FFN,
    BB_ARCH_SHARED_EXPERTS,
    BB_ARCH_SHARED_FFN,
    BB_ARCH_DENSE_LAYERS,
    BB_ARCH_MOE_STEP,
    BB_ARCH_Q_LORA,
    BB_ARCH_KV_LORA,
    BB_ARCH_ROPE_DIM,
    BB_ARCH_NOPE_DIM,
    BB_ARCH_V_HEAD_DIM,
    BB_ARCH_EMBED_DIM,
    BB_ARCH_TYPE_VOCAB,
    BB_ARCH_ENCODER_LAYERS,
    BB_ARCH_ENCODER_HEADS,
    BB_ARCH_ENCODER_FFN,
    BB_ARCH_ENCODER_CONTEXT,
    BB_ARCH_MELS,
    BB_ARCH_MTP_LAYERS,
    BB_ARCH_LABELS,
    BB_ARCH_STATE_CONV, /* of linear attention, as in bb_recurrence */
    BB_ARCH_STATE_INNER,
    BB_ARCH_STATE_SIZE,
    BB_ARCH_STATE_GROUPS,
    BB_ARCH_STATE_HEADS,
    BB_ARCH_ATTEND_EVERY,
    BB_ARCH_FIELDS
} bb_arch_field;

const char *bb_arch_field_name(bb_arch_field f); /* the catalogue's column */
/* Every one of these is needed to count a model. */
bool bb_arch_field_required(bb_arch_field f);
/* Stores v when it is in range; BB_E_INVALID with a sentence of `where`, `key` and the range otherwise. */
bb_status bb_arch_set(bb_arch *a, bb_arch_field f, uint64_t v, const char *where, const char *key, bb_error *err);

typedef enum bb_arch_flag {
    BB_ARCH_TIED,
    BB_ARCH_QKV_BIAS,
    BB_ARCH_OUT_BIAS,
    BB_ARCH_MLP_BIAS,
    BB_ARCH_QK_NORM,
    BB_ARCH_ONE_NORM,
    BB_ARCH_POST_NORM,
    BB_ARCH_ROUTER_BIAS,
    BB_ARCH_ROPE_FREQS,
    BB_ARCH_FLAGS
} bb_arch_flag;

const char *bb_arch_flag_name(bb_arch_flag f); /* the catalogue's column */
bool *bb_arch_flag_at(bb_arch *a, bb_arch_flag f);

/* Fills what follows from the rest where it is 0: head_dim, kv_heads, expert_ffn, and what the family always has. */
void bb_arch_complete(bb_arch *a);
/* Ranges and relations without a look at the family. */
bb_status bb_arch_check_numbers(const bb_arch *a, const char *where, bb_error *err);
/* Stores the family's GGUF name and the model_type: "mistral" and "mixtral" are "llama"; text from a file is escaped.
 */
void bb_arch_set_family(bb_arch *a, const char *text);
/* Escaped text into a short field, whole where it fits, else cut between characters. */
void bb_escape_field(const char *text, char *out, size_t size);
#endif
