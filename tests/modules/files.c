/* What a WASI program sees: `files COMMAND [PATH…]`, a line for each path.
 *
 *   read PATH    its content, or the error      write PATH   writes "written\n"
 *   args         the arguments                  env          the environment
 *   cwd          getcwd                         cat          copies stdin to stdout */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void copy(FILE *from) {
    char buffer[4096];
    size_t length;
    while ((length = fread(buffer, 1, sizeof(buffer), from)) > 0)
        fwrite(buffer, 1, length, stdout);
}

static int each(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    if (!file) {
        printf("%s: %s\n", path, strerror(errno));
        return 1;
    }
    if (*mode == 'r')
        copy(file);
    else
        fputs("written\n", file);
    return fclose(file) != 0;
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "args";
    int failed = 0;
    for (int index = 2; index < argc && strcmp(command, "args") != 0; index++)
        failed |= each(argv[index], command[0] == 'r' ? "r" : "w");
    for (int index = 0; index < argc && strcmp(command, "args") == 0; index++)
        puts(argv[index]);
    for (char **entry = environ; *entry && strcmp(command, "env") == 0; entry++)
        puts(*entry);
    if (strcmp(command, "cwd") == 0) {
        char directory[4096];
        puts(getcwd(directory, sizeof(directory)) ? directory : strerror(errno));
    }
    if (strcmp(command, "cat") == 0)
        copy(stdin);
    return failed;
}
