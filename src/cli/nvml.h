/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nvml.h - the NVIDIA cards of this machine, asked of the driver's management library at run time. */
#ifndef BB_CLI_NVML_H
#define BB_CLI_NVML_H
#include "base/fail.h"

#define CLI_NVML_LIBRARY "libnvidia-ml.so.1" /* its name on every system that has the driver */

typedef struct cli_device { /* a card as its driver tells of it */
    char name[96];
    uint64_t total_bytes, free_bytes;
} cli_device;

/* The first `most` cards of `library`, in the order of their PCI addresses, which is CUDA's own under
 * CUDA_DEVICE_ORDER=PCI_BUS_ID; *n is how many there are, and may be above `most`. BB_E_OPEN when the library is not
 * there, BB_E_READ when it does not answer. A card that tells nothing of its memory is left out. */
bb_status cli_nvml_cards(const char *library, cli_device *cards, size_t most, size_t *n, bb_error *err);
#endif
