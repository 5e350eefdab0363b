/* Paths that a container must not see or not change. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "filesystem.h"
#include "mount.h"
#include "path.h"
#include "sys.h"

/* The container's /dev/null as a detached mount. The image could have put anything in its place,
 * and what is bound over a masked file can be written to (CVE-2025-31133): it must be the device,
 * wherever a link leads. */
static int clone_null_device(struct init *init) {
    static const char path[] = "/dev/null";
    struct error *error = &init->error;
    struct stat status;
    OWNED int null = path_open(init, path, 0);
    if (null < 0 || sys_fstat(error, null, &status, path) < 0)
        return -1;
    if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
        return error_set(error, "mask", path, EINVAL, "/dev/null is not the null device");
    return sys_open_tree(error, null, "", OPEN_TREE_CLONE | AT_EMPTY_PATH, path);
}

int run_mask(struct init *init, struct step *step) {
    static const struct filesystem empty = {
        .type = "tmpfs", .source = "tmpfs", .flags = MS_RDONLY, .data = ""};
    struct error *error = &init->error;
    const char *path = step_string(step);
    struct stat status;
    OWNED int target = path_open(init, path, 0);
    if (target < 0)
        return error->number == ENOENT ? 0 : -1;
    if (sys_fstat(error, target, &status, path) < 0)
        return -1;
    OWNED int tree =
        S_ISDIR(status.st_mode) ? filesystem_new(error, &empty, path) : clone_null_device(init);
    return tree < 0 ? -1 : mount_attach(error, tree, target, path);
}

int run_readonly(struct init *init, struct step *step) {
    struct error *error = &init->error;
    const char *path = step_string(step);
    OWNED int target = path_open(init, path, 0);
    if (target < 0)
        return error->number == ENOENT ? 0 : -1;
    OWNED int tree =
        sys_open_tree(error, target, "", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH, path);
    if (tree < 0 || mount_add_flags(error, tree, MS_RDONLY, 0, path) < 0)
        return -1;
    return mount_attach(error, tree, target, path);
}
