/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_tiles.c - what the fp32 and bf16 kernels share: the loops around their tiles, the packing of 32-bit words. */
#include "kernel/gemm_tiles.h"
#include <string.h>
#if BB_X86
#include <immintrin.h>
#endif

/* Each part of the activations of GROUP tokens (64 KiB) meets PANELS panels before the next one is read; the sums of
 * all these stay in a level-2 cache. Where the activations fit into NEAR_BYTES of it as a whole, each panel is read
 * from end to end: one stream. Sizes by measurement, for a level-2 cache of 1 MiB. */
enum { LINE = 64, PANELS = 16, GROUP = 64, NEAR_BYTES = 256 << 10 };
/* How far ahead of a tile that is alone with its panel memory is asked for, in bytes, by measurement on Zen 4: with few
 * tokens the processor's own prefetcher leads, and asking further ahead slows it. */
enum { AHEAD = 8192, AHEAD_FEW = 512, FEW_TOKENS = 4, ROW_BYTES = 128 /* of 32 columns */ };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

typedef struct group {
    const bb_gemm *g;
    const bb_tiling *tiling;
    size_t token_bytes, block_bytes; /* of one token in a block, of a block of a panel */
    size_t token, tokens;            /* first, and how many */
    size_t panel, panels;
    float (*sums)[GROUP][BB_PANEL]; /* [PANELS] */
} group;

static const unsigned char *acts_at(const group *s, size_t block) {
    const bb_acts *a = s->g->acts;
    return (const unsigned char *)a->values + (block * a->tokens + s->token) * s->token_bytes;
}

static const unsigned char *weights_at(const group *s, size_t i, size_t block) {
    return s->g->panels + (s->panel + i) * s->g->panel_bytes + block * s->block_bytes;
}

/* What panel_part reads after panel i: the next panel, or the next part of the first one; alone, what follows. */
static uintptr_t wanted_after(const group *s, size_t i, size_t block, size_t bytes, size_t runs) {
    uintptr_t first = (uintptr_t)weights_at(s, 0, block);
    if (s->panels > 1)
        return i + 1 < s->panels ? first + (i + 1) * s->g->panel_bytes : first + s->tiling->part * s->block_bytes;
    return first + (runs > 1 ? bytes : s->tokens > FEW_TOKENS ? AHEAD : AHEAD_FEW);
}

/* Brings share i of n of the activations of the part that begins at `block` nearer. */
static void fetch(const group *s, size_t block, size_t i, size_t n) {
    size_t blocks = s->g->acts->blocks;
    if (block >= blocks) return;
    size_t each = s->tokens * s->token_bytes / LINE, lines = each * least(s->tiling->part, blocks - block);
    for (size_t k = lines * i / n; k < lines * (i + 1) / n; k++)
        __builtin_prefetch(acts_at(s, block + k / each) + k % each * LINE);
}

/* The part at `block` of panel i times all tokens, in tiles of nearly the same size. */
static void panel_part(const group *s, size_t i, size_t block) {
    const bb_gemm *g = s->g;
    const bb_tiling *tiling = s->tiling;
    size_t blocks = least(tiling->part, g->acts->blocks - block), bytes = blocks * s->block_bytes;
    size_t tiles = (s->tokens + tiling->rows - 1) / tiling->rows, even = s->tokens / tiles, more = s->tokens % tiles;
    size_t runs = tiles * (BB_PANEL / tiling->columns);
    bb_tile t = {.w = weights_at(s, i, block), .x_stride = g->acts->tokens * s->token_bytes, .blocks = blocks};
    t.first = block == 0;
    t.ahead = wanted_after(s, i, block, bytes, runs);
    t.ahead_step = (ROW_BYTES + runs - 1) / runs;
    for (; t.column < BB_PANEL; t.column += tiling->columns) {
        t.x = acts_at(s, block);
        t.sums = s->sums[i][0];
        for (size_t k = 0; k < tiles; k++) {
            size_t rows = even + (k < more);
            if (s->panels > 1 && t.column == 0) fetch(s, block + tiling->part, i * tiles + k, s->panels * tiles);
            tiling->tile(&t, rows);
            t.x += rows * s->token_bytes;
            t.sums += rows * BB_PANEL;
            t.ahead += bytes / runs;
        }
    }
}

static void run_group(const group *s) {
    const bb_gemm *g = s->g;
    for (size_t block = 0; block < g->acts->blocks; block += s->tiling->part)
        for (size_t i = 0; i < s->panels; i++) panel_part(s, i, block);
    for (size_t t = 0; t < s->tokens; t++)
        for (size_t i = 0; i < s->panels; i++) {
            size_t column = (s->panel + i) * BB_PANEL;
            memcpy(g->y + (s->token + t) * g->out + column, s->sums[i][t],
                   least(BB_PANEL, g->out - column) * sizeof(float));
        }
}

void bb_gemm_tiles(const bb_gemm *g, size_t first, size_t count, const bb_tiling *tiling) {
    const bb_acts *a = g->acts;
    _Alignas(LINE) float sums[PANELS][GROUP][BB_PANEL];
    group s = {.g = g, .tiling = tiling, .block_bytes = g->panel_bytes / g->blocks, .sums = sums};
    s.token_bytes = BB_ACT_BLOCK * (a->kind == BB_ACT_F32 ? sizeof(float) : sizeof(uint16_t));
    size_t panels = a->tokens * a->blocks * s.token_bytes > NEAR_BYTES ? PANELS : 1;
    size_t groups = (a->tokens + GROUP - 1) / GROUP;
    for (s.panel = first; s.panel < first + count; s.panel += panels)
        for (size_t i = 0; i < groups; i++) {
            s.panels = least(panels, first + count - s.panel);
            s.token = a->tokens * i / groups;
            s.tokens = a->tokens * (i + 1) / groups - s.token;
            run_group(&s);
        }
}

/* ---- packing ---- */

static void turn_words(const unsigned char *rows, size_t row_bytes, size_t count, size_t words, unsigned char *to) {
    for (size_t r = 0; r < count; r++)
        for (size_t k = 0; k < words; k++) memcpy(to + (k * BB_PANEL + r) * 4, rows + r * row_bytes + k * 4, 4);
}

#if BB_X86
static __m128 four_words(const unsigned char *p) {
    return _mm_castsi128_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static void put_four(unsigned char *p, __m128 v) { _mm_storeu_si128((__m128i *)(void *)p, _mm_castps_si128(v)); }

/* Four rows of four words at a time, by what every x86-64 has. */
static void turn_line(const unsigned char *rows, size_t row_bytes, size_t count, size_t words, unsigned char *to) {
    size_t whole = words == LINE / 4 ? count / 4 * 4 : 0;
    for (size_t r = 0; r < whole; r += 4)
        for (size_t k = 0; k < LINE / 4; k += 4) {
            const unsigned char *from = rows + r * row_bytes + k * 4;
            unsigned char *at = to + (k * BB_PANEL + r) * 4;
            __m128 a = four_words(from), b = four_words(from + row_bytes);
            __m128 c = four_words(from + 2 * row_bytes), d = four_words(from + 3 * row_bytes);
            _MM_TRANSPOSE4_PS(a, b, c, d);
            put_four(at, a);
            put_four(at + BB_PANEL * 4, b);
            put_four(at + 2 * BB_PANEL * 4, c);
            put_four(at + 3 * BB_PANEL * 4, d);
        }
    turn_words(rows + whole * row_bytes, row_bytes, count - whole, words, to + whole * 4);
}
#else
#define turn_line turn_words
#endif

/* A line of 64 bytes of each row at a time. */
void bb_pack_words(const unsigned char *rows, size_t row_bytes, size_t count, size_t words, unsigned char *panel) {
    for (size_t k = 0; k < words; k += LINE / 4)
        turn_line(rows + k * 4, row_bytes, count, least(LINE / 4, words - k), panel + k * BB_PANEL * 4);
}
