/* Whether a bundle's program looks like WebAssembly: then crunw-init opens the engine while the
 * interpreter begins. A guess from the text of config.json, wrong at the cost of a millisecond of
 * another processor; what runs is decided in Python (crunw/workload.py). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher.h"

#define MAX_BYTES (256 << 10)

/* The value of --bundle, "." where it is not given. */
static const char *bundle(int argc, char **argv) {
    const char *found = ".";
    for (int at = 0; at < argc; at++) {
        if (strncmp(argv[at], "--bundle=", 9) == 0)
            found = argv[at] + 9;
        else if (at + 1 < argc &&
                 (strcmp(argv[at], "--bundle") == 0 || strcmp(argv[at], "-b") == 0))
            found = argv[++at];
    }
    return found;
}

static bool contains(const char *text, size_t length, const char *word) {
    return memmem(text, length, word, strlen(word)) != NULL;
}

bool hint_wasm(int argc, char **argv) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/config.json", bundle(argc, argv)) >= (int)sizeof path)
        return false;
    OWNED int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char *text = file < 0 ? NULL : malloc(MAX_BYTES);
    ssize_t length = text == NULL ? 0 : read(file, text, MAX_BYTES);
    bool found = length > 0 && (contains(text, (size_t)length, ".wasm\"") ||
                                contains(text, (size_t)length, "run.oci.handler") ||
                                contains(text, (size_t)length, "module.wasm.image/variant"));
    free(text);
    return found;
}
