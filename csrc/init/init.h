/* crunw-init: shared declarations. One file per concern:
 *
 *   main.c      protect the binary, read the plan, run its steps, report
 *   plan.c      check the plan against the signatures; read fields
 *   report.c    the error record; reports and answers
 *   sys.c       one wrapper per system call: EINTR retry, operation and path in the error
 *   path.c      paths inside the rootfs, by descriptor only
 *   mount.c     rootfs, mounts, pivot, masks        device.c  nodes, links, console
 *   namespace.c namespaces, fork, maps, cgroup      process.c credentials, limits, cwd, exec
 *   seal.c      capabilities, seccomp, labels       hook.c    hooks run by the container side
 *   wasm.c      the engine's steps
 *
 * A function that can fail returns 0 (or a descriptor) or -1 with `error` filled in: set once, where
 * it happened, by error_set() or error_errno(). */
#ifndef CRUNW_INIT_H
#define CRUNW_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../plan.h"

struct error {
    char operation[64];
    char path[4096];
    char message[512];
    int number; /* errno */
};

/* Both return -1, so that a failing function can end with `return error_errno(…)`. */
int error_errno(struct error *error, const char *operation, const char *path);
int error_set(struct error *error, const char *operation, const char *path, int number,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A list of strings in the plan, NULL-terminated, owned by the reader of the plan. */
typedef char **strings;

/* One record of a checked plan. The getters consume the fields in order; the plan was checked
 * against the signatures, so they cannot fail. Strings point into the plan's mapping. */
struct step {
    enum plan_op op;
    const char *name; /* "mount" */
    const uint8_t *next;
    const uint8_t *end;
};
uint64_t step_u64(struct step *step);
const char *step_string(struct step *step);
const uint8_t *step_bytes(struct step *step, size_t *length);
/* Allocated; NULL-terminated; memory lives until exec. */
strings step_strings(struct step *step);
uint64_t *step_u64s(struct step *step, size_t *count);

struct engine;
struct engine_module;

struct init {
    struct error error;
    int report_fd;
    int answer_fd;
    int started_fd;    /* WAIT_START: where errors go after READY, -1 before */
    int root_fd;       /* ROOTFS: paths are resolved below it; after PIVOT_ROOT that is "/" */
    int proc_fd;       /* /proc of the host, O_PATH, opened before the rootfs is set up */
    bool keep_caps_done;
    strings argv;      /* PROCESS */
    strings envp;
    const char *executable; /* EXEC_FIND */
    struct engine *engine;
    struct engine_module *module;
};

/* A step: 0, or -1 with init->error set. One for each op, named run_<op>. */
typedef int step_function(struct init *init, struct step *step);

#endif
