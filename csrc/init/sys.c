#define _GNU_SOURCE
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* openat2(2) asks to try again on EAGAIN; an attacker who renames for ever must not hold us. */
#define OPENAT2_TRIES 128

static int check(long result, struct error *error, const char *operation, const char *path) {
    return result < 0 ? error_errno(error, operation, path) : (int)result;
}

int sys_openat(struct error *error, int directory, const char *path, int flags, mode_t mode) {
    long result = TEMP_FAILURE_RETRY(openat(directory, path, flags | O_CLOEXEC, mode));
    return check(result, error, "open", path);
}

int sys_openat2(struct error *error, int directory, const char *path, int flags, mode_t mode,
                uint64_t resolve) {
    struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC,
        .mode = mode,
        .resolve = resolve,
    };
    long result = -1;
    for (int tries = 0; tries < OPENAT2_TRIES; tries++) {
        result = syscall(SYS_openat2, directory, path, &how, sizeof how);
        if (result >= 0 || (errno != EINTR && errno != EAGAIN))
            break;
    }
    return check(result, error, "openat2", path);
}

int sys_cloexec(struct error *error, int descriptor) {
    return check(fcntl(descriptor, F_SETFD, FD_CLOEXEC), error, "fcntl(F_SETFD)", "");
}

int sys_dup_to(struct error *error, int descriptor, int number) {
    return check(TEMP_FAILURE_RETRY(dup2(descriptor, number)), error, "dup2", "");
}

int sys_dup(struct error *error, int descriptor) {
    return check(fcntl(descriptor, F_DUPFD_CLOEXEC, 0), error, "fcntl(F_DUPFD_CLOEXEC)", "");
}

int sys_fstat(struct error *error, int descriptor, struct stat *status, const char *name) {
    return check(fstat(descriptor, status), error, "fstat", name);
}

int sys_statx(struct error *error, int descriptor, unsigned mask, struct statx *status,
              const char *name) {
    return check(statx(descriptor, "", AT_EMPTY_PATH, mask, status), error, "statx", name);
}

ssize_t sys_read(struct error *error, int descriptor, void *buffer, size_t size, const char *name) {
    size_t done = 0;
    while (done < size) {
        ssize_t got = TEMP_FAILURE_RETRY(read(descriptor, (char *)buffer + done, size - done));
        if (got < 0)
            return error_errno(error, "read", name);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int sys_write_all(struct error *error, int descriptor, const void *data, size_t size,
                  const char *name) {
    const char *next = data;
    while (size > 0) {
        ssize_t written = TEMP_FAILURE_RETRY(write(descriptor, next, size));
        if (written < 0)
            return error_errno(error, "write", name);
        next += written;
        size -= (size_t)written;
    }
    return 0;
}

static int write_once(struct error *error, int descriptor, const char *path, const char *text) {
    if (descriptor < 0)
        return -1;
    ssize_t written = TEMP_FAILURE_RETRY(write(descriptor, text, strlen(text)));
    return written < 0 ? error_errno(error, "write", path) : 0;
}

int sys_write_file(struct error *error, int directory, const char *path, const char *text) {
    OWNED int descriptor = sys_openat(error, directory, path, O_WRONLY, 0);
    return write_once(error, descriptor, path, text);
}

int sys_write_proc(struct error *error, int directory, const char *path, const char *text) {
    OWNED int descriptor = sys_openat2(error, directory, path, O_WRONLY, 0,
                                       RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
    return write_once(error, descriptor, path, text);
}

/* Room for one descriptor and for credentials, aligned as cmsg(3) wants it. */
union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

int sys_send_descriptor(struct error *error, int socket, int descriptor, const void *data,
                        size_t size, const char *name) {
    union control control = {0};
    struct iovec bytes = {.iov_base = (void *)data, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &bytes,
        .msg_iovlen = 1,
        .msg_control = control.space,
        .msg_controllen = CMSG_SPACE(sizeof descriptor),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    ssize_t sent = TEMP_FAILURE_RETRY(sendmsg(socket, &message, MSG_NOSIGNAL));
    if (sent < 0)
        return error_errno(error, "sendmsg", name);
    /* The descriptor went with the first byte; a stream may take the rest in pieces. */
    return sys_write_all(error, socket, (const char *)data + sent, size - (size_t)sent, name);
}

ssize_t sys_receive_from(struct error *error, int socket, int *descriptor, pid_t *sender,
                         void *data, size_t size, const char *name) {
    union control control = {0};
    struct ucred credentials = {0};
    struct iovec bytes = {.iov_base = data, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &bytes,
        .msg_iovlen = 1,
        .msg_control = control.space,
        .msg_controllen = sizeof control.space,
    };
    *descriptor = -1;
    ssize_t got = TEMP_FAILURE_RETRY(recvmsg(socket, &message, MSG_CMSG_CLOEXEC));
    if (got < 0)
        return error_errno(error, "recvmsg", name);
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET)
            continue;
        if (header->cmsg_type == SCM_RIGHTS)
            memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
        else if (header->cmsg_type == SCM_CREDENTIALS)
            memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
    }
    *sender = credentials.pid;
    return got;
}

ssize_t sys_receive_descriptor(struct error *error, int socket, int *descriptor, void *data,
                               size_t size, const char *name) {
    pid_t unknown;
    return sys_receive_from(error, socket, descriptor, &unknown, data, size, name);
}

int sys_mkdirat(struct error *error, int directory, const char *path, mode_t mode) {
    return check(mkdirat(directory, path, mode), error, "mkdir", path);
}

int sys_mknodat(struct error *error, int directory, const char *path, mode_t mode, dev_t device) {
    return check(mknodat(directory, path, mode, device), error, "mknod", path);
}

int sys_symlinkat(struct error *error, const char *target, int directory, const char *path) {
    return check(symlinkat(target, directory, path), error, "symlink", path);
}

int sys_readlinkat(struct error *error, int directory, const char *path, char *buffer,
                   size_t size) {
    ssize_t length = readlinkat(directory, path, buffer, size);
    if (length >= 0 && (size_t)length < size) {
        buffer[length] = '\0';
        return (int)length;
    }
    if (length >= 0)
        errno = ENAMETOOLONG;
    return error_errno(error, "readlink", path);
}

int sys_fchownat(struct error *error, int directory, const char *path, uid_t uid, gid_t gid,
                 int flags) {
    return check(fchownat(directory, path, uid, gid, flags), error, "chown", path);
}

int sys_fchmod(struct error *error, int descriptor, mode_t mode, const char *name) {
    return check(fchmod(descriptor, mode), error, "chmod", name);
}

int sys_chdir(struct error *error, const char *path) {
    return check(chdir(path), error, "chdir", path);
}

int sys_fchdir(struct error *error, int descriptor, const char *name) {
    return check(fchdir(descriptor), error, "chdir", name);
}

int sys_chroot(struct error *error, const char *path) {
    return check(chroot(path), error, "chroot", path);
}

int sys_mount(struct error *error, const char *source, const char *target, const char *type,
              unsigned long flags, const char *data, const char *name) {
    long result = TEMP_FAILURE_RETRY(mount(source, target, type, flags, data));
    return check(result, error, "mount", name);
}

int sys_umount(struct error *error, const char *target, int flags) {
    return check(TEMP_FAILURE_RETRY(umount2(target, flags)), error, "umount", target);
}

int sys_open_tree(struct error *error, int directory, const char *path, unsigned flags,
                  const char *name) {
    long result = TEMP_FAILURE_RETRY(open_tree(directory, path, flags | OPEN_TREE_CLOEXEC));
    return check(result, error, "open_tree", name);
}

int sys_move_mount(struct error *error, int tree, int target, const char *name) {
    long result = TEMP_FAILURE_RETRY(
        move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
    return check(result, error, "move_mount", name);
}

int sys_mount_setattr(struct error *error, int directory, const char *path, unsigned flags,
                      struct mount_attr *attributes, const char *name) {
    long result =
        TEMP_FAILURE_RETRY(mount_setattr(directory, path, flags, attributes, sizeof *attributes));
    return check(result, error, "mount_setattr", name);
}

int sys_pivot_root(struct error *error, const char *new_root, const char *put_old) {
    return check(syscall(SYS_pivot_root, new_root, put_old), error, "pivot_root", new_root);
}

int sys_setns(struct error *error, int descriptor, int types, const char *name) {
    return check(TEMP_FAILURE_RETRY(setns(descriptor, types)), error, "setns", name);
}

int sys_unshare(struct error *error, int flags) {
    return check(TEMP_FAILURE_RETRY(unshare(flags)), error, "unshare", "");
}

int sys_seccomp(struct error *error, const struct sock_fprog *filter, unsigned flags,
                const char *name) {
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, filter);
    return check((int)result, error, "seccomp", name);
}
