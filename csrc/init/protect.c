/* A process in a container reaches the program that started it by way of /proc/PID/exe, and could
 * overwrite it on the host (CVE-2019-5736). So this program runs from a place where no one can
 * write to it: its file on a read-only mount that is part of no namespace, or a sealed copy in
 * memory.
 *
 * The libraries of a process that runs a module can be reached too, by /proc/PID/map_files, with
 * CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE on the host (a privileged container). So they are opened
 * below a read-only clone of the host's root: the program starts itself again, and loads libraries
 * later, with that as its root directory, and is back in the host's for all else. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
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
    OWNED int mount = sys_open_tree(error, AT_FDCWD, SELF, OPEN_TREE_CLONE, SELF);
    if (mount < 0 || sys_mount_setattr(error, mount, "", AT_EMPTY_PATH, &read_only, SELF) < 0)
        return -1;
    return take_fd(&mount);
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

/* What an unprivileged caller, which may not clone mounts, can do. */
static int sealed_copy(struct error *error, int program) {
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    OWNED int copy = memfd_create("crunw-init", flags | MFD_EXEC);
    if (copy < 0 && errno == EINVAL) /* Linux before 6.3: always executable */
        copy = memfd_create("crunw-init", flags);
    if (copy < 0)
        return error_errno(error, "memfd_create", SELF);
    return copy_sealed(error, program, copy) < 0 ? -1 : take_fd(&copy);
}

/* Whether all that a program is loaded from lies on the mount of "/". */
static bool is_one_mount(struct error *error, int program) {
    static const char *const directories[] = {"/", "/lib", "/lib64", "/usr/lib"};
    struct statx wanted;
    struct statx found;
    if (sys_statx(error, program, STATX_MNT_ID, &wanted, SELF) < 0)
        return false;
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        OWNED int directory = sys_openat(error, AT_FDCWD, directories[i], O_PATH | O_DIRECTORY, 0);
        if (directory < 0 && error->number == ENOENT)
            continue;
        if (directory < 0 ||
            sys_statx(error, directory, STATX_MNT_ID, &found, directories[i]) < 0 ||
            found.stx_mnt_id != wanted.stx_mnt_id)
            return false;
    }
    return true;
}

/* A clone of one mount is enough on most hosts; that of hundreds takes its time. */
static int read_only_root(struct error *error, int program) {
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    unsigned scope = is_one_mount(error, program) ? 0 : AT_RECURSIVE;
    OWNED int tree = sys_open_tree(error, AT_FDCWD, "/", OPEN_TREE_CLONE | scope, "/");
    if (tree < 0 || sys_mount_setattr(error, tree, "", AT_EMPTY_PATH | scope, &read_only, "/") < 0)
        return -1;
    return take_fd(&tree);
}

/* The program's file below the clone; -1 where another one has taken its place. */
static int program_in(struct error *error, int tree, int program) {
    char path[PATH_MAX];
    struct stat wanted;
    struct stat seen;
    if (sys_readlinkat(error, AT_FDCWD, SELF, path, sizeof path) < 0)
        return -1;
    OWNED int found = sys_openat(error, tree, path + 1, O_PATH | O_NOFOLLOW, 0);
    if (found < 0 || sys_fstat(error, program, &wanted, SELF) < 0 ||
        sys_fstat(error, found, &seen, SELF) < 0 || wanted.st_dev != seen.st_dev ||
        wanted.st_ino != seen.st_ino)
        return -1;
    return take_fd(&found);
}

/* The run-time library of a sanitizer wants /proc. */
#if defined(CRUNW_WEAKEN_LIBRARIES) || defined(__SANITIZE_ADDRESS__)
#define HAS_LIBRARY_ROOT false
#else
#define HAS_LIBRARY_ROOT true
#endif

/* An ordinary user has no need of it, nor the right to it. */
static void open_roots(struct init *init, int program) {
    struct error unheard;
    if (!HAS_LIBRARY_ROOT || geteuid() != 0)
        return;
    init->host_root_fd = sys_openat(&unheard, AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
    init->host_cwd_fd = sys_openat(&unheard, AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0);
    if (init->host_root_fd >= 0 && init->host_cwd_fd >= 0)
        init->library_root_fd = read_only_root(&unheard, program);
    if (init->library_root_fd < 0)
        library_root_close(init);
}

void library_root_close(struct init *init) {
    /* before a container could reach the host by one of them */
    close_now(&init->host_root_fd);
    close_now(&init->host_cwd_fd);
    close_now(&init->library_root_fd);
}

int library_root_enter(struct init *init) {
    struct error *error = &init->error;
    if (init->library_root_fd < 0)
        return 0;
    if (sys_fchdir(error, init->library_root_fd, "read-only root") < 0)
        return -1;
    return sys_chroot(error, ".");
}

int library_root_leave(struct init *init) {
    struct error *error = &init->error;
    if (init->library_root_fd < 0)
        return 0;
    if (sys_fchdir(error, init->host_root_fd, "/") < 0 || sys_chroot(error, ".") < 0)
        return -1;
    return sys_fchdir(error, init->host_cwd_fd, ".");
}

/* What the program needs to know when it has started itself: where the roots are. */
static int keep_roots(struct init *init, char mark[PROTECTED_MARK]) {
    const int kept[] = {init->host_root_fd, init->host_cwd_fd, init->library_root_fd};
    snprintf(mark, PROTECTED_MARK, "%d:%d:%d", kept[0], kept[1], kept[2]);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (kept[i] >= 0 && fcntl(kept[i], F_SETFD, 0) < 0)
            return error_errno(&init->error, "fcntl(F_SETFD)", "");
    return 0;
}

static int come_back(struct init *init, const char *mark) {
    int *const roots[] = {&init->host_root_fd, &init->host_cwd_fd, &init->library_root_fd};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        char *end;
        *roots[i] = (int)strtol(mark, &end, 10);
        mark = end + strspn(end, ":");
        if (*roots[i] >= 0 && sys_cloexec(&init->error, *roots[i]) < 0)
            return -1;
    }
    return library_root_leave(init);
}

/* Returns only on failure. */
static int start_again(struct init *init, int program, char **argv, char *mark) {
    struct error *error = &init->error;
    open_roots(init, program);
    int safe = init->library_root_fd < 0 ? -1 : program_in(error, init->library_root_fd, program);
    if (safe < 0)
        safe = read_only_mount(error);
    if (safe < 0)
        safe = sealed_copy(error, program);
    if (safe < 0 || keep_roots(init, mark) < 0 || library_root_enter(init) < 0)
        return -1;
    execveat(safe, "", argv, environ, AT_EMPTY_PATH);
    return error_errno(error, "execveat", SELF);
}

int protect_program(struct init *init, char **argv, char *mark) {
    struct error *error = &init->error;
    bool again = *mark != '\0';
    if (again && come_back(init, mark) < 0)
        return -1;
    OWNED int program = sys_openat(error, AT_FDCWD, SELF, O_RDONLY, 0);
    if (program < 0)
        return -1;
    int done = is_protected(error, program);
    if (done == 0 && !again)
        start_again(init, program, argv, mark);
    else if (done == 0)
        error_set(error, "execveat", SELF, EPERM, "the program could not be protected");
    return done == 1 ? 0 : -1;
}
