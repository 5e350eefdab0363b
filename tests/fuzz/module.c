/* What of a module is read before the engine reads it: the header, the sections. */
#define _GNU_SOURCE
#include "file.h"

#include <stdarg.h>

#include "../../csrc/engine/binary.c"
#include "../../csrc/engine/code.c"

int engine_fail(struct engine_error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct engine_error error;
    struct binary binary = {0};
    if (binary_read(&binary, fuzz_file(data, size), &error) == 0)
        binary_free(&binary);
    return 0;
}
