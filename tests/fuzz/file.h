/* An open file with the input of a run. */
#ifndef CRUNW_FUZZ_FILE_H
#define CRUNW_FUZZ_FILE_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int fuzz_file(const uint8_t *data, size_t size) {
    static int file = -1;
    if (file < 0)
        file = memfd_create("input", MFD_CLOEXEC);
    if (ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) != (ssize_t)size ||
        lseek(file, 0, SEEK_SET) < 0)
        abort();
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
