/* Id-mapped mounts: their maps are those of a user namespace, which is made for them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "opener.h"
#include "sys.h"

/* A child that keeps a new user namespace alive until it is killed. */
static pid_t hold_namespace(struct error *error) {
    struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    pid_t parent = getpid();
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child < 0)
        return error_errno(error, "clone3", "user namespace");
    if (child > 0)
        return (pid_t)child;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        _exit(EXIT_FAILURE);
    while (getppid() == parent)
        pause();
    _exit(EXIT_FAILURE);
}

static int write_map(struct error *error, pid_t pid, const char *file, const char *text) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    return sys_write_file(error, AT_FDCWD, path, text);
}

static int new_namespace(struct error *error, const struct idmap *idmap) {
    pid_t holder = hold_namespace(error);
    if (holder < 0)
        return -1;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", holder);
    int found = -1;
    int result = write_map(error, holder, "uid_map", idmap->uid_map);
    if (result == 0)
        result = write_map(error, holder, "gid_map", idmap->gid_map);
    if (result == 0)
        found = sys_openat(error, AT_FDCWD, path, O_RDONLY, 0);
    kill(holder, SIGKILL);
    TEMP_FAILURE_RETRY(waitpid(holder, NULL, 0));
    return found;
}

int idmap_mount(struct error *error, int tree, const struct idmap *idmap, const char *name) {
    OWNED int namespace = idmap->userns[0] == '\0'
                              ? new_namespace(error, idmap)
                              : sys_openat(error, AT_FDCWD, idmap->userns, O_RDONLY, 0);
    if (namespace < 0)
        return -1;
    struct mount_attr attributes = {
        .attr_set = MOUNT_ATTR_IDMAP,
        .userns_fd = (uint64_t)namespace,
    };
    unsigned scope = idmap->recursive ? AT_RECURSIVE : 0;
    int result = sys_mount_setattr(error, tree, "", AT_EMPTY_PATH | scope, &attributes, name);
    if (result < 0 && error->number == EINVAL)
        error_set(error, "mount_setattr", name, EINVAL,
                  "the file system does not support id-mapped mounts");
    return result;
}
