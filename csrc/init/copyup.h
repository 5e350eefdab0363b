#ifndef CRUNW_INIT_COPYUP_H
#define CRUNW_INIT_COPYUP_H

#include "init.h"

/* Copy what the directory open as `source` holds into the one open as `target`: files, directories,
 * links (as links) and nodes, with owner, group and permissions. Nothing that is a link is
 * followed. An error has the name of the entry for its path. */
int copy_up_directory(struct error *error, int source, int target);

#endif
