/* Nodes and links. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "mount.h"
#include "opener.h"
#include "path.h"
#include "sys.h"

#define PERMISSIONS 0777u

/* The fields of MKNOD. */
struct node {
    const char *path;
    mode_t mode;
    dev_t device;
    uid_t uid;
    gid_t gid;
};

static bool is_node(const struct stat *status, const struct node *node) {
    if ((status->st_mode & S_IFMT) != (node->mode & S_IFMT))
        return false;
    return S_ISFIFO(node->mode) || status->st_rdev == node->device;
}

/* Something is there already: fine if it is this very device. */
static int check_existing(struct error *error, int directory, const char *name,
                          const struct node *node) {
    struct stat status;
    OWNED int found = sys_openat(error, directory, name, O_PATH | O_NOFOLLOW, 0);
    if (found < 0 || sys_fstat(error, found, &status, node->path) < 0)
        return -1;
    if (is_node(&status, node))
        return 0;
    return error_set(error, "mknod", node->path, EEXIST, "the path exists and is not this node");
}

static struct node read_node(struct step *step) {
    struct node node = {.path = step_string(step)};
    node.mode = (mode_t)step_u64(step);
    unsigned major = (unsigned)step_u64(step);
    unsigned minor = (unsigned)step_u64(step);
    node.device = makedev(major, minor);
    node.uid = (uid_t)step_u64(step);
    node.gid = (gid_t)step_u64(step);
    return node;
}

/* The host's file at `path`, O_PATH, if it is this device; else -1. */
static int open_if_node(struct error *error, const char *path, const struct node *node) {
    struct stat status;
    OWNED int found = sys_openat(error, AT_FDCWD, path, O_PATH, 0);
    if (found < 0 || sys_fstat(error, found, &status, path) < 0 || !is_node(&status, node))
        return -1;
    return take_fd(&found);
}

/* The path that the kernel has given to the device (sysfs(5)). */
static int kernel_path(struct error *error, const struct node *node, char path[PATH_MAX]) {
    static const char key[] = "DEVNAME=";
    char text[1024];
    snprintf(path, PATH_MAX, "/sys/dev/%s/%u:%u/uevent", S_ISBLK(node->mode) ? "block" : "char",
             major(node->device), minor(node->device));
    OWNED int file = sys_openat(error, AT_FDCWD, path, O_RDONLY, 0);
    ssize_t length = file < 0 ? -1 : sys_read(error, file, text, sizeof text - 1, path);
    if (length < 0)
        return -1;
    text[length] = '\0';
    const char *name = strstr(text, key);
    if (name == NULL)
        return -1;
    name += sizeof key - 1;
    snprintf(path, PATH_MAX, "/dev/%.*s", (int)strcspn(name, "\n"), name);
    return 0;
}

int node_open(struct error *error, struct step *step) {
    const struct node node = read_node(step);
    char path[PATH_MAX];
    int found = open_if_node(error, node.path, &node);
    if (found < 0 && kernel_path(error, &node, path) == 0)
        found = open_if_node(error, path, &node);
    if (found < 0)
        error_set(error, "mknod", node.path, EPERM,
                  "not permitted in a user namespace, and the host has no device %s %u:%u to bind",
                  S_ISBLK(node.mode) ? "b" : "c", major(node.device), minor(node.device));
    return found;
}

/* A user namespace may not make device nodes: the host's own is mounted over a file. */
static int bind_host_node(struct init *init, struct step *step, const struct node *node) {
    struct stat status;
    struct error *error = &init->error;
    OWNED int tree = host_node(init, step);
    if (tree < 0 || sys_fstat(error, tree, &status, node->path) < 0)
        return -1;
    OWNED int target = path_make(init, node->path, S_IFREG, 0);
    if (target < 0)
        return -1;
    if ((status.st_mode & PERMISSIONS) != (node->mode & PERMISSIONS))
        report_notice(init, NOTICE_WARNING, node->path,
                      "has the host's mode %#o, not %#o: in a user namespace a device can only be "
                      "bound",
                      status.st_mode & PERMISSIONS, node->mode & PERMISSIONS);
    return mount_attach(error, tree, target, node->path);
}

int run_mknod(struct init *init, struct step *step) {
    struct error *error = &init->error;
    struct step whole = *step;
    const struct node node = read_node(step);
    const char *name;
    OWNED int directory = path_make_parent(init, node.path, &name);
    if (directory < 0)
        return -1;
    int result = path_create_at(error, directory, name, node.mode, node.device, node.path);
    if (result == 0)
        result = sys_fchownat(error, directory, name, node.uid, node.gid, AT_SYMLINK_NOFOLLOW);
    else if (error->number == EEXIST)
        result = check_existing(error, directory, name, &node);
    else if (error->number == EPERM && !S_ISFIFO(node.mode))
        result = bind_host_node(init, &whole, &node);
    return result;
}

/* An entry of that name that exists is left alone, whatever it is: the image or a mount wanted it.
 */
int run_symlink(struct init *init, struct step *step) {
    const char *target = step_string(step);
    const char *path = step_string(step);
    const char *name;
    OWNED int directory = path_make_parent(init, path, &name);
    if (directory < 0)
        return -1;
    int result = sys_symlinkat(&init->error, target, directory, name);
    return result < 0 && init->error.number != EEXIST ? -1 : 0;
}
