/* Takes memory and uses it until there is no more; says how many MiB it has got and how the last
 * attempt failed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *blocks[4096];

int main(void) {
    int taken = 0;
    while (taken < 4096 && (blocks[taken] = malloc(1 << 20)))
        memset(blocks[taken++], 1, 1 << 20);
    printf("%d MiB: %s\n", taken, strerror(errno));
    return 0;
}
