/* Compresses the file that the argument names to standard output, as gzip does. */
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    static char text[4 << 20];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(9);
    if (!file || !compressor)
        return 2;
    size_t size = fread(text, 1, sizeof text, file);
    size_t room = libdeflate_gzip_compress_bound(compressor, size);
    void *compressed = malloc(room);
    size_t length = libdeflate_gzip_compress(compressor, text, size, compressed, room);
    return length && fwrite(compressed, 1, length, stdout) == length ? 0 : 1;
}
