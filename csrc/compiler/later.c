/* crunw-later NICE DIRECTORY PROGRAM ARGUMENT…: leave the caller's cgroup, copy standard input into
 * a file without a name in DIRECTORY, then become PROGRAM. With a NICE of 19 nobody waits for it:
 * be last in every queue, and wait until the container that this follows has had the time to start.
 *
 * crunw-later --from FILE: the same in the background, as FILE says; returns when the module is
 * open. FILE holds words that each end in a NUL: what shows that the module is the same and
 * unchanged, its path, the environment, an empty word, then the arguments above.
 *
 * Whatever runs beside a start slows it down, also on another processor: they share caches, and
 * locks of the kernel. crunw/aot/background.py starts this. What the system refuses of the rest is
 * left out, and said in the log; without its input PROGRAM is not started. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ioprio.h>
#include <mntent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../owned.h"

#define SECONDS 1
#define MAX_WORDS 64
#define LAST 19

static void put(const char *path, const char *text) {
    OWNED int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file >= 0)
        (void)!write(file, text, strlen(text));
}

/* To the top of each hierarchy: the caller's group is removed with the container. On cgroup v1 by
 * "tasks", for which the kernel takes no lock that forks and ends of processes wait for. */
static void leave_cgroups(void) {
    char path[PATH_MAX];
    const struct mntent *entry;
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    while (mounts && (entry = getmntent(mounts))) {
        bool first = strcmp(entry->mnt_type, "cgroup") == 0;
        if (!first && strcmp(entry->mnt_type, "cgroup2") != 0)
            continue;
        if (snprintf(path, sizeof path, "%s/%s", entry->mnt_dir, first ? "tasks" : "cgroup.procs") <
            (int)sizeof path)
            put(path, "0");
    }
    if (mounts)
        endmntent(mounts);
}

/* Where the kernel groups tasks by session (sched(7), "The autogroup feature"), nice and policy
 * count within a session alone, and this process has one of its own. */
static void lower_priority(int nice) {
    static const struct sched_param none = {0};
    char text[16];
    snprintf(text, sizeof text, "%d", nice);
    put("/proc/self/autogroup", text);
    put("/proc/self/oom_score_adj", "1000");
    setpriority(PRIO_PROCESS, 0, nice);
    if (nice < LAST)
        return;
    sched_setscheduler(0, SCHED_IDLE, &none);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

/* Holes stay holes: a sparse file takes no more room here than there. */
static bool copy_data(int from, int to) {
    struct stat status;
    off_t at = 0;
    if (fstat(from, &status) != 0 || ftruncate(to, status.st_size) != 0)
        return false;
    while (at < status.st_size && (at = lseek(from, at, SEEK_DATA)) >= 0) {
        off_t end = lseek(from, at, SEEK_HOLE);
        if (end < 0 || lseek(to, at, SEEK_SET) < 0)
            return false;
        while (at < end) {
            ssize_t got = sendfile(to, from, &at, (size_t)(end - at));
            if (got == 0 || (got < 0 && errno != EINTR))
                return false;
        }
    }
    return at >= 0 || errno == ENXIO; /* nothing but a hole is left */
}

/* The container's file system can't be unmounted while a file of it is open, and the copy can't be
 * changed by the container. */
static bool copy_input(const char *directory) {
    int copy = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (copy < 0) /* a file system that can't do that */
        copy = memfd_create("module", MFD_CLOEXEC);
    return copy >= 0 && copy_data(STDIN_FILENO, copy) && dup2(copy, STDIN_FILENO) == STDIN_FILENO;
}

/* To whoever waits, and as syslog(3) would, but at no cost where all is well. */
static void complain(const char *what) {
    static const struct sockaddr_un addresses[] = {
        {AF_UNIX, "/run/systemd/journal/dev-log"},
        {AF_UNIX, "/dev/log"},
    };
    char text[256];
    dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
    int length =
        snprintf(text, sizeof text, "<28>crunw-later[%d]: %s: %s", getpid(), what, strerror(errno));
    int log = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool sent = false;
    for (size_t index = 0; log >= 0 && index < 2 && !sent; index++)
        sent = sendto(log, text, (size_t)length, 0, (const struct sockaddr *)&addresses[index],
                      sizeof addresses[index]) == length;
}

/* Splits FILE into words; false, with errno: it can't be read, or is none. */
static bool read_words(const char *path, char *words[static MAX_WORDS + 1]) {
    static char text[65536];
    size_t size = 0;
    size_t count = 0;
    ssize_t got = 0;
    OWNED int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    while (file >= 0 && size < sizeof text &&
           (got = read(file, text + size, sizeof text - size)) > 0)
        size += (size_t)got;
    if (file < 0 || got < 0)
        return false;
    errno = EINVAL;
    if (size == 0 || text[size - 1] != '\0')
        return false;
    for (char *word = text; word < text + size && count < MAX_WORDS; word += strlen(word) + 1)
        words[count++] = word;
    words[count] = NULL;
    return count < MAX_WORDS;
}

/* The module, by a path that others may have changed meanwhile; -1, with errno. */
static int open_module(const char *identity, const char *path) {
    char seen[128];
    char link[64];
    struct stat status;
    OWNED int found = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (found < 0 || fstat(found, &status) != 0)
        return -1;
    snprintf(seen, sizeof seen, "%ju:%ju:%jd:%jd.%09ld", (uintmax_t)status.st_dev,
             (uintmax_t)status.st_ino, (intmax_t)status.st_size, (intmax_t)status.st_ctim.tv_sec,
             status.st_ctim.tv_nsec);
    if (strcmp(seen, identity) != 0) {
        errno = ESTALE;
        return -1;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", found);
    return open(link, O_RDONLY | O_CLOEXEC);
}

/* A session of its own, and nothing open but the module: an engine waits for the end of the pipes
 * that it has given to the runtime. */
static bool detach(int module) {
    OWNED int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    return null >= 0 && setsid() >= 0 && dup2(module, STDIN_FILENO) >= 0 &&
           dup2(null, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0 &&
           close_range(STDERR_FILENO + 1, ~0U, 0) == 0;
}

/* Goes on in the background, and returns the arguments there; NULL: this is all, with *status. */
static char **go_on_from(const char *path, int *status) {
    static char *words[MAX_WORDS + 1];
    *status = EXIT_FAILURE;
    if (!read_words(path, words) || words[0] == NULL || words[1] == NULL) {
        complain(path);
        return NULL;
    }
    OWNED int module = open_module(words[0], words[1]);
    pid_t child = module >= 0 ? fork() : -1;
    if (child != 0) {
        if (child < 0)
            complain("open the module again");
        else
            *status = EXIT_SUCCESS;
        return NULL;
    }
    char **end = words + 2;
    while (*end != NULL && **end != '\0')
        end++;
    environ = words + 2;
    if (*end == NULL || !detach(module)) {
        complain(path);
        return NULL;
    }
    *end = NULL; /* of the environment; the arguments begin at 1, as main's do */
    return end;
}

int main(int count, char **arguments) {
    struct timespec left = {.tv_sec = SECONDS};
    int status;
    if (count == 3 && strcmp(arguments[1], "--from") == 0) {
        arguments = go_on_from(arguments[2], &status);
        if (arguments == NULL)
            return status;
        for (count = 1; arguments[count] != NULL;)
            count++;
    }
    if (count < 4) {
        dprintf(STDERR_FILENO, "crunw-later: called by crunw alone\n");
        return 2;
    }
    int nice = (int)strtol(arguments[1], NULL, 10);
    umask(077);
    (void)!chdir("/");
    lower_priority(nice);
    leave_cgroups();
    if (!copy_input(arguments[2])) {
        complain("a module is not compiled: copy it");
        return 1;
    }
    while (nice >= LAST && nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
    execv(arguments[3], arguments + 3);
    complain(arguments[3]);
    return 127;
}
