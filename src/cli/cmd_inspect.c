/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_inspect.c - bitbudget inspect. */
#include "cli/commands.h"
#include "report/report.h"

static bb_status run(cli_call *call, bb_error *err) {
    bb_catalogue *cat = NULL;
    bb_model *model = NULL;
    bb_graph graph = {0};
    bb_status s = bb_catalogue_load(call->args.value[OPT_MODELS], call->args.value[OPT_GPUS], &cat, err);
    if (s == BB_OK) s = bb_model_locate(cat, &call->stores, call->args.words[0], &model, err);
    if (s == BB_OK && model->kind == BB_MODEL_COUNT)
        s = bb_fail(err, BB_E_VALUE,
                    "inspect: a count of parameters has nothing to look into: expected a file, a folder or a name");
    if (s == BB_OK && model->arch && bb_arch_known(model->arch->family)) s = bb_graph_build(model->arch, &graph, err);
    if (s == BB_OK) {
        if (model->arch && !graph.n_nodes)
            cli_warn(&call->out, "%s: the architecture '%s' is not known: shown is what the file says", model->title,
                     model->arch->family);
        if (*model->note) cli_warn(&call->out, "%s: %s", model->title, model->note);
        for (size_t i = 0; model->file && i < model->file->n_warnings; i++)
            cli_warn(&call->out, "%s: %s", model->title, model->file->warnings[i]);
        s = cli_output_table(&call->out,
                             bb_report_inspect(model, graph.n_nodes ? &graph : NULL, call->out.si, call->out.verbose,
                                               call->out.quiet, call->out.form),
                             false, err);
    }
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
