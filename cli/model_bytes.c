/* SPDX-License-Identifier: MIT */
#include "cli/model_bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/exit_status.h"
#include "cli/message.h"

/* As the library has it: no model is larger. */
enum { MAX_FILE_BYTES = 256 * 1024 * 1024 };

static int fail_read(const char *path, int reason)
{
    cli_error("%s: the model file cannot be read: %s", path, strerror(reason ? reason : EIO));
    return CLI_EXIT_INPUT;
}

static int read_stream(FILE *stream, const char *path, struct cli_model_bytes *model)
{
    struct stat about;
    if (fstat(fileno(stream), &about))
        return fail_read(path, errno);
    if (!S_ISREG(about.st_mode))
        return fail_read(path, S_ISDIR(about.st_mode) ? EISDIR : EINVAL);
    if (about.st_size > MAX_FILE_BYTES)
        return fail_read(path, EFBIG);
    model->size = (size_t)about.st_size;
    model->data = model->owned = malloc(model->size ? model->size : 1);
    if (!model->owned) {
        cli_error("%s: out of memory", path);
        return CLI_EXIT_MEMORY;
    }
    errno = 0;
    if (fread(model->owned, 1, model->size, stream) != model->size)
        return fail_read(path, errno);
    return CLI_EXIT_OK;
}

int cli_model_bytes_load(const struct cli_model_choice *choice, struct cli_model_bytes *model)
{
    *model = (struct cli_model_bytes){0};
    if (choice->built_in) {
        model->data = choice->built_in->data;
        model->size = choice->built_in->size_bytes;
        return CLI_EXIT_OK;
    }
    FILE *stream = fopen(choice->path, "rb");
    if (!stream)
        return fail_read(choice->path, errno);
    const int status = read_stream(stream, choice->path, model);
    fclose(stream);
    return status;
}

void cli_model_bytes_free(struct cli_model_bytes *model)
{
    free(model->owned);
    *model = (struct cli_model_bytes){0};
}

int cli_model_bytes_save(const void *data, size_t size, struct media_output *output)
{
    struct media_error error = {""};
    FILE *stream = fopen(output->temporary_path, "wb");
    int reason = stream ? 0 : errno;
    if (stream && fwrite(data, 1, size, stream) != size)
        reason = errno ? errno : EIO;
    if (stream && fclose(stream) && !reason)
        reason = errno ? errno : EIO;
    if (reason) {
        cli_error("%s: cannot be written: %s", output->target_path, strerror(reason));
        media_output_abort(output);
        return CLI_EXIT_OUTPUT;
    }
    const enum media_status status = media_output_commit(output, &error);
    if (status != MEDIA_OK)
        cli_error("%s", error.message);
    return cli_exit_of_media(status);
}
