/* Writing plans, reports, files. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher.h"

void put(struct writer *writer, const void *data, size_t size) {
    if (writer->room - writer->size < size && !writer->failed) {
        size_t room = 2 * writer->room + size;
        char *grown = realloc(writer->data, room);
        writer->failed = grown == NULL;
        if (grown != NULL) {
            writer->data = grown;
            writer->room = room;
        }
    }
    if (writer->failed)
        return;
    memcpy(writer->data + writer->size, data, size);
    writer->size += size;
}

void put_u32(struct writer *writer, size_t value) {
    uint32_t little = htole32((uint32_t)value);
    put(writer, &little, sizeof little);
}

void put_u64(struct writer *writer, uint64_t value) {
    uint64_t little = htole64(value);
    put(writer, &little, sizeof little);
}

void put_string(struct writer *writer, const char *string) {
    put_u32(writer, strlen(string));
    put(writer, string, strlen(string) + 1);
}

void patch_u32(struct writer *writer, size_t at, size_t value) {
    uint32_t little = htole32((uint32_t)value);
    if (!writer->failed)
        memcpy(writer->data + at, &little, sizeof little);
}

bool write_all(int descriptor, const char *data, size_t size) {
    while (size > 0) {
        ssize_t written = TEMP_FAILURE_RETRY(write(descriptor, data, size));
        if (written < 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}
