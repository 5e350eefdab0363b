/* The launcher's record of a container, and the kernel's line on a process. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static const uint8_t *input;
static size_t left;

static ssize_t take_input(void *buffer, size_t size) {
    size_t got = size < left ? size : left;
    memcpy(buffer, input, got);
    input += got;
    left -= got;
    return (ssize_t)got;
}

#define openat(...) 0
#define read(file, buffer, size) ((void)(file), take_input(buffer, size))
#define close(file) ((void)(file))
#include "../../csrc/launcher/record.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct record record;
    input = data;
    left = size;
    if (record_read(&record, -1)) {
        volatile size_t used = strlen(record.before_pid) + strlen(record.before_status) +
                               strlen(record.after_status) + strlen(record.freezer) +
                               strlen(record.thawed) + strlen(record.directories);
        (void)used;
    }
    input = data;
    left = size;
    process_life(&record);
    return 0;
}
