/* SPDX-License-Identifier: GPL-3.0-or-later */
/* name_pattern.c - ECMAScript patterns as a program that follows all ways through a name at once (K. Thompson 1968). */
#include "model/name_pattern.h"
#include "base/escape.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1000, PROGRAM_MAX = 2048, REPEAT_MAX = 1000 };

typedef enum op { SET, FORK, JUMP, BEGIN, END, WORD_EDGE, NO_WORD_EDGE, MATCH } op;

/* Ways lead to the place of the instruction plus a or b: a stretch of program can be moved and copied as it is. */
typedef struct instruction {
    op op;
    int32_t a, b;
    uint8_t set[32]; /* of SET: bytes that match */
} instruction;

struct bb_name_pattern {
    size_t n;
    instruction code[PROGRAM_MAX];
};

typedef struct parser {
    const char *text, *at;
    bb_name_pattern *p;
    bb_error *err;
} parser;

static bb_status broken(const parser *s, const char *what) {
    char shown[128];
    return bb_fail(s->err, BB_E_ARG, "pattern '%s': %s at character %zu", bb_escape_buf(s->text, shown, sizeof shown),
                   what, (size_t)(s->at - s->text) + 1);
}

/* Opens a gap of one instruction at `at`. */
static bb_status insert(parser *s, size_t at, instruction x) {
    bb_name_pattern *p = s->p;
    if (p->n == PROGRAM_MAX) return bb_fail(s->err, BB_E_LIMIT, "a pattern for names is too long when written out");
    memmove(&p->code[at + 1], &p->code[at], (p->n - at) * sizeof *p->code);
    p->code[at] = x;
    p->n++;
    return BB_OK;
}
static bb_status append(parser *s, instruction x) { return insert(s, s->p->n, x); }

/* One more of the n instructions at `block`, which lies outside of the program. */
static bb_status append_block(parser *s, const instruction *block, size_t n) {
    if (n > PROGRAM_MAX - s->p->n)
        return bb_fail(s->err, BB_E_LIMIT, "a pattern for names is too long when written out");
    memcpy(&s->p->code[s->p->n], block, n * sizeof *block);
    s->p->n += n;
    return BB_OK;
}

/* ---- sets of bytes ---- */

static bool is_digit(unsigned c) { return c >= '0' && c <= '9'; }
static bool is_lower(unsigned c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(unsigned c) { return c >= 'A' && c <= 'Z'; }
static bool is_alpha(unsigned c) { return is_lower(c) || is_upper(c); }
static bool is_alnum(unsigned c) { return is_alpha(c) || is_digit(c); }
static bool is_word(unsigned c) { return is_alnum(c) || c == '_'; }
static bool is_space(unsigned c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_xdigit(unsigned c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
static bool is_punct(unsigned c) { return c > ' ' && c < 127 && !is_alnum(c); }
static bool is_no_line_end(unsigned c) { return c != '\n' && c != '\r'; }

static void add_byte(uint8_t *set, unsigned c) { set[c / 8] |= (uint8_t)(1u << c % 8); }
static bool in_set(const uint8_t *set, unsigned c) { return set[c / 8] >> c % 8 & 1; }
static void add_class(uint8_t *set, bool (*is)(unsigned), bool not_it) {
    for (unsigned c = 0; c < 256; c++)
        if (is(c) != not_it) add_byte(set, c);
}

/* \d \w \s and their opposites. */
static bool class_escape(uint8_t *set, char c) {
    bool (*is)(unsigned) = c == 'd' || c == 'D'   ? is_digit
                           : c == 'w' || c == 'W' ? is_word
                           : c == 's' || c == 'S' ? is_space
                                                  : NULL;
    if (!is) return false;
    add_class(set, is, is_upper((unsigned char)c));
    return true;
}

static int hex_value(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* What stands after a backslash and means one byte; s->at is behind the backslash. */
static bb_status byte_escape(parser *s, unsigned *byte) {
    static const char from[] = "tnvfr0", to[] = "\t\n\v\f\r\0";
    char c = *s->at;
    const char *known = c ? strchr(from, c) : NULL;
    if (!c) return broken(s, "a backslash with nothing after it");
    if (c >= '1' && c <= '9') return broken(s, "back-references are not known here");
    if (c == 'c') return broken(s, "\\c is not known here");
    s->at++;
    *byte = known ? (unsigned char)to[known - from] : (unsigned char)c;
    if (c != 'x' && c != 'u') return BB_OK;
    unsigned v = 0;
    for (int i = 0; i < (c == 'x' ? 2 : 4); i++, s->at++) {
        int digit = hex_value(*s->at);
        if (digit < 0) return broken(s, "a hexadecimal digit is missing");
        v = v * 16 + (unsigned)digit;
    }
    if (v > 255) return broken(s, "a character above 255");
    *byte = v;
    return BB_OK;
}

/* "[:digit:]" inside brackets; s->at is at its '['. */
static bb_status named_class(parser *s, uint8_t *set) {
    static const struct {
        const char *name;
        bool (*is)(unsigned);
    } all[] = {{"digit", is_digit}, {"alpha", is_alpha}, {"alnum", is_alnum},   {"lower", is_lower},
               {"upper", is_upper}, {"space", is_space}, {"xdigit", is_xdigit}, {"punct", is_punct},
               {"d", is_digit},     {"w", is_word},      {"s", is_space}};
    const char *name = s->at + 2, *end = strstr(name, ":]");
    for (size_t i = 0; end && i < sizeof all / sizeof *all; i++) {
        size_t n = strlen(all[i].name);
        if ((size_t)(end - name) != n || memcmp(name, all[i].name, n) != 0) continue;
        add_class(set, all[i].is, false);
        s->at = end + 2;
        return BB_OK;
    }
    return broken(s, "no class of characters has this name");
}

static unsigned lower(char c) { return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

/* One member of brackets: *single tells whether it is a byte, which may begin a range. */
static bb_status member(parser *s, uint8_t *set, unsigned *byte, bool *single) {
    *single = false;
    if (s->at[0] == '[' && s->at[1] == ':') return named_class(s, set);
    if (s->at[0] == '[' && (s->at[1] == '=' || s->at[1] == '.')) return broken(s, "collation is not known here");
    if (*s->at == '\\') {
        s->at++;
        if (class_escape(set, *s->at)) {
            s->at++;
            return BB_OK;
        }
        *single = true;
        if (*s->at != 'b') return byte_escape(s, byte);
        *byte = '\b';
        s->at++;
        return BB_OK;
    }
    *single = true;
    *byte = lower(*s->at++);
    return BB_OK;
}

/* s->at is behind the '['. */
static bb_status brackets(parser *s, uint8_t *set) {
    bool inverse = *s->at == '^';
    if (inverse) s->at++;
    while (*s->at != ']') {
        unsigned from = 0, to = 0;
        bool single, other;
        if (!*s->at) return broken(s, "']' is missing");
        bb_status st = member(s, set, &from, &single);
        if (st) return st;
        to = from;
        bool range = s->at[0] == '-' && s->at[1] != ']' && s->at[1];
        if (range && !single) return broken(s, "a range that begins with a class");
        if (!single) continue;
        if (range) {
            s->at++;
            if ((st = member(s, set, &to, &other))) return st;
            if (!other || to < from) return broken(s, "a range that has no end after its begin");
        }
        for (unsigned c = from; c <= to; c++) add_byte(set, c);
    }
    s->at++;
    if (inverse)
        for (int i = 0; i < 32; i++) set[i] = (uint8_t)~set[i];
    return BB_OK;
}

/* ---- the grammar ---- */

static bb_status alternatives(parser *s);

static bb_status group(parser *s) {
    s->at++;
    if (s->at[0] == '?') {
        if (s->at[1] != ':') return broken(s, "lookaheads are not known here");
        s->at += 2;
    }
    bb_status st = alternatives(s);
    if (st) return st;
    if (*s->at != ')') return broken(s, "')' is missing");
    s->at++;
    return BB_OK;
}

/* ^ $ \b \B: no width, and nothing repeats them. */
static bool edge(parser *s, op *kind) {
    const char *p = s->at;
    size_t n = 1;
    if (*p == '^')
        *kind = BEGIN;
    else if (*p == '$')
        *kind = END;
    else if (p[0] == '\\' && (p[1] == 'b' || p[1] == 'B')) {
        *kind = p[1] == 'b' ? WORD_EDGE : NO_WORD_EDGE;
        n = 2;
    } else
        return false;
    s->at += n;
    return true;
}

static bb_status atom(parser *s) {
    instruction x = {.op = SET};
    bb_status st = BB_OK;
    unsigned byte = 0;
    switch (*s->at) {
    case '(':
        return group(s);
    case '*':
    case '+':
    case '?':
    case '{':
        return broken(s, "nothing to repeat");
    case '.':
        s->at++;
        add_class(x.set, is_no_line_end, false);
        break;
    case '[':
        s->at++;
        st = brackets(s, x.set);
        break;
    case '\\':
        s->at++;
        if (class_escape(x.set, *s->at)) {
            s->at++;
            break;
        }
        st = byte_escape(s, &byte);
        add_byte(x.set, byte);
        break;
    default:
        add_byte(x.set, lower(*s->at++));
    }
    return st ? st : append(s, x);
}

static bb_status count(parser *s, size_t *n) {
    if (!is_digit((unsigned char)*s->at)) return broken(s, "a number is missing");
    for (*n = 0; is_digit((unsigned char)*s->at); s->at++) {
        *n = *n * 10 + (size_t)(*s->at - '0');
        if (*n > REPEAT_MAX) return broken(s, "too many repeats");
    }
    return BB_OK;
}

/* *most is SIZE_MAX where there is no end. Whether as few or as many as can be are tried first does not matter. */
static bb_status quantifier(parser *s, size_t *least, size_t *most) {
    bb_status st;
    char c = *s->at++;
    *least = c == '+';
    *most = c == '?' ? 1 : SIZE_MAX;
    if (c == '{') {
        if ((st = count(s, least))) return st;
        *most = *least;
        if (*s->at == ',') {
            s->at++;
            *most = SIZE_MAX;
            if (*s->at != '}' && (st = count(s, most))) return st;
        }
        if (*s->at != '}') return broken(s, "'}' is missing");
        if (*most < *least) return broken(s, "a range of repeats that ends before it begins");
        s->at++;
    }
    if (*s->at == '?') s->at++;
    return BB_OK;
}

/* The program from `start` on, at least `least` and at most `most` times. */
static bb_status repeat(parser *s, size_t start, size_t least, size_t most) {
    size_t n = s->p->n - start;
    int32_t len = (int32_t)n;
    instruction *block = bb_alloc(n + 1, sizeof *block);
    if (!block) return bb_fail(s->err, BB_E_NOMEM, "no memory for a pattern");
    memcpy(block, &s->p->code[start], n * sizeof *block);
    s->p->n = start;
    bb_status st = BB_OK;
    for (size_t i = 0; !st && i < least; i++) st = append_block(s, block, n);
    if (most == SIZE_MAX && least > 0) {
        if (!st) st = append(s, (instruction){.op = FORK, .a = -len, .b = 1});
    } else if (most == SIZE_MAX) {
        if (!st) st = append(s, (instruction){.op = FORK, .a = 1, .b = len + 2});
        if (!st) st = append_block(s, block, n);
        if (!st) st = append(s, (instruction){.op = JUMP, .a = -(len + 1)});
    } else
        for (size_t i = least; !st && i < most; i++) {
            st = append(s, (instruction){.op = FORK, .a = 1, .b = len + 1});
            if (!st) st = append_block(s, block, n);
        }
    free(block);
    return st;
}

static bb_status sequence(parser *s) {
    bb_status st = BB_OK;
    while (!st && *s->at && *s->at != '|' && *s->at != ')') {
        op kind;
        if (edge(s, &kind)) {
            st = append(s, (instruction){.op = kind});
            continue;
        }
        size_t start = s->p->n, least, most;
        st = atom(s);
        while (!st && *s->at && strchr("*+?{", *s->at))
            if (!(st = quantifier(s, &least, &most))) st = repeat(s, start, least, most);
    }
    return st;
}

static bb_status alternatives(parser *s) {
    size_t start = s->p->n;
    bb_status st = sequence(s);
    if (st || *s->at != '|') return st;
    s->at++;
    st = insert(s, start, (instruction){.op = FORK, .a = 1, .b = (int32_t)(s->p->n - start) + 2});
    size_t jump = s->p->n;
    if (!st) st = append(s, (instruction){.op = JUMP});
    if (st || (st = alternatives(s))) return st;
    s->p->code[jump].a = (int32_t)(s->p->n - jump);
    return BB_OK;
}

bb_status bb_name_pattern_new(const char *text, bb_name_pattern **pattern, bb_error *err) {
    if (strlen(text) > TEXT_MAX) return bb_fail(err, BB_E_LIMIT, "a pattern of more than %d characters", TEXT_MAX);
    bb_name_pattern *p = bb_alloc(1, sizeof *p);
    if (!p) return bb_fail(err, BB_E_NOMEM, "no memory for a pattern");
    parser s = {text, text, p, err};
    bb_status st = alternatives(&s);
    if (!st && *s.at) st = broken(&s, "')' without '('");
    if (!st) st = append(&s, (instruction){.op = MATCH});
    if (st)
        bb_name_pattern_free(p);
    else
        *pattern = p;
    return st;
}

void bb_name_pattern_free(bb_name_pattern *pattern) { free(pattern); }

/* ---- the search ---- */

/* The places that wait for the next byte. */
typedef struct places {
    size_t n;
    uint16_t at[PROGRAM_MAX];
} places;

static bool holds(op kind, const char *name, const char *at) {
    bool before = at > name && is_word((unsigned char)at[-1]), after = is_word((unsigned char)*at);
    switch (kind) {
    case BEGIN:
        return at == name;
    case END:
        return !*at;
    case WORD_EDGE:
        return before != after;
    default:
        return before == after;
    }
}

/* Every place that can be reached from `from` without a byte; true when the end of the program is one. */
static bool reach(const bb_name_pattern *p, size_t from, const char *name, const char *at, bool *seen, places *out) {
    uint16_t stack[PROGRAM_MAX];
    size_t n = 0;
    if (!seen[from]) stack[n++] = (uint16_t)from;
    seen[from] = true;
    while (n) {
        size_t i = stack[--n], next[2];
        int ways = 0;
        const instruction *x = &p->code[i];
        switch (x->op) {
        case MATCH:
            return true;
        case SET:
            out->at[out->n++] = (uint16_t)i;
            break;
        case FORK:
            next[ways++] = i + (size_t)x->b;
            next[ways++] = i + (size_t)x->a;
            break;
        case JUMP:
            next[ways++] = i + (size_t)x->a;
            break;
        default:
            if (holds(x->op, name, at)) next[ways++] = i + 1;
        }
        while (ways--)
            if (!seen[next[ways]]) {
                seen[next[ways]] = true;
                stack[n++] = (uint16_t)next[ways];
            }
    }
    return false;
}

bool bb_name_pattern_search(const bb_name_pattern *pattern, const char *name) {
    places now = {.n = 0}, next;
    for (const char *at = name;; at++) {
        bool seen[PROGRAM_MAX] = {false};
        next.n = 0;
        if (at > name)
            for (size_t i = 0; i < now.n; i++) {
                size_t place = now.at[i];
                if (in_set(pattern->code[place].set, (unsigned char)at[-1]) &&
                    reach(pattern, place + 1, name, at, seen, &next))
                    return true;
            }
        if (reach(pattern, 0, name, at, seen, &next)) return true; /* a match may begin anywhere */
        if (!*at) return false;
        now = next;
    }
}
