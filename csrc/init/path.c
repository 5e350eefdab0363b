/* Paths inside the rootfs. The creation of missing components follows what others' SecureJoin and
 * MkdirAllInRoot do, but never joins strings to a host path: each directory is opened below the
 * root again, and made in with mkdirat(2). */
#define _GNU_SOURCE
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

/* Dangling links followed and lost races in one resolution; the kernel's limit for links. */
#define MAX_DETOURS 40

#define DIRECTORY_MODE 0755
#define FILE_MODE 0644

/* A path on its way: `done` can be opened, `todo` is what follows. */
struct walk {
    struct init *init;
    const char *path;
    uint64_t resolve;
    int detours;
    char done[PATH_MAX];
    char todo[PATH_MAX];
};

int path_root(struct init *init) {
    if (init->root_fd < 0)
        init->root_fd = sys_openat(&init->error, AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
    return init->root_fd < 0 ? -1 : 0;
}

int path_open(struct init *init, const char *path, uint64_t resolve) {
    return sys_openat2(&init->error, init->root_fd, path[0] == '\0' ? "/" : path, O_PATH, 0,
                       RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve);
}

int path_create_at(struct error *error, int directory, const char *name, mode_t mode, dev_t device,
                   const char *path) {
    int result = S_ISDIR(mode) ? sys_mkdirat(error, directory, name, mode & 07777)
                               : sys_mknodat(error, directory, name, mode, device);
    const char *operation = S_ISDIR(mode) ? "mkdir" : "mknod";
    return result < 0 ? error_set(error, operation, path, error->number, "%s", "") : 0;
}

static int too_long(struct walk *walk) {
    error_set(&walk->init->error, "resolve", walk->path, ENAMETOOLONG, "%s", "");
    return -1;
}

/* buffer = first + "/" + second; `buffer` may be one of them. */
static int join(struct walk *walk, char buffer[PATH_MAX], const char *first, const char *second) {
    char joined[PATH_MAX];
    int length = snprintf(joined, sizeof joined, "%s/%s", first, second);
    if (length < 0 || (size_t)length >= sizeof joined)
        return too_long(walk);
    memcpy(buffer, joined, (size_t)length + 1);
    return 0;
}

/* Take the next component off `todo`: 1, or 0 when there is none. */
static int next_component(struct walk *walk, char name[NAME_MAX + 1], bool *last) {
    const char *start = walk->todo + strspn(walk->todo, "/");
    size_t length = strcspn(start, "/");
    if (length > NAME_MAX)
        return too_long(walk);
    memcpy(name, start, length);
    name[length] = '\0';
    start += length;
    start += strspn(start, "/");
    *last = *start == '\0';
    memmove(walk->todo, start, strlen(start) + 1);
    return length > 0;
}

/* Go on with `prefix` before the rest: a link's target, or a component once more. */
static int detour(struct walk *walk, const char *prefix) {
    if (++walk->detours > MAX_DETOURS)
        return error_set(&walk->init->error, "resolve", walk->path, ELOOP, "%s", "");
    if (prefix[0] == '/')
        walk->done[0] = '\0';
    return join(walk, walk->todo, prefix, walk->todo);
}

/* `name` cannot be opened in the directory open as `parent`: create it and append it to `done`; or,
 * where it is a dangling link, go on with where that points to. */
static int make_missing(struct walk *walk, int parent, const char *name, mode_t mode) {
    struct error *error = &walk->init->error;
    char target[PATH_MAX];
    if (sys_readlinkat(error, parent, name, target, sizeof target) >= 0)
        return detour(walk, target);
    if (error->number != ENOENT && error->number != EINVAL)
        return -1;
    if (path_create_at(error, parent, name, mode, 0, walk->path) == 0)
        return join(walk, walk->done, walk->done, name);
    return error->number == EEXIST ? detour(walk, name) : -1; /* someone else was faster */
}

/* One component further. */
static int advance(struct walk *walk, const char *name, mode_t mode) {
    struct error *error = &walk->init->error;
    char next[PATH_MAX];
    if (join(walk, next, walk->done, name) < 0)
        return -1;
    int found = path_open(walk->init, next, walk->resolve);
    if (found >= 0) {
        sys_close(&found);
        memcpy(walk->done, next, sizeof next);
        return 0;
    }
    if (error->number != ENOENT)
        return -1;
    int parent = path_open(walk->init, walk->done, walk->resolve);
    if (parent < 0)
        return -1;
    int result = make_missing(walk, parent, name, mode);
    sys_close(&parent);
    return result;
}

int path_make(struct init *init, const char *path, mode_t type, uint64_t resolve) {
    int found = path_open(init, path, resolve);
    if (found >= 0 || init->error.number != ENOENT)
        return found;
    struct walk walk = {.init = init, .path = path, .resolve = resolve};
    size_t length = strlen(path);
    if (length >= sizeof walk.todo)
        return too_long(&walk);
    memcpy(walk.todo, path, length + 1);
    char name[NAME_MAX + 1];
    bool last = false;
    int more;
    while ((more = next_component(&walk, name, &last)) > 0) {
        mode_t mode = last && type == S_IFREG ? S_IFREG | FILE_MODE : S_IFDIR | DIRECTORY_MODE;
        if (advance(&walk, name, mode) < 0)
            return -1;
    }
    return more < 0 ? -1 : path_open(init, walk.done, resolve);
}

int path_make_parent(struct init *init, const char *path, const char **name) {
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    if ((*name)[0] == '\0' || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
        return error_set(&init->error, "resolve", path, EINVAL, "the path names no file");
    char directory[PATH_MAX];
    size_t length = (size_t)(*name - path);
    if (length >= sizeof directory)
        return error_set(&init->error, "resolve", path, ENAMETOOLONG, "%s", "");
    memcpy(directory, path, length);
    directory[length] = '\0';
    return path_make(init, directory, S_IFDIR, 0);
}
