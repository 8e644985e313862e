/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ollama.h - models of Ollama: manifests/HOST/NAMESPACE/NAME/TAG and the blobs they name; private to model/. */
#ifndef BB_MODEL_OLLAMA_H
#define BB_MODEL_OLLAMA_H
#include "model/stores.h"

/* "ollama:" in front, or a colon in what could be such a name. */
bool bb_ollama_is_name(const char *text);
/* The model behind a name in one folder of Ollama. */
bb_status bb_ollama_find(const char *root, const char *text, bool *found, bb_place *place, bb_error *err);
/* "8b, 70b": the tags that the name has there, at most eight, escaped; "" without any. */
void bb_ollama_tags(const char *root, const char *text, char *out, size_t size);
/* The model of a manifest that was named by its path; *found is false when the path is none of a manifest. */
bb_status bb_ollama_from_manifest(const char *path, bool *found, bb_place *place, bb_error *err);
#endif
