// The least that a terminal's relay does: a command on a terminal of its own, and bytes carried
// between that and our standard streams.
//
//   relay COMMAND [ARGUMENT…]
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static char room[65536];

static int all_written(int fd, const char *bytes, ssize_t length)
{
    for (ssize_t done; length > 0; bytes += done, length -= done)
        if ((done = write(fd, bytes, (size_t)length)) < 0) return 0;
    return 1;
}

static int carry(int from, int to)
{
    ssize_t length = read(from, room, sizeof room);
    return length > 0 && all_written(to, room, length);
}

static void command(const char *terminal, char **words)
{
    setsid();
    int fd = open(terminal, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0) _exit(125);
    for (int stream = 0; stream < 3; stream++) dup2(fd, stream);
    execvp(words[0], words);
    _exit(127);
}

int main(int argc, char **argv)
{
    int status, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios before, raw;
    if (argc < 2 || master < 0 || unlockpt(master) < 0) return 125;
    int terminal = tcgetattr(0, &before) == 0;
    if (terminal) {
        raw = before;
        cfmakeraw(&raw);
        tcsetattr(0, TCSANOW, &raw);
    }
    pid_t pid = fork();
    if (pid == 0) command(ptsname(master), argv + 1);
    struct pollfd both[] = { { master, POLLIN, 0 }, { 0, POLLIN, 0 } };
    while (poll(both, 2, -1) > 0) {
        if (both[0].revents && !carry(master, 1)) break;
        if (both[1].revents && !carry(0, master)) both[1].fd = -1;
    }
    if (terminal) tcsetattr(0, TCSANOW, &before);
    if (pid < 0 || waitpid(pid, &status, 0) < 0) return 125;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
