/* Nodes and links. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "mount.h"
#include "opener.h"
#include "path.h"
#include "sys.h"

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
    int found = sys_openat(error, directory, name, O_PATH | O_NOFOLLOW, 0);
    if (found < 0)
        return -1;
    int result = sys_fstat(error, found, &status, node->path);
    sys_close(&found);
    if (result == 0 && !is_node(&status, node))
        return error_set(error, "mknod", node->path, EEXIST,
                         "the path exists and is not this node");
    return result;
}

/* A user namespace may not make device nodes: the host's own is mounted over a file. */
static int bind_host_node(struct init *init, const struct node *node) {
    struct error *error = &init->error;
    struct stat status;
    int tree = host_tree(init, node->path, false);
    if (tree < 0)
        return -1;
    int target = -1;
    if (sys_fstat(error, tree, &status, node->path) == 0) {
        if (is_node(&status, node))
            target = path_make(init, node->path, S_IFREG, 0);
        else
            error_set(error, "mknod", node->path, EPERM,
                      "not permitted, and the host has another file of this name");
    }
    if (target < 0) {
        sys_close(&tree);
        return -1;
    }
    return mount_attach(error, tree, target, node->path);
}

int run_mknod(struct init *init, struct step *step) {
    struct error *error = &init->error;
    struct node node = {.path = step_string(step)};
    node.mode = (mode_t)step_u64(step);
    unsigned major = (unsigned)step_u64(step);
    unsigned minor = (unsigned)step_u64(step);
    node.device = makedev(major, minor);
    node.uid = (uid_t)step_u64(step);
    node.gid = (gid_t)step_u64(step);
    const char *name;
    int directory = path_make_parent(init, node.path, &name);
    if (directory < 0)
        return -1;
    int result = path_create_at(error, directory, name, node.mode, node.device, node.path);
    if (result == 0)
        result = sys_fchownat(error, directory, name, node.uid, node.gid, AT_SYMLINK_NOFOLLOW);
    else if (error->number == EEXIST)
        result = check_existing(error, directory, name, &node);
    else if (error->number == EPERM && !S_ISFIFO(node.mode))
        result = bind_host_node(init, &node);
    sys_close(&directory);
    return result;
}

/* An entry of that name that exists is left alone, whatever it is: the image or a mount wanted it.
 */
int run_symlink(struct init *init, struct step *step) {
    const char *target = step_string(step);
    const char *path = step_string(step);
    const char *name;
    int directory = path_make_parent(init, path, &name);
    if (directory < 0)
        return -1;
    int result = sys_symlinkat(&init->error, target, directory, name);
    sys_close(&directory);
    return result < 0 && init->error.number != EEXIST ? -1 : 0;
}
