/* SPDX-License-Identifier: MIT */
#include "media/output_pending.h"

#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "media/output.h"

/* A fixed table, as a signal handler may neither lock nor allocate. A slot owns its copy of the
 * path. A removed copy is freed only by the thread that took it out of the table, so the handler
 * can at worst unlink a name that is gone. */
enum { MAX_OUTPUTS_IN_PROGRESS = 256 };
static _Atomic(char *) in_progress[MAX_OUTPUTS_IN_PROGRESS];
/* Set by the handler: from then on no path is freed, since it may be reading it. */
static atomic_bool unlinking;

bool media_pending_add(char *path)
{
    for (size_t i = 0; i < MAX_OUTPUTS_IN_PROGRESS; i++) {
        char *empty = NULL;
        if (atomic_compare_exchange_strong(&in_progress[i], &empty, path))
            return true;
    }
    return false;
}

void media_pending_release(char *path)
{
    for (size_t i = 0; i < MAX_OUTPUTS_IN_PROGRESS; i++) {
        char *known = atomic_load(&in_progress[i]);
        if (known == path)
            atomic_compare_exchange_strong(&in_progress[i], &known, NULL);
    }
    if (!atomic_load(&unlinking))
        free(path);
}

/* "PATH/NUMBER" in `text`, without printf(), which a signal handler may not call. */
static void put_number(char *text, uint64_t number)
{
    char digits[24];
    size_t length = 0;
    do
        digits[length++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (length > 0)
        *text++ = digits[--length];
    *text = '\0';
}

void media_pending_remove(const char *path)
{
    enum { ROOM_FOR_NUMBER = 32 };
    if (unlink(path) == 0)
        return;
    char file[PATH_MAX + ROOM_FOR_NUMBER];
    size_t length = strlen(path);
    if (length >= PATH_MAX)
        return;
    memcpy(file, path, length);
    file[length] = '/';
    uint64_t number = 1;
    do
        put_number(file + length + 1, number++);
    while (unlink(file) == 0);
    rmdir(path);
}

void media_output_unlink_all(void)
{
    atomic_store(&unlinking, true);
    for (size_t i = 0; i < MAX_OUTPUTS_IN_PROGRESS; i++) {
        char *path = atomic_load(&in_progress[i]);
        if (path)
            media_pending_remove(path);
    }
}
