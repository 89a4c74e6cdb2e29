// Starts a command again and again, from several workers at once, for some time.
//
//   clock WORKERS SECONDS COMMAND [ARGUMENT…]
//
// Prints how many runs ended well, and the seconds until the last one did. A run that fails ends
// it all. The streams of the command are /dev/null.
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static long work(double end, char **command)
{
    long runs = 0;
    posix_spawn_file_actions_t nothing;
    posix_spawn_file_actions_init(&nothing);
    for (int fd = 0; fd < 3; fd++) posix_spawn_file_actions_addopen(&nothing, fd, "/dev/null", O_RDWR, 0);
    for (; now() < end; runs++) {
        int status;
        pid_t pid;
        if (posix_spawnp(&pid, command[0], &nothing, NULL, command, environ)) _exit(1);
        if (waitpid(pid, &status, 0) < 0 || status) _exit(1);
    }
    return runs;
}

int main(int argc, char **argv)
{
    int workers = argc > 3 ? atoi(argv[1]) : 0, status, fault = 0;
    if (workers < 1) {
        fprintf(stderr, "usage: clock WORKERS SECONDS COMMAND [ARGUMENT...]\n");
        return 2;
    }
    long *runs = mmap(NULL, (size_t)workers * sizeof *runs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double begun = now(), end = begun + atof(argv[2]);
    long all = 0;
    for (int i = 0; i < workers; i++)
        if (!fork()) {
            runs[i] = work(end, argv + 3);
            _exit(0);
        }
    while (wait(&status) > 0) fault |= status;
    for (int i = 0; i < workers; i++) all += runs[i];
    printf("%ld %.6f\n", all, now() - begun);
    return fault ? 1 : 0;
}
