/* Where the parts of crunw are. They are found from where this program lies, so that an
 * installation can be in any prefix or virtual environment. The kernel says where that is: argv[0]
 * and PATH are the caller's and are not looked at. */
#define _GNU_SOURCE
#include "installation.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

/* In the environment of the program that a copy becomes, so that it does not become another. */
#define FORWARDED "CRUNW_FORWARDED"

/* Where CMake and pip put the package below a prefix, the latter for CRUNW_PYTHON_NAME. */
static const char *const libraries[] = {
    "lib/crunw/crunw/lib",
    "lib/" CRUNW_PYTHON_NAME "/site-packages/crunw/lib",
    "lib64/" CRUNW_PYTHON_NAME "/site-packages/crunw/lib",
    "lib/" CRUNW_PYTHON_NAME "/dist-packages/crunw/lib",
    "crunw/lib", /* pip install --target */
};

/* The installations that a copy of this program looks for. */
static const char *const prefixes[] = {CRUNW_PREFIXES};

void die(const char *format, ...) {
    va_list arguments;
    fputs("crunw: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void set_path(char path[static PATH_MAX], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, PATH_MAX, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= PATH_MAX) {
        die("%s", strerror(ENAMETOOLONG));
    }
}

/* Cuts a path's last component off; "" is the root directory. */
// cppcheck-suppress constParameterPointer ; strrchr makes a pointer to what is written out of it
static void cut(char *path) {
    char *slash = strrchr(path, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
}

/* The prefix of this program, the parent of its directory; false without /proc. */
static bool find_prefix(char prefix[static PATH_MAX]) {
    ssize_t length = readlink(SELF, prefix, PATH_MAX - 1);
    if (length < 0) {
        return false;
    }
    prefix[length] = '\0';
    cut(prefix);
    cut(prefix);
    return true;
}

/* Whether only root and the owner of this program decide what is in a directory: a copy in /tmp/a
 * must not take what anybody can put into /tmp/lib. */
static bool is_trusted(const char *directory) {
    struct stat found;
    struct stat self = {.st_uid = 0};
    if (stat(directory[0] == '\0' ? "/" : directory, &found) < 0) {
        return false;
    }
    (void)stat(SELF, &self);
    return (found.st_uid == 0 || found.st_uid == self.st_uid) && (found.st_mode & S_IWOTH) == 0;
}

/* The portable archive's own interpreter, with its loader and C library; a virtual environment's,
 * else the one that crunw was built for. */
static void choose_interpreter(struct installation *installation, const char *prefix) {
    set_path(installation->loader, "%s/lib/crunw/lib/ld.so", prefix);
    if (access(installation->loader, X_OK) == 0) {
        set_path(installation->shared, "%s/lib/crunw/lib", prefix);
        set_path(installation->interpreter, "%s/lib/crunw/bin/" CRUNW_PYTHON_NAME, prefix);
        return;
    }
    installation->loader[0] = '\0';
    set_path(installation->interpreter, "%s/bin/" CRUNW_PYTHON_NAME, prefix);
    if (access(installation->interpreter, X_OK) < 0) {
        set_path(installation->interpreter, "%s", CRUNW_PYTHON);
    }
}

/* Looks for the package below a prefix. */
static bool look_below(struct installation *installation, const char *prefix) {
    if (!is_trusted(prefix)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
        char boot[PATH_MAX];
        set_path(installation->library, "%s/%s", prefix, libraries[i]);
        set_path(boot, "%s/boot.bin", installation->library);
        if (access(boot, F_OK) == 0) {
            choose_interpreter(installation, prefix);
            return true;
        }
    }
    return false;
}

/* Becomes the `crunw` below a prefix: a copy may be of another version than what is installed. */
static void forward(const char *prefix, char **argv) {
    char program[PATH_MAX];
    set_path(program, "%s/bin/crunw", prefix);
    setenv(FORWARDED, "1", 1);
    execv(program, argv);
    unsetenv(FORWARDED);
}

void find_installation(struct installation *installation, char **argv) {
    char own[PATH_MAX] = "";
    bool is_known = find_prefix(own);
    bool was_forwarded = getenv(FORWARDED) != NULL;
    unsetenv(FORWARDED);
    if (is_known && look_below(installation, own)) {
        return;
    }
    for (size_t i = 0; !was_forwarded && i < sizeof(prefixes) / sizeof(*prefixes); i++) {
        if (!look_below(installation, prefixes[i])) {
            continue;
        }
        if (!is_known) { /* which of them this is isn't known */
            return;
        }
        forward(prefixes[i], argv);
    }
    if (!is_known) {
        die(SELF ": is not there (mount /proc)");
    }
    die("%s/: no package crunw for " CRUNW_PYTHON_NAME " below it, and no installation in %s that "
        "this copy could start (install crunw)",
        own, CRUNW_PREFIX_NAMES);
}
