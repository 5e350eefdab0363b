/* The root: prepared before the mounts, changed to after them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "filesystem.h"
#include "mount.h"
#include "mountinfo.h"
#include "opener.h"
#include "sys.h"

int run_root_propagation(struct init *init, struct step *step) {
    OWNED int root = sys_openat(&init->error, AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
    return root < 0 ? -1 : mount_propagate(&init->error, root, step_u64(step), "/");
}

/* Make the mount that the directory lies on private. */
static int isolate(struct error *error, const char *name) {
    char path[PATH_MAX] = "";
    size_t length = strlen(name);
    if (length < sizeof path)
        memcpy(path, name, length + 1);
    for (; length < sizeof path; length += sizeof "/.." - 1) {
        OWNED int current = sys_openat(error, AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
        if (current < 0)
            return -1;
        int result = mount_propagate(error, current, MS_PRIVATE, name);
        if (result == 0 || error->number != EINVAL)
            return result;
        snprintf(path + length, sizeof path - length, "/.."); /* not the root of a mount */
    }
    return error_set(error, "open", name, ENAMETOOLONG, "%s", "");
}

int rootfs_open(struct error *error, const char *path) {
    OWNED int directory = sys_openat(error, AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
    if (directory < 0)
        return error_set(error, "open root filesystem", path, error->number, "%s", "");
    return isolate(error, path) < 0 ? -1 : take_fd(&directory);
}

int run_rootfs(struct init *init, struct step *step) {
    struct error *error = &init->error;
    const char *path = step_string(step);
    OWNED int directory = host_rootfs(init, path);
    if (directory < 0)
        return -1;
    OWNED int tree =
        sys_open_tree(error, directory, "", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH, path);
    if (tree < 0 || sys_move_mount(error, tree, directory, path) < 0)
        return -1;
    init->root_fd = take_fd(&tree);
    return 0;
}

/* The magic link leads to the container's root as its first process has it. */
int run_root_joined(struct init *init, struct step *step) {
    init->root_fd = sys_openat(&init->error, AT_FDCWD, step_string(step), O_PATH | O_DIRECTORY, 0);
    init->in_running = true;
    return init->root_fd < 0 ? -1 : 0;
}

/* The old root ends up below the new one, on the same place, and is detached there. It becomes a
 * slave first: the host's mounts must not be unmounted with ours, and private ones could keep a
 * mount of the host busy. */
static int pivot(struct init *init) {
    struct error *error = &init->error;
    OWNED int old = sys_openat(error, AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
    if (old < 0 || sys_fchdir(error, init->root_fd, "rootfs") < 0 ||
        sys_pivot_root(error, ".", ".") < 0 || sys_fchdir(error, old, "/") < 0 ||
        mount_propagate(error, old, MS_SLAVE | MS_REC, "/") < 0)
        return -1;
    return sys_umount(error, ".", MNT_DETACH);
}

/* Take a mount away, or where the namespace's owner does not let us, hide it below a tmpfs. */
static int remove_mount(struct error *error, const char *path) {
    static const struct filesystem empty = {.type = "tmpfs", .source = "tmpfs", .data = ""};
    OWNED int mounted = sys_openat(error, AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
    if (mounted < 0)
        return error->number == ENOENT ? 0 : -1;
    if (mount_propagate(error, mounted, MS_SLAVE | MS_REC, path) < 0)
        return error->number == EINVAL ? 0 : -1; /* went away with the mount above it */
    if (sys_umount(error, path, MNT_DETACH) == 0)
        return 0;
    if (error->number != EINVAL && error->number != EPERM)
        return -1;
    OWNED int tree = filesystem_new(error, &empty, path);
    return tree < 0 ? -1 : mount_attach(error, tree, mounted, path);
}

/* `rootfs`: its path, as a mount point of the host. */
static int remove_kernel_filesystem(struct init *init, const struct mountinfo *info,
                                    const void *rootfs) {
    size_t prefix = strlen(rootfs);
    if (strcmp(info->root, "/") != 0 ||
        (strcmp(info->type, "proc") != 0 && strcmp(info->type, "sysfs") != 0))
        return 0;
    bool inside = strncmp(info->point, rootfs, prefix) == 0 && info->point[prefix] == '/';
    return inside ? 0 : remove_mount(&init->error, info->point);
}

/* Without pivot_root the host's mounts stay in the namespace, above the chroot. A whole procfs or
 * sysfs among them would let the kernel permit a new, unmasked one inside a user namespace. */
static int remove_kernel_filesystems(struct init *init, const char *rootfs) {
    return mountinfo_each(init, remove_kernel_filesystem, rootfs);
}

/* --no-pivot, for a host root on which pivot_root(2) does not work (an initramfs). */
static int move_and_chroot(struct init *init) {
    struct error *error = &init->error;
    char link[64];
    char rootfs[PATH_MAX];
    snprintf(link, sizeof link, "self/fd/%d", init->root_fd);
    if (sys_readlinkat(error, init->proc_fd, link, rootfs, sizeof rootfs) < 0 ||
        remove_kernel_filesystems(init, rootfs) < 0)
        return -1;
    OWNED int root = sys_openat(error, AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
    if (root < 0 || sys_move_mount(error, init->root_fd, root, rootfs) < 0 ||
        sys_fchdir(error, init->root_fd, rootfs) < 0)
        return -1;
    return sys_chroot(error, ".");
}

int run_pivot_root(struct init *init, struct step *step) {
    opener_close(init); /* the host's files are out of reach */
    mount_forget_link(init);
    int result = step_u64(step) == 0 ? pivot(init) : move_and_chroot(init);
    return result < 0 ? -1 : sys_chdir(&init->error, "/");
}

int run_root_readonly(struct init *init, UNUSED struct step *step) {
    return mount_add_flags(&init->error, init->root_fd, MS_RDONLY, 0, "/");
}
