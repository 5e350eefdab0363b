/* Files of the host, opened with the runtime's credentials.
 *
 * A process in a user namespace is not the host's root any more: directories that only root may
 * enter (bundles, volumes, storage) are closed to it, and it may not map the ids of the host's file
 * systems. So OPENER leaves a process that keeps the runtime's credentials. It joins the mount
 * namespace of the container, so that what it opens belongs there, with all that the kernel has
 * locked, unless the container runs already and has left the host's files.
 *
 * Who shares the user namespace with the container must not be served by it. It takes the plan
 * before anything is joined, opens for each step what the step says and nothing else, once, for the
 * process that FORK makes, and ends after the last step that needs it, or with that process. */
#ifndef CRUNW_INIT_OPENER_H
#define CRUNW_INIT_OPENER_H

#include "init.h"

/* An O_PATH descriptor of the directory of ROOTFS, as rootfs_open. */
int host_rootfs(struct init *init, const char *path);

/* A detached clone of the mount that `path` lies on, from there. `how`: tree_how. */
int host_tree(struct init *init, const char *path, unsigned how);

/* How the MS_* flags and MOUNT_* bits of a bind mount want the source cloned: AT_RECURSIVE, with
 * the mounts below; AT_SYMLINK_NOFOLLOW. */
unsigned tree_how(uint64_t flags, uint64_t bits);

/* As host_tree, of the file that node_open finds for an MKNOD. */
int host_node(struct init *init, struct step *step);

/* The user namespace whose maps an id-mapped mount gets: that of a file, or one with these maps, as
 * /proc/PID/uid_map takes them. */
struct idmap {
    const char *userns; /* "": the maps */
    const char *uid_map;
    const char *gid_map;
    bool recursive; /* the mounts below get it too */
};

/* As host_tree, with ids mapped, as BIND_IDMAPPED says it. Needs OPENER. */
int host_tree_idmapped(struct init *init, const char *path);

/* What host_rootfs opens: an O_PATH descriptor of a directory. The mount that it lies on becomes
 * private: pivot_root(2) demands that the parent of the new root is not shared, and nothing mounted
 * from now on may reach another namespace. rootfs.c */
int rootfs_open(struct error *error, const char *path);

/* An O_PATH descriptor of the host's device that an MKNOD wants: by its path, or by the name that
 * the kernel gives it. device.c */
int node_open(struct error *error, struct step *step);

/* Give the opener, if there is one, the last part of the plan, init->part. */
int opener_learn(struct init *init);

/* The current step is done: end the opener if no other needs it. */
void opener_step_done(struct init *init);

/* End the opener, if there is one. */
void opener_close(struct init *init);

/* Map the ids of a detached mount (mount_setattr(2) MOUNT_ATTR_IDMAP), which needs the rights of
 * the host's root. `name`: the path to show. idmap.c */
int idmap_mount(struct error *error, int tree, const struct idmap *idmap, const char *name);

#endif
