/* Compresses a file, reads what came out of it, and prints its size and check sum. */
#include <stdio.h>
#include <zlib.h>

int main(int argc, char **argv) {
    static unsigned char text[4 << 20], again[4 << 20];
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (!file)
        return 2;
    unsigned size = (unsigned)fread(text, 1, sizeof text, file);
    gzFile to = gzopen(argv[2], "wb9");
    if (!to || gzwrite(to, text, size) != (int)size || gzclose(to) != Z_OK)
        return 1;
    gzFile from = gzopen(argv[2], "rb");
    if (!from || gzread(from, again, sizeof again) != (int)size || gzclose(from) != Z_OK)
        return 1;
    printf("%u bytes, %08lx\n", size, crc32(0, again, size));
    return 0;
}
