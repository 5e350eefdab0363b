/* The seccomp filter, and the listener of one that notifies (seccomp_unotify(2)).
 *
 * From the moment at which the filter is loaded each system call that it notifies of waits for an
 * answer; one of them may be sendmsg(2), by which the listener has to get to the process that
 * answers. So another process sends it: one without the filter, that shares the table of
 * descriptors. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.h"

static const char LISTENER[] = "seccomp listener";

/* The strings with this process's pid between them. */
static char *join_state(struct error *error, pid_t pid, strings pieces) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    if (file == NULL) {
        error_errno(error, "malloc", LISTENER);
        return NULL;
    }
    for (size_t i = 0; pieces[i] != NULL; i++) {
        if (i > 0)
            fprintf(file, "%d", pid);
        fputs(pieces[i], file);
    }
    if (fclose(file) == 0)
        return text;
    error_errno(error, "malloc", LISTENER);
    return NULL;
}

_Noreturn static void send_listener(int own, int receiver, const char *state, pid_t parent) {
    struct error error = {0};
    int listener = -1;
    /* Its end of `own` is open here too: there is no EOF. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
        sys_read(&error, own, &listener, sizeof listener, LISTENER) != sizeof listener)
        _exit(EXIT_FAILURE);
    sys_send_descriptor(&error, receiver, listener, state, strlen(state), LISTENER);
    sys_write_all(&error, own, &error.number, sizeof error.number, LISTENER);
    _exit(EXIT_SUCCESS);
}

/* The process that sends; `ends` become two sockets: the number of the listener goes over, an errno
 * comes back. */
static pid_t start_sender(struct error *error, int ends[2], int receiver, const char *state) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(error, "socketpair", LISTENER);
    struct clone_args arguments = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
    pid_t parent = getpid();
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0)
        send_listener(ends[1], receiver, state, parent);
    return child < 0 ? error_errno(error, "clone3", LISTENER) : (pid_t)child;
}

/* `write` is never notified of; the other calls here may be, and are answered then. */
static int hand_over(struct error *error, int socket, int listener) {
    int problem = EPIPE;
    if (sys_write_all(error, socket, &listener, sizeof listener, LISTENER) < 0)
        return -1;
    ssize_t got = sys_read(error, socket, &problem, sizeof problem, LISTENER);
    if (got < 0)
        return -1;
    errno = got == sizeof problem ? problem : EPIPE;
    return errno == 0 ? 0 : error_errno(error, "sendmsg", LISTENER);
}

static int load(struct error *error, const uint8_t *code, size_t size, unsigned flags) {
    size_t count = size / sizeof(struct sock_filter);
    if (count > BPF_MAXINSNS)
        return error_set(error, "seccomp", "", EINVAL, "filter of %zu instructions", count);
    struct sock_fprog program = {
        .len = (unsigned short)count,
        .filter = (struct sock_filter *)code,
    };
    return sys_seccomp(error, &program, flags, "");
}

static int load_and_tell(struct init *init, const uint8_t *code, size_t size, unsigned flags,
                         int receiver, const char *state) {
    OWNED_PAIR int ends[2] = NO_PAIR;
    pid_t sender = start_sender(&init->error, ends, receiver, state);
    if (sender < 0)
        return -1;
    OWNED int listener = load(&init->error, code, size, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER);
    int result = listener < 0 ? -1 : hand_over(&init->error, ends[0], listener);
    if (result < 0)
        kill(sender, SIGKILL);
    TEMP_FAILURE_RETRY(waitpid(sender, NULL, 0));
    return result;
}

int run_seccomp(struct init *init, struct step *step) {
    size_t size;
    const uint8_t *code = step_bytes(step, &size);
    unsigned flags = (unsigned)step_u64(step);
    OWNED int receiver = (int)step_u64(step) - 1;
    if (receiver < 0)
        return load(&init->error, code, size, flags);
    char *state = join_state(&init->error, init->pid, step_strings(step));
    if (state == NULL)
        return -1;
    int result = load_and_tell(init, code, size, flags, receiver, state);
    free(state);
    return result;
}
