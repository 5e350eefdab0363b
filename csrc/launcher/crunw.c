/* crunw: starts the interpreter that this installation was built for, isolated and without `site`,
 * on boot.py. Where the package lies is found from where this program lies, so that an
 * installation can be in any prefix or virtual environment. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Below the directory of the package. */
#define BOOT "crunw/lib/boot.pyc"

/* Where pip and CMake put packages below a prefix, for the interpreter CRUNW_PYTHON_NAME. */
static const char *const package_directories[] = {
    "lib/" CRUNW_PYTHON_NAME "/site-packages",
    "lib64/" CRUNW_PYTHON_NAME "/site-packages",
    "lib/" CRUNW_PYTHON_NAME "/dist-packages",
    "lib/python3/dist-packages",
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...) {
    va_list arguments;
    fputs("crunw: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

__attribute__((format(printf, 2, 3))) static void set_path(char path[static PATH_MAX],
                                                           const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, PATH_MAX, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= PATH_MAX) {
        die("%s", strerror(ENAMETOOLONG));
    }
}

/* The directory of this program. */
static void find_program(char directory[static PATH_MAX]) {
    ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX - 1);
    if (length < 0) {
        die("readlink /proc/self/exe: %s", strerror(errno));
    }
    directory[length] = '\0';
    *strrchr(directory, '/') = '\0';
}

/* The directory that holds the package: below the parent of the program's directory. */
static void find_package(char directory[static PATH_MAX], const char *program_directory) {
    for (size_t i = 0; i < sizeof(package_directories) / sizeof(*package_directories); i++) {
        char file[PATH_MAX];
        const char *end = strrchr(program_directory, '/');
        int prefix_length = (int)(end - program_directory);
        set_path(directory, "%.*s/%s", prefix_length, program_directory, package_directories[i]);
        set_path(file, "%s/" BOOT, directory);
        if (access(file, F_OK) == 0) {
            return;
        }
    }
    die("no Python package crunw for " CRUNW_PYTHON_NAME " was installed with %s/crunw",
        program_directory);
}

/* A virtual environment's own interpreter, else the one that crunw was built for. */
static const char *find_interpreter(char path[static PATH_MAX], const char *program_directory) {
    set_path(path, "%s/" CRUNW_PYTHON_NAME, program_directory);
    return access(path, X_OK) == 0 ? path : CRUNW_PYTHON;
}

int main(int argc, char **argv) {
    char program_directory[PATH_MAX];
    char package_directory[PATH_MAX];
    char boot[PATH_MAX];
    char beside[PATH_MAX];
    find_program(program_directory);
    find_package(package_directory, program_directory);
    const char *interpreter = find_interpreter(beside, program_directory);
    set_path(boot, "%s/" BOOT, package_directory);

    const char *const first[] = {interpreter, "-I", "-S", boot};
    const size_t first_count = sizeof(first) / sizeof(*first);
    const size_t rest_count = argc > 1 ? (size_t)argc - 1 : 0;
    char **arguments = calloc(first_count + rest_count + 1, sizeof(*arguments));
    if (arguments == NULL) {
        die("%s", strerror(errno));
    }
    memcpy(arguments, first, sizeof(first));
    if (rest_count > 0) {
        memcpy(arguments + first_count, argv + 1, rest_count * sizeof(*arguments));
    }
    execv(interpreter, arguments);
    die("execute %s: %s", interpreter, strerror(errno));
}
