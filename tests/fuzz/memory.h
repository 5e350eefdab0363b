/* For sources that leave their memory to the end of the process: what they allocate is freed after
 * each run. Included before them. */
#ifndef CRUNW_FUZZ_MEMORY_H
#define CRUNW_FUZZ_MEMORY_H

#include <stdlib.h>

static void *fuzz_held[1 << 16];
static size_t fuzz_count;

static void *fuzz_hold(void *memory) {
    if (fuzz_count == sizeof fuzz_held / sizeof *fuzz_held)
        abort();
    fuzz_held[fuzz_count++] = memory;
    return memory;
}

static void fuzz_free(void *memory) {
    for (size_t i = fuzz_count; i > 0; i--)
        if (fuzz_held[i - 1] == memory) {
            fuzz_held[i - 1] = NULL;
            break;
        }
    (free)(memory);
}

static void fuzz_free_all(void) {
    while (fuzz_count > 0)
        (free)(fuzz_held[--fuzz_count]);
}

#define malloc(size) fuzz_hold((malloc)(size))
#define calloc(count, size) fuzz_hold((calloc)(count, size))
#define free(memory) fuzz_free(memory)

#endif
