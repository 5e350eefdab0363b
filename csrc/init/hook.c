/* Hooks that run on the container's side, and the wait for those that the runtime runs
 * (runtime-spec config.md "POSIX-platform Hooks"). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"

#define OUTPUT_SHOWN 400 /* bytes of a failed hook's output in the message */

int run_hooks_barrier(struct init *init, UNUSED struct step *step) {
    return report_and_wait(init, REPORT_HOOKS);
}

static int memory_file(struct error *error, const char *name) {
    int descriptor = memfd_create(name, MFD_CLOEXEC);
    return descriptor < 0 ? error_errno(error, "memfd_create", name) : descriptor;
}

/* Before, the pid as the container sees it (these hooks run in its namespaces), after. */
static int write_state(struct error *error, int state, const char *before, const char *after) {
    char pid[16];
    int length = snprintf(pid, sizeof pid, "%d", getpid());
    if (sys_write_all(error, state, before, strlen(before), "state") < 0 ||
        sys_write_all(error, state, pid, (size_t)length, "state") < 0 ||
        sys_write_all(error, state, after, strlen(after), "state") < 0)
        return -1;
    return lseek(state, 0, SEEK_SET) < 0 ? error_errno(error, "lseek", "state") : 0;
}

/* What --preserve-fds keeps is the program's. The filter may be older than close_range. */
static void inherit_none(unsigned close_from) {
    if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    for (unsigned fd = STDERR_FILENO + 1; fd <= close_from + OWN_DESCRIPTORS; fd++)
        fcntl((int)fd, F_SETFD, FD_CLOEXEC);
}

/* In the child: returns only when the program can't be executed, with errno. */
static void execute(const struct init *init, const char *path, strings argv, strings envp,
                    int state, int output) {
    sigset_t none;
    sigemptyset(&none);
    if (init->root_fd >= 0 && fchdir(init->root_fd) < 0) /* PROCESS closes it */
        return;
    if (dup2(state, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0)
        return;
    inherit_none(init->close_from);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(path, argv, envp);
}

/* What an error calls it: the kinds differ in the root that they run in. */
static const char *kind_of(const struct init *init) {
    return init->root_fd >= 0 ? "createContainer hook" : "startContainer hook";
}

/* fork, not posix_spawn: that calls clone3, which the container's seccomp filter may forbid. The
 * child's errno comes through a pipe that exec closes. */
static pid_t spawn(struct init *init, const char *path, strings argv, strings envp, int state,
                   int output) {
    struct error *error = &init->error;
    OWNED_PAIR int report[2] = NO_PAIR;
    int problem = EIO;
    if (pipe2(report, O_CLOEXEC) < 0)
        return error_errno(error, "pipe2", path);
    pid_t pid = fork();
    if (pid == 0) {
        execute(init, path, argv, envp, state, output);
        problem = errno;
        _exit(write(report[1], &problem, sizeof problem) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    if (pid < 0)
        problem = errno;
    close_now(&report[1]); /* or there would be no end of file */
    if (pid > 0 && sys_read(error, report[0], &problem, sizeof problem, path) != 0) {
        TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
        pid = -1;
    }
    errno = problem;
    return pid > 0 ? pid : error_errno(error, kind_of(init), path);
}

/* Seconds left until `deadline` on CLOCK_MONOTONIC; never negative. */
static struct timespec until(struct timespec deadline) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct timespec left = {deadline.tv_sec - now.tv_sec, deadline.tv_nsec - now.tv_nsec};
    if (left.tv_nsec < 0) {
        left.tv_nsec += 1000000000;
        left.tv_sec--;
    }
    if (left.tv_sec < 0)
        left = (struct timespec){0};
    return left;
}

/* Wait until the child has ended, or the deadline has passed: then kill it. It is not reaped
 * before, so its pid can't have become another's. SIGCHLD is blocked: sigtimedwait sees it. */
static int wait_or_kill(struct init *init, const char *path, pid_t pid, time_t timeout,
                        int *status) {
    struct error *error = &init->error;
    struct timespec deadline;
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout;
    pid_t ended;
    while ((ended = waitpid(pid, status, WNOHANG)) == 0) {
        struct timespec left = until(deadline);
        if (sigtimedwait(&child, NULL, &left) >= 0 || errno == EINTR)
            continue;
        kill(pid, SIGKILL);
        TEMP_FAILURE_RETRY(waitpid(pid, status, 0));
        return error_set(error, kind_of(init), path, ETIMEDOUT, "no end after %lld s",
                         (long long)timeout);
    }
    return ended < 0 ? error_errno(error, "waitpid", path) : 0;
}

static int wait_for(struct init *init, const char *path, pid_t pid, time_t timeout, int *status) {
    if (timeout > 0)
        return wait_or_kill(init, path, pid, timeout, status);
    if (TEMP_FAILURE_RETRY(waitpid(pid, status, 0)) < 0)
        return error_errno(&init->error, "waitpid", path);
    return 0;
}

/* The last part of what the hook wrote, on one line and harmless to a terminal. */
static void last_output(int output, char text[OUTPUT_SHOWN + 1]) {
    off_t size = lseek(output, 0, SEEK_END);
    off_t start = size > OUTPUT_SHOWN ? size - OUTPUT_SHOWN : 0;
    ssize_t length = pread(output, text, OUTPUT_SHOWN, start);
    size_t end = 0;
    for (ssize_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
            text[i] = ' ';
        else
            end = (size_t)i + 1;
    }
    text[end] = '\0';
}

static int check_status(struct init *init, const char *path, int status, int output) {
    char text[OUTPUT_SHOWN + 1];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    last_output(output, text);
    const char *how = WIFSIGNALED(status) ? "signal" : "exit status";
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    return error_set(&init->error, kind_of(init), path, 0, "%s %d%s%s", how, number,
                     *text == '\0' ? "" : ": ", text);
}

static int run(struct init *init, const char *path, strings argv, strings envp, time_t timeout,
               int state) {
    struct error *error = &init->error;
    sigset_t child, before;
    int status;
    int result = -1;
    OWNED int output = memory_file(error, "output");
    if (output < 0)
        return -1;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    pid_t pid = spawn(init, path, argv, envp, state, output);
    if (pid >= 0)
        result = wait_for(init, path, pid, timeout, &status);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (result == 0)
        result = check_status(init, path, status, output);
    return result;
}

int run_hook(struct init *init, struct step *step) {
    const char *path = step_string(step);
    strings argv = step_strings(step);
    strings envp = step_strings(step);
    uint64_t timeout = step_u64(step);
    const char *before = step_string(step);
    const char *after = step_string(step);
    if (step_u64(step) != 0)
        envp = init->envp;
    if (envp == NULL)
        return error_set(&init->error, "hook", path, EINVAL, "before the program is known");
    OWNED int state = memory_file(&init->error, "state");
    if (state < 0 || write_state(&init->error, state, before, after) < 0)
        return -1;
    return run(init, path, argv, envp, timeout > INT_MAX ? INT_MAX : (time_t)timeout, state);
}
