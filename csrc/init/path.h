/* Paths inside the rootfs, by descriptor only.
 *
 * Every path is resolved by the kernel below init->root_fd (openat2(2), RESOLVE_IN_ROOT and
 * RESOLVE_NO_MAGICLINKS): a link in the rootfs, absolute or with "..", cannot leave it, however
 * fast someone exchanges it. What is done to the path is done to the descriptor. */
#ifndef CRUNW_INIT_PATH_H
#define CRUNW_INIT_PATH_H

#include <sys/types.h>

#include "init.h"

/* Where there is no ROOTFS, this process has joined a container: "/" is the root of all paths. */
int path_root(struct init *init);

/* An O_PATH descriptor of what `path` names. `resolve`: 0, or RESOLVE_NO_SYMLINKS where a link is
 * an error (ELOOP). -1 with errno as openat2(2). */
int path_open(struct init *init, const char *path, uint64_t resolve);

/* As path_open, and what is missing is created: directories (0755), in the end a directory or an
 * empty file (0644), as `type` says: S_IFDIR or S_IFREG. A dangling link is followed: what it
 * points to is created, inside the rootfs. The type of what exists is not checked. */
int path_make(struct init *init, const char *path, mode_t type, uint64_t resolve);

/* As path_open and path_make; a link in the last component is not followed, but what is meant. */
int path_open_link(struct init *init, const char *path);
int path_make_link(struct init *init, const char *path, mode_t type);

/* The directory that holds the last component of `path`, created if missing; *name is that
 * component, a part of `path`: never empty, "." or "..". */
int path_make_parent(struct init *init, const char *path, const char **name);

/* Create `name` in `directory` with exactly `mode` (type and permissions; the umask is 0): a
 * directory, an empty file, a node for `device`. Never follows a link in the place of `name`.
 * `path`: what to show in an error. */
int path_create_at(struct error *error, int directory, const char *name, mode_t mode, dev_t device,
                   const char *path);

#endif
