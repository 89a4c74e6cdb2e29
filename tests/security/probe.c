/* Asks the kernel for things and prints what it answers: `WORD ERRNO`, 0 where it did as asked.
 * Linked statically, so that it runs in any root file system. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct question { const char *word; long number; unsigned long arguments[3]; };

static const struct question questions[] = {
    {"mount", SYS_mount, {0, 0, 0}}, {"umount2", SYS_umount2, {0, 0, 0}},
    {"pivot_root", SYS_pivot_root, {0, 0, 0}}, {"chroot", SYS_chroot, {0, 0, 0}},
    {"open_tree", 428, {0, 0, 0}}, {"move_mount", 429, {0, 0, 0}}, {"fsopen", 430, {0, 0, 0}},
    {"fsmount", 432, {0, 0, 0}}, {"mount_setattr", 442, {0, 0, 0}},
    {"unshare", SYS_unshare, {CLONE_NEWUSER, 0, 0}}, {"setns", SYS_setns, {0, 0, 0}},
    {"clone3", 435, {0, 0, 0}}, {"bpf", SYS_bpf, {0, 0, 0}},
    {"keyctl", SYS_keyctl, {0, -3ul, 0}}, {"add_key", SYS_add_key, {0, 0, 0}},
    {"request_key", SYS_request_key, {0, 0, 0}},
    {"perf_event_open", SYS_perf_event_open, {0, 0, 0}},
    {"userfaultfd", SYS_userfaultfd, {1, 0, 0}}, {"io_uring_setup", 425, {1, 0, 0}},
    {"kexec_load", SYS_kexec_load, {0, 0, 0}}, {"init_module", SYS_init_module, {0, 0, 0}},
    {"finit_module", SYS_finit_module, {-1ul, 0, 0}}, {"reboot", SYS_reboot, {0, 0, 0}},
    {"swapon", SYS_swapon, {0, 0, 0}}, {"quotactl", SYS_quotactl, {0, 0, 0}},
    {"acct", SYS_acct, {0, 0, 0}}, {"settimeofday", SYS_settimeofday, {0, 0, 0}},
    {"clock_settime", SYS_clock_settime, {0, 0, 0}}, {"kcmp", SYS_kcmp, {1, 1, 0}},
    {"open_by_handle_at", SYS_open_by_handle_at, {0, 0, 0}}, {"syslog", SYS_syslog, {3, 0, 0}},
    {"ptrace", SYS_ptrace, {0, 0, 0}}, {"newer", 999, {0, 0, 0}},
    {"x32", 0x40000000 + 39, {0, 0, 0}}, {"personality", SYS_personality, {0x0400000, 0, 0}},
    {"af_vsock", SYS_socket, {40, SOCK_STREAM, 0}}, {"af_alg", SYS_socket, {38, SOCK_SEQPACKET, 0}},
    {"af_netlink", SYS_socket, {16, SOCK_RAW, 0}}, {"af_unix", SYS_socket, {1, SOCK_STREAM, 0}},
    {"tiocsti", SYS_ioctl, {0, 0x5412, (unsigned long)"x"}},
    {"tiocsti_high", SYS_ioctl, {0, 0x100005412ul, (unsigned long)"x"}},
    {"tioclinux", SYS_ioctl, {0, 0x541c, (unsigned long)"\3"}},
    {"sethostname", SYS_sethostname, {(unsigned long)"changed", 7, 0}},
};

static int ask(const struct question *it) {
    long result = syscall(it->number, it->arguments[0], it->arguments[1], it->arguments[2], 0, 0, 0);
    return result < 0 ? errno : 0;
}

/* clone(2) with a new user namespace, past the C library. */
static int clone_user(void) {
    long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    return child < 0 ? errno : 0;
}

/* getpid(2) by the 32-bit entry, in a child that may die of it. */
static int old_entry(void) {
#ifdef __x86_64__
    pid_t child = fork();
    if (child == 0) {
        int result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
        _exit(result > 0 ? 0 : -result);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
#else
    return ENOSYS;
#endif
}

int main(int count, char **words) {
    for (int n = 1; n < count; n++) {
        int answer = -1;
        for (size_t q = 0; q < sizeof questions / sizeof *questions; q++)
            if (!strcmp(words[n], questions[q].word)) answer = ask(&questions[q]);
        if (!strcmp(words[n], "clone_user")) answer = clone_user();
        if (!strcmp(words[n], "int80")) answer = old_entry();
        printf("%s %d\n", words[n], answer);
    }
    return 0;
}
