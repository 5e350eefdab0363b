/* crunw-init: shared declarations. One file per concern:
 *
 *   main.c         the steps in order, the first failure
 *   protect.c      a program that can't be overwritten    descriptors.c  what is not inherited
 *   plan.c         check the plan, read its fields        report.c       errors, reports, answers
 *   sys.c          one wrapper per system call: EINTR retry, operation and path in the error
 *   sysmount.c     those of mounts and descriptors        title.c        what ps(1) shows
 *   path.c         paths inside the rootfs, by descriptor only
 *   opener.c       paths of the host, opened with the runtime's credentials
 *   idmap.c        id-mapped mounts                       rootfs.c       rootfs, pivot_root
 *   mount.c        mounts, by way of filesystem.c         copyup.c       tmpcopyup
 *   mask.c         masked and read-only paths             device.c       nodes and links
 *   console.c      the terminal                           cgroup.c       joining it, device filter
 *   namespace.c    namespaces, fork, sysctl, names        network.c      devices of the network
 *   process.c      limits, cwd, finding the program, exec hook.c         the container side's hooks
 *   attributes.c   scheduling, processors, memory nodes   home.c         $HOME
 *   seal.c         user, capabilities, labels             seccomp.c      filter and notification
 *   wasm.c         the engine's steps                     preopen.c      read-only directories
 *   fence.c        the system calls of a module's process wait.c         epoll_wait, restarted
 *   procfs.c       procfs, read-only for a module         mountinfo.c    the mounts that are seen
 *   meter.c        limits and counters of a module, its signals
 *
 * A function that can fail returns 0 (or a descriptor) or -1 with `error` filled in: set once,
 * where it happened, by error_set() or error_errno(). */
#ifndef CRUNW_INIT_H
#define CRUNW_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../engine/engine.h"
#include "../plan.h"

/* More than this program ever has open. */
#define OWN_DESCRIPTORS 4096u

struct error {
    char operation[64];
    char path[4096];
    char message[512];
    int number; /* errno */
};

/* Both return -1, so that a failing function can end with `return error_errno(…)`, and leave errno
 * as it is in the error. */
int error_errno(struct error *error, const char *operation, const char *path);
int error_set(struct error *error, const char *operation, const char *path, int number,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A list of strings in the plan, NULL-terminated, owned by the reader of the plan. */
typedef char **strings;

/* One record of a checked plan. The getters consume the fields in order; the plan was checked
 * against the signatures, so they cannot fail. Strings point into the plan's mapping. */
struct step {
    enum plan_op op;
    uint32_t number;  /* in its part of the plan, from 0 on */
    const char *name; /* "MOUNT"; in an error record it is in lower case */
    const uint8_t *next;
    const uint8_t *end;
};
uint64_t step_u64(struct step *step);
const char *step_string(struct step *step);
const uint8_t *step_bytes(struct step *step, size_t *length);
/* Allocated; NULL-terminated; memory lives until exec. */
strings step_strings(struct step *step);
uint64_t *step_u64s(struct step *step, size_t *count);

/* A part of the plan, checked. */
struct plan {
    const uint8_t *next;
    const uint8_t *end;
    uint32_t number; /* of the next step */
    bool more;       /* another part follows */
};

struct read_only;

struct init {
    struct error error;
    pid_t pid; /* FORK: this process, as the runtime sees it */
    int plan_fd;
    int report_fd;
    int answer_fd;
    int start_fds[2];    /* OPEN_START: the FIFOs "start" and "started"; -1: none */
    int started_fd;      /* WAIT_START: where errors go from then on; -1 before */
    int root_fd;         /* ROOTFS: paths are resolved below it; after PIVOT_ROOT that is "/" */
    int proc_fd;         /* /proc of the host, O_PATH; closed, as root_fd, by PROCESS */
    int time_offsets_fd; /* until FORK: the file of TIME_OFFSETS; -1: none */
    bool debug;          /* DEBUG: report how long each step takes */
    unsigned close_from; /* CLOSE_FROM: what was inherited is below, what is opened here above */
    int library_root_fd; /* the host's root, read-only, until all libraries are loaded; -1: none */
    int host_root_fd;    /* and then these are open, too */
    int host_cwd_fd;
    bool credentials_done;
    bool executed;          /* CREDENTIALS has done to them what execve would do */
    bool in_user_namespace; /* one that the plan names */
    const char *late_cwd;   /* CWD that only the user may enter: CREDENTIALS enters it */
    char *home;             /* HOME: "HOME=…" for an environment without */
    strings argv;           /* PROCESS */
    strings envp;
    const char *executable; /* EXEC_FIND */
    const char *library;    /* of which the engine is */
    struct engine *engine;
    struct plan part;     /* that is performed, all of it */
    uint32_t step;        /* the number of its current step */
    int opener_fd;        /* OPENER, until the last step that needs it; -1: none */
    uint32_t opener_last; /* that step's number in the last part */
    bool opener_joined;
    const char *link_target;      /* of the last mount, if its source was a link */
    int link_fd;                  /* that link, mounted; -1: copied, or there is none */
    bool in_running;              /* ROOT_JOINED: the mounts are those of a running container */
    int cgroup_fd;                /* CGROUP_INTO, until FORK; -1: none */
    int artefact_fd;              /* ENGINE_ARTEFACT: compiled code of this node; -1: none */
    const char *artefact;         /* its directory */
    int artefact_mount;           /* until FORK; -1: none */
    struct engine_options limits; /* WASM_LIMITS */
    uint64_t time_limit;          /* ms; 0: none */
    struct read_only *read_only;  /* PREOPEN_READONLY */
    int module_fd;                /* WASM_OPEN, until WASM_LOAD; -1: none */
    struct engine_module *module;
};

/* Read the next part and check all of it. Exits when there is none: the runtime has given up. */
int plan_read(struct error *error, int descriptor, struct plan *plan);
/* Cut the next step off the part; false at its end. */
bool plan_next(struct plan *plan, struct step *step);

/* Close the inherited descriptors that are not needed (descriptors.c says which are). */
int close_unnamed(struct init *init, struct plan plan);

/* REPORT_PID. */
int report_pid(struct init *init, pid_t pid);
/* A report without fields, then wait for the answer. Exits when the runtime is gone. */
int report_and_wait(struct init *init, enum plan_report type);
/* REPORT_NOTICE: `what` works, but worse than the plan asks for; the rest says why, and ends with
 * what can be done about it, in parentheses. Any step may report, also after READY. */
void report_notice(const struct init *init, enum plan_notice level, const char *what,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
/* REPORT_ERROR with init->error: on started_fd once there is one, else on report_fd. `step` is NULL
 * for an error before the first one. */
void report_error(const struct init *init, const struct step *step);

/* 0 if the program can't be overwritten; else it starts itself again, with `argv`, from where that
 * holds, and returns only on failure. `mark`, which is one of the arguments, is "" the first time
 * and then says where the roots are. protect.c */
#define PROTECTED_MARK 40
int protect_program(struct init *init, char **argv, char *mark);

/* Around what loads libraries, before anything is joined: the read-only root that they come from.
 * Without one nothing is done. It is closed when no more are loaded. */
int library_root_enter(struct init *init);
int library_root_leave(struct init *init);
void library_root_close(struct init *init);

/* Have nobody but the host's root see into this process, until it executes the program.
 * namespace.c */
int hide_process(struct error *error);

/* Call first, then show `words` as the command line of this process. title.c */
void title_prepare(char **argv);
void title_set(strings words);

/* Enter a directory of the container; with `create` it and those above it are created where they
 * are missing. process.c */
int change_directory(struct init *init, const char *path, bool create);

/* Before there is a plan: open the engine if whoever has started this expects it to be needed.
 * ENGINE_OPEN does what this could not. wasm.c */
int engine_expect(struct init *init);

/* For what a step doesn't need of its arguments. */
#define UNUSED __attribute__((unused))

/* A step: 0, or -1 with init->error set. One for each op, named run_<op>. */
typedef int step_function(struct init *init, struct step *step);

/* main.c */
step_function run_debug;
/* opener.c */
step_function run_opener;
/* cgroup.c */
step_function run_cgroup_join, run_cgroup_into, run_cgroup_devices;
/* namespace.c */
step_function run_oom_score_adj, run_ns_enter, run_ns_enter_pidfd, run_ns_unshare, run_userns_map,
    run_time_offsets, run_fork, run_setsid, run_sysctl, run_hostname, run_domainname, run_keyring;
/* network.c */
step_function run_loopback_up, run_net_address, run_net_up;
/* mount.c, device.c */
step_function run_root_propagation, run_rootfs, run_mount, run_bind_idmapped, run_relabel,
    run_mount_propagation, run_mount_setattr, run_mknod, run_symlink, run_pivot_root, run_console,
    run_mask, run_readonly, run_root_readonly, run_root_joined, run_unmount;
/* hook.c */
step_function run_hooks_barrier, run_hook;
/* process.c */
step_function run_rlimit, run_rlimit_raise, run_personality, run_cwd, run_umask, run_process,
    run_exec_find, run_ready, run_open_start, run_wait_start, run_close_from, run_exec;
/* attributes.c, home.c */
step_function run_scheduler, run_io_priority, run_cpu_affinity, run_memory_policy, run_home;
/* seal.c, seccomp.c, fence.c */
step_function run_credentials, run_no_new_privs, run_seccomp, run_lsm_label, run_wasm_fence;
/* procfs.c */
step_function run_proc_readonly;
/* wasm.c, preopen.c, meter.c */
step_function run_engine_open, run_engine_plugin, run_engine_artefact, run_wasm_open, run_wasm_load,
    run_wasm_run, run_preopen_readonly, run_engine_counters, run_wasm_limits, run_wasm_insist;

#endif
