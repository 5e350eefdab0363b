/* New file systems, made through the mount API of Linux 5.2: fsopen(2), fsconfig(2), fsmount(2). */
#ifndef CRUNW_INIT_FILESYSTEM_H
#define CRUNW_INIT_FILESYSTEM_H

#include "init.h"

struct filesystem {
    const char *type;
    const char *source;
    unsigned long flags; /* MS_* as for mount(2) */
    const char *data;    /* options as for mount(2), separated by commas */
};

/* The MOUNT_ATTR_* that mean the same as `flags` for mount(2). */
unsigned filesystem_attributes(unsigned long flags);

/* A detached mount (an O_PATH descriptor). `name`: the path to show in an error, whose message is
 * what the kernel says about the option that it does not like. */
int filesystem_new(struct error *error, const struct filesystem *wanted, const char *name);

/* Apply flags and data to the mounted file system whose root is open as `target`. What is not named
 * stays as it is. */
int filesystem_reconfigure(struct error *error, int target, const struct filesystem *wanted,
                           const char *name);

/* Whether fsconfig(2) can say all of it: it takes values of up to 255 bytes (layers of an overlay
 * may be longer), and has no word for some old flags. Where not, mount(2) must do. */
bool filesystem_expressible(const struct filesystem *wanted);

#endif
