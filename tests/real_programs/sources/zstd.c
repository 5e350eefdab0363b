/* Compresses the file that the argument names to standard output. */
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

int main(int argc, char **argv) {
    static char text[4 << 20];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file)
        return 2;
    size_t size = fread(text, 1, sizeof text, file), room = ZSTD_compressBound(size);
    void *compressed = malloc(room);
    size_t length = ZSTD_compress(compressed, room, text, size, 9);
    if (ZSTD_isError(length))
        return 1;
    return fwrite(compressed, 1, length, stdout) == length ? 0 : 1;
}
