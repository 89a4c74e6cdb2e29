// What a sandbox must cost: the system calls that make the same kernel objects as `sixdocker up`,
// and nothing else. No file is parsed, no fault is explained, nothing is looked up.
//
//   limit [-f] [-g DIRECTORY]… [-l] [-b SOURCE:COUNT] ROOT COMMAND [ARGUMENT…]
//   limit -s >FILE
//
// Always: user, pid, mount, network, uts, ipc and cgroup namespaces, one id mapped, a root that
// was pivoted to and made read-only, /proc, /dev with its nodes, pts and mqueue, /tmp, /run, the
// loopback device, the host's name, a session keyring, two resource limits, no capabilities, no
// new privileges.
//   -f   ids that are nobody's on the host, and a root that translates them: what root's
//        sandboxes have
//   -g   a cgroup with limits of memory and pids below DIRECTORY: once for v2, and twice for v1,
//        below that of the memory controller and that of pids
//   -l   the masked and read-only paths of the default manifest, a Landlock domain, a system
//        call filter of about 100 instructions
//   -b   SOURCE/0, SOURCE/1 and so on bound, read-only, to /m/0, /m/1 and so on
//   -s   writes that filter, as bubblewrap's --seccomp takes it
// benches/run compares what both have made before it times them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define TREE (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)
#define MUST(call) do { if ((call) < 0) stop(#call); } while (0)

static struct {
    int foreign, lock, binds, tree, trees[64];
    unsigned uid, gid;
    const char *root, *source;
    char **command;
    const char *bases[2];
    char groups[2][128];
    int entry[2], count;
    int go[2];
} run;

// The first of the ids that systemd leaves to containers.
enum { FOREIGN = 0x80000 };

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

// The caller's own id, which the child maps by itself.
static void map_own_id(void)
{
    char line[64];
    snprintf(line, sizeof line, "0 %u 1", run.uid);
    put("/proc/self/uid_map", line);
    put("/proc/self/setgroups", "deny");
    snprintf(line, sizeof line, "0 %u 1", run.gid);
    put("/proc/self/gid_map", line);
}

static int translated(const char *path, int space)
{
    struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)space };
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, TREE);
    MUST(tree);
    MUST(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes));
    return tree;
}

// Root's, by the parent. Somebody else's, which takes its privilege: it also has the mounts translate.
static void map_from_outside(pid_t pid)
{
    char path[192], line[64];
    snprintf(line, sizeof line, "0 %u 1", run.foreign ? FOREIGN : 0);
    snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
    put(path, line);
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
    put(path, line);
    if (!run.foreign) return;
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    int space = open(path, O_RDONLY | O_CLOEXEC);
    MUST(space);
    run.tree = translated(run.root, space);
    for (int i = 0; i < run.binds; i++) {
        snprintf(path, sizeof path, "%s/%d", run.source, i);
        run.trees[i] = translated(path, space);
    }
    close(space);
}

// What has no id inside can make nothing.
static void become_root(void)
{
    MUST(setgroups(0, NULL));
    MUST(setresgid(0, 0, 0));
    MUST(setresuid(0, 0, 0));
    MUST(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
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
        { "/proc/self/fd", "dev/fd" }, { "/proc/self/fd/0", "dev/stdin" }, { "/proc/self/fd/1", "dev/stdout" },
        { "/proc/self/fd/2", "dev/stderr" }, { "pts/ptmx", "dev/ptmx" },
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
    MUST(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,max=1024"));
    MUST(mkdir("dev/shm", 01777));
    MUST(mkdir("dev/mqueue", 0755));
    MUST(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
}

static void mounts(void)
{
    struct mount_attr closed = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    if (!run.foreign) MUST(run.tree = (int)syscall(SYS_open_tree, AT_FDCWD, run.root, TREE));
    MUST(syscall(SYS_mount_setattr, run.tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &closed, sizeof closed));
    MUST(syscall(SYS_move_mount, run.tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
    MUST(fchdir(run.tree));
    MUST(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
    devices();
    MUST(mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=20%"));
    MUST(mount("tmpfs", "run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=5%"));
}

static void binds(void)
{
    struct mount_attr closed = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
    for (int i = 0; i < run.binds; i++) {
        char path[32], source[192];
        snprintf(path, sizeof path, "m/%d", i);
        snprintf(source, sizeof source, "%s/%d", run.source, i);
        if (run.foreign) MUST(syscall(SYS_move_mount, run.trees[i], "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH));
        else MUST(mount(source, path, NULL, MS_BIND | MS_REC, NULL));
        MUST(syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &closed, sizeof closed));
    }
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
    for (size_t i = 0; i < COUNT(roots) && run.uid == 0 && !run.foreign; i++)
        if (mount("dev/null", roots[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT) stop(roots[i]);
    for (size_t i = 0; i < COUNT(directories); i++)
        if (mount("tmpfs", directories[i], "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=1,mode=555") < 0 && errno != ENOENT)
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

// Whatever lies below the new root, and the streams, as `security.landlock` does. The structures
// are those of landlock(7), which older headers don't know whole.
static void landlock(void)
{
    struct { unsigned long long files, network, scoped; } all = { (1ULL << 16) - 1, 0, 3 };
    struct __attribute__((packed)) { unsigned long long allowed; int parent; } below = { all.files, -1 };
    int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    MUST(rules);
    MUST(below.parent = open("/", O_PATH | O_CLOEXEC));
    MUST(syscall(SYS_landlock_add_rule, rules, 1, &below, 0));
    close(below.parent);
    for (below.parent = 0; below.parent < 3; below.parent++) {
        int mode = fcntl(below.parent, F_GETFL) & O_ACCMODE;
        below.allowed = 1 << 15 | (mode != O_WRONLY) << 2 | (mode != O_RDONLY) << 1 | (mode != O_RDONLY) << 14;
        if (syscall(SYS_landlock_add_rule, rules, 1, &below, 0) < 0 && errno != EBADFD) stop("landlock_add_rule");
    }
    MUST(syscall(SYS_landlock_restrict_self, rules, 0));
    close(rules);
}

static void limits(void)
{
    struct rlimit core = { 0, 0 }, processes, files;
    MUST(getrlimit(RLIMIT_NPROC, &processes));
    if (processes.rlim_max > 4096) processes.rlim_max = 4096;
    processes.rlim_cur = processes.rlim_max;
    // Root is not bound by it, and a group's limit is the better one.
    if (run.uid && !run.count) MUST(setrlimit(RLIMIT_NPROC, &processes));
    MUST(setrlimit(RLIMIT_CORE, &core));
    MUST(getrlimit(RLIMIT_NOFILE, &files));
    files.rlim_cur = 1024;
    MUST(setrlimit(RLIMIT_NOFILE, &files));
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
           number == SYS_init_module || number == SYS_reboot || number == SYS_sysfs || number == SYS_acct ||
           number == SYS_swapoff || number == SYS_settimeofday || number == SYS_delete_module;
}

enum { LEAF = 8 };

static void search(unsigned from, unsigned to)
{
    if (to - from <= LEAF) {
        for (unsigned number = from; number < to; number++) {
            if (!refused(number)) continue;
            emit(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
            emit(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
        }
        emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
        return;
    }
    unsigned middle = from + (to - from + LEAF) / (2 * LEAF) * LEAF;
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

static void enter_groups(void)
{
    for (int i = 0; i < run.count && run.count > 1; i++) MUST(write(run.entry[i], "0", 1));
    if (run.count) MUST(unshare(CLONE_NEWCGROUP));
}

static void child(void)
{
    char byte;
    umask(0);
    MUST(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
    MUST(setsid());
    if (!run.uid) MUST(read(run.go[0], &byte, 1));
    enter_groups();
    if (run.foreign) become_root();
    if (run.uid) map_own_id();
    MUST(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    MUST(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
    MUST(sethostname("sandbox", 7));
    loopback_up();
    mounts();
    binds();
    if (run.lock) masks();
    pivot();
    umask(022);
    limits();
    drop_capabilities();
    MUST(syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */));
    if (run.lock) {
        landlock();
        install_filter();
    }
    execv(run.command[0], run.command);
    stop(run.command[0]);
}

static void limit_group(int i, const char *file, const char *value)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", run.groups[i], file);
    put(path, value);
}

// A process joins a group of v1 by its tasks, which takes no waiting for others; to one of v2 it
// is born, which takes none either.
static void make_groups(void)
{
    char path[192];
    int v2 = run.count == 1;
    for (int i = 0; i < run.count; i++) {
        snprintf(run.groups[i], sizeof run.groups[i], "%s/limit-%d", run.bases[i], getpid());
        MUST(mkdir(run.groups[i], 0755));
        snprintf(path, sizeof path, "%s/tasks", run.groups[i]);
        if (!v2) MUST(run.entry[i] = open(path, O_WRONLY | O_CLOEXEC));
    }
    if (!run.count) return;
    limit_group(0, v2 ? "memory.max" : "memory.limit_in_bytes", "268435456");
    limit_group(v2 ? 0 : 1, "pids.max", "64");
    if (v2) MUST(run.entry[0] = open(run.groups[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void remove_groups(void)
{
    for (int i = 0; i < run.count; i++)
        for (int tries = 0; rmdir(run.groups[i]) < 0; tries++) {
            if (errno != EBUSY || tries > 5000) stop(run.groups[i]);
            usleep(100);
        }
}

// clone3(2) in the manner of vfork: nothing of the parent is copied. As root the parent must go
// on, too. The C library has no clone3 that starts on another stack.
static pid_t spawn(void)
{
    static char stack[1 << 16] __attribute__((aligned(16)));
    struct clone_args how = {
        .flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_VM,
        .exit_signal = SIGCHLD, .stack = (uintptr_t)stack, .stack_size = sizeof stack,
    };
    how.flags |= run.uid ? CLONE_VFORK : CLONE_FILES;
    if (!run.count) how.flags |= CLONE_NEWCGROUP;
    if (run.count == 1) {
        how.flags |= CLONE_INTO_CGROUP;
        how.cgroup = (unsigned)run.entry[0];
    }
    long pid = SYS_clone3;
    __asm__ volatile("syscall; test %%rax, %%rax; jnz 1f; call *%[child]; 1:"
                     : "+a"(pid)
                     : "D"(&how), "S"(sizeof how), [child] "r"(child)
                     : "rcx", "r11", "memory");
    errno = pid < 0 ? (int)-pid : 0;
    return pid < 0 ? -1 : (pid_t)pid;
}

static void words(int argc, char **argv)
{
    int letter;
    while ((letter = getopt(argc, argv, "+fg:lb:s")) > 0) switch (letter) {
    case 'f': run.foreign = 1; break;
    case 'g': if (run.count < 2) run.bases[run.count++] = optarg; break;
    case 'l': run.lock = 1; break;
    case 'b': run.source = strtok(optarg, ":"); run.binds = atoi(strtok(NULL, "")); break;
    case 's': make_filter(); MUST(write(1, filter, length * sizeof *filter)); exit(0);
    default: exit(125);
    }
    if (argc < optind + 2) {
        dprintf(2, "usage: limit [-f] [-g DIRECTORY]... [-l] [-b SOURCE:COUNT] ROOT COMMAND [ARGUMENT...]\n");
        exit(125);
    }
    if (run.foreign && run.binds > (int)COUNT(run.trees)) exit(125);
    run.root = argv[optind];
    run.command = argv + optind + 1;
}

int main(int argc, char **argv)
{
    int status;
    words(argc, argv);
    run.uid = geteuid();
    run.gid = getegid();
    make_groups();
    if (!run.uid) MUST(pipe(run.go));
    pid_t pid = spawn();
    MUST(pid);
    if (!run.uid) {
        map_from_outside(pid);
        MUST(write(run.go[1], "", 1));
    }
    MUST(waitpid(pid, &status, 0));
    remove_groups();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
