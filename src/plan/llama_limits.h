/* SPDX-License-Identifier: GPL-3.0-or-later */
/* llama_limits.h - the most that llama.cpp v0.5.0 takes, and its batch. */
#ifndef BB_PLAN_LLAMA_LIMITS_H
#define BB_PLAN_LLAMA_LIMITS_H

enum {
    BB_LLAMA_SEQUENCES = 256, /* LLAMA_MAX_SEQ (llama-cparams.h) */
    BB_LLAMA_LAYERS = 512,    /* LLAMA_MAX_LAYERS (llama-hparams.h) */
    BB_LLAMA_EXPERTS = 1024,  /* LLAMA_MAX_EXPERTS (llama-hparams.h) */
    BB_LLAMA_BATCH = 2048,    /* n_batch of llama_context_default_params */
    BB_LLAMA_UBATCH = 512,    /* and its n_ubatch */
};
#endif
