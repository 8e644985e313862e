/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tokenizer.c - reading the vocabulary of a GGUF: texts, scores and kinds of its tokens.
 *
 * What is read and how it is understood follows llama.cpp v0.5.0 (src/llama-vocab.cpp), whose ids are to be had. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "file/gguf_values.h"
#include "infer/tokenizer_parts.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEX_AT = 3, HEX_LEN = 6 /* "<0x0A>" */ };

/* An array of the metadata while it is read again: the reader of the container keeps no texts. */
typedef struct reader {
    const bb_file *file;
    const char *key;
    bb_cursor c;
    uint32_t element;
    uint64_t count;
    bb_error *err;
} reader;

static const char *path_of(const bb_file *f) { return bb_source_path(f->src); }

/* GGUF version 1 counts in 32 bits. */
static uint64_t read_size(reader *r) { return r->file->version == 1 ? bb_cursor_u32(&r->c) : bb_cursor_u64(&r->c); }

static bb_status cut(const reader *r) {
    return bb_fail(r->err, r->c.status == BB_OK ? BB_E_INVALID : r->c.status, "%s: '%s' cannot be read any more",
                   path_of(r->file), r->key);
}

/* False when the key is absent. */
static bool array_begin(reader *r, const bb_file *f, const char *key, bb_error *err) {
    const bb_meta *m = bb_file_meta(f, key);
    r->file = f;
    r->key = key;
    r->err = err;
    r->element = BB_GGUF_COUNT;
    r->count = 0;
    if (!m || !m->bytes) return false;
    bb_cursor_init(&r->c, f->src, m->at, m->at + m->bytes);
    if (bb_cursor_u32(&r->c) == BB_GGUF_ARR) {
        r->element = bb_cursor_u32(&r->c);
        r->count = read_size(r);
    }
    return true;
}

static bb_status no_memory(bb_error *err) { return bb_fail(err, BB_E_NOMEM, "no memory for a vocabulary"); }

/* ---- texts and their index ---- */

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static size_t hash(const char *text, size_t n) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

/* The slot of a text, or the free one where it belongs. */
static size_t slot_of(const bb_tokenizer *t, const char *text, size_t n) {
    for (size_t i = hash(text, n) & t->mask;; i = (i + 1) & t->mask) {
        if (!t->slots[i]) return i;
        const bb_token *k = &t->tokens[t->slots[i] - 1];
        if (k->len == n && memcmp(t->texts + k->at, text, n) == 0) return i;
    }
}

int32_t bb_tokenizer_find(const bb_tokenizer *t, const char *text, size_t n) {
    return n > t->longest ? -1 : (int32_t)t->slots[slot_of(t, text, n)] - 1;
}

static int32_t find_text(const bb_tokenizer *t, const char *text) { return bb_tokenizer_find(t, text, strlen(text)); }

/* A token without a text has its number for one, as llama.cpp writes it. */
static size_t empty_text(char *out, size_t size, size_t id) { return (size_t)snprintf(out, size, "[EMPTY_%zu]", id); }
enum { EMPTY_MAX = sizeof "[EMPTY_4294967295]" };

static bb_status read_texts(bb_tokenizer *t, reader *r) {
    size_t room, at = 0;
    uint64_t most = bb_cursor_left(&r->c);
    if (r->element != BB_GGUF_STR || r->count == 0)
        return bb_fail(r->err, BB_E_INVALID, "%s: '%s' holds no texts", path_of(r->file), r->key);
    if (r->count > most / 4 || r->count > INT32_MAX) return cut(r);
    t->n = (size_t)r->count;
    for (t->mask = 15; t->mask < 2 * t->n; t->mask = 2 * t->mask + 1) {
    }
    if (most > SIZE_MAX || !bb_mul_size(t->n, EMPTY_MAX, &room) || !bb_add_size(room, (size_t)most, &room))
        return no_memory(r->err);
    t->tokens = bb_alloc(t->n, sizeof *t->tokens);
    t->texts = bb_alloc(room, 1);
    t->slots = bb_alloc(t->mask + 1, sizeof *t->slots);
    if (!t->tokens || !t->texts || !t->slots) return no_memory(r->err);
    for (size_t i = 0; i < t->n; i++) {
        uint64_t len = read_size(r);
        if (len > UINT32_MAX || !bb_cursor_bytes(&r->c, t->texts + at, (size_t)len)) return cut(r);
        if (!bb_cursor_ok(&r->c)) return cut(r);
        if (len == 0) len = empty_text(t->texts + at, EMPTY_MAX, i);
        size_t slot = slot_of(t, t->texts + at, (size_t)len);
        if (t->slots[slot])
            return bb_fail(r->err, BB_E_INVALID, "%s: tokens %" PRIu32 " and %zu have the same text", path_of(r->file),
                           t->slots[slot] - 1, i);
        t->slots[slot] = (uint32_t)i + 1;
        t->tokens[i] = (bb_token){.at = at, .len = (uint32_t)len, .attr = BB_TOKEN_NORMAL};
        if (len > t->longest) t->longest = (size_t)len;
        at += (size_t)len;
    }
    return BB_OK;
}

/* ---- scores and kinds ---- */

static float float_of(uint32_t bits) {
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static bb_status too_short(const bb_tokenizer *t, const reader *r) {
    return bb_fail(r->err, BB_E_INVALID, "%s: '%s' has %" PRIu64 " values for %zu tokens", path_of(r->file), r->key,
                   r->count, t->n);
}

static bb_status read_scores(bb_tokenizer *t, reader *r) {
    if (r->element != BB_GGUF_F32 && r->element != BB_GGUF_I32)
        return bb_fail(r->err, BB_E_INVALID, "%s: '%s' is no array of f32 or i32", path_of(r->file), r->key);
    if (r->count < t->n) return too_short(t, r);
    for (size_t i = 0; i < t->n; i++) {
        uint32_t bits = bb_cursor_u32(&r->c);
        t->tokens[i].score = r->element == BB_GGUF_F32 ? float_of(bits) : (float)(int32_t)bits;
        if (isnan(t->tokens[i].score))
            return bb_fail(r->err, BB_E_INVALID, "%s: the score of token %zu is NaN", path_of(r->file), i);
    }
    return bb_cursor_ok(&r->c) ? BB_OK : cut(r);
}

static bb_status read_kinds(bb_tokenizer *t, reader *r) {
    /* llama.h, llama_token_type: undefined, normal, unknown, control, user-defined, unused, byte */
    static const uint8_t kinds[] = {0, BB_TOKEN_NORMAL, BB_TOKEN_UNKNOWN, BB_TOKEN_CONTROL, BB_TOKEN_USER,
                                    0, BB_TOKEN_BYTE};
    if (r->element != BB_GGUF_I32)
        return bb_fail(r->err, BB_E_INVALID, "%s: '%s' is no array of i32", path_of(r->file), r->key);
    if (r->count < t->n) return too_short(t, r);
    for (size_t i = 0; i < t->n; i++) {
        uint32_t kind = bb_cursor_u32(&r->c);
        t->tokens[i].attr = kind < sizeof kinds ? kinds[kind] : 0;
    }
    return bb_cursor_ok(&r->c) ? BB_OK : cut(r);
}

/* ---- what llama.cpp knows by their texts ---- */

#define BAR "\xef\xbd\x9c" /* U+FF5C */
#define LOW "\xe2\x96\x81" /* U+2581 */

/* Control tokens whatever the file says: those that end a text. */
static const char *const enders[] = {"<|eot_id|>",
                                     "<|im_end|>",
                                     "<|end|>",
                                     "<|return|>",
                                     "<|call|>",
                                     "<|flush|>",
                                     "<|calls|>",
                                     "<end_of_turn>",
                                     "<|endoftext|>",
                                     "</s>",
                                     "<|eom_id|>",
                                     "<EOT>",
                                     "_<EOT>",
                                     "[EOT]",
                                     "[EOS]",
                                     "<|end_of_text|>",
                                     "<end_of_utterance>",
                                     "<eos>",
                                     "<turn|>",
                                     "<|tool_response>",
                                     "<" BAR "end" LOW "of" LOW "sentence" BAR ">",
                                     "[e~["};

/* And one of each of these, where no key names it. */
enum { FILLERS = 6, SPELLINGS = 9 };
static const struct filler {
    const char *keys[2];
    const char *texts[SPELLINGS];
} fillers[FILLERS] = {
    {{"tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id"},
     {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<" BAR "fim" LOW "begin" BAR ">", "<PRE>", LOW "<PRE>",
      "<|code_prefix|>", "<|prefix|>"}},
    {{"tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id"},
     {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<" BAR "fim" LOW "hole" BAR ">", "<SUF>", LOW "<SUF>",
      "<|code_suffix|>", "<|suffix|>"}},
    {{"tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id"},
     {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<" BAR "fim" LOW "end" BAR ">", "<MID>", LOW "<MID>",
      "<|code_middle|>", "<|middle|>"}},
    {{"tokenizer.ggml.fim_pad_token_id"}, {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
    {{"tokenizer.ggml.fim_rep_token_id"}, {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
    {{"tokenizer.ggml.fim_sep_token_id"}, {"<|file_sep|>"}},
};

static const char *const shown_always[] = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"};

static bool known_key(const bb_tokenizer *t, const bb_file *f, const char *key, uint64_t *id) {
    uint64_t v;
    if (!key || !bb_meta_u64(f, key, &v) || v >= t->n) return false;
    if (id) *id = v;
    return true;
}

static void mark_fillers(bb_tokenizer *t, const bb_file *f) {
    for (size_t i = 0; i < FILLERS; i++) {
        int32_t first = -1;
        if (known_key(t, f, fillers[i].keys[0], NULL) || known_key(t, f, fillers[i].keys[1], NULL)) continue;
        for (size_t k = 0; k < SPELLINGS && fillers[i].texts[k]; k++) {
            int32_t id = find_text(t, fillers[i].texts[k]);
            if (id >= 0 && (first < 0 || id < first)) first = id;
        }
        if (first >= 0) t->tokens[first].attr |= BB_TOKEN_CONTROL;
    }
}

static void mark_by_text(bb_tokenizer *t, const bb_file *f) {
    mark_fillers(t, f);
    for (size_t i = 0; i < sizeof enders / sizeof *enders; i++) {
        int32_t id = find_text(t, enders[i]);
        if (id >= 0) t->tokens[id].attr |= BB_TOKEN_CONTROL;
    }
    for (size_t i = 0; i < sizeof shown_always / sizeof *shown_always; i++) {
        int32_t id = find_text(t, shown_always[i]);
        if (id >= 0) t->tokens[id].attr = BB_TOKEN_USER;
    }
    /* o200k_harmony, solar-open: <|end|> ends a message, not the text; gemma 4: </s> is a text like any other */
    int32_t end = find_text(t, "<|end|>"), s = find_text(t, "</s>");
    bool calls = find_text(t, "<|call|>") >= 0 || find_text(t, "<|calls|>") >= 0;
    bool returns = find_text(t, "<|return|>") >= 0 || find_text(t, "<|flush|>") >= 0;
    if (end >= 0 && calls && returns) t->tokens[end].attr = BB_TOKEN_USER;
    if (s >= 0 && find_text(t, "<|tool_response>") >= 0) t->tokens[s].attr = BB_TOKEN_NORMAL;
}

/* Whether a text has one of the parts in it, which are in lower case; fold: whatever the text's case. */
static bool text_has(const bb_file *f, const char *key, bool fold, const char *const *parts) {
    const char *text = bb_meta_text(f, key);
    for (; text && *text; text++) {
        for (const char *const *p = parts; *p; p++) {
            size_t i = 0;
            while ((*p)[i] && (fold && text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]) == (*p)[i])
                i++;
            if (!(*p)[i]) return true;
        }
    }
    return false;
}

static void set_attr(bb_tokenizer *t, const char *text, unsigned attr, bool on) {
    int32_t id = find_text(t, text);
    if (id < 0) return;
    unsigned now = t->tokens[id].attr;
    t->tokens[id].attr = (uint8_t)(on ? now | attr : now & ~attr);
}

/* Spaces beside a token belong to it in models that are known by name. */
static void mark_strips(bb_tokenizer *t, const bb_file *f) {
    static const char *const jina[] = {"jina-v2-de", "jina-v2-es", "jina-v2-code", NULL};
    static const char *const bert[] = {"nomic-bert-moe", "jina-bert-v3", NULL};
    static const char *const phi[] = {"phi-3", "phi3", NULL}, *const modern[] = {"modern-bert", NULL};
    if (text_has(f, "tokenizer.ggml.pre", false, jina) || text_has(f, "general.architecture", false, bert)) {
        set_attr(t, "<mask>", BB_TOKEN_LSTRIP, true);
    } else if (text_has(f, "general.name", true, phi)) {
        for (size_t i = 0; i < t->n_special; i++) t->tokens[t->special[i]].attr |= BB_TOKEN_RSTRIP;
        set_attr(t, "</s>", BB_TOKEN_RSTRIP, true);
        set_attr(t, "<unk>", BB_TOKEN_RSTRIP, false);
        set_attr(t, "<s>", BB_TOKEN_RSTRIP, false);
        set_attr(t, "<|endoftext|>", BB_TOKEN_RSTRIP, false);
    } else if (text_has(f, "general.name", true, modern)) {
        set_attr(t, "[MASK]", BB_TOKEN_LSTRIP, true);
    }
}

/* ---- lists that follow ---- */

static int hex_digit(char c) {
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that "<0x0A>" stands for, or -1. */
static int byte_of(const char *text, size_t n) {
    if (n != HEX_LEN || memcmp(text, "<0x", HEX_AT) != 0 || text[HEX_LEN - 1] != '>') return -1;
    int high = hex_digit(text[HEX_AT]), low = hex_digit(text[HEX_AT + 1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* "<0x0A>" whatever its kind, else the byte itself. */
static void list_bytes(bb_tokenizer *t) {
    for (int i = 0; i < 256; i++) {
        char text[HEX_LEN + 1], c = (char)i;
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        t->bytes[i] = bb_tokenizer_find(t, text, HEX_LEN);
        if (t->bytes[i] < 0) t->bytes[i] = bb_tokenizer_find(t, &c, 1);
    }
}

typedef struct ranked {
    uint32_t len;
    int32_t id;
} ranked;

static int by_length(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->len != y->len) return x->len > y->len ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static bool list_special(bb_tokenizer *t) {
    const unsigned wanted = BB_TOKEN_CONTROL | BB_TOKEN_USER | BB_TOKEN_UNKNOWN;
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) n += (t->tokens[i].attr & wanted) != 0;
    ranked *list = bb_alloc(n, sizeof *list);
    t->special = bb_alloc(n, sizeof *t->special);
    if (list && t->special) {
        for (size_t i = 0; i < t->n; i++)
            if (t->tokens[i].attr & wanted) list[t->n_special++] = (ranked){t->tokens[i].len, (int32_t)i};
        qsort(list, n, sizeof *list, by_length);
        for (size_t i = 0; i < n; i++) t->special[i] = list[i].id;
    }
    free(list);
    return list && t->special;
}

/* A token's text with U+2581 as the space that it is. */
static size_t unescape(const char *text, size_t n, char *out) {
    size_t len = 0;
    for (size_t i = 0; i < n; len++) {
        bool space = n - i >= 3 && memcmp(text + i, LOW, 3) == 0;
        out[len] = space ? ' ' : text[i];
        i += space ? 3 : 1;
    }
    return len;
}

static bool list_pieces(bb_tokenizer *t) {
    size_t all = t->tokens[t->n - 1].at + t->tokens[t->n - 1].len, at = 0;
    if (!(t->pieces = bb_alloc(all, 1))) return false;
    for (size_t i = 0; i < t->n; i++) {
        bb_token *k = &t->tokens[i];
        const char *text = t->texts + k->at;
        char *out = t->pieces + at;
        int byte = byte_of(text, k->len);
        k->piece = at;
        if (k->attr & (BB_TOKEN_UNKNOWN | BB_TOKEN_CONTROL | BB_TOKEN_USER)) {
            memcpy(out, text, k->len);
            k->piece_len = k->len;
        } else if (k->attr & BB_TOKEN_NORMAL) {
            k->piece_len = (uint32_t)unescape(text, k->len, out);
        } else if (k->attr & BB_TOKEN_BYTE && byte >= 0) {
            *out = (char)byte;
            k->piece_len = 1;
        }
        at += k->piece_len;
    }
    return true;
}

/* llama.cpp's defaults for this kind of vocabulary: <s> is 1, </s> 2. */
static void read_options(bb_tokenizer *t, const bb_file *f) {
    uint64_t bos = 1, eos = 2;
    known_key(t, f, "tokenizer.ggml.bos_token_id", &bos);
    known_key(t, f, "tokenizer.ggml.eos_token_id", &eos);
    t->bos = bos < t->n ? (int32_t)bos : -1;
    t->eos = eos < t->n ? (int32_t)eos : -1;
    t->add_bos = t->space_prefix = true;
    bb_meta_bool(f, "tokenizer.ggml.add_bos_token", &t->add_bos);
    bb_meta_bool(f, "tokenizer.ggml.add_eos_token", &t->add_eos);
    bb_meta_bool(f, "tokenizer.ggml.add_space_prefix", &t->space_prefix);
    if (t->bos < 0) t->add_bos = false;
    if (t->eos < 0) t->add_eos = false;
}

/* ---- opening ---- */

static bb_status check_kind(const bb_file *f, bb_error *err) {
    const char *model = bb_meta_text(f, "tokenizer.ggml.model");
    char shown[64];
    if (!model || strcmp(model, "none") == 0 || strcmp(model, "no_vocab") == 0)
        return bb_fail(err, BB_E_VALUE, "%s: holds no vocabulary", path_of(f));
    if (strcmp(model, "llama") != 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: its vocabulary is of the kind '%s', only 'llama' can be used",
                       path_of(f), bb_escape_buf(model, shown, sizeof shown));
    return BB_OK;
}

static bb_status read_all(bb_tokenizer *t, const bb_file *f, reader *r, bb_error *err) {
    if (!array_begin(r, f, "tokenizer.ggml.tokens", err))
        return bb_fail(err, BB_E_VALUE, "%s: holds no vocabulary", path_of(f));
    bb_status s = read_texts(t, r);
    if (s == BB_OK && array_begin(r, f, "tokenizer.ggml.scores", err)) s = read_scores(t, r);
    if (s == BB_OK && array_begin(r, f, "tokenizer.ggml.token_type", err)) s = read_kinds(t, r);
    if (s != BB_OK) return s;
    read_options(t, f);
    mark_by_text(t, f);
    list_bytes(t);
    if (!list_special(t) || !list_pieces(t)) return no_memory(err);
    mark_strips(t, f);
    return BB_OK;
}

bb_status bb_tokenizer_open(const bb_file *file, bb_tokenizer **tokenizer, bb_error *err) {
    bb_status s = check_kind(file, err);
    if (s != BB_OK) return s;
    bb_tokenizer *t = bb_alloc(1, sizeof *t);
    reader *r = bb_alloc(1, sizeof *r); /* its cursor is too large for a stack frame */
    s = t && r ? read_all(t, file, r, err) : no_memory(err);
    free(r);
    if (s == BB_OK)
        *tokenizer = t;
    else
        bb_tokenizer_free(t);
    return s;
}

void bb_tokenizer_free(bb_tokenizer *t) {
    if (!t) return;
    free(t->tokens);
    free(t->texts);
    free(t->pieces);
    free(t->slots);
    free(t->special);
    free(t);
}

size_t bb_tokenizer_size(const bb_tokenizer *t) { return t->n; }
int32_t bb_tokenizer_bos(const bb_tokenizer *t) { return t->bos; }
bool bb_tokenizer_adds_bos(const bb_tokenizer *t) { return t->add_bos; }

const char *bb_tokenizer_piece(const bb_tokenizer *t, int32_t id, size_t *length) {
    bool known = id >= 0 && (size_t)id < t->n;
    *length = known ? t->tokens[id].piece_len : 0;
    return known ? t->pieces + t->tokens[id].piece : "";
}
