/* crunw: does what launcher.h offers itself, for all else starts the interpreter that this
 * installation was built for, isolated and without `site`, on boot.py. Where the package lies is
 * found from where this program lies, so that an installation can be in any prefix or virtual
 * environment. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher.h"

/* Below the directory of the package. */
#define BOOT "crunw/lib/boot.pyc"
#define STUB "crunw/lib/libLLVM-stub.so"

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
    char *end = strrchr(directory, '/');
    *end = '\0';
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

/* Runs `crunw` with these arguments in Python; `creates`: crunw-init will be needed. */
__attribute__((noreturn)) static void run_python(bool creates, int count, char **words) {
    char program_directory[PATH_MAX];
    char package_directory[PATH_MAX];
    char boot[PATH_MAX];
    char beside[PATH_MAX];
    char init[PATH_MAX];
    char stub[PATH_MAX];
    find_program(program_directory);
    find_package(package_directory, program_directory);
    const char *interpreter = find_interpreter(beside, program_directory);
    set_path(boot, "%s/" BOOT, package_directory);

    char init_word[SPAWN_WORD_BYTES];
    const char *first[] = {interpreter, "-I", "-S", boot, init_word};
    size_t first_count = sizeof(first) / sizeof(*first);
    set_path(init, "%s/crunw-init", program_directory);
    set_path(stub, "%s/" STUB, package_directory);
    if (!creates || !spawn_init(init, hint_wasm(count, words) ? stub : NULL, init_word)) {
        first_count--;
    }
    char **arguments = calloc(first_count + (size_t)count + 1, sizeof(*arguments));
    if (arguments == NULL) {
        die("%s", strerror(errno));
    }
    memcpy(arguments, first, first_count * sizeof(*first));
    memcpy(arguments + first_count, words, (size_t)count * sizeof(*arguments));
    execv(interpreter, arguments);
    die("execute %s: %s", interpreter, strerror(errno));
}

/* Does what can be done without Python; false: nothing. */
static bool do_verb(const struct command *command, int *status, int *report) {
    char path[PATH_MAX];
    set_path(path, "%s/%s", command->root, command->id);
    int directory = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0) {
        return false;
    }
    if (strcmp(command->verb, "state") == 0) {
        return verb_state(command, directory, status);
    }
    if (strcmp(command->verb, "start") == 0) {
        return verb_start(command, directory, status, report);
    }
    if (strcmp(command->verb, "kill") == 0) {
        return verb_kill(command, directory, status);
    }
    return strcmp(command->verb, "delete") == 0 && verb_delete(command, directory, status);
}

int main(int argc, char **argv) {
    struct command command;
    char number[16];
    char report_verb[] = "report";
    int status = EXIT_FAILURE;
    int report = -1;
    prepare_process();
    bool creates = command_creates(argc, argv);
    if (command_parse(&command, argc, argv) && do_verb(&command, &status, &report)) {
        if (report < 0) {
            return status;
        }
        /* The caller's global options, then the internal verb that prints the reports. */
        snprintf(number, sizeof(number), "%d", report);
        argv[command.verb_index] = report_verb;
        argv[command.verb_index + 2] = number; /* behind the id: where the list ends */
        argc = command.verb_index + 3;
    }
    run_python(creates, argc > 1 ? argc - 1 : 0, argv + 1);
}
