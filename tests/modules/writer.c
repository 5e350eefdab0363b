/* Tries to change what is in the directory "data" in every way that WASI has; a line for each way
 * that worked. There are data/file, data/other and the directory data/sub. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void tried(const char *what, int result) {
    if (result >= 0)
        puts(what);
}

int main(void) {
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    char byte;
    int file = open("data/file", O_RDONLY);
    int sub = open("data/sub", O_RDONLY | O_DIRECTORY);
    tried("read", file < 0 ? -1 : (int)read(file, &byte, 1));
    tried("list", sub);
    tried("write", (int)write(file, "x", 1));
    tried("ftruncate", ftruncate(file, 0));
    tried("futimens", futimens(file, times));
    tried("open O_WRONLY", open("data/file", O_WRONLY));
    tried("open O_RDWR", open("data/file", O_RDWR));
    tried("create", open("data/new", O_WRONLY | O_CREAT, 0644));
    tried("create O_RDONLY", open("data/new", O_RDONLY | O_CREAT, 0644));
    tried("create below", openat(sub, "new", O_WRONLY | O_CREAT, 0644));
    tried("mkdir", mkdir("data/new", 0755));
    tried("mkdir below", mkdirat(sub, "new", 0755));
    tried("rmdir", rmdir("data/sub"));
    tried("symlink", symlink("file", "data/new"));
    tried("link", link("data/other", "data/new"));
    tried("link out", link("data/other", "open/new"));
    tried("rename", rename("data/other", "data/new"));
    tried("rename out", rename("data/other", "open/new"));
    tried("rename in", rename("open/file", "data/new"));
    tried("utimensat", utimensat(AT_FDCWD, "data/file", times, 0));
    tried("unlink", unlink("data/other"));
    return 0;
}
