/* Devices: the standard nodes and terminals of the sandbox's own, and no way to make another. */
#include "probe.h"

#include <ftw.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <utime.h>

static char stranger[256];

/* Null, zero, full, random, urandom, tty; ptmx and the terminals behind it. */
static bool is_standard(const struct stat *seen) {
    unsigned major = major(seen->st_rdev), minor = minor(seen->st_rdev);
    if (S_ISBLK(seen->st_mode)) return false;
    if (major == 1) return minor == 3 || minor == 5 || minor == 7 || minor == 8 || minor == 9;
    if (major == 5) return minor == 0 || minor == 2;
    /* A whiteout is no device. */
    return (major >= 136 && major <= 143) || (major == 0 && minor == 0);
}

/* Of a mount without devices, or of a group that a device is forbidden to. */
static bool is_refusal(int error) { return error == EACCES || error == EPERM; }

static int visit(const char *path, const struct stat *seen, int type, struct FTW *where) {
    (void)type, (void)where;
    if ((S_ISBLK(seen->st_mode) || S_ISCHR(seen->st_mode)) && !is_standard(seen)) {
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd >= 0 || !is_refusal(errno)) snprintf(stranger, sizeof stranger, "%s", path);
        if (fd >= 0) close(fd);
    }
    return 0;
}

static enum verdict only_standard(const void *about) {
    nftw(about, visit, 16, FTW_PHYS);
    say("%s", stranger);
    return *stranger ? OPEN : OK;
}

struct node { const char *name; mode_t kind; unsigned major, minor; };

static const struct node nodes[] = {
    {"mem", S_IFCHR, 1, 1},       {"kmem", S_IFCHR, 1, 2},        {"port", S_IFCHR, 1, 4},
    {"kmsg", S_IFCHR, 1, 11},     {"tty0", S_IFCHR, 4, 0},        {"tty1", S_IFCHR, 4, 1},
    {"ttyS0", S_IFCHR, 4, 64},    {"console", S_IFCHR, 5, 1},     {"vcs", S_IFCHR, 7, 0},
    {"vcsa", S_IFCHR, 7, 128},    {"fuse", S_IFCHR, 10, 229},     {"tun", S_IFCHR, 10, 200},
    {"kvm", S_IFCHR, 10, 232},    {"loop-control", S_IFCHR, 10, 237}, {"uinput", S_IFCHR, 10, 223},
    {"device-mapper", S_IFCHR, 10, 236}, {"rtc", S_IFCHR, 10, 135}, {"nvram", S_IFCHR, 10, 144},
    {"snapshot", S_IFCHR, 10, 231}, {"hpet", S_IFCHR, 10, 228},   {"vhost-net", S_IFCHR, 10, 238},
    {"vhost-vsock", S_IFCHR, 10, 241}, {"userfaultfd", S_IFCHR, 10, 126}, {"input", S_IFCHR, 13, 64},
    {"framebuffer", S_IFCHR, 29, 0}, {"card", S_IFCHR, 226, 0},   {"cpu-msr", S_IFCHR, 202, 0},
    {"loop0", S_IFBLK, 7, 0},     {"sda", S_IFBLK, 8, 0},         {"md0", S_IFBLK, 9, 0},
    {"zram0", S_IFBLK, 253, 0},   {"vda", S_IFBLK, 254, 0},       {"nvme", S_IFBLK, 259, 0},
};

/* A node that can be made, but not opened, is none. */
static enum verdict make_at(const char *directory, mode_t kind, dev_t device) {
    char path[256];
    snprintf(path, sizeof path, "%s/.probe-node", directory);
    if (mknod(path, kind | 0600, device)) return fails(-1);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    say("%s was made in %s: %s", path, directory, fd < 0 ? strerror(errno) : "and opened");
    bool open = fd >= 0 || !is_refusal(errno);
    unlink(path);
    return open ? OPEN : OK;
}

static enum verdict make(const void *about) {
    static const char *const places[] = {"/tmp", "/dev", "/dev/shm", "/run", "/", "/root", "/usr"};
    const struct node *it = about;
    for (size_t n = 0; n < COUNT(places); n++)
        if (make_at(places[n], it->kind, makedev(it->major, it->minor)) == OPEN) return OPEN;
    return OK;
}

/* The disk that the host's root lies on. */
static enum verdict make_root_disk(const void *about) {
    (void)about;
    long device = number_fact("disk");
    return device <= 0 ? NA : make_at("/tmp", S_IFBLK, (dev_t)device);
}

static const char *const absent[] = {
    "mem", "kmem", "port", "kmsg", "console", "fuse", "kvm", "loop-control", "loop0", "sda", "vda",
    "nvme0n1", "net/tun", "mapper/control", "vhost-net", "vhost-vsock", "vsock", "uinput", "rtc0",
    "hpet", "nvram", "snapshot", "tty0", "tty1", "ttyS0", "vcs", "fb0", "dri", "input", "snd",
    "cpu/0/msr", "userfaultfd", "udmabuf", "btrfs-control", "autofs", "log", "initctl", "block"};

static enum verdict is_absent(const void *about) {
    char path[64];
    struct stat seen;
    snprintf(path, sizeof path, "/dev/%s", (const char *)about);
    if (lstat(path, &seen)) return OK;
    /* A console may be there if it is the sandbox's terminal. */
    if (!strcmp(about, "console") && major(seen.st_rdev) >= 136) return OK;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    say("%s", fd < 0 ? strerror(errno) : "it can be opened");
    return fd < 0 && errno != ENXIO ? OK : OPEN;
}

static const struct node standard[] = {
    {"null", S_IFCHR, 1, 3}, {"zero", S_IFCHR, 1, 5},   {"full", S_IFCHR, 1, 7},
    {"random", S_IFCHR, 1, 8}, {"urandom", S_IFCHR, 1, 9}, {"tty", S_IFCHR, 5, 0},
};

static enum verdict is_itself(const void *about) {
    const struct node *it = about;
    char path[64];
    struct stat seen;
    snprintf(path, sizeof path, "/dev/%s", it->name);
    if (stat(path, &seen)) return fails(0);
    return S_ISCHR(seen.st_mode) && seen.st_rdev == makedev(it->major, it->minor) ? OK : OPEN;
}

/* The inode may be the host's: then it is not to be changed. What is tried changes nothing. */
static enum verdict keeps_mode(const void *about) {
    char path[64];
    struct stat seen;
    snprintf(path, sizeof path, "/dev/%s", ((const struct node *)about)->name);
    const char *outside = fact("dev_of_dev");
    if (!outside || stat(path, &seen)) return NA;
    if ((unsigned long)strtoul(outside, NULL, 10) != seen.st_dev) return OK;
    if (chmod(path, seen.st_mode & 07777) == 0) {
        say("the mode of the host's node can be changed");
        return OPEN;
    }
    return fails(utime(path, NULL));
}

/* So may that of a mask be. */
static enum verdict mask_keeps_mode(const void *about) {
    struct stat seen;
    const char *outside = fact("dev_of_dev");
    if (!outside || stat(about, &seen) || !S_ISCHR(seen.st_mode)) return NA;
    if (strtoul(outside, NULL, 10) != seen.st_dev) return OK;
    return fails(chmod(about, seen.st_mode & 07777));
}

static enum verdict own_terminals(const void *about) {
    (void)about;
    struct stat seen;
    const char *outside = fact("dev_of_pts");
    if (!outside) return NA;
    unsigned long device = strtoul(outside, NULL, 10);
    if (stat("/dev/pts", &seen)) return OK;
    return seen.st_dev == device ? OPEN : OK;
}

static enum verdict own_ptmx(const void *about) {
    (void)about;
    unsigned number, unlock = 0;
    char path[64];
    struct stat seen;
    int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (fd < 0) return fails(0);
    if (ioctl(fd, TIOCGPTN, &number) || ioctl(fd, TIOCSPTLCK, &unlock)) return OPEN;
    snprintf(path, sizeof path, "/dev/pts/%u", number);
    say("%s", path);
    return stat(path, &seen) == 0 && S_ISCHR(seen.st_mode) ? OK : OPEN;
}

/* A stream that is nothing must not be the host's own node. */
static enum verdict null_stream_keeps_mode(const void *about) {
    (void)about;
    struct stat seen;
    bool found = false;
    for (int fd = 0; fd < 3; fd++) {
        if (fstat(fd, &seen) || !S_ISCHR(seen.st_mode) || seen.st_rdev != makedev(1, 3)) continue;
        found = true;
        if (fchmod(fd, seen.st_mode & 07777) == 0) return fails(0);
    }
    return found ? OK : NA;
}

/* A machine has 4096; whoever may make that many leaves none to other sandboxes. */
static enum verdict bounded_terminals(const void *about) {
    (void)about;
    char line[1024];
    int most = 0;
    bool found = false;
    FILE *mounts = fopen("/proc/self/mounts", "r");
    while (mounts && fgets(line, sizeof line, mounts)) {
        if (!strstr(line, " devpts ")) continue;
        found = true;
        const char *max = strstr(line, "max=");
        if (!max || sscanf(max, "max=%d", &most) != 1 || most > 1024) {
            say("%s", line);
            return OPEN;
        }
    }
    return found ? OK : NA;
}

/* Something that the launcher made outside. */
static enum verdict host_shm(const void *about) {
    (void)about;
    char path[256];
    const char *mark = fact("mark");
    if (!mark) return NA;
    snprintf(path, sizeof path, "/dev/shm/%s", mark);
    return fails(open(path, O_RDONLY));
}

static enum verdict host_queue(const void *about) {
    (void)about;
    const char *mark = fact("mark");
    return mark ? fails(syscall(SYS_mq_open, mark, O_RDONLY, 0, NULL)) : NA;
}

static enum verdict host_queue_file(const void *about) {
    (void)about;
    char path[256];
    const char *mark = fact("mark");
    if (!mark) return NA;
    snprintf(path, sizeof path, "/dev/mqueue/%s", mark);
    return fails(open(path, O_RDONLY));
}

static enum verdict shm_is_ours(const void *about) {
    (void)about;
    int fd = open("/dev/shm/.probe", O_CREAT | O_RDWR, 0600);
    unlink("/dev/shm/.probe");
    say("%s", fd < 0 ? strerror(errno) : "");
    return fd < 0 ? OPEN : OK;
}

void devices(void) {
    static const char *const places[] = {"/dev", "/tmp", "/run", "/etc", "/proc/self/fd"};
    static const char *const masks[] = {"/proc/interrupts", "/proc/kcore", "/proc/keys",
                                        "/proc/timer_list", "/proc/sched_debug"};
    char name[64];
    for (size_t n = 0; n < COUNT(places); n++) {
        snprintf(name, sizeof name, "only_standard_nodes:%s", places[n]);
        ask("devices", name, only_standard, places[n]);
    }
    EACH(struct node, it, nodes) {
        snprintf(name, sizeof name, "mknod_%s", it->name);
        ask("devices", name, make, it);
    }
    ask("devices", "mknod_root_disk", make_root_disk, NULL);
    for (size_t n = 0; n < COUNT(absent); n++) {
        snprintf(name, sizeof name, "absent:/dev/%s", absent[n]);
        ask("devices", name, is_absent, absent[n]);
    }
    EACH(struct node, it, standard) {
        snprintf(name, sizeof name, "standard:/dev/%s", it->name);
        ask("devices", name, is_itself, it);
        snprintf(name, sizeof name, "unchanged:/dev/%s", it->name);
        ask("devices", name, keeps_mode, it);
    }
    for (size_t n = 0; n < COUNT(masks); n++) {
        snprintf(name, sizeof name, "unchanged:%s", masks[n]);
        ask("devices", name, mask_keeps_mode, masks[n]);
    }
    ask("devices", "own_terminals", own_terminals, NULL);
    ask("devices", "own_ptmx", own_ptmx, NULL);
    ask("devices", "bounded_terminals", bounded_terminals, NULL);
    ask("devices", "null_stream_keeps_mode", null_stream_keeps_mode, NULL);
    ask("devices", "host_shm", host_shm, NULL);
    ask("devices", "host_queue", host_queue, NULL);
    ask("devices", "host_queue_file", host_queue_file, NULL);
    ask("devices", "own_shm", shm_is_ours, NULL);
}
