/* Resources: what a program may take, and that it can't give itself more. */
#include "probe.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>

static const char *const bounded[] = {"/", "/tmp", "/run", "/dev", "/dev/shm", "/dev/mqueue"};

static bool is_writable(const char *place) {
    char path[128];
    snprintf(path, sizeof path, "%s/.probe", place);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) unlink(path);
    return fd >= 0;
}

/* The kernel gives half of memory to each file system in it: two of them fill the machine. */
static enum verdict small(const void *about) {
    struct statfs found;
    struct sysinfo machine;
    if (statfs(about, &found) || sysinfo(&machine)) return NA;
    bool in_memory = found.f_type == 0x01021994;
    unsigned long long size = (unsigned long long)found.f_blocks * found.f_bsize;
    unsigned long long memory = (unsigned long long)machine.totalram * machine.mem_unit;
    say("%llu of %llu MiB", size >> 20, memory >> 20);
    if (!in_memory || !is_writable(about)) return OK;
    return size == 0 || size > memory / 100 * 45 ? OPEN : OK;
}

/* A root in memory that can be written to is one more of them. */
static enum verdict closed_root(const void *about) {
    struct statfs found;
    (void)about;
    if (statfs("/", &found)) return NA;
    return found.f_type == 0x01021994 && is_writable("/") ? OPEN : OK;
}

static enum verdict few_inodes(const void *about) {
    struct statfs found;
    struct sysinfo machine;
    if (statfs(about, &found) || sysinfo(&machine)) return NA;
    say("%llu inodes", (unsigned long long)found.f_files);
    if (found.f_type != 0x01021994 || !is_writable(about)) return OK;
    /* An inode takes about a kilobyte that no size counts. */
    unsigned long long memory = (unsigned long long)machine.totalram * machine.mem_unit;
    return found.f_files == 0 || found.f_files > memory / 2048 ? OPEN : OK;
}

struct raise { const char *name; int resource; };

static const struct raise raises[] = {
    {"core", RLIMIT_CORE},       {"descriptors", RLIMIT_NOFILE}, {"processes", RLIMIT_NPROC},
    {"locked_memory", RLIMIT_MEMLOCK}, {"realtime", RLIMIT_RTPRIO}, {"nice", RLIMIT_NICE},
    {"queues", RLIMIT_MSGQUEUE}, {"signals", RLIMIT_SIGPENDING},
};

static enum verdict raise_limit(const void *about) {
    struct rlimit found;
    int resource = ((const struct raise *)about)->resource;
    getrlimit(resource, &found);
    if (found.rlim_max == RLIM_INFINITY) {
        say("it is unlimited");
        return OPEN;
    }
    found.rlim_max++;
    return fails(setrlimit(resource, &found));
}

static enum verdict real_time(const void *about) {
    struct sched_param first = {1};
    return fails(sched_setscheduler(0, *(const int *)about, &first));
}

static enum verdict deadline(const void *about) {
    (void)about;
    struct { unsigned size, policy; unsigned long long flags; int nice; unsigned priority;
             unsigned long long runtime, deadline, period; } wish =
        {48, 6, 0, 0, 0, 1000000, 10000000, 10000000};
    return fails(syscall(SYS_sched_setattr, 0, &wish, 0));
}

static enum verdict better_nice(const void *about) {
    (void)about;
    return fails(setpriority(PRIO_PROCESS, 0, -5));
}

static enum verdict better_io(const void *about) {
    (void)about;
    return fails(syscall(SYS_ioprio_set, 1, 0, 1 << 13));
}

static enum verdict lock_memory(const void *about) {
    (void)about;
    size_t much = 256 << 20;
    void *room = mmap(NULL, much, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return room == MAP_FAILED ? NA : fails(mlock2(room, much, MLOCK_ONFAULT));
}

static enum verdict spare_from_oom(const void *about) {
    (void)about;
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    return fd < 0 ? fails(-1) : fails(write(fd, "-999", 4));
}

static enum verdict huge_pages(const void *about) {
    (void)about;
    void *room = mmap(NULL, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    return room == MAP_FAILED ? OK : NA;
}

static enum verdict big_pipe(const void *about) {
    (void)about;
    int ends[2];
    if (pipe(ends)) return NA;
    return fails(fcntl(ends[1], 1031 /* F_SETPIPE_SZ */, 64 << 20));
}

static enum verdict map_zero(const void *about) {
    (void)about;
    void *zero = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return zero == MAP_FAILED ? OK : OPEN;
}

void resources(void) {
    static const int policies[] = {SCHED_FIFO, SCHED_RR};
    char name[64];
    for (size_t n = 0; n < COUNT(bounded); n++) {
        snprintf(name, sizeof name, "size:%s", bounded[n]);
        ask("resources", name, small, bounded[n]);
        snprintf(name, sizeof name, "inodes:%s", bounded[n]);
        ask("resources", name, few_inodes, bounded[n]);
    }
    EACH(struct raise, it, raises) {
        snprintf(name, sizeof name, "raise_%s", it->name);
        ask("resources", name, raise_limit, it);
    }
    ask("resources", "closed_root", closed_root, NULL);
    ask("resources", "realtime_fifo", real_time, policies);
    ask("resources", "realtime_round_robin", real_time, policies + 1);
    ask("resources", "deadline", deadline, NULL);
    ask("resources", "better_nice", better_nice, NULL);
    ask("resources", "better_io_priority", better_io, NULL);
    ask("resources", "lock_much_memory", lock_memory, NULL);
    ask("resources", "spare_from_oom_killer", spare_from_oom, NULL);
    ask("resources", "huge_pages", huge_pages, NULL);
    ask("resources", "big_pipe", big_pipe, NULL);
    ask("resources", "map_page_zero", map_zero, NULL);
}
