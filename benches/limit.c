// What a sandbox must cost: the system calls that make the same kernel objects as `sixdocker up`,
// and nothing else. No file is parsed, no fault is explained, nothing is looked up.
//
//   limit [cgroup] [lock] ROOT COMMAND [ARGUMENT…]
//   limit filter >FILE
//
// Always: user, pid, mount, network, uts, ipc and cgroup namespaces, one id mapped, a root that
// was pivoted to and made read-only, /proc, /dev with its nodes, pts and mqueue, /tmp, /run, the
// loopback device, the host's name, a session keyring, no capabilities, no new privileges.
//   cgroup   memory and pids cgroups (v1, or v2 below $LIMIT_CGROUP)
//   lock     the masked and read-only paths of the default manifest, a Landlock domain, a system
//            call filter of about 100 instructions
//   filter   writes that filter, as bubblewrap's --seccomp takes it
// benches/start compares the mounts, sets and namespaces of both before it times them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define MUST(call) do { if ((call) < 0) stop(#call); } while (0)

static struct {
    int lock, cgroup, v2;
    unsigned uid, gid;
    const char *root;
    char **command;
    char groups[2][128];
    int tasks[2];
} run;

static void stop(const char *call)
{
    dprintf(2, "limit: %s: %s\n", call, strerror(errno));
    _exit(125);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) stop(path);
    close(fd);
}

static void map_own_id(void)
{
    char line[64];
    snprintf(line, sizeof line, "0 %u 1", run.uid);
    put("/proc/self/uid_map", line);
    put("/proc/self/setgroups", "deny");
    snprintf(line, sizeof line, "0 %u 1", run.gid);
    put("/proc/self/gid_map", line);
}

static void loopback_up(void)
{
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    MUST(fd);
    MUST(ioctl(fd, SIOCSIFFLAGS, &request));
    close(fd);
}

static void node(const char *path, const char *source)
{
    struct mount_attr closed = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
    MUST(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)));
    MUST(mount(source, path, NULL, MS_BIND, NULL));
    MUST(syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &closed, sizeof closed));
}

static void devices(void)
{
    static const char *const nodes[] = { "null", "zero", "full", "random", "urandom", "tty" };
    static const char *const links[][2] = {
        { "/proc/self/fd", "dev/fd" }, { "fd/0", "dev/stdin" }, { "fd/1", "dev/stdout" },
        { "fd/2", "dev/stderr" }, { "pts/ptmx", "dev/ptmx" },
    };
    MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64m"));
    for (size_t i = 0; i < COUNT(nodes); i++) {
        char path[32], source[32];
        snprintf(path, sizeof path, "dev/%s", nodes[i]);
        snprintf(source, sizeof source, "/dev/%s", nodes[i]);
        node(path, source);
    }
    for (size_t i = 0; i < COUNT(links); i++) MUST(symlink(links[i][0], links[i][1]));
    MUST(mkdir("dev/pts", 0755));
    MUST(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"));
    MUST(mkdir("dev/shm", 01777));
    MUST(mkdir("dev/mqueue", 0755));
    MUST(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
}

static void mounts(void)
{
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    MUST(mount(run.root, run.root, NULL, MS_BIND | MS_REC, NULL));
    MUST(chdir(run.root));
    MUST(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
    devices();
    MUST(mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"));
    MUST(mount("tmpfs", "run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"));
}

// What is missing on this kernel is no fault.
static void masks(void)
{
    static const char *const files[] = {
        "proc/kcore", "proc/keys", "proc/timer_list", "proc/sched_debug", "proc/latency_stats",
        "proc/interrupts", "proc/timer_stats",
    };
    // What only the host's root could read anyway.
    static const char *const roots[] = {
        "proc/kpagecgroup", "proc/kpagecount", "proc/kpageflags", "proc/pagetypeinfo", "proc/slabinfo",
        "proc/vmallocinfo",
    };
    static const char *const directories[] = { "proc/acpi", "proc/asound", "proc/scsi" };
    static const char *const read_only[] = {
        "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger",
    };
    for (size_t i = 0; i < COUNT(files); i++)
        if (mount("dev/null", files[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT) stop(files[i]);
    for (size_t i = 0; i < COUNT(roots) && run.uid == 0; i++)
        if (mount("dev/null", roots[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT) stop(roots[i]);
    for (size_t i = 0; i < COUNT(directories); i++)
        if (mount("tmpfs", directories[i], "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0") < 0 && errno != ENOENT)
            stop(directories[i]);
    for (size_t i = 0; i < COUNT(read_only); i++) {
        if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) < 0 && errno != ENOENT)
            stop(read_only[i]);
        else if (mount(NULL, read_only[i], NULL,
                       MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 &&
                 errno != ENOENT)
            stop(read_only[i]);
    }
}

// Whatever lies below the new root, as `security.landlock` does.
static void landlock(void)
{
    struct landlock_ruleset_attr all = { .handled_access_fs = (1ULL << 15) - 1 };
    struct landlock_path_beneath_attr below = { .allowed_access = all.handled_access_fs };
    int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    if (rules < 0) return;
    MUST(below.parent_fd = open("/", O_PATH | O_CLOEXEC));
    MUST(syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0));
    close(below.parent_fd);
    MUST(syscall(SYS_landlock_restrict_self, rules, 0));
    close(rules);
}

static void pivot(void)
{
    MUST(syscall(SYS_pivot_root, ".", "."));
    MUST(umount2(".", MNT_DETACH));
    MUST(chdir("/"));
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { { 0 } };
    for (int number = 0; number < 64; number++)
        if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) break;
    MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    MUST(syscall(SYS_capset, &head, none));
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

// A filter in the shape of a binary search over ranges of numbers: as large as that of a real
// profile and as deep, but the ranges are even and the refused ones are old calls nobody makes.
static struct sock_filter filter[512];
static unsigned short length;

static void emit(unsigned short code, unsigned value, unsigned char yes, unsigned char no)
{
    filter[length++] = (struct sock_filter) { code, yes, no, value };
}

static int refused(unsigned number)
{
    return number == SYS_kexec_load || number == SYS_swapon || number == SYS_uselib ||
           number == SYS_init_module || number == SYS_reboot || number == SYS_sysfs;
}

static void search(unsigned from, unsigned to)
{
    if (to - from <= 7) {
        for (unsigned number = from; number < to; number++) {
            if (!refused(number)) continue;
            emit(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
            emit(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
        }
        emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
        return;
    }
    unsigned middle = from + (to - from) / 2;
    unsigned short fork = length;
    emit(BPF_JMP | BPF_JGE | BPF_K, middle, 0, 0);
    search(from, middle);
    filter[fork].jt = (unsigned char)(length - fork - 1);
    search(middle, to);
}

static void make_filter(void)
{
    emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    emit(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    emit(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    emit(BPF_JMP | BPF_JGE | BPF_K, 470, 0, 1);
    emit(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
    search(0, 470);
}

static void install_filter(void)
{
    struct sock_fprog program = { .filter = filter };
    make_filter();
    program.len = length;
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
}

static int child(void *unused)
{
    (void)unused;
    struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
    umask(0);
    MUST(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
    MUST(setsid());
    map_own_id();
    for (int i = 0; i < 2; i++)
        if (run.tasks[i] > 0) MUST(write(run.tasks[i], "0", 1));
    if (run.cgroup && !run.v2) MUST(unshare(CLONE_NEWCGROUP));
    MUST(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
    MUST(sethostname("sandbox", 7));
    loopback_up();
    mounts();
    if (run.lock) masks();
    MUST(syscall(SYS_mount_setattr, AT_FDCWD, run.root, 0, &read_only, sizeof read_only));
    pivot();
    MUST(syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */));
    drop_capabilities();
    if (run.lock) {
        landlock();
        install_filter();
    }
    execv(run.command[0], run.command);
    stop(run.command[0]);
    return 0;
}

static void make_group(int i, const char *base, const char *file, const char *value)
{
    char path[192];
    snprintf(run.groups[i], sizeof run.groups[i], "%s/sixdocker-limit-%d", base, getpid());
    MUST(mkdir(run.groups[i], 0755));
    snprintf(path, sizeof path, "%s/%s", run.groups[i], file);
    put(path, value);
}

static void make_groups(void)
{
    char path[192];
    const char *base = getenv("LIMIT_CGROUP");
    run.v2 = base != NULL;
    if (run.v2) {
        make_group(0, base, "memory.max", "268435456");
        snprintf(path, sizeof path, "%s/pids.max", run.groups[0]);
        put(path, "64");
        MUST(run.tasks[0] = open(run.groups[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return;
    }
    make_group(0, "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "268435456");
    make_group(1, "/sys/fs/cgroup/pids", "pids.max", "64");
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/tasks", run.groups[i]);
        MUST(run.tasks[i] = open(path, O_WRONLY | O_CLOEXEC));
    }
}

static void remove_groups(void)
{
    for (int i = 0; i < 2; i++)
        for (int tries = 0; run.groups[i][0] && rmdir(run.groups[i]) < 0; tries++) {
            if (errno != EBUSY || tries > 5000) stop(run.groups[i]);
            usleep(100);
        }
}

// clone(2) in the manner of vfork: nothing of the parent is copied.
static pid_t spawn(void)
{
    static char stack[1 << 16] __attribute__((aligned(16)));
    int flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS |
                CLONE_NEWIPC | CLONE_VM | CLONE_VFORK | SIGCHLD;
    if (!run.cgroup) flags |= CLONE_NEWCGROUP;
    return clone(child, stack + sizeof stack, flags, NULL);
}

static char **words(char **argv)
{
    for (; *argv && strchr("cl", **argv) && !strchr(*argv, '/'); argv++) {
        if (!strcmp(*argv, "cgroup")) run.cgroup = 1;
        if (!strcmp(*argv, "lock")) run.lock = 1;
    }
    return argv;
}

int main(int argc, char **argv)
{
    int status;
    if (argc == 2 && !strcmp(argv[1], "filter")) {
        make_filter();
        MUST(write(1, filter, length * sizeof *filter));
        return 0;
    }
    argv = words(argv + 1);
    if (argc < 3 || !argv[0] || !argv[1]) {
        dprintf(2, "usage: limit [cgroup] [lock] ROOT COMMAND [ARGUMENT...]\n");
        return 125;
    }
    run.uid = geteuid();
    run.gid = getegid();
    run.root = argv[0];
    run.command = argv + 1;
    if (run.cgroup) make_groups();
    pid_t pid = spawn();
    MUST(pid);
    MUST(waitpid(pid, &status, 0));
    if (run.cgroup) remove_groups();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
