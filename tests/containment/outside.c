/* What is outside of a sandbox, and in its caller: things that a program inside must not reach,
 * and a state that it must not inherit. Then the command is run, and what is left of both is
 * looked at.
 *
 *   outside PLACE [--ordinary] [--user ID] -- COMMAND…
 *
 * An ordinary caller has no real-time scheduler, which control groups of v1 don't take in. PLACE is
 * an empty directory; what the probe is to know is written to PLACE/facts. Exits with the
 * command's code, or with 99 if something outside was changed, which is told.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char mark[64], place[512], hostname[256];
static int shm = -1, sem = -1, msg = -1;
static long key = -1;
static pid_t sleeper;
static mode_t null_mode;
static bool ordinary;
static FILE *facts;

static void fact(const char *format, ...) {
    va_list words;
    va_start(words, format);
    vfprintf(facts, format, words);
    va_end(words);
    fputc('\n', facts);
}

static const char *below(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", place, name);
    return path;
}

static void make_file(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, "secret\n", 7) != 7) perror(path);
    close(fd);
}

static void listen_unix(const char *path, int abstract, int kind) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length + 1 >= sizeof address.sun_path) return;
    memcpy(address.sun_path + abstract, path, length);
    int fd = socket(AF_UNIX, kind | SOCK_CLOEXEC, 0);
    if (bind(fd, (void *)&address, offsetof(struct sockaddr_un, sun_path) + abstract + length))
        perror(path);
    if (kind != SOCK_DGRAM) listen(fd, 64);
    if (!abstract) {
        chmod(path, 0777);
        fact("socket=%s", path);
    }
}

static void listen_tcp(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (void *)&address, size) || listen(fd, 64)) return;
    getsockname(fd, (void *)&address, &size);
    fact("port=%d", ntohs(address.sin6_port));
}

static void make_ipc(void) {
    key_t number = 0x51000000 | getpid();
    shm = shmget(number, 12345, IPC_CREAT | 0666);
    sem = semget(number, 1, IPC_CREAT | 0666);
    msg = msgget(number, IPC_CREAT | 0666);
    fact("sysv=%d\nshm_id=%d", number, shm);
    char name[80];
    snprintf(name, sizeof name, "/%s", mark);
    mode_t mask = umask(0);
    mq_open(name, O_CREAT | O_RDWR, 0666, NULL);
    umask(mask);
    snprintf(name, sizeof name, "/dev/shm/%s", mark);
    make_file(name);
}

static void make_keys(void) {
    syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, "outside");
    syscall(SYS_add_key, "user", mark, "secret", 6, -4 /* the user's keyring */);
    key = syscall(SYS_add_key, "user", mark, "secret", 6, -3 /* the session's */);
    fact("key=%ld", key);
}

/* A process of the caller's user, with a number that no process inside comes to: there it would
 * stand for that one. */
static void make_sleeper(uid_t user) {
    enum { BEYOND = 1000 };
    while ((sleeper = fork()) > 0 && sleeper < BEYOND) {
        kill(sleeper, SIGKILL);
        waitpid(sleeper, NULL, 0);
    }
    if (sleeper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (user && setresuid(user, user, user)) _exit(1);
        setpgid(0, 0);
        for (;;) pause();
    }
    fact("pid=%d", sleeper);
}

static void tell_inodes(void) {
    static const char *const paths[] = {"/etc/shadow", "/root", "/home", "/boot", "/var", "/srv",
                                        "/opt", "/etc/passwd", "/tmp", "/run", "/dev", "/dev/shm",
                                        "/sys", "/usr"};
    struct stat seen;
    for (size_t n = 0; n < sizeof paths / sizeof *paths; n++)
        if (stat(paths[n], &seen) == 0) fact("inode%s=%lu:%lu", paths[n], seen.st_dev, seen.st_ino);
    if (stat("/dev/null", &seen) == 0) {
        fact("dev_of_dev=%lu", seen.st_dev);
        null_mode = seen.st_mode;
    }
    if (stat("/dev/pts", &seen) == 0) fact("dev_of_pts=%lu", seen.st_dev);
    if (stat("/", &seen) == 0) fact("disk=%lu", seen.st_dev);
}

static void tell_namespaces(void) {
    static const char *const kinds[] = {"user", "mnt", "pid", "net", "uts", "ipc", "cgroup"};
    char path[64], found[64];
    for (size_t n = 0; n < sizeof kinds / sizeof *kinds; n++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[n]);
        ssize_t length = readlink(path, found, sizeof found);
        if (length > 0) fact("ns_%s=%.*s", kinds[n], (int)length, found);
    }
}

static void tell_network(void) {
    for (struct if_nameindex *one = if_nameindex(); one && one->if_index; one++)
        if (strcmp(one->if_name, "lo")) {
            fact("interface=%s:", one->if_name);
            break;
        }
    gethostname(hostname, sizeof hostname - 1);
    fact("hostname=%s", hostname);
}

static void prepare(uid_t user) {
    snprintf(mark, sizeof mark, "outside-mark-%d", getpid());
    facts = fopen(below("facts"), "we");
    if (!facts) exit(98);
    fact("mark=%s\nplace=%s\nsecret=%s", mark, place, below("secret"));
    make_file(below("secret"));
    listen_unix(mark, 1, SOCK_STREAM);
    listen_unix(mark, 1, SOCK_DGRAM);
    listen_unix(mark, 1, SOCK_SEQPACKET);
    listen_unix(below("sock"), 0, SOCK_STREAM);
    listen_tcp();
    make_ipc();
    make_sleeper(user);
    tell_inodes();
    tell_network();
}

static void inherit_descriptors(void) {
    /* Where programs look for them last. */
    static const int numbers[] = {3, 7, 77, 200};
    int root = open("/", O_RDONLY | O_DIRECTORY), secret = open(below("secret"), O_RDONLY);
    dup2(root, numbers[0]);
    dup2(root, numbers[2]);
    dup2(secret, numbers[1]);
    dup2(secret, numbers[3]);
}

static void inherit_limits(void) {
    struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY}, found;
    static const int which[] = {RLIMIT_CORE, RLIMIT_STACK, RLIMIT_MEMLOCK, RLIMIT_NICE,
                                RLIMIT_RTPRIO, RLIMIT_MSGQUEUE, RLIMIT_SIGPENDING};
    for (size_t n = 0; n < sizeof which / sizeof *which; n++)
        if (setrlimit(which[n], &none) && getrlimit(which[n], &found) == 0) {
            found.rlim_cur = found.rlim_max;
            setrlimit(which[n], &found);
        }
    if (getrlimit(RLIMIT_NOFILE, &found) == 0) {
        found.rlim_cur = found.rlim_max;
        setrlimit(RLIMIT_NOFILE, &found);
    }
}

static void inherit_signals(void) {
    static const int ignored[] = {SIGUSR2, SIGPIPE, SIGXFSZ, SIGTTOU, SIGALRM};
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGURG);
    sigaddset(&blocked, SIGRTMIN + 3);
    sigaddset(&blocked, SIGCONT);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    /* One waits for the thread, one for the process; both are harmless to a runner. */
    raise(SIGURG);
    kill(getpid(), SIGCONT);
    for (size_t n = 0; n < sizeof ignored / sizeof *ignored; n++) signal(ignored[n], SIG_IGN);
    struct itimerval hour = {{0, 0}, {3600, 0}};
    setitimer(ITIMER_VIRTUAL, &hour, NULL);
    setitimer(ITIMER_PROF, &hour, NULL);
    setitimer(ITIMER_REAL, &hour, NULL);
}

static void inherit_priority(void) {
    struct sched_param lowest = {1};
    setpriority(PRIO_PROCESS, 0, -5);
    if (!ordinary) sched_setscheduler(0, SCHED_RR, &lowest);
    syscall(SYS_ioprio_set, 1, 0, 1 << 13 | 4);
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    prctl(57 /* PR_SET_IO_FLUSHER */, 1, 0, 0, 0);
    int score = open("/proc/self/oom_score_adj", O_WRONLY);
    if (score >= 0 && write(score, "-500", 4) < 0) perror("oom_score_adj");
    close(score);
}

static void inherit_capabilities(void) {
    unsigned header[2] = {0x20080522, 0}, sets[6];
    if (syscall(SYS_capget, header, sets)) return;
    sets[2] = sets[1];
    sets[5] = sets[4];
    syscall(SYS_capset, header, sets);
    for (int n = 0; n < 41; n++) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0);
    prctl(PR_SET_SECUREBITS, 1 << 2 /* SECBIT_NO_SETUID_FIXUP */);
}

/* On most machines mounts are shared: what is mounted in one namespace comes up in the others. Here
 * the machine's own stay out of it. */
static void inherit_mounts(void) {
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return;
    mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL);
}

/* A terminal of the caller's, which its streams need not be. */
static void inherit_terminal(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) || unlockpt(master)) return;
    setsid();
    int slave = open(ptsname(master), O_RDWR | O_CLOEXEC);
    ioctl(slave, TIOCSCTTY, 0);
    /* The master stays open in the command's place, or it would be hung up. */
    fcntl(master, F_SETFD, 0);
}

static void become(uid_t user, bool has_user) {
    gid_t group = 4242;
    if (setgroups(1, &group)) errno = 0;
    if (!has_user) return inherit_capabilities();
    if (setresgid(user, user, user) || setresuid(user, user, user)) _exit(98);
}

static void run(char **command, uid_t user, bool has_user) {
    setenv("OUTSIDE_MARK", mark, 1);
    setenv("LD_BIND_NOT", "1", 1);
    setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/0/bus", 1);
    umask(0);
    inherit_terminal();
    inherit_mounts();
    inherit_limits();
    inherit_priority();
    inherit_signals();
    become(user, has_user);
    make_keys();
    tell_namespaces();
    fclose(facts);
    inherit_descriptors();
    personality(ADDR_NO_RANDOMIZE);
    if (chdir(place)) perror(place);
    execvp(*command, command);
    perror(*command);
    _exit(98);
}

static int changed(const char *what) {
    fprintf(stderr, "outside: %s was changed\n", what);
    return 99;
}

static int compare(void) {
    char now[256] = "";
    struct stat seen;
    struct shmid_ds segment;
    gethostname(now, sizeof now - 1);
    int code = 0;
    if (strcmp(now, hostname)) code = changed("the host's name");
    if (stat("/dev/null", &seen) || seen.st_mode != null_mode) code = changed("/dev/null");
    if (shmctl(shm, IPC_STAT, &segment)) code = changed("a shared memory segment");
    if (kill(sleeper, 0) || getpriority(PRIO_PROCESS, sleeper) > 0) code = changed("a process");
    if (access(below("secret"), R_OK)) code = changed("the secret");
    return code;
}

/* The user's keyring outlives us; only who is that user may take the key out. */
static void remove_key(uid_t user, bool has_user) {
    pid_t child = fork();
    if (child == 0) {
        if (has_user && setresuid(user, user, user)) _exit(1);
        long old = syscall(SYS_keyctl, 10 /* KEYCTL_SEARCH */, -4, "user", mark, 0);
        _exit(syscall(SYS_keyctl, 9 /* KEYCTL_UNLINK */, old, -4) != 0);
    }
    while (waitpid(child, NULL, 0) != child) {}
}

static void clean(uid_t user, bool has_user) {
    char path[128];
    remove_key(user, has_user);
    kill(sleeper, SIGKILL);
    shmctl(shm, IPC_RMID, NULL);
    semctl(sem, 0, IPC_RMID);
    msgctl(msg, IPC_RMID, NULL);
    snprintf(path, sizeof path, "/%s", mark);
    mq_unlink(path);
    snprintf(path, sizeof path, "/dev/shm/%s", mark);
    unlink(path);
}

int main(int count, char **words) {
    if (count < 4) return 98;
    char **rest = words + 2;
    ordinary = !strcmp(*rest, "--ordinary");
    rest += ordinary;
    bool has_user = !strcmp(*rest, "--user");
    uid_t user = has_user ? strtoul(rest[1], NULL, 10) : 0;
    char **command = rest + (has_user ? 3 : 1);
    snprintf(place, sizeof place, "%s", words[1]);
    prepare(user);
    fflush(facts);
    pid_t child = fork();
    if (child == 0) run(command, user, has_user);
    int status;
    while (waitpid(child, &status, 0) != child) {}
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    int told = compare();
    clean(user, has_user);
    return told ? told : code;
}
