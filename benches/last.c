// Prints when it began and when it ends, by CLOCK_MONOTONIC in nanoseconds, and asks for nothing
// else: no C library is started.
#include <sys/syscall.h>
#include <time.h>

static long call(long number, long a, const void *b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

void _start(void)
{
    struct timespec times[2];
    call(SYS_clock_gettime, CLOCK_MONOTONIC, &times[0], 0);
    call(SYS_clock_gettime, CLOCK_MONOTONIC, &times[1], 0);
    call(SYS_write, 1, times, sizeof times);
    call(SYS_exit_group, 0, 0, 0);
}
