/* The error record; reports to the runtime and its answers. */
#define _GNU_SOURCE
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

/* Both may be given strings of the record itself (to add to an error), so copy by way of a local.
 */
static int fill(struct error *error, const char *operation, const char *path, int number) {
    struct error filled = {.number = number};
    snprintf(filled.operation, sizeof filled.operation, "%s", operation);
    snprintf(filled.path, sizeof filled.path, "%s", path);
    *error = filled;
    errno = number;
    return -1;
}

int error_errno(struct error *error, const char *operation, const char *path) {
    return fill(error, operation, path, errno);
}

int error_set(struct error *error, const char *operation, const char *path, int number,
              const char *format, ...) {
    char message[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    fill(error, operation, path, number);
    memcpy(error->message, message, sizeof message);
    return -1;
}

struct record {
    size_t used;
    uint8_t bytes[8 + sizeof(struct error) + 256];
};

static void put(struct record *record, const void *data, size_t size) {
    if (size > sizeof record->bytes - record->used)
        abort();
    memcpy(record->bytes + record->used, data, size);
    record->used += size;
}

static void put_u32(struct record *record, uint32_t value) {
    uint32_t little = htole32(value);
    put(record, &little, sizeof little);
}

static void put_u64(struct record *record, uint64_t value) {
    uint64_t little = htole64(value);
    put(record, &little, sizeof little);
}

static void put_string(struct record *record, const char *string) {
    size_t length = strlen(string);
    put_u32(record, (uint32_t)length);
    put(record, string, length + 1);
}

static void begin(struct record *record, enum plan_report type) {
    record->used = 0;
    put_u32(record, type);
    put_u32(record, 0); /* the payload's size, known in the end */
}

static int end(struct record *record, struct error *error, int descriptor) {
    uint32_t payload = htole32((uint32_t)(record->used - 8));
    memcpy(record->bytes + 4, &payload, sizeof payload);
    return sys_write_all(error, descriptor, record->bytes, record->used, "report");
}

int report_pid(struct init *init, pid_t pid) {
    struct record record;
    begin(&record, REPORT_PID);
    put_u64(&record, (uint64_t)pid);
    return end(&record, &init->error, init->report_fd);
}

int report_and_wait(struct init *init, enum plan_report type) {
    struct record record;
    begin(&record, type);
    if (end(&record, &init->error, init->report_fd) < 0)
        return -1;
    char answer;
    ssize_t got = sys_read(&init->error, init->answer_fd, &answer, 1, "answer");
    if (got < 0)
        return -1;
    if (got == 0) /* the runtime is gone: nobody reads reports */
        _exit(EXIT_FAILURE);
    return 0;
}

/* Where errors and notices go: to `create`, or to `start`; -1: nobody reads them. */
static int listener(const struct init *init) {
    return init->started_fd >= 0 ? init->started_fd : init->report_fd;
}

void report_notice(const struct init *init, enum plan_notice level, const char *what,
                   const char *format, ...) {
    char subject[256];
    char why[sizeof init->error.path];
    int descriptor = listener(init);
    if (descriptor < 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    snprintf(subject, sizeof subject, "%s", what);
    struct record record;
    struct error
        unheard; /* a reader that does not listen has ended: the next wait for it sees that */
    begin(&record, REPORT_NOTICE);
    put_u64(&record, level);
    put_string(&record, subject);
    put_string(&record, why);
    end(&record, &unheard, descriptor);
}

void report_error(const struct init *init, const struct step *step) {
    int descriptor = listener(init);
    if (descriptor < 0)
        return;
    char stage[32] = "";
    for (size_t i = 0; step != NULL && step->name[i] != '\0' && i < sizeof stage - 1; i++)
        stage[i] = (char)tolower((unsigned char)step->name[i]);
    struct record record;
    struct error unheard;
    begin(&record, REPORT_ERROR);
    put_string(&record, stage);
    put_string(&record, init->error.operation);
    put_string(&record, init->error.path);
    put_u64(&record, (uint64_t)(int64_t)init->error.number);
    put_string(&record, init->error.message);
    end(&record, &unheard, descriptor);
}
