/* SPDX-License-Identifier: MIT
 *
 * The folder beside an output in which the segments of a long job are kept. What is in it under its
 * own name is whole and on the disk, whatever happens to the machine.
 */
#ifndef MEDIA_VIDEO_PARTS_H
#define MEDIA_VIDEO_PARTS_H

#include "media/job.h"

struct media_parts {
    char *path; /* of the folder */
    int fd;     /* of the folder, locked; -1 when closed */
};

enum { MEDIA_PARTS_NAME_BYTES = 32 };

/* How long the lock of the folder is to keep others out. */
enum media_parts_lock {
    MEDIA_PARTS_SHARED,   /* several processes make different segments */
    MEDIA_PARTS_EXCLUSIVE /* one process plans, joins, or does all of it */
};

/* Opens the folder and locks it; makes it first if `create`. MEDIA_ERROR_INPUT if it is not there,
 * _OUTPUT if it cannot be made or another process has it. Close it in any case. */
enum media_status media_parts_open(struct media_parts *parts, const char *path, bool create,
                                   enum media_parts_lock lock, struct media_error *error);

/* Harmless when closed or zeroed. */
void media_parts_close(struct media_parts *parts);

/* "000012.json", "000012.nut" */
void media_parts_segment_name(char name[MEDIA_PARTS_NAME_BYTES], uint64_t number,
                              const char *extension);

/* Path of a file in the folder. Malloc'd or NULL. */
char *media_parts_file(const struct media_parts *parts, const char *name);

bool media_parts_has(const struct media_parts *parts, const char *name);

/* Writes a file that appears whole, and returns when it is on the disk. */
enum media_status media_parts_write(const struct media_parts *parts, const char *name,
                                    const char *text, struct media_error *error);

/* *text: malloc'd, ended by a zero; NULL if there is no such file. */
enum media_status media_parts_read(const struct media_parts *parts, const char *name, char **text,
                                   struct media_error *error);

/* After a rename in the folder: until the names are on the disk. */
enum media_status media_parts_sync(const struct media_parts *parts, struct media_error *error);

/* Removes files that a killed process has left half-written. */
void media_parts_delete_temporaries(const struct media_parts *parts);

/* Removes all of the program's files in it. */
void media_parts_clear(const struct media_parts *parts);

/* Does the folder hold a job? */
bool media_parts_has_job(const char *path);

/* Removes all of the program's files in the folder, and the folder if nothing else is in it. */
void media_parts_remove(const char *path);

#endif
