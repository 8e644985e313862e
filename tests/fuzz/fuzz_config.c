/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_config.c - a config.json of any bytes: what is read of it is checked, has a graph whose lists agree with its
 * count, and is stored as its quantization says. */
#include "graph/stored.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok) {
    if (!ok) abort();
}

/* Lists grow with layers and experts: what is far above real models is counted, not listed. */
static bool listable(const bb_arch *a) {
    return a->layers + a->encoder_layers < 200 && a->experts < 64 && a->heads < 512 && a->kv_heads < 512;
}

static void look(const bb_graph *g, const bb_quantization *q) {
    uint64_t total = 0, active = 0, sum = 0;
    bb_graph_tensor *t = NULL;
    size_t listed = 0;
    bb_stored_list stored, all;
    bb_error err = {0};
    bb_status st = bb_graph_parameters(g, &total, &active);
    check(st == BB_OK || st == BB_E_OVERFLOW);
    if (st || !listable(g->arch)) return;
    check(active <= total);
    check(bb_graph_tensors(g, true, &t, &listed) == BB_OK);
    for (size_t i = 0; i < listed; i++) {
        uint64_t e = 1;
        for (uint32_t k = 0; k < t[i].n_dims; k++) e *= t[i].dims[k];
        if (t[i].counts) sum += e;
        check(*t[i].name && strlen(t[i].name) < sizeof t[i].name);
    }
    check(sum == total);
    free(t);
    st = bb_stored_hf(g, q, g->arch->dtype, &stored, &err);
    check(st == BB_OK || *err.text);
    if (st) return;
    check(bb_stored_sum(g, q, g->arch->dtype, &all, &err) == BB_OK);
    check(all.n == stored.n && all.bytes == stored.bytes && all.parameters == stored.parameters);
    /* MLX stacks the experts of a layer */
    check(stored.parameters == total && (stored.n >= listed || (q && q->method == BB_QUANT_MLX)));
    bb_stored_clear(&stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const char *text = (const char *)data;
    bb_arch *a = NULL;
    bb_quantization q = {0};
    bb_graph g;
    bb_error err = {0};
    bb_status st = bb_arch_from_config(text, n, "fuzz", &a, &err);
    check((st == BB_OK) == (a != NULL) && (st == BB_OK || *err.text));
    st = bb_quantization_read(text, n, "fuzz", false, &q, &err);
    check(st == BB_OK || *err.text);
    if (a && bb_arch_known(a->family)) {
        /* what was accepted is what a graph can be built from */
        check(bb_graph_build(a, &g, &err) == BB_OK);
        look(&g, &q);
        bb_graph_clear(&g);
    }
    bb_quantization_clear(&q);
    st = bb_quantization_read(text, n, "fuzz", true, &q, &err);
    check(st == BB_OK || *err.text);
    bb_quantization_clear(&q);
    bb_arch_free(a);
    return 0;
}
