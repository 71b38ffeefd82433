/* SPDX-License-Identifier: MIT */
#include "server/sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* By the kernel's documentation of its interface; the C library's headers may be older than the
 * kernel that the program runs on. */
enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_ALL_OF_VERSION_1 = (1 << 13) - 1,
    FS_REFER = 1 << 13,     /* version 2 */
    FS_TRUNCATE = 1 << 14,  /* version 3 */
    FS_IOCTL_DEV = 1 << 15, /* version 5 */
    NET_BIND_TCP = 1 << 0,  /* version 4 */
    NET_CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, /* version 6 */
    SCOPE_SIGNAL = 1 << 1,
    OF_A_FILE = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV
};

struct ruleset {
    uint64_t fs, net, scoped;
};

/* Libraries find plug-ins and tables of theirs here. None of it is anybody's secret. */
static const char *const libraries[] = {"/usr/lib", "/usr/lib64",      "/usr/local/lib",  "/lib",
                                        "/lib64",   "/usr/share/mime", "/etc/ld.so.cache"};

int server_landlock_version(void)
{
    const long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

static struct ruleset ruleset_of(int version)
{
    struct ruleset ruleset = {.fs = FS_ALL_OF_VERSION_1};
    if (version >= 2)
        ruleset.fs |= FS_REFER;
    if (version >= 3)
        ruleset.fs |= FS_TRUNCATE;
    if (version >= 4)
        ruleset.net = NET_BIND_TCP | NET_CONNECT_TCP;
    if (version >= 5)
        ruleset.fs |= FS_IOCTL_DEV;
    if (version >= 6)
        ruleset.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    return ruleset;
}

/* Older kernels know a shorter structure and refuse a longer one unless its rest is zero. */
static size_t ruleset_size(int version)
{
    if (version >= 6)
        return sizeof(struct ruleset);
    return version >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
}

static bool allow(int ruleset_fd, const char *path, uint64_t access)
{
    const int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat about;
    if (fd < 0)
        return false;
    if (fstat(fd, &about) == 0 && !S_ISDIR(about.st_mode))
        access &= OF_A_FILE;
    const struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    const bool allowed =
        syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    close(fd);
    return allowed;
}

bool server_landlock_enter(const char *input_path, const char *work_path)
{
    const int version = server_landlock_version();
    if (version == 0)
        return true;
    const struct ruleset ruleset = ruleset_of(version);
    const int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, ruleset_size(version), 0);
    if (fd < 0)
        return false;
    const uint64_t reading = FS_READ_FILE | FS_READ_DIR;
    bool done = allow(fd, input_path, FS_READ_FILE) &&
                allow(fd, work_path, ruleset.fs & ~(uint64_t)FS_EXECUTE);
    for (size_t i = 0; done && i < sizeof libraries / sizeof *libraries; i++)
        if (access(libraries[i], F_OK) == 0)
            done = allow(fd, libraries[i], reading);
    done = done && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
    close(fd);
    return done;
}
