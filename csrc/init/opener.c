#define _GNU_SOURCE
#include "opener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

/* A request is the number of a step, and with the first one comes the mount namespace to join; an
 * answer is the error and, where there was none, a descriptor. The opener has the plan from before
 * anything is joined: nobody can ask it for what no step names. */

#define CHUNK (size_t)(1 << 15) /* of the plan in a message */

struct opener {
    int socket;
    pid_t runtime;    /* the parent of crunw-init and, by CLONE_PARENT, of the peer */
    pid_t peer;       /* the container's process; 0: it has not asked yet */
    struct plan plan; /* what is left of it: no step is served twice */
    bool in_running;
    uint32_t last; /* the last step that may ask */
};

static bool may_ask(struct step step) {
    if (step.op == OP_MOUNT) {
        step_string(&step);
        step_string(&step);
        step_string(&step);
        return (step_u64(&step) & (MS_BIND | MS_REMOUNT)) == MS_BIND;
    }
    return step.op == OP_ROOTFS || step.op == OP_BIND_IDMAPPED || step.op == OP_MKNOD;
}

/* The number of the last step that may ask; UINT32_MAX: none does. */
static uint32_t last_request(struct plan plan) {
    uint32_t last = UINT32_MAX;
    struct step step;
    while (plan_next(&plan, &step))
        if (may_ask(step))
            last = step.number;
    return last;
}

static bool is_for_running(struct plan plan) {
    struct step step;
    while (plan_next(&plan, &step))
        if (step.op == OP_ROOT_JOINED)
            return true;
    return false;
}

unsigned tree_how(uint64_t flags, uint64_t bits) {
    unsigned recursive = (flags & MS_REC) ? AT_RECURSIVE : 0;
    return recursive | ((bits & (MOUNT_SOURCE_LINK | MOUNT_COPY_LINK)) ? AT_SYMLINK_NOFOLLOW : 0);
}

static int clone_tree(struct error *error, const char *path, unsigned how) {
    return sys_open_tree(error, AT_FDCWD, path, OPEN_TREE_CLONE | how, path);
}

static int serve_idmapped(struct error *error, struct step *step) {
    const char *path = step_string(step);
    step_string(step);
    uint64_t flags = step_u64(step);
    struct idmap idmap = {.userns = step_string(step)};
    idmap.uid_map = step_string(step);
    idmap.gid_map = step_string(step);
    idmap.recursive = step_u64(step) != 0;
    OWNED int tree = clone_tree(error, path, tree_how(flags, step_u64(step)));
    return tree < 0 || idmap_mount(error, tree, &idmap, path) < 0 ? -1 : take_fd(&tree);
}

/* The clone of a running container; else what the peer, in its own mount namespace, clones. */
static int serve_tree(struct error *error, struct step *step, bool in_running) {
    const char *path = step_string(step);
    step_string(step);
    step_string(step);
    uint64_t flags = step_u64(step);
    step_string(step);
    unsigned how = tree_how(flags, step_u64(step));
    if (in_running)
        return clone_tree(error, path, how);
    int follow = (how & AT_SYMLINK_NOFOLLOW) ? O_NOFOLLOW : 0;
    return sys_openat(error, AT_FDCWD, path, O_PATH | follow, 0);
}

static int serve_step(struct error *error, struct step *step, bool in_running) {
    if (step->op == OP_ROOTFS)
        return rootfs_open(error, step_string(step));
    if (step->op == OP_BIND_IDMAPPED)
        return serve_idmapped(error, step);
    if (step->op == OP_MKNOD)
        return node_open(error, step);
    return serve_tree(error, step, in_running);
}

/* The parent of a process, by proc_pid_stat(5); 0 where that isn't known. */
static pid_t parent_of(pid_t pid) {
    struct error unheard;
    char path[32];
    char text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    OWNED int file = sys_openat(&unheard, AT_FDCWD, path, O_RDONLY, 0);
    ssize_t got = file < 0 ? -1 : sys_read(&unheard, file, text, sizeof text - 1, path);
    const char *name_end = got < 0 ? NULL : strrchr(text, ')'); /* ") S 123" */
    return name_end == NULL || strlen(name_end) < 4 ? 0 : (pid_t)strtol(name_end + 4, NULL, 10);
}

/* The first to ask is the peer from then on, if it is what FORK has made. */
static bool is_peer(struct opener *opener, pid_t sender) {
#ifdef CRUNW_WEAKEN_PEER
    opener->peer = sender;
    return true;
#endif
    if (opener->peer == 0 && sender > 0 && parent_of(sender) == opener->runtime)
        opener->peer = sender;
    return sender > 0 && sender == opener->peer;
}

static bool find_step(struct opener *opener, uint32_t number, struct step *step) {
    while (plan_next(&opener->plan, step))
        if (step->number == number)
            return may_ask(*step);
    return false;
}

/* The namespace comes with the first request. */
static int join(const struct opener *opener, struct error *error, bool first, int given) {
    if (opener->in_running || !first)
        return 0;
    return sys_setns(error, given, CLONE_NEWNS, "the container's mount namespace");
}

/* One request; false when there will be no other. Whoever asks for what the plan does not have, or
 * is not the peer, gets no answer. */
static bool serve(struct opener *opener) {
    struct error error = {0};
    struct step step;
    uint32_t number;
    OWNED int given = -1;
    pid_t sender = 0;
    bool first = opener->peer == 0;
    ssize_t size =
        sys_receive_from(&error, opener->socket, &given, &sender, &number, sizeof number, "opener");
    if (size != sizeof number || !is_peer(opener, sender) || !find_step(opener, number, &step))
        return false;
    OWNED int found =
        join(opener, &error, first, given) < 0 ? -1 : serve_step(&error, &step, opener->in_running);
    if (found >= 0)
        error = (struct error){0}; /* of what was tried before */
    int sent = found < 0 ? sys_write_all(&error, opener->socket, &error, sizeof error, "opener")
                         : sys_send_descriptor(&error, opener->socket, found, &error, sizeof error,
                                               "opener");
    return sent == 0 && number != opener->last;
}

/* From crunw-init, before it joins anything. */
static int receive_plan(struct opener *opener, pid_t maker) {
    struct error unheard;
    uint8_t *bytes = NULL;
    size_t size = 0;
    size_t done = 0;
    int none;
    pid_t sender;
    ssize_t got =
        sys_receive_from(&unheard, opener->socket, &none, &sender, &size, sizeof size, "opener");
    if (got != sizeof size || sender != maker || size > PLAN_MAX_BYTES)
        return -1;
    bytes = malloc(size + 1);
    if (bytes == NULL)
        return -1;
    while (done < size) {
        got = sys_receive_from(&unheard, opener->socket, &none, &sender, bytes + done, size - done,
                               "opener");
        if (got <= 0 || sender != maker)
            return -1;
        done += (size_t)got;
    }
    opener->plan = (struct plan){.next = bytes, .end = bytes + size};
    opener->in_running = is_for_running(opener->plan);
    opener->last = last_request(opener->plan);
    return 0;
}

/* It holds nothing that someone waits for the end of: neither pipes nor streams. */
_Noreturn static void become_opener(int socket, pid_t runtime, pid_t maker) {
    struct error unheard;
    struct opener opener = {.socket = STDIN_FILENO, .runtime = runtime};
    prctl(PR_SET_NAME, "crunw-opener");
    if (sys_dup_to(&unheard, socket, opener.socket) < 0 ||
        close_range(opener.socket + 1, ~0u, 0) < 0 || receive_plan(&opener, maker) < 0 ||
        opener.last == UINT32_MAX)
        _exit(EXIT_FAILURE);
    while (serve(&opener))
        continue;
    _exit(EXIT_SUCCESS);
}

int run_opener(struct init *init, UNUSED struct step *step) {
    OWNED_PAIR int ends[2] = NO_PAIR;
    pid_t runtime = getppid();
    pid_t maker = getpid();
    const int on = 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(&init->error, "socketpair", "opener");
    if (setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
        return error_errno(&init->error, "setsockopt(SO_PASSCRED)", "opener");
    pid_t child = fork();
    if (child < 0)
        return error_errno(&init->error, "fork", "opener");
    if (child == 0)
        become_opener(ends[1], runtime, maker);
    close_now(&ends[1]); /* or this end would not notice that the opener has ended */
    init->opener_fd = take_fd(&ends[0]);
    return init->part.more ? 0 : opener_learn(init);
}

int opener_learn(struct init *init) {
    const char *next = (const char *)init->part.next;
    size_t left = (size_t)(init->part.end - init->part.next);
    struct error *error = &init->error;
    init->opener_last = last_request(init->part);
    if (sys_write_all(error, init->opener_fd, &left, sizeof left, "opener") < 0)
        return -1;
    while (left > 0) {
        size_t size = left < CHUNK ? left : CHUNK;
        if (sys_write_all(error, init->opener_fd, next, size, "opener") < 0)
            return -1;
        next += size;
        left -= size;
    }
    return 0;
}

/* At its end of file the opener ends. */
void opener_close(struct init *init) { close_now(&init->opener_fd); }

void opener_step_done(struct init *init) {
    if (init->step == init->opener_last)
        opener_close(init);
}

/* The mount namespace goes with the first request, if the opener is to join it. */
static int send_request(struct init *init) {
    struct error *error = &init->error;
    if (init->in_running || init->opener_joined)
        return sys_write_all(error, init->opener_fd, &init->step, sizeof init->step, "opener");
    OWNED int own = sys_openat(error, init->proc_fd, "self/ns/mnt", O_RDONLY, 0);
    if (own < 0)
        return -1;
    int result =
        sys_send_descriptor(error, init->opener_fd, own, &init->step, sizeof init->step, "opener");
    init->opener_joined = result == 0;
    return result;
}

/* What this step may ask for: a descriptor. */
static int ask(struct init *init) {
    struct error *error = &init->error;
    struct error answer = {0};
    OWNED int found = -1;
    if (send_request(init) < 0)
        return -1;
    ssize_t got =
        sys_receive_descriptor(error, init->opener_fd, &found, &answer, sizeof answer, "opener");
    if (got < 0)
        return -1;
    if ((size_t)got < sizeof answer || (answer.number == 0 && found < 0))
        return error_set(error, "receive", "opener", EPIPE, "the opener has ended");
    if (answer.number == 0)
        return take_fd(&found);
    *error = answer;
    errno = answer.number;
    return -1;
}

int host_rootfs(struct init *init, const char *path) {
    return init->opener_fd < 0 ? rootfs_open(&init->error, path) : ask(init);
}

static int clone_found(struct error *error, int found, unsigned how, const char *path) {
    return sys_open_tree(error, found, "", OPEN_TREE_CLONE | how | AT_EMPTY_PATH, path);
}

int host_tree(struct init *init, const char *path, unsigned how) {
    if (init->opener_fd < 0)
        return clone_tree(&init->error, path, how);
    OWNED int found = ask(init);
    if (found < 0 || init->in_running)
        return take_fd(&found);
    return clone_found(&init->error, found, how, path);
}

int host_node(struct init *init, struct step *step) {
    OWNED int found = init->opener_fd < 0 ? node_open(&init->error, step) : ask(init);
    return found < 0 ? -1 : clone_found(&init->error, found, 0, "the device");
}

int host_tree_idmapped(struct init *init, const char *path) {
    if (init->opener_fd < 0)
        return error_set(&init->error, "mount", path, EPERM, "the plan has no opener");
    return ask(init);
}
