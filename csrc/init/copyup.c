/* tmpcopyup. The source belongs to the container's image, perhaps to a volume that someone changes
 * meanwhile: each entry is opened once, without following links, and judged by its descriptor. */
#define _GNU_SOURCE
#include "copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "path.h"
#include "sys.h"
#include "sysmount.h"

/* One entry on its way. */
struct entry {
    int source; /* the directories */
    int target;
    const char *name;
    struct stat status;
};

/* What the kernel moves in one go. */
#define CHUNK (1 << 20)

/* As many bytes as the file had: a file that grows all the time must not keep us here. */
static int copy_content(struct error *error, int from, int to, off_t size, const char *name) {
    while (size > 0) {
        size_t wanted = size < CHUNK ? (size_t)size : CHUNK;
        ssize_t sent = sys_sendfile(error, to, from, wanted, name);
        if (sent <= 0)
            return (int)sent;
        size -= sent;
    }
    return 0;
}

/* Owner first: a change of owner clears the set-user-ID bits. */
static int copy_owner_and_mode(struct error *error, const struct entry *entry, int to) {
    if (sys_fchownat(error, to, "", entry->status.st_uid, entry->status.st_gid, AT_EMPTY_PATH) < 0)
        return -1;
    return sys_fchmod(error, to, entry->status.st_mode & 07777, entry->name);
}

static int copy_open_file(struct error *error, struct entry *entry, int from) {
    if (sys_fstat(error, from, &entry->status, entry->name) < 0)
        return -1;
    OWNED int to = sys_openat(error, entry->target, entry->name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (to < 0 || copy_content(error, from, to, entry->status.st_size, entry->name) < 0)
        return -1;
    return copy_owner_and_mode(error, entry, to);
}

static int copy_file(struct error *error, struct entry *entry) {
    /* O_NONBLOCK: should it be a FIFO by now, the open must not wait for a writer */
    OWNED int from =
        sys_openat(error, entry->source, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    return from < 0 ? -1 : copy_open_file(error, entry, from);
}

static int copy_directory(struct error *error, const struct entry *entry) {
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    if (path_create_at(error, entry->target, entry->name, S_IFDIR | 0700, 0, entry->name) < 0)
        return -1;
    OWNED int from = sys_openat(error, entry->source, entry->name, flags, 0);
    if (from < 0)
        return -1;
    OWNED int to = sys_openat(error, entry->target, entry->name, flags, 0);
    if (to < 0 || copy_up_directory(error, from, to) < 0)
        return -1;
    return copy_owner_and_mode(error, entry, to);
}

static int copy_link(struct error *error, const struct entry *entry) {
    char target[PATH_MAX];
    if (sys_readlinkat(error, entry->source, entry->name, target, sizeof target) < 0)
        return -1;
    return sys_symlinkat(error, target, entry->target, entry->name);
}

static int copy_entry(struct error *error, struct entry *entry) {
    if (sys_fstatat(error, entry->source, entry->name, &entry->status, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    const struct stat *status = &entry->status;
    if (S_ISDIR(status->st_mode))
        return copy_directory(error, entry);
    if (S_ISREG(status->st_mode))
        return copy_file(error, entry);
    int made = S_ISLNK(status->st_mode)
                   ? copy_link(error, entry)
                   : path_create_at(error, entry->target, entry->name, status->st_mode,
                                    status->st_rdev, entry->name);
    return made < 0 ? -1
                    : sys_fchownat(error, entry->target, entry->name, status->st_uid,
                                   status->st_gid, AT_SYMLINK_NOFOLLOW);
}

int copy_up_directory(struct error *error, int source, int target) {
    OWNED int listed = sys_openat(error, source, ".", O_RDONLY | O_DIRECTORY, 0);
    if (listed < 0)
        return -1;
    DIR *directory = fdopendir(listed);
    if (directory == NULL)
        return error_errno(error, "opendir", ".");
    int from = take_fd(&listed); /* closedir closes it */
    int result = 0;
    const struct dirent *found;
    while (result == 0 && (errno = 0, found = readdir(directory)) != NULL) {
        struct entry entry = {.source = from, .target = target, .name = found->d_name};
        if (strcmp(entry.name, ".") != 0 && strcmp(entry.name, "..") != 0)
            result = copy_entry(error, &entry);
    }
    if (result == 0 && errno != 0)
        result = error_errno(error, "readdir", ".");
    closedir(directory);
    return result;
}
