/* A known state to begin in, whatever the caller has left: what crunw relies on is set, what the
 * container or the caller's own wishes depend on (limits, ignored HUP and INT) stays. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher.h"

/* What a start needs at once, with some to spare. With less it would fail half-way, and could not
 * even open the directory to remove what it has made. */
#define OPEN_FILES 24

__attribute__((noreturn)) static void fail(const char *what, const char *why) {
    dprintf(STDERR_FILENO, "crunw: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* Descriptors 0, 1 and 2 that are closed would become the next files that are opened: a message
 * would be written into one of them. */
static void open_standard_streams(void) {
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++)
        if (fcntl(number, F_GETFD) < 0 && open("/dev/null", O_RDWR) != number)
            fail("/dev/null",
                 "it can't be opened in the place of a standard stream that is closed");
}

/* With SIGCHLD ignored the kernel reaps children whose status is waited for; a signal that stays
 * blocked can't end this process. */
static void reset_signals(void) {
    sigset_t none;
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void prepare_process(void) {
    struct rlimit files;
    open_standard_streams();
    reset_signals();
    umask(umask(0) & 077); /* what this program makes, it can open */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < OPEN_FILES) {
        char why[100];
        snprintf(why, sizeof why, "%u open files are too few (ulimit -n): crunw needs %d",
                 (unsigned)files.rlim_cur, OPEN_FILES);
        fail("RLIMIT_NOFILE", why);
    }
}
