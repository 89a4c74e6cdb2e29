/* Takes what it can get of one thing, tells how much that was, and goes on until it is ended.
 *
 *   bombs processes | threads | zombies | orphans | stopped | deaf | flood | fill DIR | inodes DIR
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_for_end(long count) {
    printf("%ld: %s\n", count, strerror(errno));
    fflush(stdout);
    for (;;) pause();
}

static void ignore_all(void) {
    sigset_t all;
    for (int signal_number = 1; signal_number < 65; signal_number++) signal(signal_number, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

/* So many children, each of which does this; fewer where no more can be had. */
static long spawn(long most, void (*each)(void)) {
    long count = 0;
    while (count < most) {
        pid_t child = fork();
        if (child < 0) break;
        if (child == 0) {
            each();
            for (;;) pause();
        }
        count++;
    }
    return count;
}

static void sleep_on(void) {}
static void die(void) { _exit(0); }
static void leave_one(void) {
    if (fork() == 0) _exit(0);
    _exit(0);
}
static void stop_deaf(void) {
    ignore_all();
    setsid();
    raise(SIGSTOP);
}

static void *idle(void *nothing) {
    for (;;) pause();
    return nothing;
}

static long threads(void) {
    pthread_attr_t small;
    pthread_t thread;
    long count = 0;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 16384);
    while (count < 20000 && !(errno = pthread_create(&thread, &small, idle, NULL))) count++;
    return count;
}

static long fill(const char *directory) {
    static char block[65536];
    char path[256];
    snprintf(path, sizeof path, "%s/fill", directory);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    long count = 0;
    while (write(fd, block, sizeof block) > 0) count++;
    return count;
}

static long inodes(const char *directory) {
    char path[256];
    long count = 0;
    for (int fd; ; count++) {
        snprintf(path, sizeof path, "%s/%ld", directory, count);
        if ((fd = open(path, O_CREAT | O_WRONLY, 0600)) < 0) return count;
        close(fd);
    }
}

/* Megabytes that lie in sockets, sent and never received: 128 at most. */
static long sockets(void) {
    static char block[65536];
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof here;
    long bytes = 0;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 16)) return -1;
    getsockname(listener, (void *)&here, &size);
    for (int pairs = 0; pairs < 400; pairs++) {
        int from = socket(AF_INET, SOCK_STREAM, 0);
        if (from < 0 || connect(from, (void *)&here, sizeof here) || accept(listener, NULL, NULL) < 0) break;
        for (ssize_t sent; (sent = send(from, block, sizeof block, MSG_DONTWAIT)) > 0; bytes += sent)
            if (bytes >> 20 >= 128) return bytes >> 20;
    }
    return bytes >> 20;
}

static void flood(void) {
    static char lines[65536];
    memset(lines, '\n', sizeof lines);
    for (;;)
        if (write(1, lines, sizeof lines) < 0 && write(2, lines, sizeof lines) < 0) pause();
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "", *where = count > 2 ? words[2] : "/tmp";
    if (!strcmp(what, "processes")) wait_for_end(spawn(20000, sleep_on));
    if (!strcmp(what, "threads")) wait_for_end(threads());
    if (!strcmp(what, "zombies")) wait_for_end(spawn(3000, die));
    if (!strcmp(what, "orphans")) wait_for_end(spawn(1500, leave_one));
    if (!strcmp(what, "stopped")) wait_for_end(spawn(100, stop_deaf));
    if (!strcmp(what, "fill")) wait_for_end(fill(where));
    if (!strcmp(what, "inodes")) wait_for_end(inodes(where));
    if (!strcmp(what, "sockets")) wait_for_end(sockets());
    if (!strcmp(what, "deaf")) {
        ignore_all();
        spawn(20, ignore_all);
        wait_for_end(0);
    }
    if (!strcmp(what, "flood")) flood();
    return 2;
}
