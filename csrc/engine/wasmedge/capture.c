/* The library's result is a number; byte offset and instruction appear only in its log, which goes
 * to standard output. So a call that failed is repeated with the log on and standard output in a
 * memory file. */
#define _GNU_SOURCE
#include "../../owned.h"
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void read_text(int fd, char *text, size_t size) {
    ssize_t length;
    do
        length = pread(fd, text, size - 1, 0);
    while (length < 0 && errno == EINTR);
    text[length > 0 ? length : 0] = '\0';
}

static int redirect(int from, int to, int flags) {
    int result;
    do
        result = dup3(from, to, flags);
    while (result < 0 && errno == EINTR);
    return result;
}

void capture_log(const struct engine *engine, void (*call)(void *argument), void *argument,
                 char *text, size_t size) {
    text[0] = '\0';
    OWNED int memory = memfd_create("wasmedge-log", MFD_CLOEXEC);
    if (memory < 0)
        return;
    fflush(stdout);
    OWNED int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (saved >= 0 && redirect(memory, STDOUT_FILENO, 0) >= 0) {
        engine->wasmedge.LogSetErrorLevel();
        call(argument);
        engine->wasmedge.LogOff();
        fflush(stdout);
        redirect(saved, STDOUT_FILENO, 0);
        read_text(memory, text, size);
    }
}
