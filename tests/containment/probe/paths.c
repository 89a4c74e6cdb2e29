/* Paths of the kernel: what tells about the machine or commands it, in /proc and /sys. */
#include "probe.h"

#include <dirent.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

/* Nothing to be read at all, or not there. */
static const char *const hidden[] = {
    "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/latency_stats", "/proc/interrupts", "/proc/kmsg",
    "/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup", "/proc/vmallocinfo",
    "/proc/slabinfo", "/proc/pagetypeinfo", "/proc/allocinfo",
    "/sys/kernel/debug/sched/debug", "/sys/kernel/security/lsm", "/sys/kernel/tracing/trace",
    "/sys/kernel/debug/tracing/trace", "/sys/firmware/acpi/tables/DSDT",
    "/sys/firmware/dmi/tables/DMI", "/sys/class/dmi/id/product_serial",
    "/sys/class/dmi/id/product_uuid",
};

static enum verdict unread(const void *about) {
    static char text[4096];
    ssize_t length = slurp(about, text, sizeof text);
    say("%s", length < 0 ? strerror(errno) : length ? "it can be read" : "empty");
    return length > 0 ? OPEN : OK;
}

/* Nothing to be listed. */
static const char *const emptied[] = {
    "/proc/acpi", "/proc/scsi", "/proc/asound", "/sys/firmware", "/sys/devices/virtual/powercap",
    "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/fs/pstore",
    "/sys/firmware/efi/efivars", "/sys/fs/bpf", "/sys/kernel/config", "/sys/fs/fuse/connections",
    "/proc/sys/fs/binfmt_misc",
};

static enum verdict unlisted(const void *about) {
    DIR *directory = opendir(about);
    int count = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        count += *entry->d_name != '.';
    say("%d entries", count);
    return count ? OPEN : OK;
}

/* Not to be opened for writing; nothing is written. */
static const char *const closed[] = {
    "/proc/sysrq-trigger", "/proc/kcore", "/proc/mtrr", "/proc/irq/default_smp_affinity",
    "/proc/irq/0/smp_affinity", "/proc/bus/pci/00/00.0", "/proc/fs/jbd2", "/proc/scsi/scsi",
    "/proc/acpi/wakeup", "/proc/timer_stats", "/proc/latency_stats", "/proc/slabinfo",
    "/proc/dynamic_debug/control", "/proc/driver/snd-page-alloc", "/proc/tty/ldiscs",
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/core_pipe_limit",
    "/proc/sys/kernel/core_uses_pid", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug",
    "/proc/sys/kernel/poweroff_cmd", "/proc/sys/kernel/sysrq", "/proc/sys/kernel/panic",
    "/proc/sys/kernel/panic_on_oops", "/proc/sys/kernel/printk", "/proc/sys/kernel/tainted",
    "/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/kptr_restrict",
    "/proc/sys/kernel/dmesg_restrict", "/proc/sys/kernel/yama/ptrace_scope",
    "/proc/sys/kernel/unprivileged_bpf_disabled", "/proc/sys/kernel/perf_event_paranoid",
    "/proc/sys/kernel/perf_event_max_sample_rate", "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max", "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/domainname", "/proc/sys/kernel/shmmax", "/proc/sys/kernel/shmall",
    "/proc/sys/kernel/shm_rmid_forced", "/proc/sys/kernel/msgmax", "/proc/sys/kernel/sem",
    "/proc/sys/kernel/usermodehelper/bset", "/proc/sys/kernel/usermodehelper/inheritable",
    "/proc/sys/kernel/keys/maxkeys", "/proc/sys/kernel/modules_disabled",
    "/proc/sys/kernel/kexec_load_disabled", "/proc/sys/kernel/io_uring_disabled",
    "/proc/sys/kernel/sched_rt_runtime_us", "/proc/sys/kernel/nmi_watchdog",
    "/proc/sys/kernel/hung_task_panic", "/proc/sys/kernel/cad_pid",
    "/proc/sys/fs/binfmt_misc/register", "/proc/sys/fs/binfmt_misc/status",
    "/proc/sys/fs/suid_dumpable", "/proc/sys/fs/protected_symlinks",
    "/proc/sys/fs/protected_hardlinks", "/proc/sys/fs/protected_fifos", "/proc/sys/fs/file-max",
    "/proc/sys/fs/nr_open", "/proc/sys/fs/pipe-max-size", "/proc/sys/fs/pipe-user-pages-soft",
    "/proc/sys/fs/mqueue/msg_max", "/proc/sys/fs/inotify/max_user_watches",
    "/proc/sys/fs/mount-max", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/drop_caches",
    "/proc/sys/vm/mmap_min_addr", "/proc/sys/vm/panic_on_oom", "/proc/sys/vm/swappiness",
    "/proc/sys/vm/nr_hugepages", "/proc/sys/vm/min_free_kbytes", "/proc/sys/vm/compact_memory",
    "/proc/sys/vm/oom_kill_allocating_task", "/proc/sys/vm/max_map_count",
    "/proc/sys/vm/unprivileged_userfaultfd", "/proc/sys/user/max_user_namespaces",
    "/proc/sys/user/max_mnt_namespaces", "/proc/sys/user/max_inotify_watches",
    "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ping_group_range",
    "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/net/ipv4/tcp_syncookies",
    "/proc/sys/net/ipv6/conf/all/forwarding", "/proc/sys/net/core/somaxconn",
    "/proc/sys/net/core/bpf_jit_enable", "/proc/sys/debug/exception-trace",
    "/proc/sys/dev/tty/ldisc_autoload", "/proc/sys/abi/vsyscall32", "/proc/sys/crypto/fips_enabled",
    "/sys/kernel/uevent_helper", "/sys/kernel/kexec_crash_size", "/sys/kernel/profiling",
    "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/mm/ksm/run",
    "/sys/kernel/slab/kmalloc-8/shrink", "/sys/kernel/rcu_expedited", "/sys/power/state",
    "/sys/power/disk", "/sys/power/wake_lock", "/sys/power/mem_sleep",
    "/sys/module/kernel/parameters/panic", "/sys/module/printk/parameters/time",
    "/sys/devices/system/cpu/cpu1/online", "/sys/devices/system/memory/probe",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    "/sys/devices/virtual/net/lo/mtu", "/sys/bus/pci/rescan", "/sys/class/block/vda/uevent",
    "/sys/block/vda/queue/scheduler", "/sys/fs/cgroup/memory/release_agent",
    "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/systemd/release_agent",
    "/sys/fs/cgroup/pids/release_agent", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/pids/pids.max",
    "/sys/fs/cgroup/devices/devices.allow", "/sys/fs/cgroup/cgroup.procs",
    "/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/cgroup.subtree_control",
    "/sys/fs/cgroup/memory.max",
};

static enum verdict unwritten(const void *about) {
    struct stat seen;
    /* A mask may be written to, without effect. */
    if (stat(about, &seen) == 0 && S_ISCHR(seen.st_mode) && seen.st_rdev == makedev(1, 3)) return OK;
    return fails(open(about, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

static bool is_kernels(const char *directory) {
    static const long types[] = {0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x62656570, 0x64626720};
    struct statfs found;
    if (statfs(directory, &found)) return false;
    for (size_t n = 0; n < COUNT(types); n++)
        if (found.f_type == types[n]) return true;
    return false;
}

/* Nobody makes files among those of the kernel. */
static enum verdict unmade(const void *about) {
    char parent[64];
    snprintf(parent, sizeof parent, "%s", (const char *)about);
    *strrchr(parent, '/') = 0;
    if (!is_kernels(parent)) return OK;
    enum verdict verdict = fails(mkdir(about, 0700));
    if (verdict == OPEN) rmdir(about);
    return verdict;
}

/* File systems that have no place in a sandbox. */
static const char *const strangers[] = {
    "debugfs", "tracefs", "securityfs", "bpf", "pstore", "efivarfs", "configfs", "fusectl",
    "hugetlbfs", "binfmt_misc", "devtmpfs", "selinuxfs", "rpc_pipefs", "nfsd", "autofs",
};

/* One of the nodes that every /dev has, bound by itself. */
static int standard(const char *root) {
    static const char *const nodes[] = {"/null", "/zero", "/full", "/random", "/urandom", "/tty"};
    for (size_t n = 0; n < sizeof nodes / sizeof *nodes; n++)
        if (!strcmp(root, nodes[n])) return 1;
    return 0;
}

static enum verdict unmounted(const void *about) {
    char line[4096], root[2048], sought[64];
    snprintf(sought, sizeof sought, " - %s ", (const char *)about);
    FILE *mounts = fopen("/proc/self/mountinfo", "r");
    while (mounts && fgets(line, sizeof line, mounts)) {
        if (!strstr(line, sought)) continue;
        if (sscanf(line, "%*s %*s %*s %2047s", root) == 1 && standard(root)) continue;
        say("%s", line);
        return OPEN;
    }
    return mounts ? OK : NA;
}

/* A cgroup file system may be seen, not written. */
static enum verdict writable_cgroups(const void *about) {
    char line[4096], point[2048], options[512];
    (void)about;
    FILE *mounts = fopen("/proc/self/mountinfo", "r");
    while (mounts && fgets(line, sizeof line, mounts)) {
        if (!strstr(line, " - cgroup")) continue;
        if (sscanf(line, "%*s %*s %*s %*s %2047s %511s", point, options) != 2) continue;
        if (strncmp(options, "ro", 2)) {
            say("%s", point);
            return OPEN;
        }
    }
    return mounts ? OK : NA;
}

/* Every number in a file that shows addresses of the kernel is zero. */
static enum verdict addresses(const void *about) {
    char line[512];
    FILE *file = fopen(about, "r");
    while (file && fgets(line, sizeof line, file)) {
        const char *number = strstr(line, "0x") ? strstr(line, "0x") : line;
        if (strtoull(number, NULL, 16) && strspn(number, "0123456789abcdefx") > 7) {
            say("%s", line);
            return OPEN;
        }
    }
    return OK;
}

static enum verdict page_frames(const void *about) {
    (void)about;
    unsigned long long entry = 0;
    int here = 1, fd = open("/proc/self/pagemap", O_RDONLY);
    off_t at = (off_t)((unsigned long)&here / 4096 * 8);
    if (fd < 0 || pread(fd, &entry, 8, at) != 8) return OK;
    return entry & ((1ull << 55) - 1) ? OPEN : OK;
}

/* A mask is a mount of its own, which a name looked up anew leads to. */
static enum verdict raw_memory(const void *about) {
    int fd = open(about, O_RDONLY);
    char byte;
    if (fd < 0) return fails(-1);
    return pread(fd, &byte, 1, 0) == 1 ? OPEN : OK;
}

static void list(const char *what, question *question, const char *const *paths, size_t count) {
    char name[128];
    for (size_t n = 0; n < count; n++) {
        snprintf(name, sizeof name, "%s:%s", what, paths[n]);
        ask("paths", name, question, paths[n]);
    }
}

void paths(void) {
    static const char *const places[] = {"/proc/probe", "/proc/sys/probe", "/sys/probe",
                                         "/sys/fs/cgroup/probe", "/sys/fs/cgroup/pids/probe",
                                         "/sys/kernel/config/probe"};
    static const char *const shown[] = {"/proc/kallsyms", "/proc/modules", "/proc/iomem"};
    static const char *const memory[] = {"/proc/kcore", "/dev/mem", "/dev/kmem", "/dev/port"};
    list("read", unread, hidden, COUNT(hidden));
    list("list", unlisted, emptied, COUNT(emptied));
    list("write", unwritten, closed, COUNT(closed));
    list("mkdir", unmade, places, COUNT(places));
    list("mounted", unmounted, strangers, COUNT(strangers));
    list("addresses", addresses, shown, COUNT(shown));
    list("memory", raw_memory, memory, COUNT(memory));
    ask("paths", "cgroups_are_read_only", writable_cgroups, NULL);
    ask("paths", "page_frames", page_frames, NULL);
}
