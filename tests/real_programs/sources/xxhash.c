/* Prints three hashes of each 64 KB of standard input. */
#include <stdio.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

int main(void) {
    static unsigned char part[1 << 16];
    for (size_t size; (size = fread(part, 1, sizeof part, stdin)) > 0;) {
        XXH128_hash_t both = XXH3_128bits(part, size);
        printf("%08x %016llx %016llx%016llx\n", XXH32(part, size, 0),
               (unsigned long long)XXH64(part, size, 0), (unsigned long long)both.high64,
               (unsigned long long)both.low64);
    }
    return 0;
}
