#define _GNU_SOURCE
#include "opener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

#define TEXT_MAX (1 << 16)

enum kind { KIND_JOIN, KIND_OPEN, KIND_TREE, KIND_IDMAP };

/* The strings of a request, each with its NUL. */
enum { TEXT_PATH, TEXT_USERNS, TEXT_UID_MAP, TEXT_GID_MAP, TEXTS };

struct request {
    enum kind kind;
    int flags;      /* KIND_OPEN: for open(2); KIND_TREE, KIND_IDMAP: AT_RECURSIVE or 0 */
    bool recursive; /* KIND_IDMAP: the mapping */
    char text[TEXT_MAX];
};

static int serve_tree(struct error *error, const struct request *request, const char *path) {
    unsigned flags = OPEN_TREE_CLONE | (unsigned)request->flags;
    return sys_open_tree(error, AT_FDCWD, path, flags, path);
}

static int serve_idmap(struct error *error, const struct request *request, const char **texts) {
    const char *path = texts[TEXT_PATH];
    const struct idmap idmap = {
        .userns = texts[TEXT_USERNS],
        .uid_map = texts[TEXT_UID_MAP],
        .gid_map = texts[TEXT_GID_MAP],
        .recursive = request->recursive,
    };
    int tree = serve_tree(error, request, path);
    if (tree >= 0 && idmap_mount(error, tree, &idmap, path) < 0)
        sys_close(&tree);
    return tree;
}

static int serve_request(struct error *error, const struct request *request, int given) {
    const char *texts[TEXTS];
    const char *next = request->text;
    for (int i = 0; i < TEXTS; i++) {
        texts[i] = next;
        next += strlen(next) + 1;
    }
    switch (request->kind) {
    case KIND_JOIN:
        return sys_setns(error, given, CLONE_NEWNS, "the container's mount namespace");
    case KIND_OPEN:
        return sys_openat(error, AT_FDCWD, texts[TEXT_PATH], O_PATH | request->flags, 0);
    case KIND_TREE:
        return serve_tree(error, request, texts[TEXT_PATH]);
    case KIND_IDMAP:
        return serve_idmap(error, request, texts);
    }
    abort();
}

/* Until the other side closes its end, as it does when it dies. An answer is the error and, where
 * there was none, a descriptor. */
_Noreturn static void serve(int socket) {
    static struct request request;
    for (;;) {
        struct error error = {0};
        int given = -1;
        ssize_t size =
            sys_receive_descriptor(&error, socket, &given, &request, sizeof request, "opener");
        if (size <= 0)
            _exit(EXIT_SUCCESS);
        int found = serve_request(&error, &request, given);
        int sent = request.kind == KIND_JOIN || found < 0
                       ? sys_write_all(&error, socket, &error, sizeof error, "opener")
                       : sys_send_descriptor(&error, socket, found, &error, sizeof error, "opener");
        if (sent < 0)
            _exit(EXIT_FAILURE);
        sys_close(&given);
        if (request.kind != KIND_JOIN)
            sys_close(&found);
    }
}

/* It holds nothing that someone waits for the end of: neither pipes nor streams. */
_Noreturn static void become_opener(int socket) {
    struct error unheard;
    prctl(PR_SET_NAME, "crunw-opener");
    if (sys_dup_to(&unheard, socket, STDIN_FILENO) < 0)
        _exit(EXIT_FAILURE);
    close_range(STDIN_FILENO + 1, ~0u, 0);
    serve(STDIN_FILENO);
}

int run_opener(struct init *init, UNUSED struct step *step) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(&init->error, "socketpair", "opener");
    pid_t child = fork();
    if (child < 0)
        return error_errno(&init->error, "fork", "opener");
    if (child == 0)
        become_opener(ends[1]);
    sys_close(&ends[1]);
    init->opener_fd = ends[0];
    return 0;
}

void opener_close(struct init *init) { sys_close(&init->opener_fd); }

/* Send what `request` says (its `text` up to `end`), receive the answer: 0 or a descriptor. */
static int ask(struct init *init, const struct request *request, const char *end, int given) {
    struct error *error = &init->error;
    struct error answer = {0};
    size_t size = (size_t)(end - (const char *)request);
    int sent = given < 0
                   ? sys_write_all(error, init->opener_fd, request, size, "opener")
                   : sys_send_descriptor(error, init->opener_fd, given, request, size, "opener");
    if (sent < 0)
        return -1;
    int found = -1;
    ssize_t got =
        sys_receive_descriptor(error, init->opener_fd, &found, &answer, sizeof answer, "opener");
    if (got < 0)
        return -1;
    if ((size_t)got < sizeof answer)
        return error_set(error, "receive", "opener", EPIPE, "the opener has ended");
    if (answer.number == 0)
        return found < 0 ? 0 : found;
    *error = answer;
    errno = answer.number;
    return -1;
}

static char *add_text(char *at, const char *end, const char *text) {
    size_t size = strlen(text) + 1;
    if (at == NULL || (size_t)(end - at) < size)
        return NULL;
    memcpy(at, text, size);
    return at + size;
}

/* The first request makes the opener join the mount namespace that this process is in by then. */
static int join_once(struct init *init) {
    static const struct request join = {.kind = KIND_JOIN};
    if (init->opener_joined)
        return 0;
    int own = sys_openat(&init->error, init->proc_fd, "self/ns/mnt", O_RDONLY, 0);
    if (own < 0)
        return -1;
    int result = ask(init, &join, join.text + TEXTS, own);
    sys_close(&own);
    init->opener_joined = result == 0;
    return result;
}

static int ask_for(struct init *init, enum kind kind, const char *path, int flags,
                   const struct idmap *idmap) {
    static struct request request;
    const char *limit = request.text + sizeof request.text;
    if (!init->in_running && join_once(init) < 0)
        return -1;
    request.kind = kind;
    request.flags = flags;
    request.recursive = idmap->recursive;
    char *end = add_text(request.text, limit, path);
    end = add_text(end, limit, idmap->userns);
    end = add_text(end, limit, idmap->uid_map);
    end = add_text(end, limit, idmap->gid_map);
    if (end == NULL)
        return error_set(&init->error, "open", path, E2BIG, "%s", "");
    return ask(init, &request, end, -1);
}

static const struct idmap none = {.userns = "", .uid_map = "", .gid_map = ""};

int host_open(struct init *init, const char *path, int flags) {
    if (init->opener_fd < 0)
        return sys_openat(&init->error, AT_FDCWD, path, O_PATH | flags, 0);
    return ask_for(init, KIND_OPEN, path, flags, &none);
}

int host_tree(struct init *init, const char *path, bool recursive) {
    unsigned flags = OPEN_TREE_CLONE | (recursive ? AT_RECURSIVE : 0);
    if (init->opener_fd < 0)
        return sys_open_tree(&init->error, AT_FDCWD, path, flags, path);
    if (init->in_running)
        return ask_for(init, KIND_TREE, path, recursive ? AT_RECURSIVE : 0, &none);
    int found = host_open(init, path, 0);
    if (found < 0)
        return -1;
    int tree = sys_open_tree(&init->error, found, "", flags | AT_EMPTY_PATH, path);
    sys_close(&found);
    return tree;
}

int host_tree_idmapped(struct init *init, const char *path, bool recursive,
                       const struct idmap *idmap) {
    if (init->opener_fd < 0)
        return error_set(&init->error, "mount", path, EPERM, "the plan has no opener");
    return ask_for(init, KIND_IDMAP, path, recursive ? AT_RECURSIVE : 0, idmap);
}
