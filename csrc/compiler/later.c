/* crunw-later PROGRAM ARGUMENT…: leave the caller's cgroup, be last in every queue, copy standard
 * input, wait until the container that this follows has had the time to start, then become PROGRAM.
 *
 * Whatever runs beside a start slows it down, also on another processor: they share caches, and
 * locks of the kernel. crunw/aot/background.py starts this. Each step is a courtesy: what the
 * system refuses is left out. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ioprio.h>
#include <mntent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 1

static void put(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return;
    (void)!write(file, text, strlen(text));
    close(file);
}

/* To the top of each hierarchy: the caller's group is removed with the container. On cgroup v1 by
 * "tasks", for which the kernel takes no lock that forks and ends of processes wait for. */
static void leave_cgroups(void) {
    char path[PATH_MAX];
    struct mntent *entry;
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

static void lower_priority(void) {
    static const struct sched_param none = {0};
    put("/proc/self/oom_score_adj", "1000");
    sched_setscheduler(0, SCHED_IDLE, &none);
    setpriority(PRIO_PROCESS, 0, 19);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

/* The container's file system can't be unmounted while a file of it is open. */
static void copy_input(void) {
    off_t done = 0;
    ssize_t got;
    int copy = memfd_create("module", MFD_CLOEXEC);
    do {
        got = copy < 0 ? -1 : sendfile(copy, STDIN_FILENO, &done, 1 << 20);
    } while (got > 0 || (got < 0 && errno == EINTR));
    if (got == 0)
        dup2(copy, STDIN_FILENO);
}

int main(int count, char **arguments) {
    struct timespec left = {.tv_sec = SECONDS};
    if (count < 2) {
        dprintf(STDERR_FILENO, "crunw-later: called by crunw alone\n");
        return 2;
    }
    umask(077);
    (void)!chdir("/");
    lower_priority();
    leave_cgroups();
    copy_input();
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
    execv(arguments[1], arguments + 1);
    return 127;
}
