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

/* The image's links decide how long the path becomes. */
#define MAX_COMPONENTS 1024

#define DIRECTORY_MODE 0755
#define FILE_MODE 0644

/* A path on its way: `done` is open as `directory`, `todo` is what follows. */
struct walk {
    struct init *init;
    const char *path;
    uint64_t resolve;
    int detours;
    int components;
    int directory;
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

int path_open_link(struct init *init, const char *path) {
    return sys_openat2(&init->error, init->root_fd, path, O_PATH | O_NOFOLLOW, 0,
                       RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
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

/* Stand at what is open as `found`. */
static int stand_at(struct walk *walk, int found) {
    if (found < 0)
        return -1;
    replace_fd(&walk->directory, found);
    return 0;
}

static int begin(struct walk *walk) {
    walk->done[0] = '\0';
    return stand_at(walk, path_open(walk->init, "/", 0));
}

/* Go on with `prefix` before the rest: a link's target, or a component once more. */
static int detour(struct walk *walk, const char *prefix) {
    if (++walk->detours > MAX_DETOURS)
        return error_set(&walk->init->error, "resolve", walk->path, ELOOP, "%s", "");
    if (prefix[0] == '/' && begin(walk) < 0)
        return -1;
    return join(walk, walk->todo, prefix, walk->todo);
}

/* One component further, if it exists. Below the open directory, so that what lies before is not
 * resolved again; but for links and "..", which the kernel keeps inside the root. */
static int enter(struct walk *walk, const char *name) {
    struct error *error = &walk->init->error;
    struct stat status;
    char next[PATH_MAX];
    OWNED int found = -1;
    if (join(walk, next, walk->done, name) < 0)
        return -1;
    if (strcmp(name, "..") != 0) {
        found = sys_openat2(error, walk->directory, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH);
        if (found < 0)
            return -1;
    }
    if (found < 0 || sys_fstat(error, found, &status, walk->path) < 0 || S_ISLNK(status.st_mode))
        replace_fd(&found, path_open(walk->init, next, walk->resolve));
    if (stand_at(walk, take_fd(&found)) < 0)
        return -1;
    memcpy(walk->done, next, sizeof next);
    return 0;
}

/* `name` cannot be opened in the directory: create it and enter it; or, where it is a dangling
 * link, go on with where that points to. */
static int make_missing(struct walk *walk, const char *name, mode_t mode) {
    struct error *error = &walk->init->error;
    char target[PATH_MAX];
    if (sys_readlinkat(error, walk->directory, name, target, sizeof target) >= 0)
        return detour(walk, target);
    if (error->number != ENOENT && error->number != EINVAL)
        return -1;
    if (path_create_at(error, walk->directory, name, mode, 0, walk->path) == 0)
        return enter(walk, name);
    return error->number == EEXIST ? detour(walk, name) : -1; /* someone else was faster */
}

static int advance(struct walk *walk, const char *name, mode_t mode) {
    struct error *error = &walk->init->error;
    if (++walk->components > MAX_COMPONENTS)
        return error_set(error, "resolve", walk->path, ELOOP,
                         "its links lead through too many directories");
    if (enter(walk, name) == 0)
        return 0;
    return error->number == ENOENT ? make_missing(walk, name, mode) : -1;
}

static int walk_all(struct walk *walk, mode_t type) {
    char name[NAME_MAX + 1];
    bool last = false;
    int more;
    while ((more = next_component(walk, name, &last)) > 0) {
        mode_t mode = last && type == S_IFREG ? S_IFREG | FILE_MODE : S_IFDIR | DIRECTORY_MODE;
        if (advance(walk, name, mode) < 0)
            return -1;
    }
    return more;
}

int path_make(struct init *init, const char *path, mode_t type, uint64_t resolve) {
    int found = path_open(init, path, resolve);
    if (found >= 0 || init->error.number != ENOENT)
        return found;
    struct walk walk = {.init = init, .path = path, .resolve = resolve, .directory = -1};
    size_t length = strlen(path);
    if (length >= sizeof walk.todo)
        return too_long(&walk);
    memcpy(walk.todo, path, length + 1);
    if (begin(&walk) < 0 || walk_all(&walk, type) < 0)
        close_now(&walk.directory); /* where the walk ends */
    return walk.directory;
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

int path_make_link(struct init *init, const char *path, mode_t type) {
    struct error *error = &init->error;
    const char *name;
    int found = path_open_link(init, path);
    if (found >= 0 || error->number != ENOENT)
        return found;
    OWNED int directory = path_make_parent(init, path, &name);
    if (directory < 0)
        return -1;
    mode_t mode = type == S_IFREG ? S_IFREG | FILE_MODE : S_IFDIR | DIRECTORY_MODE;
    if (path_create_at(error, directory, name, mode, 0, path) < 0 && error->number != EEXIST)
        return -1;
    return sys_openat2(error, directory, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH);
}
