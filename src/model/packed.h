/* SPDX-License-Identifier: GPL-3.0-or-later */
/* packed.h - quantized tensors of a checkpoint by their names: which method, and how many parameters they stand for. */
#ifndef BB_MODEL_PACKED_H
#define BB_MODEL_PACKED_H
#include "file/file.h"
#include "model/quantization.h"

/* Fills *q (method, bits, group, label) from the tensors where it is BB_QUANT_NONE and they tell: qweight, absmax, SCB,
 * weight_packed, weight_scale_inv, U32 weights with scales. Otherwise only what a config does not say is taken: whether
 * GPTQ lists the groups of its inputs. */
void bb_quantization_from_file(const bb_file *file, bb_quantization *q);
/* Parameters that the tensors of the file stand for: packed words opened, scales, zeros, tables and AutoGPTQ's biases
 * of zeros left out. The file's own elements where nothing is packed. */
uint64_t bb_packed_parameters(const bb_file *file, const bb_quantization *q);
/* Whether the name is of scales, zeros or tables, which stand for no parameters; of those of a cache. */
bool bb_packed_companion(const char *name);
bool bb_packed_cache_scale(const char *name);
#endif
