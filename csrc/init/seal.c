/* What the process may do: user, groups, capabilities, no_new_privs, labels. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys.h"

#define CAPABILITIES_MAX 64

/* Capability sets as masks (capabilities(7)). */
struct capabilities {
    uint64_t bounding;
    uint64_t effective;
    uint64_t permitted;
    uint64_t inheritable;
    uint64_t ambient;
};

static int sys_prctl(struct error *error, const char *operation, int option, unsigned long second,
                     unsigned long third) {
    int result = prctl(option, second, third, 0, 0);
    return result < 0 ? error_errno(error, operation, "") : result;
}

static int capget_all(struct error *error, struct capabilities *have) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) < 0)
        return error_errno(error, "capget", "");
    *have = (struct capabilities){
        .effective = (uint64_t)data[1].effective << 32 | data[0].effective,
        .permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted,
        .inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable,
    };
    return 0;
}

static int capset_all(struct error *error, const struct capabilities *want) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    for (int word = 0; word < _LINUX_CAPABILITY_U32S_3; word++) {
        data[word].effective = (uint32_t)(want->effective >> 32 * word);
        data[word].permitted = (uint32_t)(want->permitted >> 32 * word);
        data[word].inheritable = (uint32_t)(want->inheritable >> 32 * word);
    }
    if (syscall(SYS_capset, &header, data) == 0)
        return 0;
    if (errno == EPERM)
        return error_set(error, "capset", "", EPERM,
                         "%s (effective must be in permitted, inheritable in bounding)",
                         strerror(EPERM));
    return error_errno(error, "capset", "");
}

/* A set that the kernel gives one capability at a time: the mask of those for which prctl(option,
 * second, capability) says 1. It says EINVAL past the last one that it knows, and to nothing else.
 */
static int read_set(struct error *error, const char *operation, bool ambient, uint64_t *set) {
    *set = 0;
    for (unsigned capability = 0; capability < CAPABILITIES_MAX; capability++) {
        int held = ambient ? prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0)
                           : prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
        if (held < 0 && errno == EINVAL && capability > 0)
            return 0;
        if (held < 0)
            return error_errno(error, operation, "");
        *set |= (uint64_t)held << capability;
    }
    return 0;
}

static int read_bounding(struct error *error, uint64_t *set) {
    return read_set(error, "prctl(PR_CAPBSET_READ)", false, set);
}

static int read_ambient(struct error *error, uint64_t *set) {
    return read_set(error, "prctl(PR_CAP_AMBIENT_IS_SET)", true, set);
}

/* Drop every capability outside of `keep` from the bounding set, of which `held` is left. */
static int drop_bounding(struct error *error, uint64_t keep, uint64_t *held) {
    if (read_bounding(error, held) < 0)
        return -1;
    for (unsigned capability = 0; capability < CAPABILITIES_MAX; capability++) {
        if ((*held & ~keep & UINT64_C(1) << capability) == 0)
            continue;
        if (sys_prctl(error, "prctl(PR_CAPBSET_DROP)", PR_CAPBSET_DROP, capability, 0) < 0)
            return -1;
    }
    *held &= keep;
    return 0;
}

static int raise_ambient(struct error *error, uint64_t capabilities) {
    if (sys_prctl(error, "prctl(PR_CAP_AMBIENT_CLEAR_ALL)", PR_CAP_AMBIENT,
                  PR_CAP_AMBIENT_CLEAR_ALL, 0) < 0)
        return -1;
    for (unsigned capability = 0; capability < CAPABILITIES_MAX; capability++) {
        if ((capabilities >> capability & 1) == 0)
            continue;
        if (sys_prctl(error, "prctl(PR_CAP_AMBIENT_RAISE)", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE,
                      capability) < 0)
            return -1;
    }
    return 0;
}

/* In a user namespace mapped without privilege, setgroups is denied for good
 * (user_namespaces(7)). */
static bool setgroups_denied(const struct init *init) {
    char text[8] = "";
    struct error unheard;
    OWNED int descriptor = sys_openat(&unheard, init->proc_fd, "self/setgroups", O_RDONLY, 0);
    if (descriptor < 0)
        return false;
    sys_read(&unheard, descriptor, text, sizeof text - 1, "setgroups");
    return strncmp(text, "deny", 4) == 0;
}

static int set_groups(struct init *init, const uint64_t *groups, size_t count) {
    /* Not on the stack, which RLIMIT may have made small. */
    gid_t *list = calloc(count + 1, sizeof *list);
    if (list == NULL)
        return error_errno(&init->error, "setgroups", "");
    for (size_t i = 0; i < count; i++)
        list[i] = (gid_t)groups[i];
    int result = setgroups(count, list) < 0 ? error_errno(&init->error, "setgroups", "") : 0;
    free(list);
    if (result < 0 && count == 0 && init->error.number == EPERM && setgroups_denied(init))
        return 0;
    return result;
}

/* -1 means "leave as it is" to setresuid: such an id must not keep root. */
static int set_ids(struct error *error, uint64_t uid, uint64_t gid) {
    if (uid >= UINT32_MAX || gid >= UINT32_MAX)
        return error_set(error, "setresuid", "", EINVAL, "no such uid or gid: %llu:%llu",
                         (unsigned long long)uid, (unsigned long long)gid);
    char name[12];
    snprintf(name, sizeof name, "%u", (unsigned)gid);
    if (setresgid((gid_t)gid, (gid_t)gid, (gid_t)gid) < 0)
        return error_errno(error, "setresgid", name);
    snprintf(name, sizeof name, "%u", (unsigned)uid);
    if (setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) < 0)
        return error_errno(error, "setresuid", name);
    return 0;
}

/* The kernel refuses what the runtime itself does not have. As in runc and crun such a capability
 * is left out: a container asks for its usual set on hosts that forbid some. */
static struct capabilities within(struct capabilities want, struct capabilities have) {
    uint64_t inheritable = have.permitted | have.inheritable;
    want.permitted &= have.permitted;
    want.effective &= have.permitted;
    want.inheritable &= inheritable;
    want.ambient &= want.permitted & want.inheritable; /* the kernel's own rule */
    return want;
}

/* What execve(2) of a file without capabilities of its own would leave of the sets
 * (capabilities(7), "Transformation of capabilities during execve()" and "Capabilities and
 * execution of programs by root"). */
static struct capabilities executed(struct capabilities sets, uint64_t uid, unsigned securebits,
                                    bool no_new_privs) {
#ifndef CRUNW_WEAKEN_EXECUTED
    uint64_t permitted = 0;
    if (uid == 0 && (securebits & SECBIT_NOROOT) == 0)
        permitted = sets.bounding | sets.inheritable;
    if (no_new_privs)
        permitted &= sets.permitted;
    sets.permitted = permitted | sets.ambient;
    sets.effective = sets.permitted;
#else
    (void)uid, (void)securebits, (void)no_new_privs;
#endif
    return sets;
}

/* No_new_privs may be this process's already: its caller's. */
static int as_executed(struct error *error, struct capabilities *sets, uint64_t uid,
                       bool no_new_privs, uint64_t have) {
    int securebits = sys_prctl(error, "prctl(PR_GET_SECUREBITS)", PR_GET_SECUREBITS, 0, 0);
    int inherited = sys_prctl(error, "prctl(PR_GET_NO_NEW_PRIVS)", PR_GET_NO_NEW_PRIVS, 0, 0);
    if (securebits < 0 || inherited < 0)
        return -1;
    *sets = executed(*sets, uid, (unsigned)securebits, no_new_privs || inherited != 0);
    sets->permitted &= have; /* execve could give more to root */
    sets->effective &= have;
    return 0;
}

/* Ask the kernel for the credentials that this process has now. */
static int verify(struct error *error, uid_t uid, gid_t gid, const struct capabilities *want) {
    struct capabilities left = {0};
    uid_t uids[3];
    gid_t gids[3];
    if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 || getresgid(&gids[0], &gids[1], &gids[2]) < 0)
        return error_errno(error, "getresuid", "");
    for (size_t i = 0; i < 3; i++)
        if (uids[i] != uid || gids[i] != gid)
            return error_set(error, "setresuid", "", EPERM, "another user is left than was set");
    if (capget_all(error, &left) < 0 || read_bounding(error, &left.bounding) < 0 ||
        read_ambient(error, &left.ambient) < 0)
        return -1;
    if (left.bounding == want->bounding && left.effective == want->effective &&
        left.permitted == want->permitted && left.inheritable == want->inheritable &&
        left.ambient == want->ambient)
        return 0;
    return error_set(error, "capset", "", EPERM, "other capabilities are left than were set");
}

static int change_user(struct init *init, uint64_t uid, uint64_t gid, const uint64_t *groups,
                       size_t count, uint64_t how) {
    bool keep_groups = (how & CREDENTIALS_KEEP_GROUPS) != 0;
    if ((!keep_groups && set_groups(init, groups, count) < 0) ||
        set_ids(&init->error, uid, gid) < 0)
        return -1;
    init->credentials_done = true;
    /* fs.suid_dumpable may have turned it on. */
    return sys_prctl(&init->error, "prctl(PR_SET_DUMPABLE)", PR_SET_DUMPABLE, 0, 0);
}

/* A caller may have given up to raise ambient capabilities (SECBIT_NO_CAP_AMBIENT_RAISE). */
static int drop_ambient(struct init *init, struct capabilities *want) {
    int securebits = sys_prctl(&init->error, "prctl(PR_GET_SECUREBITS)", PR_GET_SECUREBITS, 0, 0);
    if (securebits < 0)
        return -1;
    if (want->ambient == 0 || (securebits & SECBIT_NO_CAP_AMBIENT_RAISE) == 0)
        return 0;
    want->ambient = 0;
    report_notice(init, NOTICE_WARNING, "process.capabilities.ambient",
                  "the set is left empty: the securebits of this process forbid to raise any");
    return 0;
}

static int change_user_and_capabilities(struct init *init, uint64_t uid, uint64_t gid,
                                        const uint64_t *groups, size_t count,
                                        struct capabilities want, uint64_t how) {
    struct error *error = &init->error;
    struct capabilities have = {0};
    if (capget_all(error, &have) < 0)
        return -1;
    want = within(want, have);
    if (drop_ambient(init, &want) < 0)
        return -1;
    if (drop_bounding(error, want.bounding, &want.bounding) < 0)
        return -1;
    if ((how & CREDENTIALS_EXECUTED) != 0 &&
        as_executed(error, &want, uid, (how & CREDENTIALS_NO_NEW_PRIVS) != 0, have.permitted) < 0)
        return -1;
    if (sys_prctl(error, "prctl(PR_SET_KEEPCAPS)", PR_SET_KEEPCAPS, 1, 0) < 0)
        return -1;
    if (change_user(init, uid, gid, groups, count, how) < 0)
        return -1;
    if (sys_prctl(error, "prctl(PR_SET_KEEPCAPS)", PR_SET_KEEPCAPS, 0, 0) < 0)
        return -1;
    if (capset_all(error, &want) < 0 || raise_ambient(error, want.ambient) < 0)
        return -1;
    init->executed = (how & CREDENTIALS_EXECUTED) != 0;
    return verify(error, (uid_t)uid, (gid_t)gid, &want);
}

/* The user must be able to open its terminal and its pipes again, as /dev/tty or /dev/stdout. A
 * file that the caller has redirected to stays the caller's. What can't be given is used as it is.
 */
static void give_standard_streams(uid_t uid) {
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++) {
        struct stat status;
        if (fstat(number, &status) == 0 && status.st_uid != uid &&
            (S_ISFIFO(status.st_mode) || isatty(number)) && fchown(number, uid, (gid_t)-1) < 0)
            continue;
    }
}

int run_credentials(struct init *init, struct step *step) {
    uint64_t uid = step_u64(step);
    uint64_t gid = step_u64(step);
    size_t count;
    uint64_t *groups = step_u64s(step, &count);
    struct capabilities want;
    want.bounding = step_u64(step);
    want.effective = step_u64(step);
    want.permitted = step_u64(step);
    want.inheritable = step_u64(step);
    want.ambient = step_u64(step);
    uint64_t how = step_u64(step);
    give_standard_streams((uid_t)uid);
    int result = (how & CREDENTIALS_KEEP) != 0
                     ? change_user(init, uid, gid, groups, count, how)
                     : change_user_and_capabilities(init, uid, gid, groups, count, want, how);
    free(groups);
    if (result == 0 && init->late_cwd != NULL)
        return change_directory(init, init->late_cwd, false);
    return result;
}

int run_no_new_privs(struct init *init, UNUSED struct step *step) {
    return sys_prctl(&init->error, "prctl(PR_SET_NO_NEW_PRIVS)", PR_SET_NO_NEW_PRIVS, 1, 0);
}

/* With no module that takes labels the kernel says EINVAL to all of them; with one it says ENOENT
 * or EINVAL to a label that it doesn't know. */
static int without_module(struct error *error, const char *module, const char *label) {
    if (error->number != EINVAL && error->number != ENOENT)
        return -1;
    return error_set(error, "label", label, error->number,
                     "%s is not enabled in this kernel, or does not know it", module);
}

/* Since AppArmor can be stacked it has a directory of its own; a kernel without it has one file for
 * whichever module is active. */
static int label_apparmor(struct init *init, const char *label, bool now) {
    char text[PATH_MAX];
    const char *verb = now ? "changeprofile" : "exec";
    if ((size_t)snprintf(text, sizeof text, "%s %s", verb, label) >= sizeof text) {
        errno = ENAMETOOLONG;
        return error_errno(&init->error, "write", label);
    }
    const char *own = now ? "self/attr/apparmor/current" : "self/attr/apparmor/exec";
    const char *shared = now ? "self/attr/current" : "self/attr/exec";
    int result = sys_write_proc(&init->error, init->proc_fd, own, text);
    if (result < 0 && init->error.number == ENOENT)
        result = sys_write_proc(&init->error, init->proc_fd, shared, text);
    return result < 0 ? without_module(&init->error, "AppArmor", label) : 0;
}

int run_lsm_label(struct init *init, struct step *step) {
    const char *module = step_string(step);
    const char *label = step_string(step);
    bool now = step_u64(step) != 0;
    if (strcmp(module, "apparmor") == 0)
        return label_apparmor(init, label, now);
    const char *file = now ? "self/attr/current" : "self/attr/exec";
    if (sys_write_proc(&init->error, init->proc_fd, file, label) < 0)
        return without_module(&init->error, "SELinux", label);
    return 0;
}
