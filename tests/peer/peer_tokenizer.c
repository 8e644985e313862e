/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_tokenizer.c - tokens of random texts against llama_tokenize of libllama v0.5.0 (GGML_DIR):
 *   peer_tokenizer VOCAB.gguf COUNT      COUNT texts for a vocabulary
 *   peer_tokenizer made PATH COUNT       a made vocabulary, written to PATH, for each hundred of COUNT texts
 *   peer_tokenizer lines VOCAB.gguf      for each line of stdin libllama's ids, with and without special tokens */
#include "../unit/infer/made_vocab.h"
#include "base/random.h"
#include "infer/tokenizer.h"
#include "llama.h"

/* ---- texts ---- */

enum { TEXT_MAX = 1 << 20 };
typedef struct maker {
    char text[TEXT_MAX];
    size_t n;
    uint64_t seed, at;
} maker;

static uint64_t draw(maker *m, uint64_t below) { return bb_random_u64(m->seed, m->at++) % below; }

static void put(maker *m, const char *text, size_t n) {
    if (n > TEXT_MAX - m->n) n = TEXT_MAX - m->n;
    memcpy(m->text + m->n, text, n);
    m->n += n;
}

static void put_code_point(maker *m, uint32_t c) {
    char b[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6) b[i] = (char)(0x80 | (c & 0x3f));
    b[0] = (char)(n == 1 ? c : (0xf0u << (4 - n) & 0xff) | c);
    put(m, b, n);
}

/* One stretch of a kind: words, spaces, bytes, characters of other scripts, pieces and names of tokens, long runs. */
static void put_stretch(maker *m, const bb_tokenizer *t) {
    static const char *const words[] = {
        "the",  " The",  "once upon a time", "LORD", "n't",  "1984",   "Zürich", "日本語", "\xe2\x96\x81", "<s>",
        "</s>", "<unk>", "<0x0A>",           "<0x",  "\r\n", "\n\n\n", "\t",     "...",    "#!/bin/sh",    "🙂"};
    size_t len, times = 1 + (size_t)draw(m, 12);
    switch (draw(m, 8)) {
    case 0:
        for (size_t i = 0; i < times; i++) {
            const char *w = words[draw(m, sizeof words / sizeof *words)];
            put(m, w, strlen(w));
            if (draw(m, 2)) put(m, " ", 1);
        }
        break;
    case 1:
        for (size_t i = 0; i < times; i++) put(m, draw(m, 4) ? " " : "\n", 1);
        break;
    case 2:
        for (size_t i = 0; i < times; i++) put(m, &(char){(char)draw(m, 256)}, 1);
        break;
    case 3:
        for (size_t i = 0; i < times; i++) put_code_point(m, (uint32_t)draw(m, draw(m, 2) ? 0x3000 : 0x110000));
        break;
    case 4:
    case 5:
        for (size_t i = 0; i < times; i++) {
            const char *p = bb_tokenizer_piece(t, (int32_t)draw(m, bb_tokenizer_size(t)), &len);
            put(m, p, len && draw(m, 4) == 0 ? draw(m, len) : len);
        }
        break;
    case 6:
        for (size_t i = 0; i < times; i++) put(m, &(char){(char)('a' + draw(m, 26))}, 1);
        break;
    default:
        len = (size_t)draw(m, 20) ? 1 + (size_t)draw(m, 40) : 1 + (size_t)draw(m, 20000);
        times = (size_t)draw(m, 96) + 32;
        for (size_t i = 0; i < len; i++) put(m, &(char){(char)times}, 1);
    }
}

static void make(maker *m, const bb_tokenizer *t, uint64_t number) {
    m->n = 0;
    m->seed = 0x70ce00 + number;
    m->at = 0;
    for (size_t k = (size_t)draw(m, 8); k > 0; k--) put_stretch(m, t);
}

/* ---- comparing ---- */

typedef struct ids {
    int32_t *theirs, *ours;
    int32_t cap;
    size_t n_theirs, n_ours;
} ids;

static bool both(const llama *p, const bb_tokenizer *t, const maker *m, bool special, bool parse, ids *out) {
    bb_error err;
    free(out->ours);
    out->ours = NULL;
    int32_t n = p->tokenize(p->vocab, m->text, (int32_t)m->n, out->theirs, out->cap, special, parse);
    if (n < 0) exit(3);
    out->n_theirs = (size_t)n;
    if (bb_tokenize(t, m->text, m->n, special, parse, &out->ours, &out->n_ours, &err) != BB_OK) {
        printf("%s\n", err.text);
        return false;
    }
    return out->n_ours == out->n_theirs && memcmp(out->ours, out->theirs, out->n_ours * sizeof *out->ours) == 0;
}

static void show(const maker *m, bool special, bool parse, const ids *i) {
    printf("differs, add_special %d, parse_special %d:", special, parse);
    for (size_t k = 0; k < m->n && k < 400; k++) printf(" %02x", (unsigned)(unsigned char)m->text[k]);
    printf("\n  libllama:");
    for (size_t k = 0; k < i->n_theirs && k < 100; k++) printf(" %d", (int)i->theirs[k]);
    printf("\n  ours:    ");
    for (size_t k = 0; k < i->n_ours && k < 100; k++) printf(" %d", (int)i->ours[k]);
    printf("\n");
}

static bool same_pieces(const llama *p, const bb_tokenizer *t) {
    static char piece[1 << 16];
    if ((size_t)p->n_vocab != bb_tokenizer_size(t) || p->bos != bb_tokenizer_bos(t)) return false;
    for (int32_t i = 0; i < p->n_vocab; i++) {
        size_t len;
        const char *ours = bb_tokenizer_piece(t, i, &len);
        int32_t n = p->piece(p->vocab, i, piece, sizeof piece, 0, true);
        if (n < 0 || (size_t)n != len || memcmp(piece, ours, len) != 0) {
            printf("the piece of token %d differs\n", (int)i);
            return false;
        }
    }
    return true;
}

/* ---- made vocabularies ---- */

enum { MADE = 400, MADE_SPECIAL = 12, MADE_TEXT = 48 };
typedef struct vocabulary {
    vocab_token tokens[MADE];
    char texts[MADE][MADE_TEXT];
    size_t n, special;
} vocabulary;

/* Not a second time: libllama ends itself then. */
static void add_token(vocabulary *v, const char *text, size_t len, float score, int32_t kind) {
    if (v->n == MADE || len == 0 || len > MADE_TEXT) return;
    for (size_t i = 0; i < v->n; i++)
        if (v->tokens[i].len == len && memcmp(v->tokens[i].text, text, len) == 0) return;
    /* libllama sorts many of one length in an order of its own */
    if (kind >= 2 && kind <= 4 && v->special++ >= MADE_SPECIAL) kind = 1;
    memcpy(v->texts[v->n], text, len);
    v->tokens[v->n] = (vocab_token){v->texts[v->n], len, score, kind};
    v->n++;
}

static void make_tokens(vocabulary *v, maker *m) {
    static const char *const odd[] = {"<|end|>",
                                      "<|call|>",
                                      "<|return|>",
                                      "<|im_end|>",
                                      "<|fim_prefix|>",
                                      "<fim-suffix>",
                                      "<|start|>",
                                      "<|tool_response>",
                                      "<mask>",
                                      "  ",
                                      "ab",
                                      "<|file_sep|>",
                                      "\n",
                                      "bab",
                                      "<",
                                      "[MASK]"};
    static const char *const letters[] = {"a", "b", "c", "d", "\xe2\x96\x81", "<", ">", "\xc3\xa9", "\n"};
    static const float scores[] = {0, 0, -1, -2, -2.5f, 3, -1e30f, 1e38f};
    char text[2 * MADE_TEXT];
    v->n = v->special = 0;
    add_token(v, "<unk>", 5, 0, 2);
    add_token(v, "<s>", 3, 0, 3);
    add_token(v, "</s>", 4, 0, 3);
    add_token(v, "<|endoftext|>", 13, 0, 3); /* libllama does not load a Phi-3 without it */
    for (unsigned i = 0; i < 256; i++) add_token(v, text, (size_t)snprintf(text, sizeof text, "<0x%02X>", i), 0, 6);
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (draw(m, 4)) add_token(v, letters[i], strlen(letters[i]), -5, 1);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (!draw(m, 3)) add_token(v, odd[i], strlen(odd[i]), 1, 1 + (int32_t)draw(m, 5));
    size_t first = 4 + 256;
    for (size_t k = draw(m, 100); k > 0 && v->n > first; k--) {
        const vocab_token *a = &v->tokens[first + draw(m, v->n - first)],
                          *b = &v->tokens[first + draw(m, v->n - first)];
        memcpy(text, a->text, a->len);
        memcpy(text + a->len, b->text, b->len);
        add_token(v, text, a->len + b->len, scores[draw(m, sizeof scores / sizeof *scores)],
                  draw(m, 12) ? 1 : (int32_t)draw(m, 6));
    }
}

static bool make_vocabulary(maker *m, uint64_t number, const char *path) {
    static const char *const names[] = {"a model", "Phi-3-mini", "PHI3", "modern-bert"};
    static vocabulary v;
    vocab_file f;
    m->seed = 0x10ca6 + number;
    m->at = 0;
    make_tokens(&v, m);
    vocab_begin(&f, "llama");
    vocab_key_text(&f, "general.name", names[draw(m, 4)]);
    if (!draw(m, 4)) vocab_key_text(&f, "tokenizer.ggml.pre", "jina-v2-de");
    vocab_texts(&f, v.tokens, v.n);
    if (draw(m, 6)) vocab_scores(&f, v.tokens, v.n);
    if (draw(m, 6)) vocab_kinds(&f, v.tokens, v.n);
    if (!draw(m, 3)) vocab_key_bool(&f, "tokenizer.ggml.add_bos_token", draw(m, 2));
    if (!draw(m, 3)) vocab_key_bool(&f, "tokenizer.ggml.add_eos_token", draw(m, 2));
    if (!draw(m, 3)) vocab_key_bool(&f, "tokenizer.ggml.add_space_prefix", draw(m, 2));
    if (!draw(m, 3)) vocab_key_u32(&f, "tokenizer.ggml.bos_token_id", (uint32_t)draw(m, 500));
    if (!draw(m, 3)) vocab_key_u32(&f, "tokenizer.ggml.fim_pre_token_id", (uint32_t)draw(m, 500));
    return vocab_write(&f, path);
}

/* ---- what is asked ---- */

typedef struct work {
    llama p;
    bb_file *file;
    bb_tokenizer *t;
    maker *m;
    ids i;
    uint64_t texts, tokens;
} work;

static bool open_both(work *w, const char *path) {
    bb_error err = {0};
    llama_load(&w->p, path, true);
    if (bb_file_open(path, &w->file, &err) == BB_OK && bb_tokenizer_open(w->file, &w->t, &err) == BB_OK) return true;
    printf("%s\n", err.text);
    return false;
}

static bool compare(work *w, uint64_t first, uint64_t count) {
    bool same = same_pieces(&w->p, w->t);
    for (uint64_t k = first; k < first + count && same; k++) {
        make(w->m, w->t, k);
        w->texts++;
        for (unsigned how = 0; how < 4 && same; how++) {
            same = both(&w->p, w->t, w->m, how & 1, how & 2, &w->i);
            if (!same) show(w->m, how & 1, how & 2, &w->i);
            w->tokens += w->i.n_ours;
        }
    }
    return same;
}

static void close_ours(work *w) {
    bb_tokenizer_free(w->t);
    bb_file_close(w->file);
    w->t = NULL;
    w->file = NULL;
}

static bool lines(work *w) {
    static char line[1 << 16];
    while (fgets(line, sizeof line, stdin)) {
        size_t n = strcspn(line, "\n");
        for (unsigned how = 0; how < 2; how++) {
            int32_t k = w->p.tokenize(w->p.vocab, line, (int32_t)n, w->i.theirs, w->i.cap, how, how);
            for (int32_t i = 0; i < k; i++) printf("%s%d", i ? " " : "", (int)w->i.theirs[i]);
            printf("\n");
        }
    }
    return true;
}

int main(int argc, char **argv) {
    work w = {.i.cap = 4 * TEXT_MAX};
    w.m = calloc(1, sizeof *w.m);
    w.i.theirs = calloc((size_t)w.i.cap, sizeof *w.i.theirs);
    bool same = true, made = argc == 4 && strcmp(argv[1], "made") == 0;
    if (argc != 3 && !made) return 2;
    if (!w.m || !w.i.theirs) return 3;
    if (argc == 3 && strcmp(argv[1], "lines") == 0) {
        same = open_both(&w, argv[2]) && lines(&w);
    } else if (argc == 3) {
        same = open_both(&w, argv[1]) && compare(&w, 0, strtoull(argv[2], NULL, 10));
    } else {
        for (uint64_t k = 0; k < strtoull(argv[3], NULL, 10) / 100 && same; k++) {
            same = make_vocabulary(w.m, k, argv[2]) && open_both(&w, argv[2]) && compare(&w, k * 100, 100);
            if (same) close_ours(&w);
        }
    }
    if (!(argc == 3 && strcmp(argv[1], "lines") == 0))
        printf("%llu texts, %llu tokens\n", (unsigned long long)w.texts, (unsigned long long)w.tokens);
    close_ours(&w);
    free(w.i.theirs);
    free(w.i.ours);
    free(w.m);
    return !same;
}
