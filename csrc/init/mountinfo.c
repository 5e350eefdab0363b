#define _GNU_SOURCE
#include "mountinfo.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

static bool is_octal(char digit) { return digit >= '0' && digit <= '7'; }

/* Undo \040 and the like, in place. */
static void unescape(char *text) {
    char *out = text;
    for (const char *in = text; *in != '\0'; out++) {
        if (in[0] == '\\' && is_octal(in[1]) && is_octal(in[2]) && is_octal(in[3])) {
            *out = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
            in += 4;
        } else {
            *out = *in++;
        }
    }
    *out = '\0';
}

/* Cut a line into what we need; false where it has not the form it should have. */
static bool parse(char *line, struct mountinfo *info) {
    char *rest = NULL;
    char *fields[5];
    char *dash = strstr(line, " - ");
    if (dash == NULL)
        return false;
    for (int i = 0; i < 5; i++) {
        fields[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
        if (fields[i] == NULL)
            return false;
    }
    unescape(fields[4]);
    char *type = strtok_r(dash + 3, " ", &rest);
    *info = (struct mountinfo){.root = fields[3], .point = fields[4], .type = type};
    return type != NULL;
}

int mountinfo_each(struct init *init,
                   int (*each)(struct init *, const struct mountinfo *, const void *argument),
                   const void *argument) {
    OWNED int descriptor = sys_openat(&init->error, init->proc_fd, "self/mountinfo", O_RDONLY, 0);
    if (descriptor < 0)
        return -1;
    FILE *file = fdopen(descriptor, "re");
    if (file == NULL)
        return error_errno(&init->error, "fdopen", "mountinfo");
    (void)!take_fd(&descriptor); /* fclose closes it */
    char *line = NULL;
    size_t size = 0;
    int result = 0;
    struct mountinfo info;
    while (result == 0 && getline(&line, &size, file) >= 0)
        if (parse(line, &info))
            result = each(init, &info, argument);
    if (result == 0 && ferror(file) != 0)
        result = error_errno(&init->error, "read", "mountinfo");
    free(line);
    fclose(file);
    return result;
}
