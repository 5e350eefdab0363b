/* $HOME by the container's /etc/passwd, a file that someone else wrote: it must be a regular one,
 * and only its first part is read. What it says is the environment of that same container. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

#define PASSWD "/etc/passwd"
#define PASSWD_MAX (1 << 20)

enum { FIELD_UID = 2, FIELD_HOME = 5 }; /* passwd(5) */

/* A copy of the file, NUL-terminated; NULL where there is none that can be read. */
static char *read_passwd(void) {
    struct error unheard;
    struct stat status;
    char *text = NULL;
    OWNED int file = sys_openat2(&unheard, AT_FDCWD, PASSWD, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0,
                                 RESOLVE_NO_MAGICLINKS);
    if (file >= 0 && sys_fstat(&unheard, file, &status, PASSWD) == 0 && S_ISREG(status.st_mode))
        text = malloc(PASSWD_MAX + 1);
    if (text != NULL) {
        ssize_t length = sys_read(&unheard, file, text, PASSWD_MAX, PASSWD);
        text[length < 0 ? 0 : length] = '\0';
    }
    return text;
}

/* The home directory in a line of the file, which is cut, if that is the line of `uid`. */
static const char *home_in(char *line, const char *uid) {
    char *field = NULL;
    for (int number = 0; number <= FIELD_HOME; number++) {
        field = strsep(&line, ":");
        if (field == NULL || (number == FIELD_UID && strcmp(field, uid) != 0))
            return NULL;
    }
    return *field == '\0' ? NULL : field;
}

static const char *find_home(char *text, const char *uid) {
    const char *home = NULL;
    for (char *line; home == NULL && (line = strsep(&text, "\n")) != NULL;)
        home = home_in(line, uid);
    return home;
}

int run_home(struct init *init, struct step *step) {
    char uid[24];
    snprintf(uid, sizeof uid, "%llu", (unsigned long long)step_u64(step));
    char *text = read_passwd();
    const char *home = text == NULL ? NULL : find_home(text, uid);
    int length = asprintf(&init->home, "HOME=%s", home == NULL ? "/" : home);
    free(text);
    return length < 0 ? error_errno(&init->error, "malloc", PASSWD) : 0;
}
