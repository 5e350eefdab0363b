/* What a module may use and has used: its limits, the counters that the runtime reads, and the ways
 * in which it is ended from outside. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../engine/engine.h"
#include "meter.h"
#include "sys.h"

#define SIGNAL_STATUS 128
#define PUBLISH_INTERVAL_NS 100000000L /* 0.1 s */
#define PUBLISHER_STACK 65536          /* of which a page or two are used */

/* One program runs in a process, and a signal's handler gets no argument. */
static struct {
    struct plan_counters *counters; /* shared with the runtime; NULL: nobody asks */
    const struct engine_module *module;
    struct timespec begin;
    char late[64]; /* what to say when the time limit is reached */
} meter;

int run_engine_counters(struct init *init, struct step *step) {
    const char *path = step_string(step);
    OWNED int fd =
        sys_openat(&init->error, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    void *shared = MAP_FAILED;
    if (ftruncate(fd, sizeof *meter.counters) == 0)
        shared = mmap(NULL, sizeof *meter.counters, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        return error_errno(&init->error, "mmap", path);
    meter.counters = shared;
    return 0;
}

int run_wasm_limits(struct init *init, struct step *step) {
    init->limits.max_memory_pages = (uint32_t)step_u64(step);
    init->limits.max_initial_pages = (uint32_t)step_u64(step);
    init->limits.cost_limit = step_u64(step);
    init->limits.statistics = step_u64(step) != 0;
    init->time_limit = step_u64(step);
    return 0;
}

/* Also called by handlers of signals: plain loads and stores. */
static void publish(void) {
    struct timespec now;
    if (meter.counters == NULL || meter.module == NULL)
        return;
    struct engine_statistics statistics = engine_module_statistics(meter.module);
    /* Compiled code counts instructions when a function returns, their cost as it goes, and each
     * costs 1. */
    if (statistics.instructions < statistics.cost)
        statistics.instructions = statistics.cost;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t elapsed = (now.tv_sec - meter.begin.tv_sec) * INT64_C(1000000000) +
                      (now.tv_nsec - meter.begin.tv_nsec);
    __atomic_store_n(&meter.counters->instructions, statistics.instructions, __ATOMIC_RELAXED);
    __atomic_store_n(&meter.counters->cost, statistics.cost, __ATOMIC_RELAXED);
    __atomic_store_n(&meter.counters->nanoseconds, (uint64_t)elapsed, __ATOMIC_RELAXED);
}

/* A thread, not a timer's signal: that would interrupt the program's system calls. */
static void *publish_always(void *argument) {
    const struct timespec interval = {.tv_nsec = PUBLISH_INTERVAL_NS};
    for (;;) {
        publish();
        nanosleep(&interval, NULL);
    }
    return argument;
}

static int start_publisher(struct error *error) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PUBLISHER_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int number = pthread_create(&thread, &attributes, publish_always, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (number != 0)
        return error_set(error, "pthread_create", "", number, "the counters' thread: %s",
                         strerror(number));
    return 0;
}

/* Not where nobody reads: a write to a pipe that is full would keep the process, which hears no
 * signal here. Where a seccomp profile forbids to ask, it is written. */
static void say_late(void) {
    struct pollfd error = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&error, 1, 0) != 0)
        (void)!write(STDERR_FILENO, meter.late, strlen(meter.late));
}

/* WASI keeps nothing in buffers on this side: what the program has written is written. */
static void end_on_signal(int number) {
    publish();
    if (number == SIGALRM)
        say_late();
    _exit(SIGNAL_STATUS + number);
}

static void handle(int number) {
    struct sigaction action = {.sa_handler = end_on_signal};
    sigset_t set;
    sigfillset(&action.sa_mask);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigaction(number, &action, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* A process that is PID 1 of its namespace is not ended by a signal that it does not handle. */
void meter_handle_signals(void) {
    handle(SIGTERM);
    handle(SIGINT);
    handle(SIGHUP);
    handle(SIGQUIT);
}

/* Only now, or hooks would inherit it. */
static void ignore_signals(void) {
    /* A write to a pipe that nobody reads is an error of the write, as WASI has no signals. */
    signal(SIGPIPE, SIG_IGN);
    /* In the pid namespace of a pod this may be the process that orphans are left to. */
    signal(SIGCHLD, SIG_IGN);
}

static int limit_time(struct error *error, uint64_t milliseconds) {
    struct itimerval timer = {.it_value = {.tv_sec = (time_t)(milliseconds / 1000),
                                           .tv_usec = (suseconds_t)(milliseconds % 1000 * 1000)}};
    snprintf(meter.late, sizeof meter.late, "crunw: the time limit of %g s is reached\n",
             (double)milliseconds / 1000);
    handle(SIGALRM);
    if (setitimer(ITIMER_REAL, &timer, NULL) < 0)
        return error_errno(error, "setitimer", "");
    return 0;
}

int meter_start(struct init *init) {
    ignore_signals();
    clock_gettime(CLOCK_MONOTONIC, &meter.begin);
    meter.module = init->module;
    if (meter.counters != NULL && start_publisher(&init->error) < 0)
        return -1;
    return init->time_limit == 0 ? 0 : limit_time(&init->error, init->time_limit);
}

void meter_end(void) { publish(); }
