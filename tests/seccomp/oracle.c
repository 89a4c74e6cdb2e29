/* Builds a filter with libseccomp from lines on stdin, and writes it to stdout as BPF.
 *
 *   default ERRNO
 *   rule NAME ERRNO|-1 [ARGUMENT OPERATOR A B]...     (-1 allows)
 *
 * Names that this libseccomp does not know are told on stderr, one a line. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t action(int number) { return number < 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(number); }

static enum scmp_compare comparison(const char *word) {
    static const char *words[] = {"NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"};
    for (int n = 0; n < 7; n++)
        if (!strcmp(word, words[n])) return SCMP_CMP_NE + n;
    exit(2);
}

int main(void) {
    char line[4096], name[64], op[16];
    int number, used;
    scmp_filter_ctx filter = NULL;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "default %d", &number) == 1) {
            filter = seccomp_init(action(number));
            continue;
        }
        if (sscanf(line, "rule %63s %d%n", name, &number, &used) != 2) return 2;
        int call = seccomp_syscall_resolve_name(name);
        if (call < 0) {
            fprintf(stderr, "%s\n", name);
            continue;
        }
        struct scmp_arg_cmp arguments[6];
        unsigned count = 0, argument;
        unsigned long long a, b;
        char *at = line + used;
        while (count < 6 && sscanf(at, " %u %15s %llu %llu%n", &argument, op, &a, &b, &used) == 4) {
            arguments[count++] = (struct scmp_arg_cmp){argument, comparison(op), a, b};
            at += used;
        }
        int result = seccomp_rule_add_exact_array(filter, action(number), call, count, arguments);
        if (result < 0) {
            fprintf(stderr, "rule for %s: %s\n", name, strerror(-result));
            return 3;
        }
    }
    return seccomp_export_bpf(filter, 1) < 0 ? 4 : 0;
}
