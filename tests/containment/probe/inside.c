/* Inside view: what the program finds of its caller's in itself and around it. */
#include "probe.h"

#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/time.h>

extern char **environ;

static enum verdict none(bool found) { return found ? OPEN : OK; }

static enum verdict descriptors(const void *about) {
    (void)about;
    for (int fd = 3; fd < 65536; fd++)
        if (fcntl(fd, F_GETFD) >= 0) {
            say("descriptor %d is open", fd);
            return OPEN;
        }
    return OK;
}

static enum verdict stream(const void *about) {
    struct stat seen;
    int fd = *(const int *)about;
    return none(fstat(fd, &seen) == 0 && (S_ISDIR(seen.st_mode) || S_ISBLK(seen.st_mode)));
}

static enum verdict stream_way_out(const void *about) {
    return none(shows_secret(*(const int *)about));
}

/* A directory outside of the root is told by getcwd(2), which begins with `(unreachable)`. */
static enum verdict cwd(const void *about) {
    (void)about;
    char path[4096];
    long length = syscall(SYS_getcwd, path, sizeof path);
    say("%s", length > 0 ? path : strerror(errno));
    return none(length <= 0 || *path != '/');
}

static enum verdict climb(const void *about) {
    const char *from = about;
    for (int fd = open(from, O_PATH | O_DIRECTORY), n = 0; fd >= 0 && n < 50; n++) {
        if (shows_secret(fd)) {
            say("the host's root lies %d above %s", n, from);
            return OPEN;
        }
        fd = openat(fd, "..", O_PATH | O_DIRECTORY);
    }
    return OK;
}

static enum verdict above_root(const void *about) {
    (void)about;
    struct statx root, above;
    unsigned what = STATX_INO | STATX_MNT_ID;
    if (statx(AT_FDCWD, "/", 0, what, &root) || statx(AT_FDCWD, "/..", 0, what, &above)) return NA;
    say("mount %llu, above it %llu", root.stx_mnt_id, above.stx_mnt_id);
    return none(root.stx_mnt_id != above.stx_mnt_id || root.stx_ino != above.stx_ino);
}

static enum verdict one_root(const void *about) {
    (void)about;
    char line[4096], point[4096];
    int roots = 0;
    FILE *mounts = fopen("/proc/self/mountinfo", "r");
    while (mounts && fgets(line, sizeof line, mounts))
        roots += sscanf(line, "%*s %*s %*s %*s %4095s", point) == 1 && !strcmp(point, "/");
    say("%d mounts at /", roots);
    return mounts ? none(roots != 1) : NA;
}

/* A word that the caller had in its environment alone. */
static bool has_mark(const char *path) {
    char text[65536];
    const char *mark = fact("mark");
    ssize_t length = slurp(path, text, sizeof text);
    return mark && length > 0 && memmem(text, length, mark, strlen(mark));
}

static enum verdict own_environment(const void *about) {
    (void)about;
    return none(has_mark("/proc/self/environ"));
}

static void look_for_mark(int pid, void *with) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    if (has_mark(path)) *(int *)with = pid;
}

static enum verdict all_environments(const void *about) {
    (void)about;
    int pid = 0;
    processes(look_for_mark, &pid);
    if (pid) say("process %d shows the caller's", pid);
    return none(pid);
}

static enum verdict loader_variables(const void *about) {
    (void)about;
    for (char **one = environ; one && *one; one++)
        if (!strncmp(*one, "LD_", 3)) return OPEN;
    return OK;
}

/* A field of /proc/self/status that must have this value. */
struct state { const char *name, *key; int base; long long wanted; };

static const struct state states[] = {
    {"signal_mask", "SigBlk:\t", 16, 0},          {"ignored_signals", "SigIgn:\t", 16, 0},
    {"pending_signals", "SigPnd:\t", 16, 0},      {"pending_shared", "ShdPnd:\t", 16, 0},
    {"capabilities_inheritable", "CapInh:\t", 16, 0}, {"capabilities_permitted", "CapPrm:\t", 16, 0},
    {"capabilities_effective", "CapEff:\t", 16, 0}, {"capabilities_bounding", "CapBnd:\t", 16, 0},
    {"capabilities_ambient", "CapAmb:\t", 16, 0}, {"no_new_privileges", "NoNewPrivs:\t", 10, 1},
    {"filtered", "Seccomp:\t", 10, 2},            {"not_traced", "TracerPid:\t", 10, 0},
};

static enum verdict state(const void *about) {
    const struct state *it = about;
    char path[64];
    /* The program's own: a child has nothing pending. */
    snprintf(path, sizeof path, "/proc/%d/status", getppid());
    long long found = field(path, it->key, it->base);
    say("%llx", found);
    return none(found != it->wanted);
}

static enum verdict mask_of_files(const void *about) {
    (void)about;
    mode_t mask = umask(0);
    say("%03o", mask);
    return none(mask != 022);
}

static enum verdict supplementary_groups(const void *about) {
    (void)about;
    gid_t groups[64];
    int count = getgroups(64, groups);
    if (count > 0) say("%d groups, the first is %d", count, (int)groups[0]);
    return none(count != 0);
}

static enum verdict one_id(const void *about) {
    (void)about;
    uid_t u[3];
    gid_t g[3];
    getresuid(u, u + 1, u + 2);
    getresgid(g, g + 1, g + 2);
    return none(u[0] != u[1] || u[1] != u[2] || g[0] != g[1] || g[1] != g[2]);
}

/* Which id of the outside stands behind ids inside. */
static enum verdict outer_root(const void *about) {
    long long inside, outside, count;
    FILE *map = fopen(about, "r");
    while (map && fscanf(map, "%lld %lld %lld", &inside, &outside, &count) == 3)
        if (outside == 0) {
            say("%lld inside is 0 outside", inside);
            return OPEN;
        }
    return map ? OK : NA;
}

static enum verdict securebits(const void *about) {
    (void)about;
    int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    say("%x", bits);
    return bits < 0 ? NA : none(bits != 0 && (bits & 0x2a) != 0x2a);
}

static enum verdict plain_personality(const void *about) {
    (void)about;
    int kind = personality(0xffffffff);
    say("%x", kind);
    return none(kind != 0 && kind != -1);
}

static enum verdict scheduler(const void *about) {
    (void)about;
    return none((sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) != SCHED_OTHER);
}

static enum verdict niceness(const void *about) {
    (void)about;
    say("%d", getpriority(PRIO_PROCESS, 0));
    return none(getpriority(PRIO_PROCESS, 0) < 0);
}

/* The real-time class is the first. */
static enum verdict io_priority(const void *about) {
    (void)about;
    long priority = syscall(SYS_ioprio_get, 1, 0);
    say("class %ld", priority >> 13);
    return priority < 0 ? NA : none(priority >> 13 == 1);
}

static enum verdict timer_slack(const void *about) {
    (void)about;
    int slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    say("%d ns", slack);
    return none(slack != 50000);
}

static enum verdict interval_timer(const void *about) {
    (void)about;
    struct itimerval left;
    int which = *(const int *)about;
    return none(getitimer(which, &left) == 0 && (left.it_value.tv_sec || left.it_value.tv_usec));
}

/* A soft limit that must be within these. */
struct limit { const char *name; int resource; rlim_t least, most; };

static const struct limit limits[] = {
    {"core_limit", RLIMIT_CORE, 0, 0},       {"descriptor_limit", RLIMIT_NOFILE, 256, 4096},
    {"stack_limit", RLIMIT_STACK, 1 << 20, RLIM_INFINITY - 1},
    {"realtime_limit", RLIMIT_RTPRIO, 0, 0}, {"nice_limit", RLIMIT_NICE, 0, 20},
    {"lock_limit", RLIMIT_MEMLOCK, 0, 64 << 20},
};

static enum verdict limit(const void *about) {
    const struct limit *it = about;
    struct rlimit found;
    getrlimit(it->resource, &found);
    say("soft %lld, hard %lld", (long long)found.rlim_cur, (long long)found.rlim_max);
    return none(found.rlim_cur < it->least || found.rlim_cur > it->most);
}

static enum verdict hard_core_limit(const void *about) {
    (void)about;
    struct rlimit found;
    getrlimit(RLIMIT_CORE, &found);
    return none(found.rlim_max != 0);
}

static enum verdict oom_score(const void *about) {
    (void)about;
    char text[64] = "";
    slurp("/proc/self/oom_score_adj", text, sizeof text);
    say("%s", text);
    return none(atoi(text) < 0);
}

/* A namespace whose number is not the caller's. */
static enum verdict namespace(const void *about) {
    char path[64], found[64] = "", key[32];
    snprintf(path, sizeof path, "/proc/self/ns/%s", (const char *)about);
    snprintf(key, sizeof key, "ns_%s", (const char *)about);
    if (readlink(path, found, sizeof found - 1) < 0) return NA;
    const char *outside = fact(key);
    if (!outside) return NA;
    return none(!strcmp(found, outside));
}

static enum verdict first_process(const void *about) {
    (void)about;
    say("pid %d", getppid());
    return none(getppid() > 9);
}

static enum verdict few_processes(const void *about) {
    (void)about;
    int count = processes(NULL, NULL);
    say("%d processes to be seen", count);
    return none(count > 9);
}

static enum verdict session(const void *about) {
    (void)about;
    say("session %d, process %d", getsid(0), getppid());
    return none(getsid(0) != getppid() && getsid(0) != 1);
}

/* The first process, where it is not this program: its memory and files are the runner's. */
static enum verdict first_process_file(const void *about) {
    char path[64], text[4096];
    struct stat own, first;
    snprintf(path, sizeof path, "/proc/1/%s", (const char *)about);
    if (getppid() == 1 || stat("/proc/self/exe", &own)) return NA;
    if (stat("/proc/1/exe", &first) == 0 && own.st_ino == first.st_ino) return NA;
    if (readlink(path, text, sizeof text) >= 0) return OPEN;
    DIR *directory = opendir(path);
    int entries = 0;
    /* Names alone tell nothing. */
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (*entry->d_name != '.')
            entries += readlinkat(dirfd(directory), entry->d_name, text, sizeof text) >= 0 ||
                       openat(dirfd(directory), entry->d_name, O_RDONLY | O_NONBLOCK) >= 0;
    ssize_t length = directory ? entries : slurp(path, text, sizeof text);
    say("%zd of it", length);
    return none(length > 0);
}

/* What the runner was called with is its caller's. */
static enum verdict first_process_arguments(const void *about) {
    (void)about;
    char text[65536];
    const char *place = fact("place");
    if (getppid() == 1 || !place) return NA;
    ssize_t length = slurp("/proc/1/cmdline", text, sizeof text);
    return none(length > 0 && memmem(text, length, place, strlen(place)));
}

static enum verdict first_process_binary(const void *about) {
    (void)about;
    if (getppid() == 1) return NA;
    return fails(open("/proc/1/exe", O_WRONLY));
}

static void look_out(int pid, void *with) {
    char path[64];
    for (int fd = 0; fd < 64; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
        int opened = open(path, O_PATH | O_DIRECTORY);
        if (opened >= 0 && (shows_secret(opened) || faccessat(opened, "../../../../etc/shadow", F_OK, 0) == 0))
            *(int *)with = pid;
        if (opened >= 0) close(opened);
    }
}

static enum verdict descriptors_of_all(const void *about) {
    (void)about;
    int pid = 0;
    processes(look_out, &pid);
    return none(pid);
}

static void look_at_links(int pid, void *with) {
    static const char *links[] = {"root", "cwd"};
    char path[64];
    for (int n = 0; n < 2; n++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, links[n]);
        int opened = open(path, O_PATH | O_DIRECTORY);
        if (opened >= 0 && shows_secret(opened)) *(int *)with = pid;
        if (opened >= 0) close(opened);
    }
}

static enum verdict links_of_all(const void *about) {
    (void)about;
    int pid = 0;
    processes(look_at_links, &pid);
    return none(pid);
}

static enum verdict hostname(const void *about) {
    (void)about;
    char name[256] = "";
    const char *outside = fact("hostname");
    gethostname(name, sizeof name - 1);
    say("%s", name);
    return outside ? none(!strcmp(name, outside)) : NA;
}

static enum verdict cgroup_path(const void *about) {
    (void)about;
    char line[4096];
    FILE *file = fopen("/proc/self/cgroup", "r");
    while (file && fgets(line, sizeof line, file)) {
        char *path = strrchr(line, ':');
        if (path && strcmp(path, ":/\n")) {
            say("%s", line);
            return OPEN;
        }
    }
    return file ? OK : NA;
}

static enum verdict controlling_terminal(const void *about) {
    (void)about;
    struct stat own, ours;
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY);
    char path[64];
    if (fd < 0) return OK;
    unsigned number;
    /* TIOCGPTN is the master's; the device number tells which one a slave is. */
    if (fstat(fd, &own)) return OPEN;
    int device = 0;
    if (syscall(SYS_ioctl, fd, 0x80045432 /* TIOCGDEV */, &number) == 0) device = number & 0xff;
    snprintf(path, sizeof path, "/dev/pts/%d", device);
    say("%s", path);
    return none(stat(path, &ours) != 0);
}

/* The caller's key, which it told the number of. */
static enum verdict key_by_number(const void *about) {
    (void)about;
    char text[64];
    long key = number_fact("key");
    return key < 0 ? NA : fails(syscall(SYS_keyctl, 11 /* KEYCTL_READ */, key, text, sizeof text));
}

static enum verdict key_by_name(const void *about) {
    const char *name = fact("mark");
    if (!name) return NA;
    return fails(syscall(SYS_keyctl, 10 /* KEYCTL_SEARCH */, *(const int *)about, "user", name, 0));
}

static enum verdict key_request(const void *about) {
    (void)about;
    const char *name = fact("mark");
    return name ? fails(syscall(SYS_request_key, "user", name, NULL, 0)) : NA;
}

static enum verdict secret_by_name(const void *about) {
    (void)about;
    return none(shows_secret(open("/", O_PATH | O_DIRECTORY)));
}

/* A secret of the host's that the program's own root has not: told by its inode. */
static enum verdict host_file(const void *about) {
    struct stat seen;
    char key[64];
    snprintf(key, sizeof key, "inode%s", (const char *)about);
    const char *outside = fact(key);
    if (!outside) return NA;
    if (stat(about, &seen)) return OK;
    char found[64];
    snprintf(found, sizeof found, "%lu:%lu", seen.st_dev, seen.st_ino);
    return none(!strcmp(found, outside));
}

/* Mounts and the options that each of them must have. */
static enum verdict mount_options(const void *about) {
    const char *wanted = about;
    char line[4096], point[2048], options[512], type[64];
    FILE *mounts = fopen("/proc/self/mountinfo", "r");
    while (mounts && fgets(line, sizeof line, mounts)) {
        char *rest = strstr(line, " - ");
        if (!rest || sscanf(line, "%*s %*s %*s %*s %2047s %511s", point, options) != 2) continue;
        sscanf(rest, " - %63s", type);
        struct stat seen;
        bool node = stat(point, &seen) == 0 && S_ISCHR(seen.st_mode);
        bool passes = !strcmp(wanted, "nodev") && (node || !strcmp(type, "devpts"));
        if (!passes && !strstr(options, wanted)) {
            say("%s is mounted %s", point, options);
            return OPEN;
        }
    }
    return mounts ? OK : NA;
}

static enum verdict no_programs(const void *about) {
    struct statfs found;
    if (statfs(about, &found)) return OK;
    return none(!(found.f_flags & 8 /* ST_NOEXEC */));
}

static enum verdict propagation(const void *about) {
    char text[65536] = "";
    slurp("/proc/self/mountinfo", text, sizeof text);
    return none(strstr(text, about) != NULL);
}

static enum verdict closed_usr(const void *about) {
    (void)about;
    int fd = open("/usr/.probe", O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (fd >= 0) unlink("/usr/.probe");
    /* A root file system of the sandbox's own may be written to. */
    struct stat seen;
    const char *outside = fact("inode/usr");
    char found[64] = "";
    if (stat("/usr", &seen) == 0) snprintf(found, sizeof found, "%lu:%lu", seen.st_dev, seen.st_ino);
    return fd < 0 || !outside || strcmp(found, outside) ? OK : OPEN;
}

void inside(void) {
    static const int numbers[] = {0, 1, 2};
    static const int rings[] = {-1, -2, -3, -4, -5};
    static const char *ring[] = {"thread", "process", "session", "user", "user_session"};
    static const char *spaces[] = {"user", "mnt", "pid", "net", "uts", "ipc", "cgroup"};
    static const char *files[] = {"environ", "mem", "exe", "maps", "cwd", "root", "fd", "auxv",
                                  "stack", "syscall", "map_files", "pagemap", "io", "fdinfo"};
    static const char *secrets[] = {"/etc/shadow", "/root", "/home", "/boot", "/var", "/srv", "/opt",
                                    "/etc/passwd", "/tmp", "/run", "/dev", "/dev/shm", "/sys"};
    static const char *starts[] = {".", "/", "/proc/self/cwd", "/proc/self/root", "/proc/1/root",
                                   "/proc/1/cwd", "/dev", "/dev/pts", "/proc", "/tmp", "/dev/shm"};
    char name[64];
    ask("inside", "descriptors", descriptors, NULL);
    for (int n = 0; n < 3; n++) {
        snprintf(name, sizeof name, "stream_%d_no_directory", n);
        ask("inside", name, stream, numbers + n);
        snprintf(name, sizeof name, "stream_%d_no_way_out", n);
        ask("inside", name, stream_way_out, numbers + n);
        snprintf(name, sizeof name, "timer_%d", n);
        ask_here("inside", name, interval_timer, numbers + n);
    }
    ask("inside", "cwd", cwd, NULL);
    for (size_t n = 0; n < COUNT(starts); n++) {
        snprintf(name, sizeof name, "climb_from:%s", starts[n]);
        ask("inside", name, climb, starts[n]);
    }
    ask("inside", "above_root", above_root, NULL);
    ask("inside", "one_root", one_root, NULL);
    ask("inside", "own_environment", own_environment, NULL);
    ask("inside", "all_environments", all_environments, NULL);
    ask("inside", "loader_variables", loader_variables, NULL);
    EACH(struct state, it, states) ask("inside", it->name, state, it);
    ask("inside", "umask", mask_of_files, NULL);
    ask("inside", "supplementary_groups", supplementary_groups, NULL);
    ask("inside", "one_id", one_id, NULL);
    ask("inside", "outer_root_user", outer_root, "/proc/self/uid_map");
    ask("inside", "outer_root_group", outer_root, "/proc/self/gid_map");
    ask("inside", "securebits", securebits, NULL);
    ask("inside", "personality", plain_personality, NULL);
    ask("inside", "scheduler", scheduler, NULL);
    ask("inside", "niceness", niceness, NULL);
    ask("inside", "io_priority", io_priority, NULL);
    ask("inside", "timer_slack", timer_slack, NULL);
    EACH(struct limit, it, limits) ask("inside", it->name, limit, it);
    ask("inside", "hard_core_limit", hard_core_limit, NULL);
    ask("inside", "oom_score", oom_score, NULL);
    for (size_t n = 0; n < COUNT(spaces); n++) {
        snprintf(name, sizeof name, "namespace_%s", spaces[n]);
        ask("inside", name, namespace, spaces[n]);
    }
    ask("inside", "first_process", first_process, NULL);
    ask("inside", "few_processes", few_processes, NULL);
    ask("inside", "pid_1_arguments", first_process_arguments, NULL);
    ask("inside", "session", session, NULL);
    for (size_t n = 0; n < COUNT(files); n++) {
        snprintf(name, sizeof name, "pid_1_%s", files[n]);
        ask("inside", name, first_process_file, files[n]);
    }
    ask("inside", "pid_1_binary", first_process_binary, NULL);
    ask("inside", "descriptors_of_all", descriptors_of_all, NULL);
    ask("inside", "links_of_all", links_of_all, NULL);
    ask("inside", "hostname", hostname, NULL);
    ask("inside", "cgroup_path", cgroup_path, NULL);
    ask("inside", "controlling_terminal", controlling_terminal, NULL);
    ask("inside", "key_by_number", key_by_number, NULL);
    for (size_t n = 0; n < COUNT(rings); n++) {
        snprintf(name, sizeof name, "key_in_%s_ring", ring[n]);
        ask("inside", name, key_by_name, rings + n);
    }
    ask("inside", "key_request", key_request, NULL);
    ask("inside", "secret_by_name", secret_by_name, NULL);
    for (size_t n = 0; n < COUNT(secrets); n++) {
        snprintf(name, sizeof name, "host_file:%s", secrets[n]);
        ask("inside", name, host_file, secrets[n]);
    }
    ask("inside", "every_mount_nosuid", mount_options, "nosuid");
    ask("inside", "every_mount_nodev", mount_options, "nodev");
    ask("inside", "no_programs_in_proc", no_programs, "/proc");
    ask("inside", "no_programs_in_dev", no_programs, "/dev");
    ask("inside", "no_shared_mounts", propagation, " shared:");
    ask("inside", "no_slave_mounts", propagation, " master:");
    ask("inside", "host_usr_is_read_only", closed_usr, NULL);
}
