/* Read-only preopens: preopen.c. */
#ifndef CRUNW_INIT_PREOPEN_H
#define CRUNW_INIT_PREOPEN_H

#include "init.h"

/* Put the directories of PREOPEN_READONLY in the place of those that WASI has opened. */
int preopens_replace(struct init *init);

#endif
