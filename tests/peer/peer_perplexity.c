/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_perplexity.c - perplexity of a text by llama-perplexity's rule, from the logits of libllama v0.5.0 (GGML_DIR):
 *   peer_perplexity MODEL.gguf TEXT CTX CHUNKS     CHUNKS 0 = all */
#include "base/source.h"
#include "llama.h"
#include <math.h>

/* -log of the probability that the logits give a token. */
static double surprise(const float *logits, size_t n, int32_t token) {
    double most = -(double)INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, (double)logits[i]);
    for (size_t i = 0; i < n; i++) sum += exp((double)logits[i] - most);
    return most + log(sum) - (double)logits[token];
}

int main(int argc, char **argv) {
    enum { TEXT_MAX = 64 << 20 };
    llama l = {0};
    char *text;
    size_t len, chunk = 0, scored = 0;
    bb_error err = {0};
    double sum = 0;
    if (argc != 5) return 2;
    size_t ctx = (size_t)strtoull(argv[3], NULL, 10), most = (size_t)strtoull(argv[4], NULL, 10);
    llama_load(&l, argv[1], false);
    llama_start(&l, (uint32_t)ctx);
    if (bb_source_slurp(argv[2], TEXT_MAX, &text, &len, &err) != BB_OK) llama_fail(err.text);
    if (len && text[len - 1] == '\n') len--;
    int32_t *ids = calloc(4 * len + 16, sizeof *ids);
    if (!ids) return 3;
    int32_t n = l.tokenize(l.vocab, text, (int32_t)len, ids, (int32_t)(4 * len + 16), true, false);
    for (; (chunk + 1) * ctx <= (size_t)n && (!most || chunk < most); chunk++) {
        int32_t *t = ids + chunk * ctx, first = t[0];
        if (l.add_bos) t[0] = l.bos;
        l.clear(l.memory(l.context), true);
        const float *logits = llama_run(&l, t, ctx, 0);
        t[0] = first;
        for (size_t i = ctx / 2; i + 1 < ctx; i++, scored++)
            sum += surprise(logits + i * (size_t)l.n_vocab, (size_t)l.n_vocab, t[i + 1]);
    }
    printf("%.9f %zu chunks\n", exp(sum / (double)scored), chunk);
    free(ids);
    free(text);
    return 0;
}
