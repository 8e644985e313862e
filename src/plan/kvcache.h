/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kvcache.h - bytes of the key/value cache for a context and a number of sequences. */
#ifndef BB_PLAN_KVCACHE_H
#define BB_PLAN_KVCACHE_H
#include "format/dtype.h"
#include "model/arch.h"

enum { BB_KV_PAD = 256 }; /* llama.cpp v0.5.0 pads a context to a multiple of this (memory.md 2.2) */

/* llama.cpp v0.5.0: cells of one layer: the context padded to 256, per sequence unless unified (memory.md 2.2).
 * BB_E_ARG when ctx or seqs is 0, or a sequence would get no cell. */
bb_status bb_kv_cells(uint64_t ctx, uint64_t seqs, bool unified, uint64_t *cells);
/* Bytes of keys and values of one layer with `cells` positions. BB_E_ARG when a row does not divide into blocks. */
bb_status bb_kv_layer_bytes(const bb_arch *arch, uint64_t cells, const bb_dtype *k, const bb_dtype *v, uint64_t *bytes);
/* Bytes of the keys (or of the values) alone. */
bb_status bb_kv_half_bytes(const bb_arch *arch, uint64_t cells, const bb_dtype *type, uint64_t *bytes);
#endif
