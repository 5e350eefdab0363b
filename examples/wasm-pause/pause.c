/* Sleeps until its container is stopped: what holds a pod's namespaces open.
 *
 * It needs neither a heap nor standard streams, so it is _start alone, without crt1. */
#include <wasi/api.h>

static const __wasi_timestamp_t HOUR = 3600ull * 1000 * 1000 * 1000; /* ns */

void _start(void) {
    const __wasi_subscription_t timer = {
        .u = {.tag = __WASI_EVENTTYPE_CLOCK,
              .u.clock = {.id = __WASI_CLOCKID_MONOTONIC, .timeout = HOUR}},
    };
    for (;;) {
        __wasi_event_t event;
        __wasi_size_t events;
        if (__wasi_poll_oneoff(&timer, &event, 1, &events) != 0)
            __wasi_proc_exit(1);
    }
}
