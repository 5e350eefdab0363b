/* The mounts that this process sees. */
#ifndef CRUNW_INIT_MOUNTINFO_H
#define CRUNW_INIT_MOUNTINFO_H

#include "init.h"

/* One line of mountinfo (proc_pid_mountinfo(5)). */
struct mountinfo {
    const char *root;
    char *point;
    const char *type;
};

/* Call `each` with every mount and with `argument`, until it returns -1. The list is read while
 * that is done: a mount that comes or goes meanwhile may be missed. */
int mountinfo_each(struct init *init,
                   int (*each)(struct init *, const struct mountinfo *, const void *argument),
                   const void *argument);

#endif
