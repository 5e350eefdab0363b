/* What ps(1) and top(1) show for a process that runs a module: the module's arguments. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "init.h"

/* The memory of our own arguments and of the environment after them, of which this program makes
 * no other use; the kernel shows it as /proc/PID/cmdline. The runtime gives an environment of some
 * length for this. */
static struct {
    char *start;
    char *arguments_end;
    char *end;
} room;

static char *end_of(char *end, char **strings) {
    for (; *strings != NULL && *strings == end; strings++)
        end = *strings + strlen(*strings) + 1;
    return end;
}

void title_prepare(char **argv) {
    room.start = argv[0];
    room.arguments_end = end_of(argv[0], argv);
    room.end = end_of(room.arguments_end, environ);
}

/* A last byte of the arguments that is not NUL makes the kernel read on: the text goes on to the
 * first NUL, also into the environment: blanks where the title is shorter. */
void title_set(strings words) {
    size_t size = (size_t)(room.end - room.start);
    size_t used = 0;
    if (words[0] == NULL || size == 0)
        return;
    memset(room.start, 0, size);
    for (; *words != NULL && used + 1 < size; words++) {
        size_t length = strnlen(*words, size - used - 1);
        memcpy(room.start + used, *words, length);
        used += length;
        if (words[1] != NULL && used + 1 < size)
            room.start[used++] = ' ';
    }
    for (; room.start + used < room.arguments_end && used + 1 < size; used++)
        room.start[used] = ' ';
}
