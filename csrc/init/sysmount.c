#define _GNU_SOURCE
#include "sysmount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <unistd.h>

static int check(int result, struct error *error, const char *operation, const char *path) {
    return result < 0 ? error_errno(error, operation, path) : result;
}

int sys_fstatfs(struct error *error, int descriptor, struct statfs *status, const char *name) {
    return check(TEMP_FAILURE_RETRY(fstatfs(descriptor, status)), error, "fstatfs", name);
}

int sys_fstatat(struct error *error, int directory, const char *path, struct stat *status,
                int flags) {
    return check(fstatat(directory, path, status, flags), error, "stat", path);
}

ssize_t sys_sendfile(struct error *error, int to, int from, size_t size, const char *name) {
    ssize_t sent = TEMP_FAILURE_RETRY(sendfile(to, from, NULL, size));
    return sent < 0 ? error_errno(error, "sendfile", name) : sent;
}

int sys_ioctl(struct error *error, int descriptor, unsigned long request, void *argument,
              const char *name) {
    int result = TEMP_FAILURE_RETRY(ioctl(descriptor, request, argument));
    return check(result, error, "ioctl", name);
}

int sys_fsopen(struct error *error, const char *type, const char *name) {
    return check(fsopen(type, FSOPEN_CLOEXEC), error, "fsopen", name);
}

int sys_fspick(struct error *error, int descriptor, const char *name) {
    return check(fspick(descriptor, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH), error, "fspick", name);
}

int sys_fsconfig(struct error *error, int context, unsigned command, const char *key,
                 const char *value, const char *name) {
    int result = TEMP_FAILURE_RETRY(fsconfig(context, command, key, value, 0));
    return check(result, error, "fsconfig", name);
}

int sys_fsmount(struct error *error, int context, unsigned attributes, const char *name) {
    return check(fsmount(context, FSMOUNT_CLOEXEC, attributes), error, "fsmount", name);
}

bool sys_fsmessage(int context, char *buffer, size_t size) {
    ssize_t length = TEMP_FAILURE_RETRY(read(context, buffer, size - 1));
    if (length <= 0)
        return false;
    buffer[length] = '\0';
    return true;
}
