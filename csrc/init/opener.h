/* Files of the host, opened with the runtime's credentials.
 *
 * A process in a user namespace is not the host's root any more: directories that only root may
 * enter (bundles, volumes, storage) are closed to it, and it may not map the ids of the host's file
 * systems. So OPENER leaves a process behind that stays who the runtime is. It joins the mount
 * namespace of the container, so that what it opens belongs there, with all that the kernel has
 * locked, unless the container runs already and has left the host's files; it ends when its socket
 * is closed: by PROCESS, or with the container's process. */
#ifndef CRUNW_INIT_OPENER_H
#define CRUNW_INIT_OPENER_H

#include "init.h"

/* An O_PATH descriptor of what `path` names on the host. `flags`: 0 or O_DIRECTORY. */
int host_open(struct init *init, const char *path, int flags);

/* A detached clone of the mount that `path` lies on, from there; `recursive`: with those below. */
int host_tree(struct init *init, const char *path, bool recursive);

/* The user namespace whose maps an id-mapped mount gets: that of a file, or one with these maps, as
 * /proc/PID/uid_map takes them. */
struct idmap {
    const char *userns; /* "": the maps */
    const char *uid_map;
    const char *gid_map;
    bool recursive; /* the mounts below get it too */
};

/* As host_tree, with ids mapped. Needs OPENER. */
int host_tree_idmapped(struct init *init, const char *path, bool recursive,
                       const struct idmap *idmap);

/* End the opener, if there is one. */
void opener_close(struct init *init);

/* Map the ids of a detached mount (mount_setattr(2) MOUNT_ATTR_IDMAP), which needs the rights of
 * the host's root. `name`: the path to show. idmap.c */
int idmap_mount(struct error *error, int tree, const struct idmap *idmap, const char *name);

#endif
