/* Read a container's fast record, and look whether its process lives. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../contract.h"
#include "launcher.h"

struct cursor {
    char *next;
    size_t left;
};

static bool take(struct cursor *cursor, void *value, size_t size) {
    if (cursor->left < size)
        return false;
    memcpy(value, cursor->next, size);
    cursor->next += size;
    cursor->left -= size;
    return true;
}

static bool take_u64(struct cursor *cursor, uint64_t *value) {
    if (!take(cursor, value, sizeof *value))
        return false;
    *value = le64toh(*value);
    return true;
}

static bool take_string(struct cursor *cursor, const char **string) {
    uint32_t length;
    if (!take(cursor, &length, sizeof length))
        return false;
    length = le32toh(length);
    if (cursor->left < (size_t)length + 1 ||
        memchr(cursor->next, 0, (size_t)length + 1) != cursor->next + length)
        return false;
    *string = cursor->next;
    cursor->next += length + 1;
    cursor->left -= length + 1;
    return true;
}

/* Reads at most `size` bytes; false if the file holds more, or can't be read: then with errno. */
static bool read_file(int directory, const char *name, char *data, size_t size, size_t *used) {
    OWNED int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t got = 0;
    *used = 0;
    do {
        *used += (size_t)got;
        got = TEMP_FAILURE_RETRY(read(file, data + *used, size - *used));
    } while (got > 0);
    if (got >= 0)
        errno = EFBIG;
    return got == 0 && *used < size;
}

bool record_read(struct record *record, int directory) {
    struct cursor cursor = {.next = record->data};
    char magic[4];
    uint32_t version;
    if (!read_file(directory, STATE_FAST, record->data, sizeof record->data, &cursor.left))
        return false;
    return take(&cursor, magic, sizeof magic) && memcmp(magic, FAST_MAGIC, sizeof magic) == 0 &&
           take(&cursor, &version, sizeof version) && le32toh(version) == FAST_VERSION &&
           take_u64(&cursor, &record->pid) && take_u64(&cursor, &record->start_time) &&
           take_u64(&cursor, &record->hooks) && take_string(&cursor, &record->before_pid) &&
           take_string(&cursor, &record->before_status) &&
           take_string(&cursor, &record->after_status) && take_string(&cursor, &record->freezer) &&
           take_string(&cursor, &record->thawed) && take_string(&cursor, &record->directories);
}

/* The field of /proc/PID/stat with this number (from 1), which must be after the name's ")". */
static const char *stat_field(const char *stat, int number) {
    const char *field = strrchr(stat, ')');
    for (int at = 2; field != NULL && at < number; at++)
        field = strchr(field + 1, ' ');
    return field != NULL && number > 2 ? field + 1 : NULL;
}

enum life process_life(const struct record *record) {
    char path[40];
    char stat[4096];
    size_t used;
    snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", record->pid);
    if (!read_file(AT_FDCWD, path, stat, sizeof stat, &used))
        return errno == ENOENT || errno == ESRCH ? LIFE_ENDED : LIFE_UNKNOWN;
    stat[used] = '\0';
    const char *state = stat_field(stat, 3);
    const char *started = stat_field(stat, 22);
    if (state == NULL || started == NULL)
        return LIFE_UNKNOWN;
    if (*state == 'Z' || *state == 'X')
        return LIFE_ENDED;
    return strtoull(started, NULL, 10) == record->start_time ? LIFE_RUNS : LIFE_ENDED;
}
