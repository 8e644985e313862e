/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink_parts.h - what outputs of one file, of a folder and in parts share: target, temporary, space, syncing. */
#ifndef BB_BASE_SINK_PARTS_H
#define BB_BASE_SINK_PARTS_H
#include "base/sink.h"
#include <sys/types.h>

/* The sentence of errno. */
bb_status bb_write_failed(const char *shown, bb_error *err);
bb_status bb_exists_failed(const char *shown, bb_error *err);

/* bb_sink_open with another path in its sentences. */
bb_status bb_sink_open_as(const char *path, const char *shown, uint64_t size, bool force, bb_sink **sink,
                          bb_error *err);
/* Where an output goes, through symbolic links to what stands there, and in *mode the permissions of that, 0 when
 * nothing does. Only a folder when that is wanted, else only a regular file; BB_E_EXISTS unless force. */
bb_status bb_output_target(const char *path, const char *shown, bool folder, bool force, char **target, mode_t *mode,
                           bb_error *err);
enum { BB_HIDDEN_NAME = 200 }; /* bytes of NAME that names of our own show, of NAME_MAX 255 */
/* ".NAME.XXXXXX" beside the target, created for us alone and in the emergency list: a file open in *fd, or a folder
 * (fd NULL). */
bb_status bb_temporary_make(const char *target, const char *shown, mode_t mode, char **path, int *slot, int *fd,
                            bb_error *err);
/* Reserves bytes of an open file, which then has at least so many, so that a full disk shows before the work. Other
 * processes may write to the file meanwhile. */
bb_status bb_space_reserve(int fd, const char *shown, uint64_t size, bb_error *err);
/* Whether that many bytes are free where `folder` is. */
bb_status bb_space_check(const char *folder, const char *shown, uint64_t size, bb_error *err);
bb_status bb_write_all(int fd, const char *shown, uint64_t offset, const void *data, size_t n, bb_error *err);
bb_status bb_sync_file(int fd, const char *shown, bb_error *err);
char *bb_parent_of(const char *path); /* NULL when memory ended */
/* A new name itself must outlast a power cut too. The file is whole by then: a folder that cannot be synced (some
 * network file systems) is no failure. */
void bb_sync_parent(const char *path);

/* The list of what a signal handler removes: the slot, or -1 when it is full. A folder goes with the files in it. */
int bb_emergency_add(const char *path, bool folder);
void bb_emergency_drop(int slot);
/* Unlinks what is in the folder and removes it; follows no link, enters no folder. For signal handlers too. False when
 * something stays. */
bool bb_flat_folder_remove(const char *path);
#endif
