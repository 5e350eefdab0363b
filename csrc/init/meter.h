/* Around a module's run: meter.c. */
#ifndef CRUNW_INIT_METER_H
#define CRUNW_INIT_METER_H

#include "init.h"

/* TERM, INT, HUP and QUIT end the process from now on. */
void meter_handle_signals(void);
/* The module begins to run: its time is limited, its counters are published. */
int meter_start(struct init *init);
/* It has ended: publish what it has used. */
void meter_end(void);

#endif
