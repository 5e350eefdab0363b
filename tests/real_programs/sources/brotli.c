/* Compresses the file that the argument names to standard output. */
#include <brotli/encode.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    static uint8_t text[4 << 20];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file)
        return 2;
    size_t size = fread(text, 1, sizeof text, file);
    size_t length = BrotliEncoderMaxCompressedSize(size);
    uint8_t *compressed = malloc(length);
    if (!compressed ||
        !BrotliEncoderCompress(9, 22, BROTLI_MODE_TEXT, size, text, &length, compressed))
        return 1;
    return fwrite(compressed, 1, length, stdout) == length ? 0 : 1;
}
