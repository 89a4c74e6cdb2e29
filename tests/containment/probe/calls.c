/* Kernel surface: system calls that a sandboxed program has no use for, asked so that nothing
 * happens if they are let through. What is refused, is so before the kernel looks at arguments. */
#include "probe.h"

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct call { const char *name; long number; unsigned long arguments[4]; };

#define CALL(name, ...) {#name, SYS_##name, {__VA_ARGS__}}
#define BAD (-1ul)

static const struct call table[] = {
    CALL(acct, BAD), CALL(add_key), CALL(adjtimex), CALL(bpf, 99), CALL(chroot),
    CALL(clock_adjtime, 0), CALL(clock_settime), CALL(delete_module),
    CALL(fanotify_init, BAD), CALL(fanotify_mark, BAD), CALL(finit_module, BAD),
    CALL(get_mempolicy, 0, 0, 0, 0), CALL(init_module), CALL(kcmp, 1, 1, 99),
    CALL(kexec_load, 0, 99), CALL(keyctl, 0, -3ul), CALL(lookup_dcookie), CALL(mbind, 0, 0, 99),
    CALL(migrate_pages, 0, BAD), CALL(mount), CALL(move_pages, 0, 0), CALL(name_to_handle_at, BAD),
    CALL(nfsservctl), CALL(open_by_handle_at, BAD), CALL(perf_event_open), CALL(pivot_root),
    CALL(process_vm_readv), CALL(process_vm_writev), CALL(ptrace, 99), CALL(quotactl, BAD),
    CALL(reboot), CALL(request_key), CALL(set_mempolicy, 99), CALL(setdomainname, 0, BAD),
    CALL(sethostname, 0, BAD), CALL(setns, BAD), CALL(settimeofday), CALL(swapoff), CALL(swapon),
    CALL(syslog, 10), CALL(umount2), CALL(unshare, CLONE_NEWUSER), CALL(userfaultfd, BAD),
#ifdef __x86_64__
    CALL(_sysctl), CALL(afs_syscall), CALL(create_module),
    CALL(get_kernel_syms), CALL(getpmsg), CALL(ioperm, 0, BAD), CALL(iopl, 99),
    CALL(kexec_file_load, BAD), CALL(modify_ldt, 99), CALL(putpmsg), CALL(query_module),
    CALL(security), CALL(sysfs, 99), CALL(tuxcall), CALL(uselib), CALL(ustat, BAD), CALL(vserver),
    CALL(epoll_ctl_old), CALL(epoll_wait_old),
#endif
    {"io_uring_setup", 425, {1}}, {"io_uring_enter", 426, {BAD}},
    {"io_uring_register", 427, {BAD}}, {"open_tree", 428, {BAD, 0}}, {"move_mount", 429, {BAD}},
    {"fsopen", 430, {0}}, {"fsconfig", 431, {BAD}}, {"fsmount", 432, {BAD}}, {"fspick", 433, {BAD}},
    {"pidfd_getfd", 438, {BAD}}, {"process_madvise", 440, {BAD}}, {"mount_setattr", 442, {BAD}},
    {"quotactl_fd", 443, {BAD}}, {"memfd_secret", 447, {BAD}}, {"process_mrelease", 448, {BAD}},
    {"set_mempolicy_home_node", 450, {0}}, {"cachestat", 451, {BAD}},
    {"map_shadow_stack", 453, {0, 0, BAD}}, {"statmount", 457, {0}}, {"listmount", 458, {0}},
    {"lsm_get_self_attr", 459, {0}}, {"lsm_set_self_attr", 460, {0}}, {"lsm_list_modules", 461, {0}},
    {"open_tree_attr", 467, {BAD}}, {"file_setattr", 469, {BAD}},
    {"terminal_output_off", SYS_ioctl, {BAD, 0x540a, 0}},
    {"terminal_input_off", SYS_ioctl, {BAD, 0x540a, 2}},
    {"terminal_exclusive", SYS_ioctl, {BAD, 0x540c}}, {"lease", SYS_fcntl, {BAD, 1024, 0}},
    {"io_setup", SYS_io_setup, {0, BAD}},
    {"personality_address", SYS_personality, {0x0040000}},
    {"personality_read_implies_exec", SYS_personality, {0x0400000}},
    {"personality_mmap_zero", SYS_personality, {0x0100000}},
    {"syslog_read", SYS_syslog, {3}}, {"syslog_clear", SYS_syslog, {5, 0, BAD}},
};

static enum verdict call(const void *about) {
    const struct call *it = about;
    const unsigned long *a = it->arguments;
    return refused(syscall(it->number, a[0], a[1], a[2], a[3], 0, 0));
}

/* Whether the signal that ties a process to its parent becomes another one than SIGKILL, or none. */
static enum verdict untied(const void *about) {
    int now = -1, asked = *(const int *)about;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_PDEATHSIG, asked);
    prctl(PR_GET_PDEATHSIG, &now);
    return fails(now == SIGKILL ? -1 : 0);
}

/* What nobody knows is not there, so that a C library tries the older way. */
static const struct call unknown[] = {
    {"unknown_number", 600, {0}}, {"far_number", 999, {0}}, {"highest_number", 0x3fffffff, {0}},
    {"negative_number", -2, {0}},
};

static enum verdict missing(const void *about) {
    long result = syscall(((const struct call *)about)->number, 0, 0, 0, 0, 0, 0);
    say("%s", result >= 0 ? "it was let do it" : strerror(errno));
    return result < 0 && errno == ENOSYS ? OK : OPEN;
}

/* As the C library sees a filter: the x32 numbers are those of another architecture. */
#ifdef __x86_64__
static const struct call x32[] = {
    {"x32_getpid", 39, {0}}, {"x32_mount", SYS_mount, {0}}, {"x32_keyctl", SYS_keyctl, {0, -3ul}},
    {"x32_unshare", SYS_unshare, {CLONE_NEWUSER}}, {"x32_socket", SYS_socket, {40, SOCK_STREAM, 0}},
    {"x32_ptrace", 521, {99}}, {"x32_process_vm_readv", 539, {0}},
};

static enum verdict by_x32(const void *about) {
    const struct call *it = about;
    const unsigned long *a = it->arguments;
    return refused(syscall(0x40000000 + it->number, a[0], a[1], a[2], a[3], 0, 0));
}

/* Numbers of the 32-bit entry. */
static const struct call old[] = {
    {"int80_getpid", 20, {0}},      {"int80_mount", 21, {0}},      {"int80_ptrace", 26, {99}},
    {"int80_keyctl", 288, {0, 0}},  {"int80_unshare", 310, {CLONE_NEWUSER}},
    {"int80_socketcall", 102, {0}}, {"int80_socket_alg", 359, {38, SOCK_SEQPACKET, 0}},
    {"int80_socket_vsock", 359, {40, SOCK_STREAM, 0}}, {"int80_perf_event_open", 336, {0}},
    {"int80_bpf", 357, {99}},       {"int80_clone3", 435, {0}},    {"int80_vm86", 166, {99}},
    {"int80_iopl", 110, {99}},      {"int80_personality", 136, {0x0400000}},
};

static enum verdict by_int80(const void *about) {
    const struct call *it = about;
    int result;
    __asm__ volatile("int $0x80" : "=a"(result)
                     : "a"((int)it->number), "b"((int)it->arguments[0]), "c"((int)it->arguments[1]),
                       "d"(0), "S"(0), "D"(0)
                     : "memory", "r8", "r9", "r10", "r11");
    errno = -result;
    return refused(result < 0 && result > -4096 ? -1 : result);
}
#endif

struct family { const char *name; int family, kind, protocol; };

static const struct family families[] = {
    {"af_alg", 38, SOCK_SEQPACKET, 0},   {"af_vsock", 40, SOCK_STREAM, 0},
    {"af_vsock_datagram", 40, SOCK_DGRAM, 0},
    {"af_packet", 17, SOCK_RAW, 0},      {"af_packet_datagram", 17, SOCK_DGRAM, 0},
    {"raw_ipv4", 2, SOCK_RAW, 1},        {"raw_ipv6", 10, SOCK_RAW, 58},
    {"netlink_route", 16, SOCK_RAW, 0},  {"netlink_sock_diag", 16, SOCK_RAW, 4},
    {"netlink_netfilter", 16, SOCK_RAW, 12}, {"netlink_audit", 16, SOCK_RAW, 9},
    {"netlink_uevent", 16, SOCK_RAW, 15}, {"netlink_generic", 16, SOCK_RAW, 16},
    {"netlink_usersock", 16, SOCK_DGRAM, 2},
    {"netlink_xfrm", 16, SOCK_RAW, 6},   {"netlink_crypto", 16, SOCK_RAW, 21},
    {"af_ax25", 3, SOCK_DGRAM, 0},       {"af_ipx", 4, SOCK_DGRAM, 0},
    {"af_appletalk", 5, SOCK_DGRAM, 0},  {"af_x25", 9, SOCK_SEQPACKET, 0},
    {"af_key", 15, SOCK_RAW, 2},         {"af_rds", 21, SOCK_SEQPACKET, 0},
    {"af_pppox", 24, SOCK_STREAM, 0},    {"af_llc", 26, SOCK_STREAM, 0},
    {"af_can", 29, SOCK_RAW, 1},         {"af_tipc", 30, SOCK_STREAM, 0},
    {"af_bluetooth", 31, SOCK_RAW, 1},   {"af_rxrpc", 33, SOCK_DGRAM, 2},
    {"af_phonet", 35, SOCK_DGRAM, 0},    {"af_ieee802154", 36, SOCK_RAW, 0},
    {"af_nfc", 39, SOCK_SEQPACKET, 0},   {"af_kcm", 41, SOCK_DGRAM, 0},
    {"af_qipcrtr", 42, SOCK_DGRAM, 0},   {"af_smc", 43, SOCK_STREAM, 0},
    {"af_xdp", 44, SOCK_RAW, 0},         {"af_mctp", 45, SOCK_DGRAM, 0},
};

static enum verdict family(const void *about) {
    const struct family *it = about;
    int fd = socket(it->family, it->kind, it->protocol);
    bool unknown = fd < 0 && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT ||
                              errno == ESOCKTNOSUPPORT || errno == EINVAL);
    if (!unknown) return refused(fd);
    say("%s", strerror(errno));
    return NA;
}

static enum verdict pair(const void *about) {
    int fds[2];
    return refused(socketpair(*(const int *)about, SOCK_SEQPACKET, 0, fds));
}

/* An ioctl on a terminal of the probe's own, or where there is none, on whatever is there. The
 * kernel looks at the lower half of the request alone. */
static enum verdict typed(const void *about) {
    unsigned long request = *(const unsigned long *)about;
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY);
    return refused(syscall(SYS_ioctl, fd < 0 ? 0 : fd, request, "\0"));
}

struct control { const char *name; int option; unsigned long a, b; };

static const struct control controls[] = {
    {"prctl_mm_exe", PR_SET_MM, PR_SET_MM_EXE_FILE, BAD},
    {"prctl_io_flusher", 57 /* PR_SET_IO_FLUSHER */, 1, 0},
    {"prctl_memory_failure", 33 /* PR_MCE_KILL */, 99, 0},
};

static enum verdict control(const void *about) {
    const struct control *it = about;
    return fails(prctl(it->option, it->a, it->b, 0, 0));
}

void calls(void) {
    static const unsigned long requests[] = {0x5412, 0x100005412, 0xffffffff00005412,
                                             0x541c, 0x10000541c, 0x5423, 0x100005423};
    static const char *request[] = {"tiocsti", "tiocsti_high_bit", "tiocsti_high_half", "tioclinux",
                                    "tioclinux_high_bit", "tiocsetd", "tiocsetd_high_bit"};
    static const int alg = 38;
    EACH(struct call, it, table) ask("calls", it->name, call, it);
    EACH(struct call, it, unknown) ask("calls", it->name, missing, it);
#ifdef __x86_64__
    EACH(struct call, it, x32) ask("calls", it->name, by_x32, it);
    EACH(struct call, it, old) ask("calls", it->name, by_int80, it);
#endif
    static const int none = 0, term = SIGTERM;
    ask("calls", "death_signal_given_up", untied, &none);
    ask("calls", "death_signal_heeded", untied, &term);
    EACH(struct family, it, families) ask("calls", it->name, family, it);
    ask("calls", "af_alg_pair", pair, &alg);
    for (size_t n = 0; n < COUNT(requests); n++) ask("calls", request[n], typed, requests + n);
    EACH(struct control, it, controls) ask("calls", it->name, control, it);
}
