/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_dispatch.c - which kernels ran how often, in the JSON of a table. */
#include "report/report.h"
#include <stdio.h>

void bb_report_dispatch(bb_table *t, const bb_dispatch *dispatch) {
    bb_json *ran = bb_json_add_object(bb_table_json(t), "dispatch");
    char name[64];
    for (size_t i = 0; i < bb_kernel_count(); i++) {
        const bb_kernel *k = bb_kernel_at(i);
        if (!dispatch->calls[i]) continue;
        (void)snprintf(name, sizeof name, "%s %s", k->family->name, bb_level_name(k->level));
        bb_json_add_u64(ran, name, dispatch->calls[i]);
    }
}
