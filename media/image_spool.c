/* SPDX-License-Identifier: MIT */
#include "media/image_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IN_MEMORY_BYTES = 1 << 20 };

static int nameless_file(void)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || !folder[0])
        folder = "/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char *path = g_strconcat(folder, "/pipersr-XXXXXX", NULL);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    g_free(path);
    return fd;
}

static int read_exactly(int fd, void *data, size_t size, guint64 offset)
{
    char *at = data;
    while (size > 0) {
        ssize_t n = pread(fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            vips_error_system(n < 0 ? errno : EIO, "spool", "cannot read the temporary file");
            return -1;
        }
        at += n;
        offset += (guint64)n;
        size -= (size_t)n;
    }
    return 0;
}

static int generate(VipsRegion *region, void *sequence, void *a, void *b, gboolean *stop)
{
    const int *fd = a;
    const VipsRect *area = &region->valid;
    guint64 line_bytes = VIPS_IMAGE_SIZEOF_LINE(region->im);
    guint64 pixel_bytes = VIPS_IMAGE_SIZEOF_PEL(region->im);
    (void)sequence;
    (void)b;
    (void)stop;
    for (int y = area->top; y < VIPS_RECT_BOTTOM(area); y++) {
        guint64 offset = (guint64)y * line_bytes + (guint64)area->left * pixel_bytes;
        if (read_exactly(*fd, VIPS_REGION_ADDR(region, area->left, y),
                         (size_t)area->width * pixel_bytes, offset))
            return -1;
    }
    return 0;
}

static void close_file(void *data)
{
    int *fd = data;
    close(*fd);
    g_free(fd);
}

static int spool_to_file(VipsImage *in, VipsImage **out)
{
    int *fd = g_new(int, 1);
    *fd = nameless_file();
    if (*fd < 0) {
        vips_error_system(errno, "spool", "cannot create a temporary file");
        g_free(fd);
        return -1;
    }
    VipsImage *image = vips_image_new();
    g_object_set_data_full(G_OBJECT(image), "pipersr-spool", fd, close_file);
    if (vips_rawsave_fd(in, *fd, NULL) ||
        vips_image_pipelinev(image, VIPS_DEMAND_STYLE_ANY, in, NULL) ||
        vips_image_generate(image, NULL, generate, NULL, fd, NULL)) {
        g_object_unref(image);
        return -1;
    }
    *out = image;
    return 0;
}

int media_image_spool(VipsImage *in, VipsImage **out)
{
    if (VIPS_IMAGE_SIZEOF_IMAGE(in) > IN_MEMORY_BYTES)
        return spool_to_file(in, out);
    *out = vips_image_copy_memory(in);
    return *out ? 0 : -1;
}
