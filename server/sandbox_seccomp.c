/* SPDX-License-Identifier: MIT */
#include "server/sandbox_seccomp.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

/* By name, as each architecture has its own numbers and lacks some. */
static const char *const allowed[] = {
    /* bytes and files; Landlock and the modes of files say which */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
    "pwritev2", "lseek", "_llseek", "close", "close_range", "open", "openat", "openat2", "creat",
    "stat", "lstat", "fstat", "stat64", "lstat64", "fstat64", "fstatat64", "newfstatat", "statx",
    "statfs", "fstatfs", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents",
    "getdents64", "getcwd", "dup", "dup2", "dup3", "fcntl", "fcntl64", "flock", "ftruncate",
    "truncate", "fallocate", "fadvise64", "fsync", "fdatasync", "sync_file_range",
    "copy_file_range", "sendfile", "sendfile64", "rename", "renameat", "renameat2", "link",
    "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "chmod", "fchmod", "fchmodat",
    "umask", "utimensat", "pipe", "pipe2", "eventfd2", "memfd_create",
    /* waiting */
    "poll", "ppoll", "select", "_newselect", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait",
    "epoll_pwait", "nanosleep", "clock_nanosleep", "restart_syscall",
    /* memory */
    "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "brk", "msync", "mincore", "mlock",
    "munlock", "membarrier", "get_mempolicy", "set_mempolicy", "mbind",
    /* threads, signals, the process itself */
    "clone", "futex", "futex_time64", "futex_waitv", "set_robust_list", "get_robust_list", "rseq",
    "set_tid_address", "gettid", "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid",
    "exit", "exit_group", "tgkill", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
    "rt_sigpending", "rt_sigtimedwait", "sigaltstack", "sched_yield", "sched_getaffinity",
    "sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_setscheduler",
    "sched_get_priority_max", "sched_get_priority_min", "getpriority", "setpriority", "getrlimit",
    "ugetrlimit", "getrusage", "times", "getcpu", "arch_prctl", "setitimer", "getitimer",
    /* facts */
    "clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday", "time", "getrandom",
    "sysinfo", "uname"};

static bool add_names(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        const int number = seccomp_syscall_resolve_name(allowed[i]);
        if (number == __NR_SCMP_ERROR || number < 0)
            continue;
        const bool is_clone = number == SCMP_SYS(clone);
        if (is_clone
                ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
                                   SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) != 0
                : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) != 0)
            return false;
    }
    return true;
}

/* Those of which only a part is allowed. */
static bool add_parts(scmp_filter_ctx filter)
{
    /* Its flags lie in memory, where a filter cannot look: the C library then takes clone(). */
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
           /* Questions about its own limits, not others', and no changes. */
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                            SCMP_A0(SCMP_CMP_EQ, 0, 0), SCMP_A2(SCMP_CMP_EQ, 0, 0)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                            SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                            SCMP_A1(SCMP_CMP_EQ, FIONREAD, 0)) == 0;
}

bool server_seccomp_exists(void)
{
    return prctl(PR_GET_SECCOMP) >= 0;
}

bool server_seccomp_enter(void)
{
    if (!server_seccomp_exists())
        return true;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return false;
    const bool done = add_names(filter) && add_parts(filter) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return done;
}
