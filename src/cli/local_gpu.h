/* SPDX-License-Identifier: GPL-3.0-or-later */
/* local_gpu.h - the first card of this machine, as the NVIDIA driver tells of it, and its row of the catalogue. */
#ifndef BB_CLI_LOCAL_GPU_H
#define BB_CLI_LOCAL_GPU_H
#include "model/catalogue.h"

#define CLI_GPU_ROOT "/proc/driver/nvidia/gpus" /* a folder for each card, named by its PCI address */

/* The card of the first folder of `root` (in the order of their names); *cards is their number. BB_E_OPEN when no
 * driver tells of a card, BB_E_NAME when no row of the catalogue is that card. */
bb_status cli_local_gpu(const char *root, const bb_catalogue *cat, const bb_gpu **gpu, size_t *cards, bb_error *err);
/* The row that a driver's name means ("NVIDIA H100 80GB HBM3": H100 SXM); NULL when none is, or several are. */
const bb_gpu *cli_gpu_of_driver(const bb_catalogue *cat, const char *name);
#endif
