/* Kernel surface: attempts that would really take effect, whatever wall stops them. */
#include "probe.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#define NEWTIME 0x80
#define OPEN_TREE_CLONE 1
#define AT_RECURSIVE 0x8000

struct mounting { const char *name, *source, *target, *type; unsigned long flags; };

static const struct mounting mounts[] = {
    {"mount_tmpfs", "none", "/tmp", "tmpfs", 0},
    {"mount_proc", "none", "/tmp", "proc", 0},
    {"mount_sysfs", "none", "/tmp", "sysfs", MS_RDONLY},
    {"mount_devpts", "none", "/tmp", "devpts", 0},
    {"mount_mqueue", "none", "/tmp", "mqueue", 0},
    {"mount_cgroup2", "none", "/tmp", "cgroup2", MS_RDONLY},
    {"mount_debugfs", "none", "/tmp", "debugfs", MS_RDONLY},
    {"mount_tracefs", "none", "/tmp", "tracefs", MS_RDONLY},
    {"mount_securityfs", "none", "/tmp", "securityfs", MS_RDONLY},
    {"mount_bpf", "none", "/tmp", "bpf", MS_RDONLY},
    {"mount_binfmt_misc", "none", "/tmp", "binfmt_misc", MS_RDONLY},
    {"mount_devtmpfs", "none", "/tmp", "devtmpfs", MS_RDONLY},
    {"mount_overlay", "none", "/tmp", "overlay", 0},
    {"mount_fuse", "none", "/tmp", "fuse", 0},
    {"bind_over_mask", "/dev/null", "/proc/kcore", NULL, MS_BIND},
    {"bind_root", "/", "/tmp", NULL, MS_BIND | MS_REC},
    {"bind_proc_sys", "/proc", "/tmp", NULL, MS_BIND},
    {"remount_root", NULL, "/", NULL, MS_REMOUNT | MS_BIND},
    {"remount_proc", NULL, "/proc", NULL, MS_REMOUNT | MS_BIND},
    {"remount_proc_sys", NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND},
    {"remount_usr", NULL, "/usr", NULL, MS_REMOUNT | MS_BIND},
    {"remount_dev", NULL, "/dev", NULL, MS_REMOUNT | MS_BIND},
    {"share_root", NULL, "/", NULL, MS_SHARED | MS_REC},
    {"move_proc", "/proc/sys", "/tmp", NULL, MS_MOVE},
};

/* A mount namespace of the child's own, if it can be had, so that nothing changes outside. */
static bool go_apart(void) {
    return unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static enum verdict mounting(const void *about) {
    const struct mounting *it = about;
    if (!go_apart()) return NA;
    return fails(mount(it->source, it->target, it->type, it->flags, NULL));
}

static const char *const covers[] = {
    "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts", "/proc/acpi", "/proc/scsi",
    "/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger", "/sys/firmware",
    "/sys/devices/virtual/powercap", "/proc", "/dev", "/dev/pts", "/dev/null", "/tmp", "/", "/usr"};

static enum verdict uncover(const void *about) {
    if (!go_apart()) return NA;
    return fails(umount2(about, MNT_DETACH | UMOUNT_NOFOLLOW));
}

static enum verdict clone_mount(const void *about) {
    return fails(syscall(428 /* open_tree */, AT_FDCWD, about, OPEN_TREE_CLONE | AT_RECURSIVE));
}

static enum verdict new_mount(const void *about) {
    int context = syscall(430 /* fsopen */, about, 0);
    if (context < 0) return fails(context);
    syscall(431 /* fsconfig */, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0);
    return fails(syscall(432 /* fsmount */, context, 0, 0));
}

static enum verdict change_mount(const void *about) {
    unsigned long long change[4] = {0, 1 /* MOUNT_ATTR_RDONLY */, 0, 0};
    if (!go_apart()) return NA;
    return fails(syscall(442 /* mount_setattr */, AT_FDCWD, about, 0, change, sizeof change));
}

static enum verdict pick_mount(const void *about) {
    return fails(syscall(433 /* fspick */, AT_FDCWD, about, 0));
}

static enum verdict change_root(const void *about) { return fails(chroot(about)); }

/* A way out by chroot(2): a root below, and a working directory above it. */
static enum verdict leave_by_chroot(const void *about) {
    (void)about;
    if (chroot("/tmp")) return fails(-1);
    for (int n = 0; n < 64 && chdir("..") == 0; n++) {}
    return shows_secret(open(".", O_PATH | O_DIRECTORY)) ? OPEN : OK;
}

static enum verdict swap_root(const void *about) {
    (void)about;
    if (!go_apart()) return NA;
    return fails(syscall(SYS_pivot_root, ".", "."));
}

struct kind { const char *name; int flag; };

static const struct kind kinds[] = {
    {"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET},
    {"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"cgroup", CLONE_NEWCGROUP}, {"time", NEWTIME},
};

static enum verdict leave(const void *about) {
    return fails(unshare(((const struct kind *)about)->flag));
}

static enum verdict leave_user_too(const void *about) {
    return fails(unshare(CLONE_NEWUSER | ((const struct kind *)about)->flag));
}

static enum verdict born_outside(const void *about) {
    long child = syscall(SYS_clone, ((const struct kind *)about)->flag | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    return fails(child);
}

static long clone3(unsigned long long flags) {
    unsigned long long arguments[11] = {flags, 0, 0, 0, SIGCHLD};
    long child = syscall(435 /* clone3 */, arguments, sizeof arguments);
    if (child == 0) _exit(0);
    return child;
}

static enum verdict born_outside_3(const void *about) {
    return fails(clone3(((const struct kind *)about)->flag));
}

/* The C library goes on with clone(2) where clone3(2) is missing, and only then. */
static enum verdict clone3_falls_back(const void *about) {
    (void)about;
    if (clone3(0) >= 0) return OK;
    say("%s", strerror(errno));
    return errno == ENOSYS ? OK : OPEN;
}

static enum verdict join(const void *about) {
    char path[64];
    snprintf(path, sizeof path, "/proc/1/ns/%s", ((const struct kind *)about)->name);
    int fd = open(path, O_RDONLY);
    return fd < 0 ? fails(-1) : fails(syscall(SYS_setns, fd, 0));
}

static enum verdict join_by_pidfd(const void *about) {
    int fd = syscall(434 /* pidfd_open */, 1, 0);
    return fd < 0 ? fails(-1) : fails(syscall(SYS_setns, fd, ((const struct kind *)about)->flag));
}

/* A process that is no child of this one: the first, where that is not this program. */
static enum verdict trace_first(const void *about) {
    (void)about;
    if (getppid() == 1) return NA;
    return fails(ptrace(PTRACE_SEIZE, 1, 0, 0));
}

static enum verdict read_first(const void *about) {
    (void)about;
    char byte;
    struct iovec own = {&byte, 1}, its = {(void *)0x400000, 1};
    if (getppid() == 1) return NA;
    enum verdict verdict = fails(process_vm_readv(1, &own, 1, &its, 1, 0));
    return verdict == OK && errno == EFAULT ? OPEN : verdict;
}

static enum verdict steal_descriptor(const void *about) {
    (void)about;
    if (getppid() == 1) return NA;
    int first = syscall(434 /* pidfd_open */, 1, 0);
    return fails(syscall(438 /* pidfd_getfd */, first, 0, 0));
}

static enum verdict gain_capabilities(const void *about) {
    (void)about;
    unsigned header[2] = {0x20080522, 0}, all[6] = {~0u, ~0u, 0, ~0u >> 23, ~0u >> 23, 0};
    unsigned now[6];
    syscall(SYS_capget, header, now);
    if (now[1] == ~0u) return OPEN;
    return fails(syscall(SYS_capset, header, all));
}

static enum verdict gain_one(const void *about) {
    (void)about;
    return fails(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21 /* CAP_SYS_ADMIN */, 0, 0));
}

static enum verdict drop_securebits(const void *about) {
    (void)about;
    return fails(prctl(PR_SET_SECUREBITS, 1));
}

static enum verdict undo_no_new_privileges(const void *about) {
    (void)about;
    prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? OK : OPEN;
}

struct ids { const char *name; long call; long id; };

static const struct ids other_ids[] = {
    {"become_user_1", SYS_setresuid, 1}, {"become_user_1000", SYS_setresuid, 1000},
    {"become_overflow_user", SYS_setresuid, 65534}, {"become_group_1", SYS_setresgid, 1},
    {"become_group_tty", SYS_setresgid, 5}, {"become_overflow_group", SYS_setresgid, 65534},
};

static enum verdict become(const void *about) {
    const struct ids *it = about;
    if ((it->call == SYS_setresuid ? getuid() : getgid()) == (uid_t)it->id) return NA;
    return fails(syscall(it->call, it->id, it->id, it->id));
}

static enum verdict take_groups(const void *about) {
    (void)about;
    gid_t group = 1;
    return fails(syscall(SYS_setgroups, 1, &group));
}

static enum verdict map_anew(const void *about) {
    int fd = open(about, O_WRONLY);
    return fd < 0 ? fails(-1) : fails(write(fd, "0 0 1", 5));
}

/* A setuid file made here has no effect, and none of another owner can be made. */
static enum verdict give_away(const void *about) {
    (void)about;
    int fd = open("/tmp/.given", O_CREAT | O_WRONLY, 0755);
    enum verdict verdict = fd < 0 ? NA : fails(fchown(fd, getuid() ? 0 : 1, 0));
    unlink("/tmp/.given");
    return verdict;
}

/* Steps the clock by nothing: it is set to what it shows. */
static enum verdict set_clock(const void *about) {
    (void)about;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return fails(clock_settime(CLOCK_REALTIME, &now));
}

static enum verdict set_time(const void *about) {
    (void)about;
    return fails(syscall(SYS_settimeofday, NULL, NULL));
}

static enum verdict set_name(const void *about) {
    char name[256] = "";
    long call = *(const long *)about;
    if (call == SYS_sethostname) gethostname(name, sizeof name - 1);
    else getdomainname(name, sizeof name - 1);
    return fails(syscall(call, name, strlen(name)));
}

static enum verdict hang_up(const void *about) {
    (void)about;
    /* Only one with a terminal would lose it. */
    if (open("/dev/tty", O_RDWR | O_NOCTTY) >= 0) return NA;
    return fails(syscall(SYS_vhangup));
}

static enum verdict handle(const void *about) {
    struct { unsigned bytes; int type; char room[128]; } handle = {128, 0, ""};
    int mount;
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, about, &handle, &mount, 0)) return OK;
    int root = open("/", O_RDONLY | O_DIRECTORY);
    return fails(syscall(SYS_open_by_handle_at, root, &handle, O_RDONLY));
}

static enum verdict outside_by_handle(const void *about) {
    (void)about;
    /* Inode 2 is the root of an ext4 file system (the way out called shocker). */
    struct { unsigned bytes; int type; unsigned words[2]; } handle = {8, 1, {2, 0}};
    int root = open("/usr", O_RDONLY | O_DIRECTORY);
    int found = syscall(SYS_open_by_handle_at, root, &handle, O_PATH | O_DIRECTORY);
    if (found < 0) return fails(-1);
    return shows_secret(found) ? OPEN : OK;
}

static enum verdict watch_all(const void *about) {
    (void)about;
    return fails(syscall(SYS_fanotify_init, 0x4 /* FAN_CLASS_CONTENT */, 0));
}

void escape(void) {
    static const long names[] = {SYS_sethostname, SYS_setdomainname};
    static const char *types[] = {"tmpfs", "proc", "sysfs", "cgroup2", "mqueue"};
    char name[64];
    EACH(struct mounting, it, mounts) ask("escape", it->name, mounting, it);
    for (size_t n = 0; n < COUNT(covers); n++) {
        snprintf(name, sizeof name, "umount:%s", covers[n]);
        ask("escape", name, uncover, covers[n]);
    }
    for (size_t n = 0; n < COUNT(types); n++) {
        snprintf(name, sizeof name, "fsmount_%s", types[n]);
        ask("escape", name, new_mount, types[n]);
    }
    ask("escape", "open_tree_root", clone_mount, "/");
    ask("escape", "open_tree_proc", clone_mount, "/proc");
    ask("escape", "mount_setattr_root", change_mount, "/");
    ask("escape", "mount_setattr_proc_sys", change_mount, "/proc/sys");
    ask("escape", "fspick_proc", pick_mount, "/proc");
    ask("escape", "chroot", change_root, "/");
    ask("escape", "leave_by_chroot", leave_by_chroot, NULL);
    ask("escape", "pivot_root", swap_root, NULL);
    EACH(struct kind, it, kinds) {
        snprintf(name, sizeof name, "unshare_%s", it->name);
        ask("escape", name, leave, it);
        snprintf(name, sizeof name, "unshare_user_and_%s", it->name);
        if (it->flag != CLONE_NEWUSER) ask("escape", name, leave_user_too, it);
        /* The bit of time namespaces is none of clone(2)'s. */
        snprintf(name, sizeof name, "clone_%s", it->name);
        if (it->flag != NEWTIME) ask("escape", name, born_outside, it);
        snprintf(name, sizeof name, "clone3_%s", it->name);
        ask("escape", name, born_outside_3, it);
        snprintf(name, sizeof name, "setns_%s", it->name);
        ask("escape", name, join, it);
        snprintf(name, sizeof name, "setns_by_pidfd_%s", it->name);
        ask("escape", name, join_by_pidfd, it);
    }
    ask("escape", "clone3_falls_back", clone3_falls_back, NULL);
    ask("escape", "trace_pid_1", trace_first, NULL);
    ask("escape", "read_pid_1", read_first, NULL);
    ask("escape", "descriptor_of_pid_1", steal_descriptor, NULL);
    ask("escape", "gain_capabilities", gain_capabilities, NULL);
    ask("escape", "gain_ambient_capability", gain_one, NULL);
    ask("escape", "change_securebits", drop_securebits, NULL);
    ask("escape", "undo_no_new_privileges", undo_no_new_privileges, NULL);
    EACH(struct ids, it, other_ids) ask("escape", it->name, become, it);
    ask("escape", "take_groups", take_groups, NULL);
    ask("escape", "map_users_anew", map_anew, "/proc/self/uid_map");
    ask("escape", "map_groups_anew", map_anew, "/proc/self/gid_map");
    ask("escape", "give_a_file_away", give_away, NULL);
    ask("escape", "set_clock", set_clock, NULL);
    ask("escape", "set_time", set_time, NULL);
    ask("escape", "set_hostname", set_name, names);
    ask("escape", "set_domainname", set_name, names + 1);
    ask("escape", "vhangup", hang_up, NULL);
    ask("escape", "open_by_handle", handle, "/");
    ask("escape", "root_inode_by_handle", outside_by_handle, NULL);
    ask("escape", "fanotify_of_all", watch_all, NULL);
}
