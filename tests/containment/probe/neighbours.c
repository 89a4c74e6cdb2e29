/* Neighbours: processes, sockets, queues and devices of the host's, which the launcher made. */
#include "probe.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static int connect_unix(const char *path, bool abstract, int kind) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length + 1 >= sizeof address.sun_path) return -1;
    memcpy(address.sun_path + abstract, path, length);
    int fd = socket(AF_UNIX, kind, 0);
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + abstract + length;
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, size);
}

static enum verdict abstract_socket(const void *about) {
    const char *mark = fact("mark");
    return mark ? fails(connect_unix(mark, true, *(const int *)about)) : NA;
}

static enum verdict socket_file(const void *about) {
    (void)about;
    const char *path = fact("socket");
    return path ? fails(connect_unix(path, false, SOCK_STREAM)) : NA;
}

static const char *const services[] = {
    "/run/dbus/system_bus_socket", "/var/run/docker.sock", "/run/docker.sock",
    "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/systemd/private",
    "/run/systemd/journal/socket", "/run/systemd/notify", "/run/udev/control", "/run/snapd.socket",
    "/run/user/0/bus", "/run/user/1000/bus", "/tmp/.X11-unix/X0", "/run/cups/cups.sock",
    "/run/nscd/socket", "/run/acpid.socket", "/dev/log",
};

static enum verdict service(const void *about) {
    if (connect_unix(about, false, SOCK_STREAM) == 0) return OPEN;
    return fails(connect_unix(about, false, SOCK_DGRAM));
}

static enum verdict x11(const void *about) {
    (void)about;
    return fails(connect_unix("/tmp/.X11-unix/X0", true, SOCK_STREAM));
}

static enum verdict loopback(const void *about) {
    int family = *(const int *)about;
    long port = number_fact("port");
    if (port <= 0) return NA;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    /* The listener takes IPv4 in the clothes of IPv6, too. */
    bool six = family == AF_INET6;
    int fd = socket(family, SOCK_STREAM, 0);
    return fails(connect(fd, six ? (void *)&v6 : (void *)&v4, six ? sizeof v6 : sizeof v4));
}

static enum verdict outward(const void *about) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53)};
    inet_pton(AF_INET, about, &address.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return fails(connect(fd, (struct sockaddr *)&address, sizeof address));
}

static enum verdict only_loopback(const void *about) {
    (void)about;
    struct if_nameindex *all = if_nameindex();
    int count = 0, strange = 0;
    for (struct if_nameindex *one = all; one && one->if_index; one++, count++)
        if (strcmp(one->if_name, "lo") && strncmp(one->if_name, "sit", 3) && strncmp(one->if_name, "tunl", 4)) {
            say("%s", one->if_name);
            strange++;
        }
    return strange ? OPEN : OK;
}

static enum verdict interfaces_in_proc(const void *about) {
    (void)about;
    static char text[16384];
    const char *interface = fact("interface");
    if (!interface || slurp("/proc/net/dev", text, sizeof text) < 0) return NA;
    return strstr(text, interface) ? OPEN : OK;
}

static enum verdict sockets_in_proc(const void *about) {
    static char text[1 << 20];
    const char *mark = fact("mark");
    if (!mark || slurp(about, text, sizeof text) < 0) return NA;
    return strstr(text, mark) ? OPEN : OK;
}

static enum verdict port_in_proc(const void *about) {
    static char text[1 << 20];
    char sought[32];
    long port = number_fact("port");
    if (port <= 0 || slurp(about, text, sizeof text) < 0) return NA;
    snprintf(sought, sizeof sought, ":%04lX ", port);
    return strstr(text, sought) ? OPEN : OK;
}

static enum verdict routes(const void *about) {
    (void)about;
    static char text[16384];
    if (slurp("/proc/net/route", text, sizeof text) < 0) return NA;
    char *line = strchr(text, '\n');
    return line && strlen(line) > 2 ? OPEN : OK;
}

/* Events of the machine's devices come to the first network namespace's. */
static enum verdict uevents(const void *about) {
    (void)about;
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
    char same[64], key[] = "ns_net";
    int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
    if (fd < 0) return fails(-1);
    const char *outside = fact(key);
    ssize_t length = readlink("/proc/self/ns/net", same, sizeof same - 1);
    if (!outside || length < 0) return NA;
    same[length] = 0;
    bool hears = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    return hears && !strcmp(same, outside) ? OPEN : OK;
}

static enum verdict change_network(const void *about) {
    (void)about;
    struct { struct nlmsghdr head; struct ifinfomsg info; } ask = {
        {sizeof ask, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0}, {.ifi_index = 1}};
    struct { struct nlmsghdr head; struct nlmsgerr error; char rest[512]; } told;
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (fd < 0) return fails(-1);
    if (send(fd, &ask, sizeof ask, 0) < 0 || recv(fd, &told, sizeof told, 0) < 0) return OK;
    say("%s", strerror(-told.error.error));
    return told.head.nlmsg_type == NLMSG_ERROR && told.error.error == 0 ? OPEN : OK;
}

static enum verdict force_buffers(const void *about) {
    (void)about;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    return fails(setsockopt(fd, SOL_SOCKET, 32 /* SO_SNDBUFFORCE */, &on, sizeof on));
}

static enum verdict to_host_vsock(const void *about) {
    (void)about;
    struct { unsigned short family, zero; unsigned port, cid; char rest[8]; } host = {40, 0, 22, 2, ""};
    int fd = socket(40, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) return fails(-1);
    return connect(fd, (void *)&host, sizeof host) == 0 || errno == EINPROGRESS ? OPEN : OK;
}

static enum verdict shared_memory(const void *about) {
    (void)about;
    long key = number_fact("sysv");
    return key < 0 ? NA : fails(shmget(key, 0, 0));
}

static enum verdict shared_memory_by_id(const void *about) {
    (void)about;
    long id = number_fact("shm_id");
    struct shmid_ds seen;
    if (id < 0) return NA;
    return fails(shmctl(id, IPC_STAT, &seen) == 0 && seen.shm_segsz == 12345 ? 0 : -1);
}

static enum verdict semaphores(const void *about) {
    (void)about;
    long key = number_fact("sysv");
    return key < 0 ? NA : fails(semget(key, 0, 0));
}

static enum verdict messages(const void *about) {
    (void)about;
    long key = number_fact("sysv");
    return key < 0 ? NA : fails(msgget(key, 0));
}

static enum verdict ipc_in_proc(const void *about) {
    static char text[65536], sought[32];
    long key = number_fact("sysv");
    if (key < 0 || slurp(about, text, sizeof text) < 0) return NA;
    snprintf(sought, sizeof sought, "%ld", key);
    return strstr(text, sought) ? OPEN : OK;
}

/* What can be done to a process of the host's by its number there. */
static enum verdict visible(const void *about) {
    (void)about;
    char path[64];
    long pid = number_fact("pid");
    if (pid < 0) return NA;
    snprintf(path, sizeof path, "/proc/%ld/status", pid);
    return fails(open(path, O_RDONLY));
}

struct deed { const char *name; long (*act)(pid_t); };

static long by_kill(pid_t pid) { return kill(pid, 0); }
static long by_group(pid_t pid) { return kill(-pid, 0); }
static long by_queue(pid_t pid) { return sigqueue(pid, 0, (union sigval){0}); }
static long by_tgkill(pid_t pid) { return syscall(SYS_tgkill, pid, pid, 0); }
static long by_pidfd(pid_t pid) { return syscall(434, pid, 0); }
static long by_ptrace(pid_t pid) { return ptrace(PTRACE_SEIZE, pid, 0, 0); }
static long by_affinity(pid_t pid) {
    cpu_set_t set;
    return sched_getaffinity(pid, sizeof set, &set);
}
static long by_priority(pid_t pid) { return setpriority(PRIO_PROCESS, pid, 19) ? -1 : 0; }
static long by_rlimit(pid_t pid) {
    struct rlimit found;
    return prlimit(pid, RLIMIT_NOFILE, NULL, &found);
}
static long by_session(pid_t pid) { return getsid(pid); }
static long by_scheduler(pid_t pid) { return sched_getscheduler(pid); }
static long by_io_priority(pid_t pid) { return syscall(SYS_ioprio_get, 1, pid); }
static long by_capabilities(pid_t pid) {
    unsigned header[2] = {0x20080522, pid}, data[6];
    return syscall(SYS_capget, header, data);
}
static long by_robust_list(pid_t pid) {
    void *head;
    size_t length;
    return syscall(SYS_get_robust_list, pid, &head, &length);
}
static long by_memory(pid_t pid) {
    char byte;
    struct iovec own = {&byte, 1}, its = {(void *)0x400000, 1};
    return process_vm_readv(pid, &own, 1, &its, 1, 0);
}

static const struct deed deeds[] = {
    {"kill", by_kill}, {"kill_group", by_group}, {"sigqueue", by_queue}, {"tgkill", by_tgkill},
    {"pidfd_open", by_pidfd}, {"ptrace", by_ptrace}, {"affinity", by_affinity},
    {"setpriority", by_priority}, {"prlimit", by_rlimit}, {"getsid", by_session},
    {"scheduler", by_scheduler}, {"ioprio", by_io_priority}, {"capget", by_capabilities},
    {"robust_list", by_robust_list}, {"process_vm_readv", by_memory},
};

static enum verdict deed(const void *about) {
    long pid = number_fact("pid");
    return pid < 0 ? NA : fails(((const struct deed *)about)->act(pid));
}

void neighbours(void) {
    static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    static const char *kind[] = {"stream", "datagram", "seqpacket"};
    static const int inet = AF_INET, inet6 = AF_INET6;
    char name[64];
    for (size_t n = 0; n < COUNT(kinds); n++) {
        snprintf(name, sizeof name, "abstract_socket_%s", kind[n]);
        ask("neighbours", name, abstract_socket, kinds + n);
    }
    ask("neighbours", "abstract_x11", x11, NULL);
    ask("neighbours", "socket_file", socket_file, NULL);
    for (size_t n = 0; n < COUNT(services); n++) {
        snprintf(name, sizeof name, "service:%s", services[n]);
        ask("neighbours", name, service, services[n]);
    }
    ask("neighbours", "loopback_ipv4", loopback, &inet);
    ask("neighbours", "loopback_ipv6", loopback, &inet6);
    ask("neighbours", "route_outward", outward, "192.0.2.1");
    ask("neighbours", "route_to_metadata", outward, "169.254.169.254");
    ask("neighbours", "route_to_private_network", outward, "10.0.0.1");
    ask("neighbours", "only_loopback", only_loopback, NULL);
    ask("neighbours", "interfaces_in_proc", interfaces_in_proc, NULL);
    ask("neighbours", "unix_sockets_in_proc", sockets_in_proc, "/proc/net/unix");
    ask("neighbours", "ports_in_proc", port_in_proc, "/proc/net/tcp6");
    ask("neighbours", "routes_in_proc", routes, NULL);
    ask("neighbours", "uevents", uevents, NULL);
    ask("neighbours", "change_network", change_network, NULL);
    ask("neighbours", "force_buffers", force_buffers, NULL);
    ask("neighbours", "vsock_to_host", to_host_vsock, NULL);
    ask("neighbours", "shared_memory", shared_memory, NULL);
    ask("neighbours", "shared_memory_by_id", shared_memory_by_id, NULL);
    ask("neighbours", "semaphores", semaphores, NULL);
    ask("neighbours", "messages", messages, NULL);
    ask("neighbours", "shm_in_proc", ipc_in_proc, "/proc/sysvipc/shm");
    ask("neighbours", "sem_in_proc", ipc_in_proc, "/proc/sysvipc/sem");
    ask("neighbours", "msg_in_proc", ipc_in_proc, "/proc/sysvipc/msg");
    ask("neighbours", "process_in_proc", visible, NULL);
    EACH(struct deed, it, deeds) {
        snprintf(name, sizeof name, "host_process_by_%s", it->name);
        ask("neighbours", name, deed, it);
    }
}
