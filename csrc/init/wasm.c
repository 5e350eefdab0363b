/* The engine's steps: libwasmedge is opened on the host's files, the module is loaded and run in
 * the sealed container, by this process. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../engine/engine.h"
#include "init.h"
#include "sys.h"

int run_engine_open(struct init *init, struct step *step) {
    const char *library = step_string(step);
    const char *stub = step_string(step);
    struct engine_error error;
    init->engine = engine_open(library, *stub ? stub : NULL, &error);
    if (!init->engine)
        return error_set(&init->error, "dlopen", library, ENOENT, "%s", error.message);
    return 0;
}

/* The module and all that it needs of the file system: nothing is opened by name after this but by
 * the program itself. */
static int load(struct init *init, const char *path, strings preopens) {
    static const struct engine_options options = {0};
    struct engine_error error;
    int fd = sys_openat(&init->error, AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    init->module = engine_load(init->engine, fd, &options, &error);
    sys_close(&fd);
    struct engine_program program = {
        .argv = (const char *const *)init->argv,
        .envp = (const char *const *)init->envp,
        .preopens = (const char *const *)preopens,
    };
    if (!init->module || engine_prepare(init->module, &program, &error) != 0)
        return error_set(&init->error, "load", path, ENOEXEC, "%s", error.message);
    return 0;
}

int run_wasm_load(struct init *init, struct step *step) {
    const char *path = step_string(step);
    strings preopens = step_strings(step);
    if (load(init, path, preopens) != 0)
        return -1;
    /* What parsing has left on the heap would stay for the container's life. */
    malloc_trim(0);
    return 0;
}

/* WASI keeps nothing in buffers on this side: what the program has written is written. */
static void end_on_signal(int number) { _exit(128 + number); }

/* A process that is PID 1 of its namespace is not ended by a signal that it does not handle. */
static void handle_signals(void) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = end_on_signal};
    sigset_t set;
    sigfillset(&action.sa_mask);
    sigemptyset(&set);
    for (size_t index = 0; index < sizeof(signals) / sizeof(*signals); index++) {
        sigaction(signals[index], &action, NULL);
        sigaddset(&set, signals[index]);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    /* A write to a pipe that nobody reads is an error of the write, as WASI has no signals. */
    signal(SIGPIPE, SIG_IGN);
}

/* There is no exec that would close them, and the program may see /proc/self/fd, where a descriptor
 * of the host's files is a way out. `start` waits for the end of file of one of them. */
static int close_others(struct init *init) {
    unsigned first = STDERR_FILENO + 1;
    int keep = -1;
    for (uint32_t index = 0; (keep = engine_module_descriptor(init->module, index)) >= 0; index++) {
        if ((unsigned)keep > first && close_range(first, (unsigned)keep - 1, 0) != 0)
            return error_errno(&init->error, "close_range", "");
        first = (unsigned)keep + 1;
    }
    if (close_range(first, ~0U, 0) != 0)
        return error_errno(&init->error, "close_range", "");
    return 0;
}

int run_wasm_run(struct init *init, struct step *step) {
    (void)step;
    struct engine_error error;
    uint32_t status = ENGINE_TRAP_STATUS;
    handle_signals();
    if (close_others(init) != 0)
        return -1;
    if (engine_run(init->module, &status, &error) != 0)
        dprintf(STDERR_FILENO, "crunw: %s\n", error.message);
    _exit((int)(status & 0xff));
}
