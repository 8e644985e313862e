/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_perplexity.c - perplexity of a text by llama-perplexity's rule, from the logits of libllama v0.5.0 (GGML_DIR):
 *   peer_perplexity MODEL.gguf TEXT CTX CHUNKS           CHUNKS 0 = all
 *   peer_perplexity MODEL.gguf TEXT CTX CHUNKS BASE.gguf     and the KL divergence from the base, in fp64 */
#include "base/source.h"
#include "llama.h"
#include <math.h>

/* log of the sum of exp(logit). */
static double log_sum(const float *logits, size_t n) {
    double most = -(double)INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, (double)logits[i]);
    for (size_t i = 0; i < n; i++) sum += exp((double)logits[i] - most);
    return most + log(sum);
}

/* Sum of p log(p / q). */
static double divergence(const float *p, const float *q, size_t n) {
    double p_sum = log_sum(p, n), q_sum = log_sum(q, n), kl = 0;
    for (size_t i = 0; i < n; i++) {
        double log_p = (double)p[i] - p_sum;
        kl += exp(log_p) * (log_p - ((double)q[i] - q_sum));
    }
    return kl;
}

static const float *run_chunk(llama *l, int32_t *t, size_t ctx) {
    int32_t first = t[0];
    if (l->add_bos) t[0] = l->bos;
    l->clear(l->memory(l->context), true);
    const float *logits = llama_run(l, t, ctx, 0);
    t[0] = first;
    return logits;
}

static void start(llama *l, const char *path, size_t ctx) {
    llama_load(l, path, false);
    llama_start(l, (uint32_t)ctx);
}

int main(int argc, char **argv) {
    enum { TEXT_MAX = 64 << 20 };
    llama l = {0}, base = {0};
    char *text;
    size_t len, chunk = 0, scored = 0;
    bb_error err = {0};
    double sum = 0, kl = 0;
    if (argc < 5 || argc > 6) return 2;
    size_t ctx = (size_t)strtoull(argv[3], NULL, 10), most = (size_t)strtoull(argv[4], NULL, 10);
    start(&l, argv[1], ctx);
    base.library = l.library;
    if (argc == 6) start(&base, argv[5], ctx);
    if (argc == 6 && base.n_vocab != l.n_vocab) llama_fail("the two have not the same vocabulary");
    if (bb_source_slurp(argv[2], TEXT_MAX, &text, &len, &err) != BB_OK) llama_fail(err.text);
    if (len && text[len - 1] == '\n') len--;
    int32_t *ids = calloc(4 * len + 16, sizeof *ids);
    if (!ids) return 3;
    int32_t n = l.tokenize(l.vocab, text, (int32_t)len, ids, (int32_t)(4 * len + 16), true, false);
    size_t vocab = (size_t)l.n_vocab;
    for (; (chunk + 1) * ctx <= (size_t)n && (!most || chunk < most); chunk++) {
        int32_t *t = ids + chunk * ctx;
        const float *q = run_chunk(&l, t, ctx), *p = argc == 6 ? run_chunk(&base, t, ctx) : NULL;
        for (size_t i = ctx / 2; i + 1 < ctx; i++, scored++) {
            sum += log_sum(q + i * vocab, vocab) - (double)q[i * vocab + (size_t)t[i + 1]];
            if (p) kl += divergence(p + i * vocab, q + i * vocab, vocab);
        }
    }
    printf("%.9f %zu chunks", exp(sum / (double)scored), chunk);
    if (argc == 6) printf(", KL %.9g", kl / (double)scored);
    putchar('\n');
    free(ids);
    free(text);
    return 0;
}
