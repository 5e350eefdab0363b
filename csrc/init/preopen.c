/* Read-only preopens. WasmEdge withdraws rights of the directory itself alone, and hands all of
 * them out again for a directory inside. So the directory is one on a read-only mount: a clone,
 * attached nowhere, which the rest of the container does not see. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../engine/engine.h"
#include "preopen.h"
#include "sys.h"

struct read_only {
    struct read_only *next;
    uint32_t index; /* among the preopens */
    const char *path;
    int tree;
};

/* A clone of what is mounted there, without writing. */
static int clone_read_only(struct error *error, const char *path) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    OWNED int directory =
        sys_openat2(error, AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_MAGICLINKS);
    if (directory < 0)
        return error_errno(error, "preopen", path);
    OWNED int tree =
        sys_open_tree(error, directory, "", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH, path);
    if (tree < 0 ||
        sys_mount_setattr(error, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, path) < 0)
        return -1;
    return take_fd(&tree);
}

int run_preopen_readonly(struct init *init, struct step *step) {
    struct read_only *added = malloc(sizeof *added);
    if (added == NULL)
        return error_errno(&init->error, "malloc", "preopen");
    added->index = (uint32_t)step_u64(step);
    added->path = step_string(step);
    added->tree = clone_read_only(&init->error, added->path);
    added->next = init->read_only;
    init->read_only = added;
    return added->tree < 0 ? -1 : 0;
}

/* The user may reach the directory, else WASI would not have opened it. */
static int replace(struct init *init, const struct read_only *preopen) {
    struct stat opened;
    struct stat wanted;
    struct error *error = &init->error;
    int descriptor = engine_module_descriptor(init->module, preopen->index);
    if (sys_fstat(error, descriptor, &opened, preopen->path) < 0 ||
        sys_fstat(error, preopen->tree, &wanted, preopen->path) < 0)
        return -1;
    if (opened.st_dev != wanted.st_dev || opened.st_ino != wanted.st_ino)
        return error_set(error, "preopen", preopen->path, ESTALE, "the directory was replaced");
    int flags = fcntl(descriptor, F_GETFL) & (O_ACCMODE | O_PATH);
    OWNED int readonly = sys_openat(error, preopen->tree, ".", flags | O_DIRECTORY, 0);
    if (readonly < 0)
        return -1;
    if (dup3(readonly, descriptor, O_CLOEXEC) < 0)
        return error_errno(error, "dup3", preopen->path);
    return 0;
}

int preopens_replace(struct init *init) {
    for (struct read_only *preopen = init->read_only; preopen != NULL; preopen = preopen->next) {
        if (replace(init, preopen) < 0)
            return -1;
        close_now(&preopen->tree); /* the engine's descriptor is of it now */
    }
    return 0;
}
