/* Who closes a descriptor.
 *
 *   OWNED int file = open(…);    closed where its scope ends, on every way out of it
 *   return take_fd(&file);       handed over: whoever takes it closes it
 *
 * A parameter is lent; what a function returns belongs to its caller. An owner begins with a
 * descriptor or -1. Not owned is what lives as long as its process, and what a struct holds. Where
 * the moment matters close_now closes, with the reason in a comment.
 * tests/unit/test_ownership.py checks this.
 *
 * An owner closes without changing errno, and without looking at the result: a file that was
 * written is closed by `close(take_fd(&file))`. */
#ifndef CRUNW_OWNED_H
#define CRUNW_OWNED_H

#include <errno.h>
#include <unistd.h>

#define OWNED __attribute__((cleanup(close_now)))

/* Of a pipe or of sockets: OWNED_PAIR int ends[2] = NO_PAIR; */
#define OWNED_PAIR __attribute__((cleanup(close_pair)))
#define NO_PAIR {-1, -1}

static inline void close_now(int *descriptor) {
    int saved = errno;
    if (*descriptor >= 0)
        close(*descriptor); /* Linux has closed it even when it says EINTR */
    *descriptor = -1;
    errno = saved;
}

static inline void close_pair(int (*ends)[2]) {
    close_now(&(*ends)[0]);
    close_now(&(*ends)[1]);
}

__attribute__((warn_unused_result)) static inline int take_fd(int *descriptor) {
    int taken = *descriptor;
    *descriptor = -1;
    return taken;
}

/* Close what it holds, and hold another one. */
static inline void replace_fd(int *descriptor, int other) {
    close_now(descriptor);
    *descriptor = other;
}

#endif
