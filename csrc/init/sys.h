/* One wrapper per system call: retries EINTR, adds O_CLOEXEC, fills `error` with the call's name
 * and the path. Each returns what the call returns, or -1.
 *
 * A call on a descriptor takes as its last argument `name`: the path to show in the error. close(2)
 * is in owned.h. */
#ifndef CRUNW_INIT_SYS_H
#define CRUNW_INIT_SYS_H

#include <sys/stat.h>
#include <sys/types.h>

#include "../owned.h"
#include "init.h"

struct mount_attr;
struct sock_fprog;

/* Descriptors. `flags` without O_CLOEXEC: it is always added. */
int sys_openat(struct error *error, int directory, const char *path, int flags, mode_t mode);
/* `resolve`: RESOLVE_*. EAGAIN (a concurrent rename while resolving) is retried, with a bound. */
int sys_openat2(struct error *error, int directory, const char *path, int flags, mode_t mode,
                uint64_t resolve);
int sys_cloexec(struct error *error, int descriptor);
/* dup3 to a number chosen by the caller, without O_CLOEXEC (for 0, 1 and 2). */
int sys_dup_to(struct error *error, int descriptor, int number);
/* A copy of a descriptor, with O_CLOEXEC. */
int sys_dup(struct error *error, int descriptor);
int sys_fstat(struct error *error, int descriptor, struct stat *status, const char *name);
int sys_statx(struct error *error, int descriptor, unsigned mask, struct statx *status,
              const char *name);
/* Read until `size` bytes or end of file; the number of bytes read. */
ssize_t sys_read(struct error *error, int descriptor, void *buffer, size_t size, const char *name);
int sys_write_all(struct error *error, int descriptor, const void *data, size_t size,
                  const char *name);
/* Open an existing file and write `text` with a single write(2), as procfs and cgroupfs need it. */
int sys_write_file(struct error *error, int directory, const char *path, const char *text);
/* The same for a file of procfs: nothing mounted over it, no magic link, nothing outside of
 * `directory`. */
int sys_write_proc(struct error *error, int directory, const char *path, const char *text);
/* Send one descriptor (SCM_RIGHTS) with `data`, which must not be empty. */
int sys_send_descriptor(struct error *error, int socket, int descriptor, const void *data,
                        size_t size, const char *name);
/* Receive one message, and the descriptor that came with it: -1 if none did. The message's size. */
ssize_t sys_receive_descriptor(struct error *error, int socket, int *descriptor, void *data,
                               size_t size, const char *name);
/* The same; *sender is the process that sent it, as the kernel says (SO_PASSCRED), or 0. */
ssize_t sys_receive_from(struct error *error, int socket, int *descriptor, pid_t *sender,
                         void *data, size_t size, const char *name);

/* Files. */
int sys_mkdirat(struct error *error, int directory, const char *path, mode_t mode);
int sys_mknodat(struct error *error, int directory, const char *path, mode_t mode, dev_t device);
int sys_symlinkat(struct error *error, const char *target, int directory, const char *path);
/* The link's target, NUL-terminated, in `buffer`; too long is ENAMETOOLONG. */
int sys_readlinkat(struct error *error, int directory, const char *path, char *buffer, size_t size);
int sys_fchownat(struct error *error, int directory, const char *path, uid_t uid, gid_t gid,
                 int flags);
int sys_fchmod(struct error *error, int descriptor, mode_t mode, const char *name);
int sys_chdir(struct error *error, const char *path);
int sys_fchdir(struct error *error, int descriptor, const char *name);
int sys_chroot(struct error *error, const char *path);

/* Mounts. `name` is the target to show: the real one is mostly /proc/self/fd/N. */
int sys_mount(struct error *error, const char *source, const char *target, const char *type,
              unsigned long flags, const char *data, const char *name);
int sys_umount(struct error *error, const char *target, int flags);
/* `flags`: OPEN_TREE_* and AT_*; OPEN_TREE_CLOEXEC is added. */
int sys_open_tree(struct error *error, int directory, const char *path, unsigned flags,
                  const char *name);
/* Attach the detached mount `tree` on the directory or file open as `target`. */
int sys_move_mount(struct error *error, int tree, int target, const char *name);
int sys_mount_setattr(struct error *error, int directory, const char *path, unsigned flags,
                      struct mount_attr *attributes, const char *name);
int sys_pivot_root(struct error *error, const char *new_root, const char *put_old);

/* Processes. */
int sys_setns(struct error *error, int descriptor, int types, const char *name);
int sys_unshare(struct error *error, int flags);
/* Load a filter for this process. With SECCOMP_FILTER_FLAG_NEW_LISTENER: the listener. */
int sys_seccomp(struct error *error, const struct sock_fprog *filter, unsigned flags,
                const char *name);

#endif
