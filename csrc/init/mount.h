/* What the steps of mount.c, rootfs.c, mask.c, device.c and console.c share. */
#ifndef CRUNW_INIT_MOUNT_H
#define CRUNW_INIT_MOUNT_H

#include "init.h"

/* The next steps are not about a link that the last mount was of. */
void mount_forget_link(struct init *init);

/* Attach the detached mount `tree` on the directory or file open as `target`. A directory goes on a
 * directory, a file on a file (else ENOTDIR, EISDIR). */
int mount_attach(struct error *error, int tree, int target, const char *name);

/* Add the attributes MOUNT_ATTR_* that `flags` (MS_*, as for mount(2)) ask for to the mount whose
 * root is open as `mounted`; all others stay as they are, so that flags that a user namespace has
 * locked are kept. `scope`: 0 or AT_RECURSIVE. */
int mount_add_flags(struct error *error, int mounted, unsigned long flags, unsigned scope,
                    const char *name);

/* Change the propagation of the mount whose root is open as `mounted`. `flags`: one of MS_SHARED,
 * MS_SLAVE, MS_PRIVATE and MS_UNBINDABLE, with MS_REC for those below it. */
int mount_propagate(struct error *error, int mounted, unsigned long flags, const char *name);

#endif
