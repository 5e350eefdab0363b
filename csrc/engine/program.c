/* What the engines have in common in running a program. */
#define _GNU_SOURCE
#include "../owned.h"
#include "implementation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint32_t list_length(const char *const *list) {
    uint32_t length = 0;
    while (list[length])
        length++;
    return length;
}

int preopen_split(const char *preopen, struct preopen *parts, struct engine_error *error) {
    *parts = (struct preopen){0};
    const char *colon = strchr(preopen, ':');
    if (!colon || colon == preopen || colon[1] == '\0')
        return engine_fail(error, "preopen %s: not guest:host[:readonly]", preopen);
    size_t length = strcspn(colon + 1, ":");
    const char *mode = colon + 1 + length;
    if (*mode && strcmp(mode, ":readonly") != 0)
        return engine_fail(error, "preopen %s: %s is not readonly", preopen, mode + 1);
    parts->read_only = *mode != '\0';
    parts->guest = strndup(preopen, (size_t)(colon - preopen));
    parts->host = strndup(colon + 1, length);
    if (parts->guest && parts->host)
        return 0;
    preopen_free(parts);
    return engine_fail(error, "out of memory");
}

void preopen_free(struct preopen *parts) {
    free(parts->guest);
    free(parts->host);
    *parts = (struct preopen){0};
}

static int check_preopen(const char *preopen, struct engine_error *error) {
    struct preopen parts;
    /* The second is the analyzer's: it does not know that a failure is never 0. */
    if (preopen_split(preopen, &parts, error) != 0 || parts.host == NULL)
        return -1;
    OWNED int fd = -1;
    do
        fd = open(parts.host, O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    int number = errno;
    preopen_free(&parts);
    if (fd < 0)
        return engine_fail(error, "preopen %s: %s", preopen, strerror(number));
    return 0;
}

int check_preopens(const char *const *preopens, struct engine_error *error) {
    for (; *preopens; preopens++)
        if (check_preopen(*preopens, error) != 0)
            return -1;
    return 0;
}
