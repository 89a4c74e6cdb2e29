/* What the rooms of the probe share: how a question is put, and what is known of the outside. */
#ifndef PROBE_H
#define PROBE_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define EACH(type, it, table) for (const type *it = table; it < (table) + COUNT(table); it++)

/* OK: contained. OPEN: not. NA: this kernel or these facts can't tell. */
enum verdict { OK, OPEN, NA };

typedef enum verdict question(const void *about);

/* Asks in a child, which may change, die or hang, and prints `group name verdict detail`. */
void ask(const char *group, const char *name, question *question, const void *about);

/* Asks in this very process, of which a child inherits less. */
void ask_here(const char *group, const char *name, question *question, const void *about);

/* Leaves a word about the verdict, in the manner of printf. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the launcher told of the outside under this key, or NULL. */
const char *fact(const char *key);
long number_fact(const char *key);

/* Refused (and says by which error) unless the call got past the walls. */
enum verdict refused(long result);
/* As `refused`, and a call that fails by another error of `others` is as good. */
enum verdict fails(long result);

/* Reads the start of a file as a string; -1 and errno where it can't. */
ssize_t slurp(const char *path, char *text, size_t room);
/* The number after `key` in a file of /proc, in this base; -1 where there is none. */
long long field(const char *path, const char *key, int base);

/* The outside's secret file, seen from a directory. */
bool shows_secret(int directory);

/* Entries of /proc that are processes. */
int processes(void (*each)(int pid, void *with), void *with);

void inside(void);
void escape(void);
void calls(void);
void paths(void);
void devices(void);
void neighbours(void);
void resources(void);
#endif
