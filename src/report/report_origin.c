/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_origin.c - where on this disk a model was found by its name. */
#include "report/report.h"

void bb_report_origin(bb_table *t, const bb_model *m) {
    bb_str s;
    if (!m->store) return;
    bb_str_init(&s);
    bb_str_addf(&s, "Found on this disk (%s): %s", m->store, m->path);
    bb_table_foot(t, "%s", "");
    bb_table_foot_wrapped(t, bb_str_c(&s));
    bb_str_clear(&s);
    bb_json_add_text(bb_table_json(t), "store", m->store);
    bb_json_add_text(bb_table_json(t), "path", m->path);
}
