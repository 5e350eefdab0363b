/* libwasmedge waits for the clocks and files of poll_oneoff by epoll_wait(2). Unlike most calls
 * that one ends with EINTR when the process was stopped or its cgroup frozen (signal(7)), and the
 * library hands that to the module: one that sleeps would go on, or end, as soon as its container
 * is resumed. Its call finds the function here before the C library's (ld.so(8), the program's
 * symbols come first). */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static int wait_once(int epoll, struct epoll_event *events, int most, int timeout) {
#ifdef SYS_epoll_wait
    return (int)syscall(SYS_epoll_wait, epoll, events, most, timeout);
#else
    // cppcheck-suppress nullPointer ; the mask stays as it is
    return epoll_pwait(epoll, events, most, timeout, NULL);
#endif
}

static int64_t milliseconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* can't fail for this clock */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

EXPORTED int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
    int64_t end = milliseconds() + timeout;
    int got;
    while ((got = wait_once(epoll, events, most, timeout)) < 0 && errno == EINTR)
        if (timeout > 0) {
            int64_t left = end - milliseconds();
            timeout = left > 0 ? (int)left : 0;
        }
    return got;
}
