/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_inspect.c - bitbudget inspect. */
#include "cli/commands.h"
#include "report/report.h"
#include <stdlib.h>
#include <string.h>

/* What the architecture has, and how the file differs from it. */
static bb_status look(const bb_model *m, const bb_graph *g, bb_stored_list *stored, bb_difference **list,
                      bb_inspection *in, bb_error *err) {
    const bb_file *file = m->file ? m->file : m->listed;
    bb_error why = {0};
    bb_status s = bb_graph_parameters(g, &in->parameters, &in->active);
    if (s != BB_OK) return bb_fail(err, s, "the parameters of %s pass 2^64", m->title);
    /* without a type: the shapes alone */
    in->typed = *m->arch->dtype || m->quant.method != BB_QUANT_NONE;
    bool gguf = m->file && strcmp(bb_file_format(m->file), "gguf") == 0;
    if (!bb_quantization_known(&m->quant)) return BB_OK; /* how it is stored is not known */
    if (!gguf) {
        s = bb_stored_hf(g, &m->quant, m->arch->dtype, stored, &why);
        if (s == BB_E_LIMIT || s == BB_E_UNSUPPORTED) return BB_OK; /* counted, not listed */
        if (s != BB_OK) return bb_fail(err, s, "%s: %s", m->title, why.text);
        in->stored = stored;
    }
    if (!file) return BB_OK;
    s = bb_graph_differences(g, stored, file, list, &in->n_differences, &why);
    in->differences = *list;
    in->compared = s == BB_OK;
    if (s == BB_E_NOMEM) *err = why;
    return s == BB_E_NOMEM ? s : BB_OK;
}

static bb_status run(cli_call *call, bb_error *err) {
    bb_catalogue *cat = NULL;
    bb_model *model = NULL;
    bb_graph graph = {0};
    bb_stored_list stored = {0};
    bb_difference *differences = NULL;
    bb_inspection in = {.si = call->out.si, .verbose = call->out.verbose, .quiet = call->out.quiet};
    bb_status s = bb_catalogue_load(call->args.value[OPT_MODELS], call->args.value[OPT_GPUS], &cat, err);
    if (s == BB_OK) s = bb_model_locate(cat, &call->stores, call->args.words[0], &model, err);
    if (s == BB_OK && model->kind == BB_MODEL_COUNT)
        s = bb_fail(err, BB_E_VALUE,
                    "inspect: a count of parameters has nothing to look into: expected a file, a folder or a name");
    in.model = model;
    bool known = s == BB_OK && model->arch && bb_arch_known(model->arch->family);
    if (known) s = bb_graph_build(model->arch, &graph, err);
    if (known && s == BB_OK) s = look(model, &graph, &stored, &differences, &in, err);
    if (s == BB_OK) {
        if (*model->note) cli_warn(&call->out, "%s: %s", model->title, model->note);
        if (model->arch && !known)
            cli_warn(&call->out, "%s: the architecture '%s' is not known: shown is what the file says", model->title,
                     model->arch->family);
        for (size_t i = 0; model->file && i < model->file->n_warnings; i++)
            cli_warn(&call->out, "%s: %s", model->title, model->file->warnings[i]);
        s = cli_output_table(&call->out, bb_report_inspect(&in, call->out.form), false, err);
    }
    free(differences);
    bb_stored_clear(&stored);
    bb_graph_clear(&graph);
    bb_model_free(model);
    bb_catalogue_free(cat);
    return s;
}

const cli_command cli_inspect = {
    .name = "inspect",
    .words = "FILE",
    .summary = "what a model file holds: tensors, types, metadata",
    .min_words = 1,
    .max_words = 1,
    .examples = "inspect demo\ninspect model.gguf --json\ninspect model.safetensors -q\n",
    .run = run,
};
