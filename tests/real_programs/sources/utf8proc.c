/* Normalizes the text of a file, without case and accents. */
#include <stdio.h>
#include <utf8proc.h>

int main(int argc, char **argv) {
    static utf8proc_uint8_t text[4 << 20];
    utf8proc_uint8_t *result;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file)
        return 2;
    size_t size = fread(text, 1, sizeof text, file);
    utf8proc_ssize_t length =
        utf8proc_map(text, (utf8proc_ssize_t)size, &result,
                     UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD |
                         UTF8PROC_STRIPMARK | UTF8PROC_STRIPCC);
    if (length < 0)
        return 1;
    return fwrite(result, 1, (size_t)length, stdout) == (size_t)length ? 0 : 1;
}
