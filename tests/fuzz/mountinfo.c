/* The mounts that a process sees, as the kernel lists them. */
#define _GNU_SOURCE
#include "file.h"

#include "../../csrc/init/mountinfo.c"

static const uint8_t *input;
static size_t length;

int sys_openat(struct error *error, int directory, const char *path, int flags, mode_t mode) {
    (void)error, (void)directory, (void)path, (void)flags, (void)mode;
    return dup(fuzz_file(input, length));
}

int error_errno(struct error *error, const char *operation, const char *path) {
    (void)error, (void)operation, (void)path;
    return -1;
}

static int use(struct init *init, const struct mountinfo *info, const void *argument) {
    volatile size_t used = strlen(info->root) + strlen(info->point) + strlen(info->type);
    (void)init, (void)argument, (void)used;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct init init;
    input = data;
    length = size;
    mountinfo_each(&init, use, NULL);
    return 0;
}
