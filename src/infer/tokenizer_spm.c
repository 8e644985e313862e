/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tokenizer_spm.c - splitting a text: whole tokens first, then characters that merge by the score of what they make.
 *
 * The order of everything is llama.cpp's (v0.5.0, src/llama-vocab.cpp: tokenizer_st_partition,
 * llm_tokenizer_spm_session). */
#include "base/checked.h"
#include "base/mem.h"
#include "infer/tokenizer_parts.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX_BYTES = INT32_MAX / 4 }; /* spaces become three bytes, and positions are 32 bits */

/* ---- tokens that are looked for in the text as it is ---- */

/* Which pairs of neighbouring bytes a text has: what holds another pair is not in it. */
typedef struct pairs {
    uint8_t seen[65536 / 8];
} pairs;

static unsigned pair_at(const char *s) { return (unsigned)(unsigned char)s[0] << 8 | (unsigned char)s[1]; }

static void pairs_of(pairs *p, const char *text, size_t n) {
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i + 1 < n; i++) p->seen[pair_at(text + i) / 8] |= (uint8_t)(1u << (pair_at(text + i) % 8));
}

static bool may_hold(const pairs *p, const char *part, size_t n) {
    for (size_t i = 0; i + 1 < n; i++)
        if (!(p->seen[pair_at(part + i) / 8] >> (pair_at(part + i) % 8) & 1)) return false;
    return true;
}

/* The first place of a part, which is not empty, or n. */
static size_t find_part(const char *text, size_t n, const char *part, size_t len) {
    size_t i = 0;
    while (n - i >= len) {
        const char *p = memchr(text + i, part[0], n - i - len + 1);
        if (!p) break;
        i = (size_t)(p - text);
        if (memcmp(p, part, len) == 0) return i;
        i++;
    }
    return n;
}

/* isspace in the C locale. */
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

typedef struct pieces {
    bb_fragment *list;
    size_t n, cap;
} pieces;

static bool add(pieces *p, size_t at, size_t len, int32_t id) {
    if (!bb_grow((void **)&p->list, p->n, &p->cap, sizeof *p->list)) return false;
    p->list[p->n++] = (bb_fragment){at, len, id};
    return true;
}

/* A fragment of text with one token cut out of it wherever it stands, from the left. */
static bool cut_out(const bb_tokenizer *t, int32_t id, const char *text, bb_fragment f, pieces *out) {
    const bb_token *k = &t->tokens[id];
    size_t end = f.at + f.len;
    while (f.at < end) {
        size_t before = find_part(text + f.at, end - f.at, t->texts + k->at, k->len), after = f.at + before + k->len;
        if (before == end - f.at) break;
        if (k->attr & BB_TOKEN_LSTRIP)
            while (before > 0 && is_space(text[f.at + before - 1])) before--;
        if (k->attr & BB_TOKEN_RSTRIP)
            while (after < end && is_space(text[after])) after++;
        if (before > 0 && !add(out, f.at, before, -1)) return false;
        if (!add(out, 0, 0, id)) return false;
        f.at = after;
    }
    return f.at == end || add(out, f.at, end - f.at, -1);
}

bb_status bb_tokenizer_fragments(const bb_tokenizer *t, const char *text, size_t n, bool parse_special,
                                 bb_fragment **fragments, size_t *n_fragments) {
    pieces now = {0}, next = {0};
    pairs *p = bb_alloc(1, sizeof *p);
    bool fine = p && (n == 0 || add(&now, 0, n, -1));
    if (p) pairs_of(p, text, n);
    for (size_t i = 0; i < t->n_special && fine; i++) {
        const bb_token *k = &t->tokens[t->special[i]];
        if (!parse_special && k->attr & (BB_TOKEN_CONTROL | BB_TOKEN_UNKNOWN)) continue;
        if (k->len > n || !may_hold(p, t->texts + k->at, k->len)) continue;
        next.n = 0;
        for (size_t j = 0; j < now.n && fine; j++)
            fine = now.list[j].id < 0 ? cut_out(t, t->special[i], text, now.list[j], &next)
                                      : add(&next, 0, 0, now.list[j].id);
        pieces swapped = now;
        now = next;
        next = swapped;
    }
    free(p);
    free(next.list);
    if (!fine) {
        free(now.list);
        return BB_E_NOMEM;
    }
    *fragments = now.list;
    *n_fragments = now.n;
    return BB_OK;
}

/* ---- characters that merge ---- */

/* A piece of the text; len 0 once it was merged into the one before it. */
typedef struct symbol {
    int32_t before, after; /* neighbours, -1 = none */
    uint32_t at, len;
} symbol;

/* Two neighbours that make a token together. */
typedef struct pair {
    float score;
    int32_t left, right;
    uint32_t len; /* of both; another length later means that one of them has grown since */
} pair;

/* One text while it is split; the memory is kept from one to the next. */
typedef struct splitter {
    const bb_tokenizer *t;
    char *text; /* spaces written as U+2581 */
    size_t text_cap;
    symbol *symbols;
    size_t n_symbols, symbols_cap;
    pair *heap; /* the best on top */
    size_t n_heap, heap_cap;
    int32_t *ids;
    size_t n_ids, ids_cap;
} splitter;

/* The higher score, then what stands further left. */
static bool better(const pair *a, const pair *b) {
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static bool push(splitter *s, pair p) {
    if (!bb_grow((void **)&s->heap, s->n_heap, &s->heap_cap, sizeof *s->heap)) return false;
    size_t i = s->n_heap++;
    for (; i > 0 && better(&p, &s->heap[(i - 1) / 2]); i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = p;
    return true;
}

static pair pop(splitter *s) {
    pair top = s->heap[0], last = s->heap[--s->n_heap];
    size_t i = 0;
    for (size_t k = 1; k < s->n_heap; k = 2 * i + 1) {
        if (k + 1 < s->n_heap && better(&s->heap[k + 1], &s->heap[k])) k++;
        if (!better(&s->heap[k], &last)) break;
        s->heap[i] = s->heap[k];
        i = k;
    }
    s->heap[i] = last;
    return top;
}

static bool try_pair(splitter *s, int32_t left, int32_t right) {
    if (left < 0 || right < 0) return true;
    const symbol *l = &s->symbols[left];
    uint32_t len = l->len + s->symbols[right].len;
    int32_t id = bb_tokenizer_find(s->t, s->text + l->at, len);
    return id < 0 || push(s, (pair){s->t->tokens[id].score, left, right, len});
}

static bool add_id(splitter *s, int32_t id) {
    if (!bb_grow((void **)&s->ids, s->n_ids, &s->ids_cap, sizeof *s->ids)) return false;
    s->ids[s->n_ids++] = id;
    return true;
}

/* Bytes of a character by its first byte alone: what follows it is not looked at. */
static uint32_t character(char first) {
    unsigned high = (unsigned char)first >> 4;
    return high < 12 ? 1 : high < 14 ? 2 : high == 14 ? 3 : 4;
}

/* A symbol is a token, or a character that is none: then its bytes are. */
static bb_status add_symbol(splitter *s, const symbol *k, bb_error *err) {
    int32_t id = bb_tokenizer_find(s->t, s->text + k->at, k->len);
    if (id >= 0) return add_id(s, id) ? BB_OK : BB_E_NOMEM;
    for (uint32_t i = 0; i < k->len; i++) {
        unsigned char c = (unsigned char)s->text[k->at + i];
        if (s->t->bytes[c] < 0)
            return bb_fail(err, BB_E_INVALID, "the vocabulary has no token for the byte 0x%02X", (unsigned)c);
        if (!add_id(s, s->t->bytes[c])) return BB_E_NOMEM;
    }
    return BB_OK;
}

/* Room for n bytes, each of which may be a space. */
static bool escape(splitter *s, bool space_first, const char *text, size_t n, size_t *len) {
    static const char space[3] = {'\xe2', '\x96', '\x81'};
    size_t most = 3 * (n + 1), k = 0;
    if (!s->text || most > s->text_cap) {
        char *more = bb_realloc(s->text, most, 1);
        if (!more) return false;
        s->text = more;
        s->text_cap = most;
    }
    if (space_first) {
        memcpy(s->text, space, sizeof space);
        k = sizeof space;
    }
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            memcpy(s->text + k, space, sizeof space);
            k += sizeof space;
        } else {
            s->text[k++] = text[i];
        }
    }
    *len = k;
    return true;
}

static bool characters(splitter *s, size_t n) {
    s->n_symbols = 0;
    for (size_t at = 0; at < n;) {
        uint32_t len = character(s->text[at]);
        if (len > n - at) len = (uint32_t)(n - at);
        if (!bb_grow((void **)&s->symbols, s->n_symbols, &s->symbols_cap, sizeof *s->symbols)) return false;
        int32_t i = (int32_t)s->n_symbols++;
        s->symbols[i] = (symbol){i - 1, at + len == n ? -1 : i + 1, (uint32_t)at, len};
        at += len;
    }
    return true;
}

static bool merge(splitter *s) {
    s->n_heap = 0;
    for (size_t i = 1; i < s->n_symbols; i++)
        if (!try_pair(s, (int32_t)i - 1, (int32_t)i)) return false;
    while (s->n_heap > 0) {
        pair p = pop(s);
        symbol *left = &s->symbols[p.left], *right = &s->symbols[p.right];
        if (left->len == 0 || right->len == 0 || left->len + right->len != p.len) continue;
        left->len = p.len;
        right->len = 0;
        left->after = right->after;
        if (right->after >= 0) s->symbols[right->after].before = p.left;
        if (!try_pair(s, left->before, p.left) || !try_pair(s, p.left, left->after)) return false;
    }
    return true;
}

static bb_status split(splitter *s, bool space_first, const char *text, size_t n, bb_error *err) {
    size_t len;
    if (!escape(s, space_first, text, n, &len) || !characters(s, len) || !merge(s)) return BB_E_NOMEM;
    bb_status status = BB_OK;
    for (int32_t i = s->n_symbols ? 0 : -1; i >= 0 && status == BB_OK; i = s->symbols[i].after)
        status = add_symbol(s, &s->symbols[i], err);
    return status;
}

bb_status bb_tokenize(const bb_tokenizer *tokenizer, const char *text, size_t length, bool add_special,
                      bool parse_special, int32_t **ids, size_t *n, bb_error *err) {
    splitter s = {.t = tokenizer};
    bb_fragment *list = NULL;
    size_t count = 0;
    bool behind_token = true; /* the start counts as one: a space goes before what follows */
    if (length > TEXT_MAX_BYTES)
        return bb_fail(err, BB_E_LIMIT, "a text of %zu bytes, at most %d can be split into tokens", length,
                       TEXT_MAX_BYTES);
    bb_status status = bb_tokenizer_fragments(tokenizer, text, length, parse_special, &list, &count);
    if (status == BB_OK && add_special && tokenizer->add_bos && !add_id(&s, tokenizer->bos)) status = BB_E_NOMEM;
    for (size_t i = 0; i < count && status == BB_OK; i++) {
        if (list[i].id >= 0)
            status = add_id(&s, list[i].id) ? BB_OK : BB_E_NOMEM;
        else
            status = split(&s, tokenizer->space_prefix && behind_token, text + list[i].at, list[i].len, err);
        behind_token = list[i].id >= 0;
    }
    if (status == BB_OK && add_special && tokenizer->add_eos && !add_id(&s, tokenizer->eos)) status = BB_E_NOMEM;
    if (status == BB_OK && !s.ids && !(s.ids = bb_alloc(1, sizeof *s.ids))) status = BB_E_NOMEM;
    if (status == BB_E_NOMEM) bb_fail_text(err, status, "no memory to split a text into tokens");
    free(list);
    free(s.text);
    free(s.symbols);
    free(s.heap);
    if (status != BB_OK) {
        free(s.ids);
        return status;
    }
    *ids = s.ids;
    *n = s.n_ids;
    return BB_OK;
}
