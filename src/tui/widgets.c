/* SPDX-License-Identifier: GPL-3.0-or-later */
/* widgets.c - a field that is edited, a list to choose from, a text to read: state, keys, drawing. */
#include "tui/widgets.h"
#include "base/mem.h"
#include "base/units.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a line of text ---- */

void bb_edit_start(bb_edit *e, const char *text) {
    size_t n = strlen(text);
    if (n >= BB_EDIT_MAX) n = 0;
    memcpy(e->text, text, n);
    e->text[n] = 0;
    e->len = e->at = n;
    e->fresh = n > 0;
}

static size_t utf8_of(int key, char *out) {
    if (key < 0x80) {
        out[0] = (char)key;
        return 1;
    }
    size_t n = key < 0x800 ? 2 : key < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1;) {
        out[i] = (char)(0x80 | (key & 0x3F));
        key >>= 6;
    }
    out[0] = (char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | key);
    return n;
}

static bool inside_sign(char c) { return ((unsigned char)c & 0xC0) == 0x80; }
static size_t sign_before(const bb_edit *e, size_t at) {
    while (at > 0 && inside_sign(e->text[--at])) continue;
    return at;
}
static size_t sign_after(const bb_edit *e, size_t at) {
    if (at < e->len) at++;
    while (at < e->len && inside_sign(e->text[at])) at++;
    return at;
}

static void edit_remove(bb_edit *e, size_t from, size_t to) {
    memmove(e->text + from, e->text + to, e->len - to + 1);
    e->len -= to - from;
    e->at = from;
}

static void edit_insert(bb_edit *e, int key) {
    char sign[4];
    size_t n = utf8_of(key, sign);
    if (e->fresh) edit_remove(e, 0, e->len);
    if (e->len + n >= BB_EDIT_MAX) return;
    memmove(e->text + e->at + n, e->text + e->at, e->len - e->at + 1);
    memcpy(e->text + e->at, sign, n);
    e->len += n;
    e->at += n;
}

bb_outcome bb_edit_key(bb_edit *e, int key) {
    switch (key) {
    case BB_KEY_ESC:
        return BB_DROPPED;
    case BB_KEY_ENTER:
        return BB_TAKEN;
    case BB_KEY_LEFT:
        e->at = sign_before(e, e->at);
        break;
    case BB_KEY_RIGHT:
        e->at = sign_after(e, e->at);
        break;
    case BB_KEY_HOME:
        e->at = 0;
        break;
    case BB_KEY_END:
        e->at = e->len;
        break;
    case BB_KEY_BACKSPACE:
        if (e->at > 0) edit_remove(e, sign_before(e, e->at), e->at);
        break;
    case BB_KEY_DELETE:
        if (e->at < e->len) {
            size_t at = e->at;
            edit_remove(e, at, sign_after(e, at));
        }
        break;
    case BB_KEY_CTRL_U:
        edit_remove(e, 0, e->len);
        break;
    default:
        if (key < 0x20 || key >= BB_KEY_UP || key == 0x7F) return BB_STAYS;
        edit_insert(e, key);
        break;
    }
    e->fresh = false;
    return BB_STAYS;
}

void bb_edit_draw(const bb_edit *e, int y, int x, int width) {
    if (width < 2) return;
    /* The cursor is a '_' at the end and reverse elsewhere, so the text before it decides what is scrolled away. */
    size_t start = 0;
    char before[BB_EDIT_MAX];
    memcpy(before, e->text, e->at);
    before[e->at] = 0;
    while (start < e->at && bb_text_columns(before + start) > width - 1) start = sign_after(e, start);
    int used = bb_put(y, x, width, BB_ROLE_FOCUS, before + start);
    if (e->at == e->len) {
        used += bb_put(y, x + used, width - used, BB_ROLE_CURSOR, "_");
    } else {
        char sign[8] = "";
        size_t n = sign_after(e, e->at) - e->at;
        memcpy(sign, e->text + e->at, n < sizeof sign ? n : sizeof sign - 1);
        used += bb_put(y, x + used, width - used, BB_ROLE_CURSOR, sign);
        used += bb_put(y, x + used, width - used, BB_ROLE_FOCUS, e->text + e->at + n);
    }
    bb_put_times(y, x + used, width - used, BB_ROLE_TEXT, " ");
}

/* ---- drawing ---- */

void bb_lines_draw(const bb_panes *l) {
    static const char *const joints[16] = {" ", "│", "│", "│", "─", "┘", "┐", "┤",
                                           "─", "└", "┌", "├", "─", "┴", "┬", "┼"};
    for (size_t i = 0; i < l->n_lines; i++)
        for (int k = 0; k < l->line[i].length; k++) {
            int y = l->line[i].y + (l->line[i].vertical ? k : 0), x = l->line[i].x + (l->line[i].vertical ? 0 : k);
            (void)bb_put(y, x, 1, BB_ROLE_DIM, joints[bb_panes_joint(l, y, x)]);
        }
}

void bb_title_draw(const bb_panes *l, const bb_rect *pane, bb_role role, const char *title) {
    if (!l->wide || pane->h == 0) return;
    int y = pane->y - 1, x = pane->x - 1;
    int used = bb_put(y, x, pane->w, role, " ");
    used += bb_put(y, x + used, pane->w - used, role, title);
    (void)bb_put(y, x + used, pane->w - used, role, " ");
}

size_t bb_scroll(size_t marked, size_t n, size_t shown) {
    if (n <= shown || shown == 0) return 0;
    size_t top = marked > shown / 2 ? marked - shown / 2 : 0;
    return top > n - shown ? n - shown : top;
}

/* A frame around a popup, blanks inside, a title and a foot in its sides. */
static void popup_frame(const bb_rect *r, const char *title, const char *foot) {
    bb_put_blank(r->y - 1, r->x - 2, r->h + 2, r->w + 4);
    int left = r->x - 2, right = r->x + r->w + 1, top = r->y - 1, bottom = r->y + r->h;
    (void)bb_put(top, left, 1, BB_ROLE_TEXT, "┌");
    bb_put_times(top, left + 1, r->w + 2, BB_ROLE_TEXT, "─");
    (void)bb_put(top, right, 1, BB_ROLE_TEXT, "┐");
    for (int y = r->y; y < bottom; y++) {
        (void)bb_put(y, left, 1, BB_ROLE_TEXT, "│");
        (void)bb_put(y, right, 1, BB_ROLE_TEXT, "│");
    }
    (void)bb_put(bottom, left, 1, BB_ROLE_TEXT, "└");
    bb_put_times(bottom, left + 1, r->w + 2, BB_ROLE_TEXT, "─");
    (void)bb_put(bottom, right, 1, BB_ROLE_TEXT, "┘");
    if (title[0]) (void)bb_putf(top, left + 1, r->w + 2, BB_ROLE_TITLE, " %s ", title);
    if (foot[0] && bb_text_columns(foot) + 2 <= r->w + 2)
        (void)bb_putf(bottom, left + 1, r->w + 2, BB_ROLE_KEY, " %s ", foot);
}

/* ---- a list with a filter ---- */

void bb_chooser_start(bb_chooser *c, const char *title, const char *head, bool free_text) {
    bb_chooser_clear(c);
    (void)snprintf(c->title, sizeof c->title, "%s", title);
    (void)snprintf(c->head, sizeof c->head, "%s", head);
    c->free_text = free_text;
}

void bb_chooser_empty(bb_chooser *c) {
    for (size_t i = 0; i < c->n; i++) {
        free(c->items[i].value);
        free(c->items[i].shown);
    }
    c->n = 0;
}

void bb_chooser_clear(bb_chooser *c) {
    bb_chooser_empty(c);
    free(c->items);
    memset(c, 0, sizeof *c);
}

void bb_chooser_add(bb_chooser *c, const char *value, const char *shown) {
    void *items = c->items;
    if (c->failed || !bb_grow(&items, c->n, &c->cap, sizeof *c->items)) {
        c->failed = true;
        return;
    }
    c->items = items;
    bb_chooser_item item = {bb_strdup(value), bb_strdup(shown)};
    if (!item.value || !item.shown) {
        free(item.value);
        free(item.shown);
        c->failed = true;
        return;
    }
    c->items[c->n++] = item;
}

void bb_chooser_mark(bb_chooser *c, const char *value) {
    for (size_t i = 0; i < c->n; i++)
        if (bb_name_eq(c->items[i].value, value)) c->marked = i;
}

static bool contains_folded(const char *text, const char *part) {
    size_t n = strlen(part);
    for (; strlen(text) >= n; text++) {
        size_t i = 0;
        while (i < n) {
            char a = text[i], b = part[i];
            if (a >= 'A' && a <= 'Z') a = (char)(a + 32);
            if (b >= 'A' && b <= 'Z') b = (char)(b + 32);
            if (a != b) break;
            i++;
        }
        if (i == n) return true;
        if (!*text) break;
    }
    return false;
}

static bool shown_by_filter(const bb_chooser *c, size_t i) {
    const char *part = c->filter.text[0] == '/' ? c->filter.text + 1 : c->filter.text;
    return contains_folded(c->items[i].value, part) || contains_folded(c->items[i].shown, part);
}

/* What was typed stands first when it cannot be a name, else last. -1 first, 1 last, 0 not at all. */
static int typed_place(const bb_chooser *c) {
    const char *t = c->filter.text;
    if (!c->free_text || !t[0] || (t[0] == '/' && !t[1])) return 0;
    for (size_t i = 0; i < c->n; i++)
        if (bb_name_eq(c->items[i].value, t)) return 0;
    if (c->most) return 1; /* digits are part of a card's name */
    return bb_looks_like_count(t) || strchr(t + 1, '/') || t[0] == '.' ? -1 : 1;
}

static size_t rows_shown(const bb_chooser *c) {
    size_t n = typed_place(c) != 0;
    for (size_t i = 0; i < c->n; i++) n += shown_by_filter(c, i);
    return n;
}

/* Item of a row: its index, c->n for what was typed, SIZE_MAX past the end. */
static size_t row_item(const bb_chooser *c, size_t row) {
    int typed = typed_place(c);
    if (typed < 0 && row-- == 0) return c->n;
    for (size_t i = 0; i < c->n; i++)
        if (shown_by_filter(c, i) && row-- == 0) return i;
    return typed > 0 && row == 0 ? c->n : SIZE_MAX;
}

/* Of the items that hold what was typed, the one that holds least beside it. */
static void mark_closest(bb_chooser *c) {
    size_t row = typed_place(c) < 0, least = SIZE_MAX;
    c->marked = 0;
    for (size_t i = 0; i < c->n && !row && c->filter.len; i++) {
        size_t n = strlen(c->items[i].value);
        if (contains_folded(c->items[i].value, c->filter.text) && n < least) least = n;
    }
    for (size_t i = 0; i < c->n && least != SIZE_MAX; i++) {
        if (!shown_by_filter(c, i)) continue;
        if (contains_folded(c->items[i].value, c->filter.text) && strlen(c->items[i].value) == least) {
            c->marked = row;
            return;
        }
        row++;
    }
}

bb_outcome bb_chooser_key(bb_chooser *c, int key, int page) {
    size_t n = rows_shown(c), step = page > 1 ? (size_t)page : 1;
    switch (key) {
    case BB_KEY_UP:
        c->marked -= c->marked > 0;
        return BB_STAYS;
    case BB_KEY_DOWN:
        c->marked += c->marked + 1 < n;
        return BB_STAYS;
    case BB_KEY_PGUP:
        c->marked -= c->marked < step ? c->marked : step;
        return BB_STAYS;
    case BB_KEY_PGDN:
        c->marked = n == 0 ? 0 : c->marked + step < n ? c->marked + step : n - 1;
        return BB_STAYS;
    case BB_KEY_HOME:
        c->marked = 0;
        return BB_STAYS;
    case BB_KEY_END:
        c->marked = n ? n - 1 : 0;
        return BB_STAYS;
    case BB_KEY_ENTER:
        return bb_chooser_value(c) ? BB_TAKEN : BB_STAYS;
    case BB_KEY_LEFT:
        c->count -= c->count > 1;
        return BB_STAYS;
    case BB_KEY_RIGHT:
        c->count += c->count < c->most;
        return BB_STAYS;
    case BB_KEY_TAB:
        return BB_STAYS;
    default:
        break;
    }
    size_t before = c->filter.len;
    bb_outcome o = bb_edit_key(&c->filter, key);
    if (c->filter.len != before) mark_closest(c);
    return o;
}

const char *bb_chooser_value(const bb_chooser *c) {
    size_t i = row_item(c, c->marked);
    return i == SIZE_MAX ? NULL : i == c->n ? c->filter.text : c->items[i].value;
}

void bb_chooser_taken(const bb_chooser *c, char *buf, size_t size) {
    const char *value = bb_chooser_value(c);
    if (value && c->count > 1 && value != c->filter.text)
        (void)snprintf(buf, size, "%sx%llu", value, (unsigned long long)c->count);
    else
        (void)snprintf(buf, size, "%s", value ? value : "");
}

static int head_rows(const bb_chooser *c) { return c->head[0] ? 2 : 1; }
static int chooser_rows(const bb_chooser *c) { return (int)(c->n < 200 ? c->n : 200) + head_rows(c); }

int bb_chooser_page(const bb_chooser *c, const bb_panes *l) {
    int list = bb_panes_popup(l, chooser_rows(c), 1).h - head_rows(c);
    return list > 1 ? list : 1;
}

void bb_chooser_draw(const bb_chooser *c, const bb_panes *l) {
    int width = bb_text_columns(c->head);
    for (size_t i = 0; i < c->n; i++) {
        int w = bb_text_columns(c->items[i].shown);
        width = w > width ? w : width;
    }
    if (width < 40) width = 40;
    int head = head_rows(c) - 1;
    bb_rect r = bb_panes_popup(l, chooser_rows(c), width + 2);
    popup_frame(&r, c->title, "type to find  Enter take  Esc back");
    (void)bb_put(r.y, r.x, 6, BB_ROLE_KEY, "Find /");
    bb_edit_draw(&c->filter, r.y, r.x + 7, r.w - 7);
    if (c->most) {
        char many[32];
        (void)snprintf(many, sizeof many, "cards: %llu  Lt/Rt", (unsigned long long)c->count);
        bb_put_right(r.y, r.x + r.w - 24, 23, BB_ROLE_KEY, many);
    }
    if (head) (void)bb_put(r.y + 1, r.x + 2, r.w - 2, BB_ROLE_HEAD, c->head);
    int list = r.h - 1 - head;
    if (list < 1) return;
    size_t n = rows_shown(c), top = bb_scroll(c->marked, n, (size_t)list);
    if (n == 0) (void)bb_put(r.y + 1 + head, r.x + 2, r.w - 2, BB_ROLE_DIM, "nothing has this name");
    for (size_t row = top; row < n && row < top + (size_t)list; row++) {
        int y = r.y + 1 + head + (int)(row - top);
        size_t i = row_item(c, row);
        bool here = row == c->marked;
        if (here) (void)bb_put(y, r.x, 2, BB_ROLE_FOCUS, ">");
        bb_role role = here ? BB_ROLE_FOCUS : BB_ROLE_TEXT;
        if (i == c->n)
            (void)bb_putf(y, r.x + 2, r.w - 2, role, "%s   as typed", c->filter.text);
        else if (i != SIZE_MAX)
            (void)bb_put_cut(y, r.x + 2, r.w - 2, role, c->items[i].shown);
    }
}

/* ---- a text ---- */

void bb_reader_start(bb_reader *r, const char *title) {
    bb_reader_clear(r);
    (void)snprintf(r->title, sizeof r->title, "%s", title);
}

void bb_reader_clear(bb_reader *r) {
    bb_str_clear(&r->text);
    r->top = 0;
    r->width = 0;
    r->title[0] = 0;
}

static size_t reader_lines(const bb_reader *r) {
    size_t n = 0;
    for (const char *s = bb_str_c(&r->text); *s; s++) n += *s == '\n';
    return n;
}

bb_outcome bb_reader_key(bb_reader *r, int key, int page) {
    size_t n = reader_lines(r), last = n > (size_t)page ? n - (size_t)page : 0, step = page > 1 ? (size_t)page : 1;
    switch (key) {
    case BB_KEY_UP:
    case 'k':
        r->top -= r->top > 0;
        return BB_STAYS;
    case BB_KEY_DOWN:
    case 'j':
        r->top += r->top < last;
        return BB_STAYS;
    case BB_KEY_PGUP:
        r->top -= r->top < step ? r->top : step;
        return BB_STAYS;
    case BB_KEY_PGDN:
    case ' ':
        if (n <= (size_t)page) return BB_DROPPED;
        r->top = r->top + step < last ? r->top + step : last;
        return BB_STAYS;
    default:
        return BB_DROPPED;
    }
}

int bb_reader_page(const bb_reader *r, const bb_panes *l) {
    size_t n = reader_lines(r);
    return bb_panes_popup(l, (int)(n < 500 ? n : 500), 1).h;
}

void bb_reader_fit(bb_reader *r, int page) {
    size_t n = reader_lines(r), last = page > 0 && n > (size_t)page ? n - (size_t)page : 0;
    if (r->top > last) r->top = last;
}

int bb_reader_width(const bb_panes *l) { return bb_panes_popup(l, 1, 1000).w; }

void bb_reader_draw(const bb_reader *r, const bb_panes *l) {
    int width = bb_text_columns(r->title) + 2;
    const char *text = bb_str_c(&r->text);
    for (const char *s = text; *s;) {
        size_t n = strcspn(s, "\n");
        char line[512];
        (void)snprintf(line, sizeof line, "%.*s", (int)(n < 500 ? n : 500), s);
        int w = bb_text_columns(line);
        width = w > width ? w : width;
        s += n + (s[n] == '\n');
    }
    size_t n = reader_lines(r);
    bb_rect box = bb_panes_popup(l, (int)(n < 500 ? n : 500), width < 30 ? 30 : width);
    popup_frame(&box, r->title, n > (size_t)box.h ? "PgDn more  any other key closes" : "any key closes");
    size_t row = 0;
    for (const char *s = text; *s && row < r->top + (size_t)box.h; row++) {
        size_t len = strcspn(s, "\n");
        if (row >= r->top)
            (void)bb_putf(box.y + (int)(row - r->top), box.x, box.w, BB_ROLE_TEXT, "%.*s", (int)(len < 500 ? len : 500),
                          s);
        s += len + (s[len] == '\n');
    }
}

void bb_wrap(bb_str *out, const char *text, int width, int indent) {
    size_t room = width > 8 ? (size_t)width : 8;
    bool first = true;
    while (*text == ' ') text++;
    do {
        size_t margin = first || indent < 0 ? 0 : (size_t)indent, fits = room > margin ? room - margin : 1;
        size_t n = strlen(text), cut = n;
        if (n > fits) {
            cut = fits;
            while (cut > 0 && text[cut] != ' ') cut--;
            if (cut == 0) { /* one long word: after a comma, else anywhere */
                for (cut = fits; cut > 0 && text[cut - 1] != ',';) cut--;
                if (cut == 0)
                    for (cut = fits; cut > 1 && inside_sign(text[cut]);) cut--;
            }
        }
        bb_str_addc(out, ' ', margin);
        bb_str_addn(out, text, cut);
        bb_str_add(out, "\n");
        text += cut;
        while (*text == ' ') text++;
        first = false;
    } while (*text);
}

int bb_wrap_lines(const char *text, int width) {
    bb_str lines;
    int n = 0;
    bb_str_init(&lines);
    bb_wrap(&lines, text, width, 0);
    for (const char *s = bb_str_c(&lines); *s; s++) n += *s == '\n';
    bb_str_clear(&lines);
    return n;
}

int bb_put_wrapped(int y, int x, int rows, int width, bb_role role, const char *text) {
    bb_str lines;
    int row = 0;
    bb_str_init(&lines);
    bb_wrap(&lines, text, width, 0);
    for (char *s = lines.data; s && *s && row < rows; row++) {
        size_t n = strcspn(s, "\n");
        bool more = row + 1 == rows && s[n] && s[n + 1];
        s[n] = 0;
        int used = bb_put(y + row, x, more ? width - 2 : width, role, s);
        if (more) (void)bb_put(y + row, x + used, 2, role, "..");
        s += n + 1;
    }
    bb_str_clear(&lines);
    return row;
}
