/* Runs inside a sandbox, tries what a hostile program would, and prints what came of it, one line
 * a probe: `group name ok|OPEN|n/a detail`. Every attempt is one that would do no harm if it
 * succeeded, so the probe can be run without any containment, too.
 *
 *   probe FACTS [NAME…]   FACTS is what the launcher (outside.c) wrote; with names, only those
 *   probe --list          the names alone
 */
#include "probe.h"

#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>

static char *detail;
static char facts[8192];
static char **wanted;
static bool listing;

void say(const char *format, ...) {
    va_list words;
    va_start(words, format);
    vsnprintf(detail, 400, format, words);
    va_end(words);
    for (char *c = detail; *c; c++)
        if (*c < ' ') *c = ' ';
}

const char *fact(const char *key) {
    static char value[512];
    size_t length = strlen(key);
    for (char *line = facts; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : 0)
        if (!strncmp(line, key, length) && line[length] == '=') {
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line + length + 1, "\n"), line + length + 1);
            return value;
        }
    say("nothing is known of %s outside", key);
    return NULL;
}

long number_fact(const char *key) {
    const char *value = fact(key);
    return value ? strtol(value, NULL, 0) : -1;
}

enum verdict refused(long result) {
    int error = errno;
    if (result >= 0) {
        say("it was let do it");
        return OPEN;
    }
    say("%s", strerror(error));
    return error == EPERM || error == ENOSYS || error == EACCES ? OK : OPEN;
}

enum verdict fails(long result) {
    say("%s", result >= 0 ? "it was let do it" : strerror(errno));
    return result >= 0 ? OPEN : OK;
}

ssize_t slurp(const char *path, char *text, size_t room) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return -1;
    size_t have = 0;
    ssize_t more = 0;
    while (have < room - 1 && (more = read(fd, text + have, room - 1 - have)) > 0) have += more;
    int error = errno;
    close(fd);
    errno = error;
    text[have] = 0;
    return have == 0 && more < 0 ? -1 : (ssize_t)have;
}

long long field(const char *path, const char *key, int base) {
    static char text[65536];
    if (slurp(path, text, sizeof text) < 0) return -1;
    char *found = strstr(text, key);
    return found ? (long long)strtoull(found + strlen(key), NULL, base) : -1;
}

bool shows_secret(int directory) {
    const char *path = fact("secret");
    return path && faccessat(directory, path + strspn(path, "/"), F_OK, 0) == 0;
}

int processes(void (*each)(int, void *), void *with) {
    DIR *proc = opendir("/proc");
    int count = 0;
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        int pid = atoi(entry->d_name);
        if (pid <= 0) continue;
        count++;
        if (each) each(pid, with);
    }
    if (proc) closedir(proc);
    return count;
}

static bool is_wanted(const char *name) {
    if (!*wanted) return true;
    for (char **one = wanted; *one; one++)
        if (!strcmp(*one, name)) return true;
    return false;
}

/* The verdict of a child that asked. */
static enum verdict heard(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) != child) {}
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    say("killed by signal %d", WTERMSIG(status));
    return WTERMSIG(status) == SIGSYS ? OK : OPEN;
}

/* Whether a probe is to be asked; names it where that is all. */
static bool is_asked(const char *group, const char *name) {
    if (listing) printf("%s %s\n", group, name);
    *detail = 0;
    errno = 0;
    return !listing && is_wanted(name);
}

static void tell(const char *group, const char *name, enum verdict verdict) {
    static const char *words[] = {"ok", "OPEN", "n/a"};
    printf("%s %s %s %s\n", group, name, words[verdict], detail);
}

void ask(const char *group, const char *name, question *question, const void *about) {
    if (!is_asked(group, name)) return;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(10);
        errno = 0;
        _exit(question(about));
    }
    tell(group, name, child < 0 ? NA : heard(child));
}

void ask_here(const char *group, const char *name, question *question, const void *about) {
    if (is_asked(group, name)) tell(group, name, question(about));
}

int main(int count, char **arguments) {
    setvbuf(stdout, NULL, _IONBF, 0);
    detail = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (count < 2 || detail == MAP_FAILED) return 2;
    wanted = arguments + 2;
    listing = !strcmp(arguments[1], "--list");
    if (!listing && slurp(arguments[1], facts, sizeof facts) < 0) return 2;
    inside();
    escape();
    calls();
    paths();
    devices();
    neighbours();
    resources();
    return 0;
}
