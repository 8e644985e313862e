/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pattern_parse.c - reading a pattern into a program; what the flavours write differently. */
#include "base/escape.h"
#include "base/mem.h"
#include "model/pattern_program.h"
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1000, REPEAT_MAX = 1000, DEPTH_MAX = 250, SETS_MAX = 256 };

typedef bb_instruction instruction;

typedef struct parser {
    const char *text, *at;
    bb_error *err;
    bool python;
    size_t depth, n, n_sets;
    uint64_t cost;
    instruction code[BB_PROGRAM_MAX];
    uint8_t sets[SETS_MAX][32];
} parser;

static bb_status broken(const parser *s, const char *what) {
    char shown[128];
    return bb_fail(s->err, BB_E_ARG, "pattern '%s': %s at character %zu", bb_escape_buf(s->text, shown, sizeof shown),
                   what, (size_t)(s->at - s->text) + 1);
}

static bb_status too_long(const parser *s) {
    return bb_fail(s->err, BB_E_LIMIT, "a pattern for names is too long when written out");
}

/* Opens a gap of one instruction at `at`. */
static bb_status insert(parser *s, size_t at, instruction x) {
    if (s->n == BB_PROGRAM_MAX) return too_long(s);
    memmove(&s->code[at + 1], &s->code[at], (s->n - at) * sizeof *s->code);
    s->cost += s->n - at + 1;
    s->code[at] = x;
    s->n++;
    return BB_OK;
}
static bb_status append(parser *s, instruction x) { return insert(s, s->n, x); }

static bb_status append_byte(parser *s, unsigned c) {
    return append(s, (instruction){.op = BB_OP_BYTE, .byte = (uint8_t)c});
}

/* Sets that are alike are held once. */
static bb_status append_set(parser *s, const uint8_t *set) {
    size_t i = 0;
    while (i < s->n_sets && memcmp(s->sets[i], set, sizeof s->sets[i]) != 0) i++;
    if (i == SETS_MAX) return too_long(s);
    if (i == s->n_sets) {
        memcpy(s->sets[s->n_sets++], set, sizeof s->sets[i]);
        s->cost += sizeof s->sets[i] / sizeof(instruction);
    }
    return append(s, (instruction){.op = BB_OP_SET, .a = (int16_t)i});
}

/* One more of the n instructions at `block`. */
static bb_status append_block(parser *s, size_t block, size_t n) {
    if (n > BB_PROGRAM_MAX - s->n) return too_long(s);
    memcpy(&s->code[s->n], &s->code[block], n * sizeof *s->code);
    s->n += n;
    s->cost += n + 1;
    return BB_OK;
}

/* ---- sets of bytes ---- */

static bool is_digit(unsigned c) { return c >= '0' && c <= '9'; }
static bool is_lower(unsigned c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(unsigned c) { return c >= 'A' && c <= 'Z'; }
static bool is_alpha(unsigned c) { return is_lower(c) || is_upper(c); }
static bool is_alnum(unsigned c) { return is_alpha(c) || is_digit(c); }
static bool is_space(unsigned c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_python_space(unsigned c) { return is_space(c) || (c >= 0x1c && c <= 0x1f); } /* str.isspace */
static bool is_xdigit(unsigned c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
static bool is_punct(unsigned c) { return c > ' ' && c < 127 && !is_alnum(c); }
static bool is_no_line_end(unsigned c) { return c != '\n' && c != '\r'; }
static bool is_no_newline(unsigned c) { return c != '\n'; }

static void add_byte(uint8_t *set, unsigned c) { set[c / 8] |= (uint8_t)(1u << c % 8); }
static void add_class(uint8_t *set, bool (*is)(unsigned), bool not_it) {
    for (unsigned c = 0; c < 256; c++)
        if (is(c) != not_it) add_byte(set, c);
}

/* \d \w \s and their opposites. */
static bool class_escape(const parser *s, uint8_t *set) {
    char c = *s->at;
    bool (*is)(unsigned) = c == 'd' || c == 'D'   ? is_digit
                           : c == 'w' || c == 'W' ? bb_is_word
                           : c == 's' || c == 'S' ? (s->python ? is_python_space : is_space)
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
    static const char from[] = "tnvfr0a", to[] = "\t\n\v\f\r\0\a";
    char c = *s->at;
    const char *known = c && (c != 'a' || s->python) ? strchr(from, c) : NULL;
    if (!c) return broken(s, "a backslash with nothing after it");
    if (c >= '1' && c <= '9') return broken(s, "back-references are not known here");
    if (c == 'c') return broken(s, "\\c is not known here");
    bool number = c == 'x' || c == 'u';
    if (s->python &&
        ((is_alpha((unsigned char)c) && !known && !number) || (c == '0' && is_digit((unsigned char)s->at[1]))))
        return broken(s, "this escape is not known here");
    s->at++;
    *byte = known ? (unsigned char)to[known - from] : (unsigned char)c;
    if (!number) return BB_OK;
    unsigned v = 0;
    for (int i = 0; i < (c == 'x' ? 2 : 4); i++, s->at++) {
        int digit = hex_value(*s->at);
        if (digit < 0) return broken(s, "a hexadecimal digit is missing");
        v = v * 16 + (unsigned)digit;
    }
    if (v > (s->python ? 127 : 255)) return broken(s, "a character that is not known here");
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
               {"d", is_digit},     {"w", bb_is_word},   {"s", is_space}};
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

static unsigned letter(const parser *s, char c) {
    return (unsigned char)(!s->python && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* One member of brackets: *single tells whether it is a byte, which may begin a range. */
static bb_status member(parser *s, uint8_t *set, unsigned *byte, bool *single) {
    *single = false;
    if (!s->python && s->at[0] == '[' && s->at[1] == ':') return named_class(s, set);
    if (!s->python && s->at[0] == '[' && (s->at[1] == '=' || s->at[1] == '.'))
        return broken(s, "collation is not known here");
    if (*s->at == '\\') {
        s->at++;
        if (class_escape(s, set)) {
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
    *byte = letter(s, *s->at++);
    return BB_OK;
}

/* s->at is behind the '['. */
static bb_status brackets(parser *s, uint8_t *set) {
    bool inverse = *s->at == '^';
    if (inverse) s->at++;
    for (bool first = s->python; first || *s->at != ']'; first = false) { /* Python's begins with a ']' of its own */
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
        if (s->at[1] != ':') return broken(s, "lookaheads, flags and named groups are not known here");
        s->at += 2;
    }
    if (s->depth == DEPTH_MAX) return broken(s, "too many groups in one another");
    s->depth++;
    bb_status st = alternatives(s);
    s->depth--;
    if (st) return st;
    if (*s->at != ')') return broken(s, "')' is missing");
    s->at++;
    return BB_OK;
}

/* ^ $ \b \B, Python's \A \Z: no width, and nothing repeats them. */
static bool edge(parser *s, bb_pattern_op *kind) {
    const char *p = s->at;
    size_t n = *p == '\\' ? 2 : 1;
    char c = p[n - 1];
    if (n == 1 && c == '^')
        *kind = BB_OP_BEGIN;
    else if (n == 1 && c == '$')
        *kind = s->python ? BB_OP_LINE_END : BB_OP_END;
    else if (n == 2 && (c == 'b' || c == 'B'))
        *kind = c == 'b' ? BB_OP_WORD_EDGE : BB_OP_NO_WORD_EDGE;
    else if (n == 2 && s->python && (c == 'A' || c == 'Z'))
        *kind = c == 'A' ? BB_OP_BEGIN : BB_OP_END;
    else
        return false;
    s->at += n;
    return true;
}

/* Whether a quantifier stands here: a '{' that begins none is a character in Python. */
static bool at_quantifier(const parser *s) {
    const char *p = s->at;
    if (!*p || !strchr("*+?{", *p)) return false;
    if (*p != '{' || !s->python) return true;
    if (*++p == '}') return false;
    while (is_digit((unsigned char)*p)) p++;
    if (*p == ',') p++;
    while (is_digit((unsigned char)*p)) p++;
    return *p == '}';
}

static bb_status atom(parser *s) {
    uint8_t set[32] = {0};
    bb_status st;
    unsigned byte = 0;
    if (at_quantifier(s)) return broken(s, "nothing to repeat");
    switch (*s->at) {
    case '(':
        return group(s);
    case '.':
        s->at++;
        add_class(set, s->python ? is_no_newline : is_no_line_end, false);
        return append_set(s, set);
    case '[':
        s->at++;
        st = brackets(s, set);
        return st ? st : append_set(s, set);
    case '\\':
        s->at++;
        if (class_escape(s, set)) {
            s->at++;
            return append_set(s, set);
        }
        st = byte_escape(s, &byte);
        return st ? st : append_byte(s, byte);
    default:
        return append_byte(s, letter(s, *s->at++));
    }
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
        bool open = s->python && *s->at == ','; /* from 0 on */
        *least = 0;
        if (!open && (st = count(s, least))) return st;
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
    size_t n = s->n - start;
    int16_t len = (int16_t)n;
    bool endless = most == SIZE_MAX;
    bb_status st = BB_OK;
    if (most == 0) {
        s->n = start;
        return BB_OK;
    }
    if (least == 0) {
        st = insert(s, start, (instruction){.op = BB_OP_FORK, .a = 1, .b = (int16_t)(len + (endless ? 2 : 1))});
        start++;
    }
    if (!st && endless && least == 0) return append(s, (instruction){.op = BB_OP_JUMP, .a = (int16_t) - (len + 1)});
    for (size_t i = 1; !st && i < least; i++) st = append_block(s, start, n);
    if (!st && endless) return append(s, (instruction){.op = BB_OP_FORK, .a = (int16_t)-len, .b = 1});
    for (size_t i = least ? least : 1; !st && i < most; i++) {
        st = append(s, (instruction){.op = BB_OP_FORK, .a = 1, .b = (int16_t)(len + 1)});
        if (!st) st = append_block(s, start, n);
    }
    return st;
}

static bb_status sequence(parser *s) {
    bb_status st = BB_OK;
    while (!st && *s->at && *s->at != '|' && *s->at != ')') {
        bb_pattern_op kind;
        if (edge(s, &kind)) {
            st = append(s, (instruction){.op = (uint8_t)kind});
            continue;
        }
        size_t start = s->n, least, most;
        st = atom(s);
        for (bool again = false; !st && at_quantifier(s); again = true) {
            if (again && s->python) return broken(s, "repeats of repeats are not known here");
            if (!(st = quantifier(s, &least, &most))) st = repeat(s, start, least, most);
        }
    }
    return st;
}

static bb_status alternatives(parser *s) {
    size_t start = s->n, jump = 0, before = 0; /* to the last jump, and from it to the one before it */
    bb_status st = sequence(s);
    for (; !st && *s->at == '|'; start = s->n, st = sequence(s)) {
        s->at++;
        st = insert(s, start, (instruction){.op = BB_OP_FORK, .a = 1, .b = (int16_t)(s->n - start + 2)});
        before = jump ? s->n - jump : 0;
        jump = s->n;
        if (!st) st = append(s, (instruction){.op = BB_OP_JUMP, .a = (int16_t)before});
        if (st) return st;
    }
    for (; !st && jump; jump = before ? jump - before : 0) {
        before = (size_t)s->code[jump].a;
        s->code[jump].a = (int16_t)(s->n - jump);
    }
    return st;
}

/* ---- the program ---- */

/* A search is the pattern after any bytes. */
static bb_status any_bytes(parser *s) {
    uint8_t all[32];
    memset(all, 0xff, sizeof all);
    bb_status st = append_set(s, all);
    return st ? st : repeat(s, 0, 0, SIZE_MAX);
}

static bb_status read_pattern(parser *s) {
    bb_status st = s->python ? BB_OK : any_bytes(s);
    if (!st) st = alternatives(s);
    if (!st && *s->at) st = broken(s, "')' without '('");
    return st ? st : append(s, (instruction){.op = BB_OP_MATCH});
}

static bb_pattern *keep(const parser *s) {
    bb_pattern *p = bb_alloc(1, sizeof *p);
    if (!p) return NULL;
    p->n = s->n;
    p->cost = s->cost;
    p->code = bb_alloc(s->n, sizeof *p->code);
    p->sets = bb_alloc(s->n_sets, sizeof *p->sets);
    if (!p->code || !p->sets) {
        bb_pattern_free(p);
        return NULL;
    }
    memcpy(p->code, s->code, s->n * sizeof *p->code);
    memcpy(p->sets, s->sets, s->n_sets * sizeof *p->sets);
    return p;
}

bb_status bb_pattern_new(const char *text, bb_pattern_flavour flavour, bb_pattern **pattern, bb_error *err) {
    bool python = flavour == BB_PATTERN_PYTHON;
    if (strlen(text) > TEXT_MAX) return bb_fail(err, BB_E_LIMIT, "a pattern of more than %d characters", TEXT_MAX);
    for (const char *c = text; python && *c; c++)
        if ((unsigned char)*c > 127)
            return bb_fail(err, BB_E_ARG, "a pattern with characters above 127 is not known here");
    parser *s = bb_alloc(1, sizeof *s);
    bb_pattern *made = NULL;
    if (!s) return bb_fail(err, BB_E_NOMEM, "no memory for a pattern");
    s->text = s->at = text;
    s->err = err;
    s->python = python;
    bb_status st = read_pattern(s);
    if (!st && !(made = keep(s))) st = bb_fail(err, BB_E_NOMEM, "no memory for a pattern");
    free(s);
    if (!st) *pattern = made;
    return st;
}
