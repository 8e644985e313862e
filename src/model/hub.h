/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hub.h - the cache of the Hugging Face hub: models--ORG--NAME/{refs,snapshots,blobs}; private to model/. */
#ifndef BB_MODEL_HUB_H
#define BB_MODEL_HUB_H
#include "model/stores.h"

/* "models--org--name" as "org/name", escaped; false when the last part of the path is no such folder. */
bool bb_hub_is_repo(const char *path, char *title, size_t size);
/* The same for a path that ends in models--org--name/snapshots/COMMIT. */
bool bb_hub_is_snapshot(const char *path, char *title, size_t size);
/* The folder of a revision into path (BB_PATH_SIZE); NULL is refs/main's, else the newest. note (of bb_place) says when
 * refs/main was no help. BB_E_OPEN when there is none. */
bb_status bb_hub_snapshot(const char *repo, const char *revision, char *path, char *note, size_t note_size,
                          bb_error *err);
/* Files of a snapshot, or of a plain folder that the hub's program fills, whose download has not ended. */
size_t bb_hub_unfinished(const char *folder);
bb_status bb_hub_find(const char *root, const char *text, bool *found, bb_place *place, bb_error *err);
#endif
