/* $HOME by a container's /etc/passwd. The first byte is the uid. */
#define _GNU_SOURCE
#include "file.h"

static const uint8_t *input;
static size_t left;

/* Of the input's size, so that a byte too many is noticed. */
#define malloc(size) ((malloc)((size) > left ? left + 1 : (size)))
#include "../../csrc/init/home.c"

int sys_openat2(struct error *error, int directory, const char *path, int flags, mode_t mode,
                uint64_t resolve) {
    (void)error, (void)directory, (void)path, (void)flags, (void)mode, (void)resolve;
    return dup(STDERR_FILENO);
}

int sys_fstat(struct error *error, int descriptor, struct stat *status, const char *name) {
    (void)error, (void)descriptor, (void)name;
    *status = (struct stat){.st_mode = S_IFREG};
    return 0;
}

ssize_t sys_read(struct error *error, int descriptor, void *buffer, size_t size, const char *name) {
    (void)error, (void)descriptor, (void)name;
    memcpy(buffer, input, left < size ? left : size);
    return (ssize_t)(left < size ? left : size);
}

uint64_t step_u64(struct step *step) {
    (void)step;
    return input[-1];
}

int error_errno(struct error *error, const char *operation, const char *path) {
    (void)error, (void)operation, (void)path;
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct init init;
    if (size == 0)
        return 0;
    input = data + 1;
    left = size - 1;
    if (run_home(&init, NULL) < 0 || strncmp(init.home, "HOME=", 5) != 0 || init.home[5] == '\0')
        abort();
    free(init.home);
    return 0;
}
