/* Wrappers as in sys.h, for the system calls that only the file system's side needs. */
#ifndef CRUNW_INIT_SYSMOUNT_H
#define CRUNW_INIT_SYSMOUNT_H

#include <sys/stat.h>
#include <sys/statfs.h>

#include "init.h"

int sys_fstatfs(struct error *error, int descriptor, struct statfs *status, const char *name);
int sys_fstatat(struct error *error, int directory, const char *path, struct stat *status,
                int flags);
/* At most `size` bytes from the offset of `from`; the number of bytes, 0 at the end of the file. */
ssize_t sys_sendfile(struct error *error, int to, int from, size_t size, const char *name);
int sys_ioctl(struct error *error, int descriptor, unsigned long request, void *argument,
              const char *name);
int sys_fsopen(struct error *error, const char *type, const char *name);
/* The file system of the mount whose root is open as `descriptor`, to be reconfigured. */
int sys_fspick(struct error *error, int descriptor, const char *name);
/* `command`: FSCONFIG_*. */
int sys_fsconfig(struct error *error, int context, unsigned command, const char *key,
                 const char *value, const char *name);
/* `attributes`: MOUNT_ATTR_*. */
int sys_fsmount(struct error *error, int context, unsigned attributes, const char *name);
/* The next message of the file system, as fsopen(2) describes: "e " (error), "w " or "i " and a
 * text. False when there is none; a message that does not fit is lost. */
bool sys_fsmessage(int context, char *buffer, size_t size);

#endif
