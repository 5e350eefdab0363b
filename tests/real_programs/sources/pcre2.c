/* Prints what a pattern finds in a file: where, and the text. */
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

int main(int argc, char **argv) {
    static unsigned char text[4 << 20];
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    int problem;
    size_t at, size;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)argv[1], PCRE2_ZERO_TERMINATED, PCRE2_MULTILINE,
                                     &problem, &at, NULL);
    if (!file || !code)
        return 2;
    size = fread(text, 1, sizeof text, file);
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(code, NULL);
    size_t *found = pcre2_get_ovector_pointer(match);
    for (at = 0; pcre2_match(code, text, size, at, 0, match, NULL) > 0; at = found[1])
        printf("%zu %.*s\n", found[0], (int)(found[1] - found[0]), text + found[0]);
    return 0;
}
