/* crunw-init PLAN-FD REPORT-FD ANSWER-FD: read the plan, perform its steps, report the first
 * failure.
 *
 * Exit status: the program's own once it runs; 127 or 126 when it could not be executed, as a shell
 * has it; 1 for every other step; 2 for wrong arguments. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "opener.h"
#include "sys.h"

#ifdef __SANITIZE_ADDRESS__
/* Memory lives until exec: what is still held at an early end is not a leak. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }
#endif

/* A fourth argument says that the program has started itself from a protected place. */
enum { ARG_PLAN = 1, ARG_REPORT, ARG_ANSWER, ARG_AGAIN, ARG_MAX };

/* A switch, not a table: the compiler says which op of PLAN_OPS has no function. */
static int run_step(struct init *init, struct step *step) {
    switch (step->op) {
#define RUN(name, function)                                                                        \
    case OP_##name:                                                                                \
        return function(init, step);
        RUN(DEBUG, run_debug)
        RUN(OPENER, run_opener)
        RUN(CGROUP_JOIN, run_cgroup_join)
        RUN(CGROUP_INTO, run_cgroup_into)
        RUN(CGROUP_DEVICES, run_cgroup_devices)
        RUN(OOM_SCORE_ADJ, run_oom_score_adj)
        RUN(NS_ENTER, run_ns_enter)
        RUN(NS_ENTER_PIDFD, run_ns_enter_pidfd)
        RUN(NS_UNSHARE, run_ns_unshare)
        RUN(USERNS_MAP, run_userns_map)
        RUN(TIME_OFFSETS, run_time_offsets)
        RUN(OPEN_START, run_open_start)
        RUN(FORK, run_fork)
        RUN(LOOPBACK_UP, run_loopback_up)
        RUN(NET_ADDRESS, run_net_address)
        RUN(NET_UP, run_net_up)
        RUN(SETSID, run_setsid)
        RUN(ENGINE_OPEN, run_engine_open)
        RUN(ENGINE_PLUGIN, run_engine_plugin)
        RUN(ENGINE_COUNTERS, run_engine_counters)
        RUN(ENGINE_ARTEFACT, run_engine_artefact)
        RUN(ROOT_PROPAGATION, run_root_propagation)
        RUN(ROOTFS, run_rootfs)
        RUN(ROOT_JOINED, run_root_joined)
        RUN(MOUNT, run_mount)
        RUN(BIND_IDMAPPED, run_bind_idmapped)
        RUN(RELABEL, run_relabel)
        RUN(UNMOUNT, run_unmount)
        RUN(MOUNT_PROPAGATION, run_mount_propagation)
        RUN(MOUNT_SETATTR, run_mount_setattr)
        RUN(MKNOD, run_mknod)
        RUN(SYMLINK, run_symlink)
        RUN(SYSCTL, run_sysctl)
        RUN(HOSTNAME, run_hostname)
        RUN(DOMAINNAME, run_domainname)
        RUN(HOOKS_BARRIER, run_hooks_barrier)
        RUN(HOOK, run_hook)
        RUN(PIVOT_ROOT, run_pivot_root)
        RUN(CONSOLE, run_console)
        RUN(MASK, run_mask)
        RUN(READONLY, run_readonly)
        RUN(ROOT_READONLY, run_root_readonly)
        RUN(KEYRING, run_keyring)
        RUN(RLIMIT_RAISE, run_rlimit_raise)
        RUN(RLIMIT, run_rlimit)
        RUN(PERSONALITY, run_personality)
        RUN(SCHEDULER, run_scheduler)
        RUN(IO_PRIORITY, run_io_priority)
        RUN(CPU_AFFINITY, run_cpu_affinity)
        RUN(MEMORY_POLICY, run_memory_policy)
        RUN(HOME, run_home)
        RUN(CWD, run_cwd)
        RUN(CREDENTIALS, run_credentials)
        RUN(UMASK, run_umask)
        RUN(NO_NEW_PRIVS, run_no_new_privs)
        RUN(SECCOMP, run_seccomp)
        RUN(LSM_LABEL, run_lsm_label)
        RUN(CLOSE_FROM, run_close_from)
        RUN(PROCESS, run_process)
        RUN(EXEC_FIND, run_exec_find)
        RUN(READY, run_ready)
        RUN(WAIT_START, run_wait_start)
        RUN(EXEC, run_exec)
        RUN(PREOPEN_READONLY, run_preopen_readonly)
        RUN(WASM_LIMITS, run_wasm_limits)
        RUN(WASM_INSIST, run_wasm_insist)
        RUN(WASM_FENCE, run_wasm_fence)
        RUN(PROC_READONLY, run_proc_readonly)
        RUN(WASM_OPEN, run_wasm_open)
        RUN(WASM_LOAD, run_wasm_load)
        RUN(WASM_RUN, run_wasm_run)
#undef RUN
    }
    abort(); /* plan_read has refused unknown ops */
}

/* The host's procfs, whatever the container mounts on its own /proc. */
static int open_proc(struct init *init) {
    struct statfs status;
    init->proc_fd = sys_openat(&init->error, AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
    if (init->proc_fd < 0)
        return -1;
    if (fstatfs(init->proc_fd, &status) < 0)
        return error_errno(&init->error, "fstatfs", "/proc");
    if (status.f_type != PROC_SUPER_MAGIC)
        return error_set(&init->error, "fstatfs", "/proc", EINVAL, "not a procfs");
    return 0;
}

int run_debug(struct init *init, UNUSED struct step *step) {
    init->debug = true;
    return 0;
}

/* run_step; with DEBUG its duration is reported. */
static int run_timed_step(struct init *init, struct step *step) {
    struct timespec begin;
    struct timespec end;
    if (!init->debug)
        return run_step(init, step);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int result = run_step(init, step);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (result == 0)
        report_notice(init, NOTICE_DETAIL, step->name, "%.2f ms",
                      (double)(end.tv_sec - begin.tv_sec) * 1e3 +
                          (double)(end.tv_nsec - begin.tv_nsec) / 1e6);
    return result;
}

static int run_steps(struct init *init) {
    struct plan plan = init->part;
    struct step step;
    while (plan_next(&plan, &step)) {
        init->step = step.number;
        if (run_timed_step(init, &step) == 0) {
            opener_step_done(init);
            continue;
        }
        report_error(init, &step);
        if (step.op == OP_EXEC)
            return init->error.number == ENOENT ? 127 : 126;
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

/* Reads a part of the plan; before the first one is performed there is some tidying up to do. */
static int next_part(struct init *init, bool first) {
    if (plan_read(&init->error, init->plan_fd, &init->part) < 0)
        return -1;
    if (first)
        return close_unnamed(init, init->part) < 0 ? -1 : open_proc(init);
    library_root_close(init);
    if (init->part.more)
        return 0;
    close_now(&init->plan_fd); /* there is no other part */
    return init->opener_fd < 0 ? 0 : opener_learn(init);
}

static int run_plan(struct init *init) {
    int status = EXIT_SUCCESS;
    init->part.more = true;
    for (bool first = true; init->part.more && status == EXIT_SUCCESS; first = false) {
        if (next_part(init, first) < 0) {
            report_error(init, NULL);
            return EXIT_FAILURE;
        }
        status = run_steps(init);
    }
    return status;
}

/* Descriptors 0, 1 and 2 must exist, or the next ones opened here would become them. */
static int fill_standard_descriptors(struct error *error) {
    for (int number = 0; number <= STDERR_FILENO; number++)
        if (fcntl(number, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            return error_errno(error, "open", "/dev/null");
    return 0;
}

/* Whatever the runtime or its caller has blocked or ignored is not the container's affair. */
static void reset_signals(void) {
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int prepare(struct init *init, char **argv) {
    char mark[PROTECTED_MARK] = "";
    char *again[] = {argv[0], argv[ARG_PLAN], argv[ARG_REPORT], argv[ARG_ANSWER], mark, NULL};
    struct error *error = &init->error;
    if (fill_standard_descriptors(error) < 0)
        return -1;
    if (argv[ARG_AGAIN] != NULL)
        snprintf(mark, sizeof mark, "%s", argv[ARG_AGAIN]);
    if (protect_program(init, again, mark) < 0)
        return -1;
    if (sys_cloexec(error, init->plan_fd) < 0 || sys_cloexec(error, init->report_fd) < 0 ||
        sys_cloexec(error, init->answer_fd) < 0)
        return -1;
    /* An ordinary user hides later: root writes the id maps of a hidden process, he could not. */
    if (geteuid() == 0 && hide_process(error) < 0)
        return -1;
    reset_signals();
    umask(0);                         /* modes are those that the plan says */
    prctl(PR_SET_NAME, "crunw-init"); /* execveat has made it the descriptor's number */
    return 0;
}

static int descriptor_number(const char *text) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && number >= 0 && number <= INT_MAX
               ? (int)number
               : -1;
}

int main(int argc, char **argv) {
    static struct init init = {.plan_fd = -1,
                               .start_fds = {-1, -1},
                               .started_fd = -1,
                               .root_fd = -1,
                               .proc_fd = -1,
                               .time_offsets_fd = -1,
                               .library_root_fd = -1,
                               .host_root_fd = -1,
                               .host_cwd_fd = -1,
                               .opener_fd = -1,
                               .link_fd = -1,
                               .opener_last = UINT32_MAX,
                               .cgroup_fd = -1,
                               .artefact_fd = -1,
                               .artefact_mount = -1,
                               .module_fd = -1};
    title_prepare(argv);
    if (argc == ARG_AGAIN || argc == ARG_MAX) {
        init.plan_fd = descriptor_number(argv[ARG_PLAN]);
        init.report_fd = descriptor_number(argv[ARG_REPORT]);
        init.answer_fd = descriptor_number(argv[ARG_ANSWER]);
    }
    if (init.plan_fd < 0 || init.report_fd < 0 || init.answer_fd < 0) {
        dprintf(STDERR_FILENO, "usage: crunw-init PLAN-FD REPORT-FD ANSWER-FD (crunw starts it)\n");
        return 2;
    }
    if (prepare(&init, argv) < 0 || engine_expect(&init) < 0) {
        report_error(&init, NULL);
        return EXIT_FAILURE;
    }
    return run_plan(&init);
}
