/* Namespaces, the fork, and what lives in a namespace: loopback, sysctl, names, keyring. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys.h"

#define TIME_OFFSETS "self/timens_offsets"

int run_oom_score_adj(struct init *init, struct step *step) {
    static const char file[] = "self/oom_score_adj";
    struct error *error = &init->error;
    char wanted[24];
    char found[24] = "";
    snprintf(wanted, sizeof wanted, "%lld", (long long)step_u64(step));
    OWNED int descriptor = sys_openat(error, init->proc_fd, file, O_RDONLY, 0);
    ssize_t length =
        descriptor < 0 ? -1 : sys_read(error, descriptor, found, sizeof found - 1, file);
    if (length < 0)
        return -1;
    found[strcspn(found, "\n")] = '\0';
    /* An ordinary user may not even write the value that is there, when it is below his own. */
    return strcmp(wanted, found) == 0 ? 0 : sys_write_proc(error, init->proc_fd, file, wanted);
}

/* Whoever has rights in a user namespace, as its root or as the user who made it, has them over the
 * processes in it that are "dumpable": such a process he can trace, and take its descriptors and
 * its root directory (ptrace(2), pidfd_getfd(2)). So this one is not, before it enters one. */
int hide_process(struct error *error) {
#ifndef CRUNW_WEAKEN_HIDDEN
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        return error_errno(error, "prctl(PR_SET_DUMPABLE)", "");
#endif
    (void)error;
    return 0;
}

/* /proc/self of a hidden process belongs to the host's root. */
static int open_time_offsets(struct init *init) {
    if (init->time_offsets_fd < 0)
        init->time_offsets_fd =
            sys_openat2(&init->error, init->proc_fd, TIME_OFFSETS, O_WRONLY, 0,
                        RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
    return init->time_offsets_fd;
}

/* Before a user namespace is entered: what can't be opened from inside. */
static int hide_in_user_namespace(struct init *init) {
    if (open_time_offsets(init) < 0 && init->error.number != ENOENT) /* without CONFIG_TIME_NS */
        return -1;
    return hide_process(&init->error);
}

/* Become 0:0 of the user namespace just entered. */
static int become_root(struct init *init) {
    struct error *error = &init->error;
    init->in_user_namespace = true;
    if (setresgid(0, 0, 0) < 0)
        return error_errno(error, "setresgid", "0");
    if (setresuid(0, 0, 0) < 0)
        return error_errno(error, "setresuid", "0");
#ifdef CRUNW_WEAKEN_HIDDEN
    prctl(PR_SET_DUMPABLE, 1); /* the kernel has cleared it with the change of user */
#endif
    return 0;
}

static int enter(struct init *init, int namespace, int types, const char *name) {
    bool user = types & CLONE_NEWUSER;
    library_root_close(init);
    if (user && hide_in_user_namespace(init) < 0)
        return -1;
    if (sys_setns(&init->error, namespace, types, name) < 0)
        return -1;
    return user ? become_root(init) : 0;
}

int run_ns_enter(struct init *init, struct step *step) {
    int type = (int)step_u64(step);
    const char *path = step_string(step);
    OWNED int namespace = sys_openat(&init->error, AT_FDCWD, path, O_RDONLY, 0);
    return namespace < 0 ? -1 : enter(init, namespace, type, path);
}

int run_ns_enter_pidfd(struct init *init, struct step *step) {
    OWNED int pidfd = (int)step_u64(step);
    int types = (int)step_u64(step);
    return enter(init, pidfd, types, "the container's namespaces");
}

int run_ns_unshare(struct init *init, struct step *step) {
    library_root_close(init);
    return sys_unshare(&init->error, (int)step_u64(step));
}

/* An ordinary user could not write the maps of a hidden process; nobody but him has rights in what
 * he makes. */
int run_userns_map(struct init *init, UNUSED struct step *step) {
    if (report_and_wait(init, REPORT_USERNS) < 0 || hide_in_user_namespace(init) < 0)
        return -1;
    return become_root(init);
}

int run_time_offsets(struct init *init, struct step *step) {
    const char *offsets = step_string(step);
    if (open_time_offsets(init) < 0)
        return -1;
    return sys_write_all(&init->error, init->time_offsets_fd, offsets, strlen(offsets),
                         TIME_OFFSETS);
}

/* The pid of this process as the runtime sees it: its procfs says it. */
static pid_t own_pid(struct init *init) {
    char text[16];
    if (sys_readlinkat(&init->error, init->proc_fd, "self", text, sizeof text) < 0)
        return -1;
    return (pid_t)strtol(text, NULL, 10);
}

/* clone3 behind the C library's back: have the kernel renew the thread id that the library keeps
 * (pthread mutexes compare it), as fork(3) does. */
static void renew_thread_id(struct clone_args *arguments) {
    pid_t *kept = NULL;
    if (prctl(PR_GET_TID_ADDRESS, &kept) < 0) /* a kernel without CONFIG_CHECKPOINT_RESTORE */
        return;
    arguments->flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    arguments->child_tid = (uintptr_t)kept;
}

/* The child reports, not the parent, so that its pid is always the first thing it says. */
int run_fork(struct init *init, struct step *step) {
    struct clone_args arguments = {.flags = step_u64(step) | CLONE_PARENT};
    library_root_close(init);
    renew_thread_id(&arguments);
    if (init->cgroup_fd >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)init->cgroup_fd;
    }
    /* Also from the container that it becomes; exec ends that. */
    if (hide_process(&init->error) < 0)
        return -1;
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child < 0 && errno == EAGAIN)
        return error_set(
            &init->error, "clone3", "", EAGAIN,
            "%s: no more processes are allowed (raise linux.resources.pids.limit, which "
            "must be 2 at least, or RLIMIT_NPROC)",
            strerror(EAGAIN));
    if (child < 0)
        return error_errno(&init->error, "clone3", "");
    if (child > 0)
        _exit(EXIT_SUCCESS);
    /* what no later step needs */
    close_now(&init->cgroup_fd);
    close_now(&init->artefact_mount);
    close_now(&init->time_offsets_fd);
    init->pid = own_pid(init);
    return init->pid < 0 ? -1 : report_pid(init, init->pid);
}

int run_setsid(struct init *init, UNUSED struct step *step) {
    return setsid() < 0 ? error_errno(&init->error, "setsid", "") : 0;
}

int run_sysctl(struct init *init, struct step *step) {
    const char *key = step_string(step);
    const char *value = step_string(step);
    OWNED int directory = sys_openat(&init->error, init->proc_fd, "sys", O_PATH | O_DIRECTORY, 0);
    return directory < 0 ? -1 : sys_write_proc(&init->error, directory, key, value);
}

int run_hostname(struct init *init, struct step *step) {
    const char *name = step_string(step);
    return sethostname(name, strlen(name)) < 0 ? error_errno(&init->error, "sethostname", name) : 0;
}

int run_domainname(struct init *init, struct step *step) {
    const char *name = step_string(step);
    return setdomainname(name, strlen(name)) < 0 ? error_errno(&init->error, "setdomainname", name)
                                                 : 0;
}

/* Without key support there is no keyring to leave. Over the user's quota a container is better off
 * in the caller's than not started, but whoever started it must know. */
int run_keyring(struct init *init, struct step *step) {
    const char *name = step_string(step);
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) >= 0)
        return 0;
    if (errno == EDQUOT)
        report_notice(init, NOTICE_WARNING, "keyring",
                      "the user's quota of keys is used up: the container's processes can read the "
                      "caller's session keyring (raise kernel.keys.maxkeys, or use "
                      "--no-new-keyring)");
    if (errno == ENOSYS || errno == EDQUOT)
        return 0;
    return error_errno(&init->error, "keyctl(KEYCTL_JOIN_SESSION_KEYRING)", name);
}
