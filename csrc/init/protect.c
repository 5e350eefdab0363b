/* A process in a container reaches the program that started it by way of /proc/PID/exe, and could
 * overwrite it on the host (CVE-2019-5736). So this program runs from a place where no one can
 * write to it: its file on a read-only mount that is part of no namespace, or a sealed copy in
 * memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sys.h"

#define SELF "/proc/self/exe"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* 1, 0, or -1 with an error. */
static int is_protected(struct error *error, int program) {
    struct statvfs status;
    if (fstatvfs(program, &status) < 0)
        return error_errno(error, "fstatvfs", SELF);
    if ((status.f_flag & ST_RDONLY) != 0)
        return 1;
    int seals = fcntl(program, F_GET_SEALS);
    return seals >= 0 && (seals & SEALS) == SEALS;
}

/* The program on a read-only mount of its own, attached nowhere. It is dissolved when the
 * descriptor is closed (at exec): then it can't be remounted or cloned any more, and stays
 * read-only as long as the program runs from it. */
static int read_only_mount(struct error *error) {
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    int mount = sys_open_tree(error, AT_FDCWD, SELF, OPEN_TREE_CLONE, SELF);
    if (mount >= 0 && sys_mount_setattr(error, mount, "", AT_EMPTY_PATH, &read_only, SELF) < 0)
        sys_close(&mount);
    return mount;
}

static int copy_sealed(struct error *error, int program, int copy) {
    struct stat status;
    if (sys_fstat(error, program, &status, SELF) < 0)
        return -1;
    for (off_t left = status.st_size; left > 0;) {
        ssize_t sent = sendfile(copy, program, NULL, (size_t)left);
        if (sent <= 0)
            return error_errno(error, "sendfile", SELF);
        left -= sent;
    }
    return fcntl(copy, F_ADD_SEALS, SEALS) < 0 ? error_errno(error, "fcntl(F_ADD_SEALS)", SELF) : 0;
}

/* What an unprivileged caller, who may not clone mounts, can do. */
static int sealed_copy(struct error *error, int program) {
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int copy = memfd_create("crunw-init", flags | MFD_EXEC);
    if (copy < 0 && errno == EINVAL) /* Linux before 6.3: always executable */
        copy = memfd_create("crunw-init", flags);
    if (copy < 0)
        return error_errno(error, "memfd_create", SELF);
    if (copy_sealed(error, program, copy) < 0)
        sys_close(&copy);
    return copy;
}

int protect_program(struct error *error, char **argv, bool again) {
    int program = sys_openat(error, AT_FDCWD, SELF, O_RDONLY, 0);
    if (program < 0)
        return -1;
    int done = is_protected(error, program);
    if (done == 0 && !again) {
        int safe = read_only_mount(error);
        if (safe < 0)
            safe = sealed_copy(error, program);
        if (safe >= 0) {
            execveat(safe, "", argv, environ, AT_EMPTY_PATH);
            error_errno(error, "execveat", SELF);
        }
        sys_close(&safe);
    } else if (done == 0) {
        error_set(error, "execveat", SELF, EPERM, "the program could not be protected");
    }
    sys_close(&program);
    return done == 1 ? 0 : -1;
}
