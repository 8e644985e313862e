/* SPDX-License-Identifier: GPL-3.0-or-later */
/* commands.c - the list of subcommands, and help made from it. */
#include "cli/commands.h"
#include "base/escape.h"
#include <string.h>

static const cli_command *const commands[] = {
    &cli_plan_command, &cli_fit,     &cli_types,    &cli_check, &cli_rule,  &cli_bits, &cli_formats, &cli_inspect,
    &cli_audit,        &cli_compare, &cli_quantize, &cli_error, &cli_bench, &cli_data, &cli_doctor,  &cli_tui};

const cli_command *cli_command_at(size_t i) { return i < sizeof commands / sizeof *commands ? commands[i] : NULL; }

static const char *nth(const void *ctx, size_t i) {
    (void)ctx;
    const cli_command *c = cli_command_at(i);
    return c ? c->name : NULL;
}

const cli_command *cli_command_find(const char *name, bb_error *err) {
    const cli_command *c;
    for (size_t i = 0; (c = cli_command_at(i)); i++)
        if (!strcmp(c->name, name)) return c;
    char safe[96], near[160];
    bb_nearest(name, nth, NULL, near, sizeof near);
    bb_fail(err, BB_E_ARG, "unknown command '%s'", bb_escape_buf(name, safe, sizeof safe));
    if (*near)
        bb_hint(err, "did you mean %s?", near);
    else
        bb_hint(err, "bitbudget --help lists the commands");
    return NULL;
}

void cli_short_help(bb_str *out) {
    bb_str_add(out, "usage: bitbudget COMMAND [OPTIONS] ...\n\n");
    const cli_command *c;
    for (size_t i = 0; (c = cli_command_at(i)); i++) {
        size_t start = out->len;
        bb_str_addf(out, "  %s %s", c->name, c->words);
        size_t used = out->len - start;
        if (used < 24) bb_str_addc(out, ' ', 24 - used);
        bb_str_addf(out, "  %s\n", c->summary);
    }
}

void cli_full_help(bb_str *out) {
    bb_str_add(out, "bitbudget plans the memory of language models, shows the bits of numbers, and\n"
                    "measures what quantizing costs.\n\n");
    cli_short_help(out);
    bb_str_add(out, "\nMODEL is a count (7b, 1.5e9), a catalogue name (llama-3.1-8b), demo, or the path\n"
                    "of a GGUF or safetensors file, a config.json or a folder. Sizes need a unit (24GiB).\n"
                    "bitbudget COMMAND --help lists the options of a command.\n\noptions of every command:\n");
    cli_options_help(cli_common_options, out);
    bb_str_add(out, "\nexit: 0 done, 1 the answer is no (--check), 2 usage, 3 input, 4 not supported,\n"
                    "5 output failed, 6 out of memory, 70 a bug.  Manual: man bitbudget\n");
}

void cli_command_help(const cli_command *c, bb_str *out) {
    bb_str_addf(out, "usage: bitbudget %s [OPTIONS] %s\n\n%s\n", c->name, c->words, c->summary);
    if (c->options) {
        bb_str_add(out, "\noptions:\n");
        cli_options_help(c->options, out);
    }
    bb_str_add(out, "\noptions of every command:\n");
    cli_options_help(cli_common_options, out);
    if (c->examples) bb_str_add(out, "\nexamples:\n");
    for (const char *p = c->examples; p && *p;) {
        size_t n = strcspn(p, "\n");
        bb_str_add(out, "  bitbudget ");
        bb_str_addn(out, p, n);
        bb_str_add(out, "\n");
        p += n;
        if (*p) p++;
    }
}
