// Runs a command step by step, with all processes that it makes until they execute another program, and prints each
// address of an instruction between FIRST and LAST when it is reached for the first time: by the first process, and
// with a `+` behind it by those that it makes.
//
//   steps FIRST LAST COMMAND [ARGUMENT...]
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    unsigned long first = strtoul(argv[1], 0, 16), last = strtoul(argv[2], 0, 16);
    char *seen = calloc(last - first, 1);
    int status, execs = 0, worst = 0;
    pid_t pid = fork(), runner = pid;
    if (!pid) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC);
    ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
    while ((pid = waitpid(-1, &status, __WALL)) > 0) {
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            worst |= status;
            continue;
        }
        int signal = WSTOPSIG(status);
        if (status >> 16 == PTRACE_EVENT_EXEC && execs++) {
            ptrace(PTRACE_DETACH, pid, 0, 0);
            continue;
        }
        struct user_regs_struct now;
        int who = pid == runner ? 1 : 2;
        if (!ptrace(PTRACE_GETREGS, pid, 0, &now) && now.rip >= first && now.rip < last && !(seen[now.rip - first] & who)) {
            seen[now.rip - first] |= who;
            printf("%llx%s\n", now.rip, who == 1 ? "" : "+");
        }
        ptrace(PTRACE_SINGLESTEP, pid, 0, signal == SIGTRAP || signal == SIGSTOP ? 0 : signal);
    }
    return worst ? 1 : 0;
}
