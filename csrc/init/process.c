/* Limits, working directory, the program: find it, wait for `start`, execute it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <unistd.h>

#include "path.h"
#include "sys.h"

#define DEFAULT_PATH "/bin:/usr/bin" /* execvp(3) */
/* Directories in $PATH: the image says how many there are, and how long each takes to resolve. */
#define MAX_DIRECTORIES 1024

/* By number; see getrlimit(2). */
static const char *const resource_names[] = {
    "RLIMIT_CPU",      "RLIMIT_FSIZE", "RLIMIT_DATA",   "RLIMIT_STACK",
    "RLIMIT_CORE",     "RLIMIT_RSS",   "RLIMIT_NPROC",  "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",  "RLIMIT_AS",    "RLIMIT_LOCKS",  "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE", "RLIMIT_NICE",  "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
};

static int fail_rlimit(struct error *error, uint64_t resource) {
    if (resource < sizeof resource_names / sizeof *resource_names)
        return error_errno(error, "setrlimit", resource_names[resource]);
    char name[32];
    snprintf(name, sizeof name, "resource %d", (int)resource);
    return error_errno(error, "setrlimit", name);
}

int run_rlimit(struct init *init, struct step *step) {
    uint64_t resource = step_u64(step);
    struct rlimit limit;
    limit.rlim_cur = step_u64(step);
    limit.rlim_max = step_u64(step);
    if (setrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return fail_rlimit(&init->error, resource);
    return 0;
}

int run_rlimit_raise(struct init *init, struct step *step) {
    uint64_t resource = step_u64(step);
    rlim_t hard = step_u64(step);
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return fail_rlimit(&init->error, resource);
    if (limit.rlim_max >= hard)
        return 0;
    limit.rlim_max = hard;
    if (setrlimit((__rlimit_resource_t)resource, &limit) < 0 && errno != EPERM)
        return fail_rlimit(&init->error, resource);
    return 0;
}

int run_personality(struct init *init, struct step *step) {
    return personality(step_u64(step)) < 0 ? error_errno(&init->error, "personality", "") : 0;
}

int run_umask(UNUSED struct init *init, struct step *step) {
    umask((mode_t)step_u64(step));
    return 0;
}

#ifdef CRUNW_WEAKEN_CWD
/* As mkdir -p: by a string, which leads where the image's links lead. */
static int make_directory(struct init *init, const char *path) {
    char part[PATH_MAX];
    for (size_t i = 1; i <= strlen(path) && i < sizeof part; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return error_errno(&init->error, "mkdir", path);
    }
    return path_open(init, path, 0);
}
#else
static int make_directory(struct init *init, const char *path) {
    return path_make(init, path, S_IFDIR, 0);
}
#endif

/* Below the root and by no magic link: /proc/self/fd/N must not lead to the host, whether the
 * directory is there or made now (CVE-2024-21626). */
int change_directory(struct init *init, const char *path, bool create) {
    struct error *error = &init->error;
    char seen[PATH_MAX];
    if (path_root(init) < 0)
        return -1;
    OWNED int directory = path_open(init, path, 0);
    if (directory < 0 && error->number == ENOENT && create) {
        directory = make_directory(init, path);
        if (directory < 0)
            return -1;
    }
    if (directory >= 0 && sys_fchdir(error, directory, path) == 0 &&
        getcwd(seen, sizeof seen) != NULL)
        return 0;
    return error_errno(error, "chdir", path); /* one operation for whoever reads it */
}

int run_cwd(struct init *init, struct step *step) {
    const char *path = step_string(step);
    bool create = step_u64(step) != 0;
    int result = change_directory(init, path, create);
    if (result < 0 && init->error.number == EACCES && !init->credentials_done) {
        init->late_cwd = path;
        return 0;
    }
    return result;
}

static bool has_home(strings envp) {
    for (; *envp != NULL; envp++)
        if (strncmp(*envp, "HOME=", 5) == 0)
            return true;
    return false;
}

static int add_home(struct init *init) {
    size_t count = 0;
    while (init->envp[count] != NULL)
        count++;
    strings grown = calloc(count + 2, sizeof *grown);
    if (grown == NULL)
        return error_errno(&init->error, "malloc", "HOME");
    memcpy(grown, init->envp, count * sizeof *grown);
    grown[count] = init->home;
    init->envp = grown;
    return 0;
}

/* From here on paths are the container's: they must not reach the host's procfs by way of
 * /proc/self/fd (CVE-2024-21626), and a Wasm program stays in this process. */
int run_process(struct init *init, struct step *step) {
    close_now(&init->proc_fd); /* the host's */
    close_now(&init->root_fd); /* paths begin at "/" from here on */
    init->argv = step_strings(step);
    init->envp = step_strings(step);
    if (init->argv[0] == NULL)
        return error_set(&init->error, "exec", "", EINVAL, "no arguments");
    return init->home == NULL || has_home(init->envp) ? 0 : add_home(init);
}

/* 0 if `path` is a regular file that this process may execute, else an errno. */
static int may_execute(const char *path) {
    struct stat status;
    if (stat(path, &status) < 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

static const char *search_path(strings envp) {
    for (; *envp != NULL; envp++)
        if (strncmp(*envp, "PATH=", 5) == 0)
            return *envp + 5;
    return DEFAULT_PATH;
}

/* The first file on `search` that can be executed, in `found`; 0 or an errno, as execvp(3) has it:
 * EACCES where one was found but none may be executed. E2BIG: there are too many to look in. */
static int find_on_path(const char *name, const char *search, char found[PATH_MAX]) {
    int problem = ENOENT;
    int count = 0;
    for (const char *next = search; next != NULL;) {
        if (count++ == MAX_DIRECTORIES)
            return E2BIG;
        const char *end = strchrnul(next, ':');
        int length = snprintf(found, PATH_MAX, "%.*s%s%s", (int)(end - next), next,
                              end == next ? "" : "/", name);
        int result = length < PATH_MAX ? may_execute(found) : ENAMETOOLONG;
        if (result == 0)
            return 0;
        if (result == EACCES)
            problem = EACCES;
        next = *end == ':' ? end + 1 : NULL;
    }
    return problem;
}

int run_exec_find(struct init *init, UNUSED struct step *step) {
    static char found[PATH_MAX];
    const char *name = init->argv[0];
    int problem;
    if (strchr(name, '/') != NULL) {
        problem = may_execute(name);
        init->executable = name;
    } else {
        problem = *name == '\0' ? ENOENT : find_on_path(name, search_path(init->envp), found);
        init->executable = found;
        if (problem == ENOENT)
            return error_set(&init->error, "exec", name, ENOENT,
                             "executable file not found in $PATH");
        if (problem == E2BIG)
            return error_set(&init->error, "exec", name, E2BIG,
                             "not found in the first %d directories of $PATH", MAX_DIRECTORIES);
    }
    errno = problem;
    return problem == 0 ? 0 : error_errno(&init->error, "exec", name);
}

int run_ready(struct init *init, UNUSED struct step *step) {
    return report_and_wait(init, REPORT_READY);
}

/* Read-write: there is no waiting for the other side, and no end of file before it has written. */
int run_open_start(struct init *init, struct step *step) {
    static const char *const names[] = {STATE_START, STATE_STARTED};
    const char *path = step_string(step);
    OWNED int directory = sys_openat(&init->error, AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
    if (directory < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        init->start_fds[i] = sys_openat(&init->error, directory, names[i], O_RDWR | O_NOFOLLOW, 0);
        if (init->start_fds[i] < 0)
            return -1;
    }
    return 0;
}

int run_wait_start(struct init *init, UNUSED struct step *step) {
    OWNED int start = take_fd(&init->start_fds[0]);
    init->started_fd = take_fd(&init->start_fds[1]);
    close_now(&init->report_fd); /* `create` has ended */
    close_now(&init->answer_fd); /* with it */
    char byte;
    ssize_t got = sys_read(&init->error, start, &byte, 1, "start");
    if (got == 0)
        _exit(EXIT_FAILURE);
    return got < 0 ? -1 : 0;
}

/* Descriptors below were inherited for the program (--preserve-fds) or are this program's own,
 * which have O_CLOEXEC already. */
int run_close_from(struct init *init, struct step *step) {
    unsigned first = (unsigned)step_u64(step);
    init->close_from = first;
    if (close_range(first, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return error_errno(&init->error, "close_range", "");
    return 0;
}

int run_exec(struct init *init, UNUSED struct step *step) {
    execve(init->executable, init->argv, init->envp);
    return error_errno(&init->error, "exec", init->argv[0]);
}
