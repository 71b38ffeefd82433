/* SPDX-License-Identifier: MIT
 *
 * What a job's process can still do: each attempt in a child that has been shut in.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/sandbox.h"
#include "server/sandbox_landlock.h"
#include "server/sandbox_seccomp.h"
#include "tests/unit/check.h"

static char folder[] = "/tmp/pipersr-sandbox-XXXXXX";
static char input[64], work[64], inside[96], secret[64];

/* 0: it worked; else errno. */
static int try_open(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int read_input(void)
{
    return try_open(input, O_RDONLY);
}

static int write_input(void)
{
    return try_open(input, O_WRONLY);
}

static int write_work(void)
{
    return try_open(inside, O_RDWR | O_CREAT);
}

static int read_secret(void)
{
    return try_open(secret, O_RDONLY);
}

static int read_passwd(void)
{
    return try_open("/etc/passwd", O_RDONLY);
}

static int list_root(void)
{
    return try_open("/", O_RDONLY | O_DIRECTORY);
}

static int read_by_link(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/link", work);
    return symlink(secret, path) != 0 ? errno : try_open(path, O_RDONLY);
}

static int open_socket(int family, int type)
{
    const int fd = socket(family, type, 0);
    return fd < 0 ? errno : 0;
}

static int open_tcp(void)
{
    return open_socket(AF_INET, SOCK_STREAM);
}

static int open_udp(void)
{
    return open_socket(AF_INET6, SOCK_DGRAM);
}

static int open_local(void)
{
    return open_socket(AF_UNIX, SOCK_STREAM);
}

static int start_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return errno;
}

static int start_process(void)
{
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static int signal_parent(void)
{
    return kill(getppid(), 0) == 0 ? 0 : errno;
}

static int trace_parent(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 ? 0 : errno;
}

static void *no_work(void *opaque)
{
    return opaque;
}

static int start_thread(void)
{
    pthread_t thread;
    const int reason = pthread_create(&thread, NULL, no_work, NULL);
    return reason ? reason : pthread_join(thread, NULL);
}

static int take_much_memory(void)
{
    char *memory = malloc(512u << 20);
    if (!memory)
        return ENOMEM;
    memset(memory, 1, 512u << 20);
    return memory[1] == 1 ? 0 : EIO;
}

static int write_large_file(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const int fd = open(inside, O_RDWR | O_CREAT, 0600);
    return ftruncate(fd, 2 << 20) == 0 ? 0 : errno;
}

/* Runs it in a process that has been shut in; its result, or -1 if that did not come. */
static int shut_in(int (*attempt)(void))
{
    const pid_t pid = fork();
    if (pid == 0) {
        const struct server_sandbox sandbox = {.input_path = input,
                                               .work_path = work,
                                               .memory_bytes = 256u << 20,
                                               .file_bytes = 1 << 20,
                                               .cpu_s = 60};
        _exit(server_sandbox_enter(&sandbox) ? attempt() : 255);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static void make_file(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1, "%s can be made", path);
    close(fd);
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL, "a folder");
    snprintf(input, sizeof input, "%s/input", folder);
    snprintf(secret, sizeof secret, "%s/secret", folder);
    snprintf(work, sizeof work, "%s/work", folder);
    snprintf(inside, sizeof inside, "%s/inside", work);
    make_file(input);
    make_file(secret);
    CHECK(mkdir(work, 0700) == 0, "a work folder");

    CHECK(shut_in(read_input) == 0, "the input may be read");
    CHECK(shut_in(write_work) == 0, "the work folder may be written");
    CHECK(shut_in(start_thread) == 0, "threads may be started");
    CHECK(shut_in(take_much_memory) == ENOMEM, "memory has its limit");
    CHECK(shut_in(write_large_file) == EFBIG, "files have their limit");
    if (server_landlock_version() > 0) {
        CHECK(shut_in(write_input) == EACCES, "the input may not be written");
        CHECK(shut_in(read_secret) == EACCES, "a neighbour may not be read");
        CHECK(shut_in(read_passwd) == EACCES, "/etc/passwd may not be read");
        CHECK(shut_in(list_root) == EACCES, "folders may not be listed");
    }
    if (server_seccomp_exists()) {
        CHECK(shut_in(read_by_link) == EPERM, "links may not be made");
        CHECK(shut_in(open_tcp) == EPERM, "no TCP");
        CHECK(shut_in(open_udp) == EPERM, "no UDP");
        CHECK(shut_in(open_local) == EPERM, "no local sockets");
        CHECK(shut_in(start_program) == EPERM, "no other program");
        CHECK(shut_in(start_process) == EPERM, "no other process");
        CHECK(shut_in(signal_parent) == EPERM, "no signals to others");
        CHECK(shut_in(trace_parent) == EPERM, "no looking into others");
    }
    unlink(input);
    unlink(secret);
    unlink(inside);
    rmdir(work);
    rmdir(folder);
    return check_result();
}
