/* Mounts: made detached, given their attributes, and then attached to the descriptor of the target.
 * No path is resolved twice, so there is nothing to exchange between a check and its use. */
#define _GNU_SOURCE
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "copyup.h"
#include "filesystem.h"
#include "opener.h"
#include "path.h"
#include "sys.h"
#include "sysmount.h"

/* "/proc/self/fd/" and a number. */
#define DESCRIPTOR_PATH 32

/* The fields of MOUNT. */
struct request {
    struct filesystem filesystem;
    const char *target;
    uint64_t bits; /* MOUNT_* */
};

int mount_attach(struct error *error, int tree, int target, const char *name) {
    struct stat above, below;
    if (sys_fstat(error, tree, &above, name) < 0 || sys_fstat(error, target, &below, name) < 0)
        return -1;
    if (S_ISDIR(above.st_mode) && !S_ISDIR(below.st_mode))
        return error_set(error, "mount", name, ENOTDIR, "a directory cannot be mounted on a %s",
                         S_ISLNK(below.st_mode) ? "symbolic link" : "file");
    if (!S_ISDIR(above.st_mode) && S_ISDIR(below.st_mode))
        return error_set(error, "mount", name, EISDIR, "a file cannot be mounted on a directory");
    return sys_move_mount(error, tree, target, name);
}

int mount_add_flags(struct error *error, int mounted, unsigned long flags, unsigned scope,
                    const char *name) {
    struct mount_attr attributes = {.attr_set = filesystem_attributes(flags)};
    if (flags & (MS_NOATIME | MS_STRICTATIME | MS_RELATIME))
        attributes.attr_clr = MOUNT_ATTR__ATIME; /* the kernel wants the old mode cleared */
    if (attributes.attr_set == 0 && attributes.attr_clr == 0)
        return 0;
    return sys_mount_setattr(error, mounted, "", AT_EMPTY_PATH | scope, &attributes, name);
}

int mount_propagate(struct error *error, int mounted, unsigned long flags, const char *name) {
    struct mount_attr attributes = {
        .propagation = flags & (MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE),
    };
    unsigned scope = (flags & MS_REC) ? AT_RECURSIVE : 0;
    return sys_mount_setattr(error, mounted, "", AT_EMPTY_PATH | scope, &attributes, name);
}

/* A mount on the root covers it: from then on paths, and the change of root, start at what was
 * mounted last. ".." of the root is the root, but seen from above all that is mounted on it. */
static int follow_root(struct init *init) {
    if (init->in_running)
        return 0;
    int above = sys_openat2(&init->error, init->root_fd, "..", O_PATH | O_DIRECTORY, 0,
                            RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (above < 0)
        return -1;
    replace_fd(&init->root_fd, above);
    return 0;
}

/* The processes of a running container would keep the root that they have. */
static int refuse_root(struct init *init, int target, const char *name) {
    struct error *error = &init->error;
    struct statx root;
    struct statx found;
    if (sys_statx(error, init->root_fd, STATX_INO | STATX_MNT_ID, &root, "/") < 0 ||
        sys_statx(error, target, STATX_INO | STATX_MNT_ID, &found, name) < 0)
        return -1;
    if (root.stx_ino != found.stx_ino || root.stx_mnt_id != found.stx_mnt_id)
        return 0;
    return error_set(error, "mount", name, EBUSY, "the path leads to the root directory");
}

/* Open the target; what is missing is created. crunw.plan judges a mount inside procfs by its path
 * (CVE-2019-19921), so on procfs the path must be the plain truth: no link may have led there. */
static int open_target(struct init *init, const struct request *request, mode_t type) {
    struct error *error = &init->error;
    struct statfs below;
    OWNED int target = request->bits & MOUNT_TARGET_LINK
                           ? path_make_link(init, request->target, type)
                           : path_make(init, request->target, type, 0);
    if (target < 0 || (init->in_running && refuse_root(init, target, request->target) < 0))
        return -1;
    if (sys_fstatfs(error, target, &below, request->target) < 0 || below.f_type != PROC_SUPER_MAGIC)
        return take_fd(&target);
    replace_fd(&target, path_open(init, request->target, RESOLVE_NO_SYMLINKS));
    if (target < 0 && error->number == ELOOP)
        error_set(error, "mount", request->target, ELOOP,
                  "a symbolic link in the path leads into /proc");
    return take_fd(&target);
}

/* procfs and sysfs go on real directories only: a link in the rootfs must not decide which
 * directory the container's /proc is (CVE-2019-16884, CVE-2023-27561). */
static int open_plain_target(struct init *init, const struct request *request) {
    int target = path_make(init, request->target, S_IFDIR, RESOLVE_NO_SYMLINKS);
    if (target < 0 && init->error.number == ELOOP)
        error_set(&init->error, "mount", request->target, ELOOP,
                  "%s must be mounted on a directory, not on a symbolic link",
                  request->filesystem.type);
    return target;
}

void mount_forget_link(struct init *init) {
    init->link_target = NULL;
    close_now(&init->link_fd); /* which no step needs any more */
}

/* A link like the one open as `link` becomes the target; the very same may be there already. */
static int copy_link(struct init *init, const struct request *request, int link) {
    struct error *error = &init->error;
    char wanted[PATH_MAX];
    const char *name;
    if (sys_readlinkat(error, link, "", wanted, sizeof wanted) < 0)
        return -1;
    OWNED int directory = path_make_parent(init, request->target, &name);
    if (directory < 0)
        return -1;
    if (sys_symlinkat(error, wanted, directory, name) == 0)
        return 0;
    if (error->number != EEXIST)
        return -1;
    char found[PATH_MAX];
    if (sys_readlinkat(error, directory, name, found, sizeof found) >= 0 &&
        strcmp(wanted, found) == 0)
        return 0;
    return error_set(error, "copy-symlink", request->target, EEXIST, "%s",
                     "something else is there already");
}

/* Give the detached clone `tree` of a source its flags and attach it; both for what is not a link
 * to be copied. */
static int attach(struct init *init, const struct request *request, int tree, mode_t type) {
    struct error *error = &init->error;
    if (mount_add_flags(error, tree, request->filesystem.flags, 0, request->target) < 0)
        return -1;
    OWNED int target = open_target(init, request, type);
    return target < 0 ? -1 : mount_attach(error, tree, target, request->target);
}

/* Bind the clone `tree` of a source, or copy the link that it is. */
static int place(struct init *init, const struct request *request, int tree) {
    struct error *error = &init->error;
    struct stat status;
    if (sys_fstat(error, tree, &status, request->filesystem.source) < 0)
        return -1;
    if (!S_ISLNK(status.st_mode))
        return attach(init, request, tree, S_ISDIR(status.st_mode) ? S_IFDIR : S_IFREG);
    init->link_target = request->target;
    if (request->bits & MOUNT_COPY_LINK)
        return copy_link(init, request, tree);
    init->link_fd = sys_dup(error, tree);
    return init->link_fd < 0 ? -1 : attach(init, request, tree, S_IFREG);
}

static int bind(struct init *init, const struct request *request) {
    unsigned how = tree_how(request->filesystem.flags, request->bits);
    OWNED int tree = host_tree(init, request->filesystem.source, how);
    if (tree < 0)
        return request->bits & MOUNT_OPTIONAL && init->error.number == ENOENT ? 0 : -1;
    return place(init, request, tree);
}

/* MS_REMOUNT: of the mount alone with MS_BIND, else of its file system too. */
static int remount(struct init *init, const struct request *request) {
    struct error *error = &init->error;
    const struct filesystem *filesystem = &request->filesystem;
    OWNED int target = path_open(init, request->target, 0);
    if (target < 0)
        return -1;
    if (!(filesystem->flags & MS_BIND) &&
        filesystem_reconfigure(error, target, filesystem, request->target) < 0)
        return -1;
    return mount_add_flags(error, target, filesystem->flags, 0, request->target);
}

/* sysfs belongs to a network namespace: a user namespace without one of its own may not mount it,
 * and gets the host's, which shows the same. What is asked for /sys holds for the mounts in it too.
 */
static int clone_host_sysfs(struct error *error, unsigned long flags, const char *name) {
    OWNED int tree = sys_open_tree(error, AT_FDCWD, "/sys", OPEN_TREE_CLONE | AT_RECURSIVE, name);
    if (tree < 0 || mount_propagate(error, tree, MS_SLAVE | MS_REC, name) < 0 ||
        mount_add_flags(error, tree, flags, AT_RECURSIVE, name) < 0)
        return -1;
    return take_fd(&tree);
}

static int copy_up_into(struct error *error, const struct request *request, int target, int tree) {
    if (copy_up_directory(error, target, tree) == 0)
        return 0;
    return error_set(error, "tmpcopyup", request->target, error->number, "%s %s: %s",
                     error->operation, error->path, strerror(error->number));
}

/* A detached tmpfs. With "ro" its mount is read-only, not the file system: as others have it, and
 * files can be copied into it. */
static int make_tmpfs(struct error *error, const struct request *request, int target) {
    struct filesystem wanted = request->filesystem;
    wanted.flags &= ~(unsigned long)MS_RDONLY;
    OWNED int tree = filesystem_new(error, &wanted, request->target);
    if (tree < 0 ||
        (request->bits & MOUNT_COPY_UP && copy_up_into(error, request, target, tree) < 0) ||
        mount_add_flags(error, tree, request->filesystem.flags & MS_RDONLY, 0, request->target) < 0)
        return -1;
    return take_fd(&tree);
}

static int make_tree(struct error *error, const struct request *request, int target) {
    const struct filesystem *wanted = &request->filesystem;
    if (strcmp(wanted->type, "tmpfs") == 0)
        return make_tmpfs(error, request, target);
    int tree = filesystem_new(error, wanted, request->target);
    if (tree < 0 && error->number == EPERM && strcmp(wanted->type, "sysfs") == 0)
        return clone_host_sysfs(error, wanted->flags, request->target);
    return tree;
}

/* A path for calls that take no descriptor. A running container's /proc may lead astray: there it
 * is relative to the directory of the host's procfs that this makes the working directory. */
static int descriptor_path(struct init *init, int descriptor, char path[DESCRIPTOR_PATH]) {
    snprintf(path, DESCRIPTOR_PATH, init->in_running ? "%d" : "/proc/self/fd/%d", descriptor);
    if (!init->in_running)
        return 0;
    struct error *error = &init->error;
    OWNED int directory = sys_openat(error, init->proc_fd, "self/fd", O_PATH | O_DIRECTORY, 0);
    return directory < 0 ? -1 : sys_fchdir(error, directory, "self/fd");
}

/* mount(2), for what fsconfig(2) cannot say; the target is the descriptor here, too. */
static int mount_by_descriptor(struct init *init, const struct request *request, int target) {
    const struct filesystem *wanted = &request->filesystem;
    struct error *error = &init->error;
    char path[DESCRIPTOR_PATH];
    if (descriptor_path(init, target, path) < 0)
        return -1;
    return sys_mount(error, wanted->source, path, wanted->type, wanted->flags, wanted->data,
                     request->target);
}

static int mount_on(struct init *init, const struct request *request, int target) {
    bool copy_up = request->bits & MOUNT_COPY_UP;
    if (!copy_up && !filesystem_expressible(&request->filesystem))
        return mount_by_descriptor(init, request, target);
    OWNED int tree = make_tree(&init->error, request, target);
    return tree < 0 ? -1 : mount_attach(&init->error, tree, target, request->target);
}

/* A tmpfs over a directory has that directory's mode, unless the data says another one. */
static int mount_tmpfs(struct init *init, struct request *request) {
    struct stat status;
    OWNED int found = request->bits & MOUNT_TARGET_LINK ? path_open_link(init, request->target)
                                                        : path_open(init, request->target, 0);
    if (found < 0 && init->error.number != ENOENT)
        return -1;
    OWNED int target = open_target(init, request, S_IFDIR);
    if (target < 0)
        return -1;
    if (found < 0)
        return mount_on(init, request, target);
    if (sys_fstat(&init->error, target, &status, request->target) < 0)
        return -1;
    char *data;
    if (asprintf(&data, "mode=%o,%s", status.st_mode & 07777, request->filesystem.data) < 0)
        return error_errno(&init->error, "malloc", request->target);
    request->filesystem.data = data;
    int result = mount_on(init, request, target);
    free(data);
    return result;
}

static int mount_kind(struct init *init, struct request *request) {
    const char *type = request->filesystem.type;
    if (request->filesystem.flags & MS_REMOUNT)
        return remount(init, request);
    if (request->filesystem.flags & MS_BIND)
        return bind(init, request);
    if (strcmp(type, "tmpfs") == 0)
        return mount_tmpfs(init, request);
    bool plain = strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0;
    OWNED int target =
        plain ? open_plain_target(init, request) : open_target(init, request, S_IFDIR);
    return target < 0 ? -1 : mount_on(init, request, target);
}

int run_mount(struct init *init, struct step *step) {
    struct request request = {.filesystem.source = step_string(step)};
    request.target = step_string(step);
    request.filesystem.type = step_string(step);
    request.filesystem.flags = step_u64(step);
    request.filesystem.data = step_string(step);
    request.bits = step_u64(step);
    mount_forget_link(init);
    return mount_kind(init, &request) < 0 ? -1 : follow_root(init);
}

int run_bind_idmapped(struct init *init, struct step *step) {
    struct request request = {.filesystem.source = step_string(step)};
    request.target = step_string(step);
    request.filesystem.flags = step_u64(step);
    step_string(step);
    step_string(step);
    step_string(step);
    step_u64(step);
    request.bits = step_u64(step);
    mount_forget_link(init);
    OWNED int tree = host_tree_idmapped(init, request.filesystem.source);
    return tree < 0 || place(init, &request, tree) < 0 ? -1 : follow_root(init);
}

int run_relabel(struct init *init, struct step *step) {
    static const char attribute[] = "security.selinux";
    const char *path = step_string(step);
    const char *label = step_string(step);
    char link[DESCRIPTOR_PATH];
    OWNED int target = path_open(init, path, 0);
    if (target < 0 || descriptor_path(init, target, link) < 0) /* fsetxattr takes no O_PATH */
        return -1;
    if (setxattr(link, attribute, label, strlen(label) + 1, 0) < 0)
        return error_errno(&init->error, "setxattr", path);
    return 0;
}

int run_unmount(struct init *init, struct step *step) {
    const char *path = step_string(step);
    char link[DESCRIPTOR_PATH];
    OWNED int target = path_open(init, path, 0);
    if (target < 0)
        return error_set(&init->error, "umount", path, init->error.number, "%s", "");
    if (descriptor_path(init, target, link) == 0 && sys_umount(&init->error, link, MNT_DETACH) == 0)
        return 0;
    return error_set(&init->error, "umount", path, init->error.number, "%s",
                     init->error.number == EINVAL ? "nothing is mounted there" : "");
}

/* *found: what is mounted on `path`, or the link that has just been; -1: that was copied. */
static int open_mounted(struct init *init, const char *path, int *found) {
    bool is_link = init->link_target != NULL && strcmp(path, init->link_target) == 0;
    *found = -1;
    if (is_link && init->link_fd < 0)
        return 0;
    *found = is_link ? sys_dup(&init->error, init->link_fd) : path_open(init, path, 0);
    return *found < 0 ? -1 : 0;
}

int run_mount_propagation(struct init *init, struct step *step) {
    const char *path = step_string(step);
    uint64_t flags = step_u64(step);
    OWNED int target = -1;
    if (open_mounted(init, path, &target) < 0)
        return -1;
    return target < 0 ? 0 : mount_propagate(&init->error, target, flags, path);
}

int run_mount_setattr(struct init *init, struct step *step) {
    const char *path = step_string(step);
    struct mount_attr attributes = {.attr_set = step_u64(step)};
    attributes.attr_clr = step_u64(step);
    unsigned scope = step_u64(step) != 0 ? AT_RECURSIVE : 0;
    OWNED int target = -1;
    if (open_mounted(init, path, &target) < 0)
        return -1;
    if (target < 0)
        return 0;
    return sys_mount_setattr(&init->error, target, "", AT_EMPTY_PATH | scope, &attributes, path);
}
