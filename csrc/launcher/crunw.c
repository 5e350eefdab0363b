/* crunw: does what launcher.h offers itself, for all else starts the interpreter that this
 * installation was built for, isolated and without `site`, on boot.py. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "installation.h"
#include "launcher.h"

/* Writes what starts the interpreter; returns how many words that are. A loader leaves the host's
 * cache of libraries alone, which is another C library's. */
enum { LOADER_WORDS = 6 };
static size_t put_interpreter(const struct installation *installation,
                              const char *words[static LOADER_WORDS + 1]) {
    const char *interpreter = installation->interpreter;
    const char *all[LOADER_WORDS + 1] = {installation->loader, "--inhibit-cache", "--library-path",
                                         installation->shared, "--argv0",         interpreter,
                                         interpreter};
    size_t skipped = installation->loader[0] == '\0' ? LOADER_WORDS : 0;
    memcpy(words, all + skipped, sizeof(all) - skipped * sizeof(*all));
    return LOADER_WORDS + 1 - skipped;
}

/* Runs `crunw` with these arguments in Python; `creates`: crunw-init will be needed. */
__attribute__((noreturn)) static void run_python(const struct installation *installation,
                                                 bool creates, int count, char **words) {
    char boot[PATH_MAX];
    char init[PATH_MAX];
    char stub[PATH_MAX];
    char init_word[SPAWN_WORD_BYTES];
    set_path(boot, "%s/boot.bin", installation->library);
    set_path(init, "%s/crunw-init", installation->library);
    set_path(stub, "%s/libLLVM-stub.so", installation->library);
    const char *first[LOADER_WORDS + 5];
    size_t first_count = put_interpreter(installation, first);
    first[first_count++] = "-I";
    first[first_count++] = "-S";
    first[first_count++] = boot;
    first[first_count++] = init_word;
    if (!creates || !spawn_init(init, hint_wasm(count, words) ? stub : NULL, init_word)) {
        first_count--;
    }
    char **arguments = calloc(first_count + (size_t)count + 1, sizeof(*arguments));
    if (arguments == NULL) {
        die("%s", strerror(errno));
    }
    memcpy(arguments, first, first_count * sizeof(*first));
    memcpy(arguments + first_count, words, (size_t)count * sizeof(*arguments));
    execv(first[0], arguments);
    die("execute %s: %s (crunw was built for this Python: install it, or install crunw again)",
        first[0], strerror(errno));
}

/* Creates the log, which is empty where there is nothing to report; false: Python is to see to it.
 */
static bool create_log(const char *path) {
    if (path == NULL)
        return true;
    OWNED int file = strchr(path, ':') == NULL
                         ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)
                         : -1; /* syslog:ID and others */
    return file >= 0;
}

/* Does what can be done without Python; false: nothing. */
static bool do_verb(const struct installation *installation, const struct command *command,
                    int *status, int *report) {
    char path[PATH_MAX];
    char later[PATH_MAX];
    set_path(path, "%s/%s", command->root, command->id);
    set_path(later, "%s/crunw-later", installation->library);
    int directory = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0 || !create_log(command->log)) {
        return false;
    }
    if (strcmp(command->verb, "state") == 0) {
        return verb_state(command, directory, status);
    }
    if (strcmp(command->verb, "start") == 0) {
        return verb_start(command, later, directory, status, report);
    }
    if (strcmp(command->verb, "kill") == 0) {
        return verb_kill(command, directory, status);
    }
    return strcmp(command->verb, "delete") == 0 && verb_delete(command, directory, status);
}

static bool do_exec(const struct installation *installation, int argc, char **argv, int *status) {
    struct exec exec;
    char init[PATH_MAX];
    set_path(init, "%s/crunw-init", installation->library);
    return exec_parse(&exec, argc, argv) && verb_exec(&exec, init, status);
}

int main(int argc, char **argv) {
    static struct installation installation;
    static char number[16];
    static char report_verb[] = "report";
    struct command command;
    int status = EXIT_FAILURE;
    int report = -1;
    prepare_process();
    find_installation(&installation, argv);
    if (do_exec(&installation, argc, argv, &status)) {
        return status;
    }
    bool creates = command_creates(argc, argv);
    if (command_parse(&command, argc, argv) && do_verb(&installation, &command, &status, &report)) {
        if (report < 0) {
            return status;
        }
        /* The caller's global options, then the internal verb that prints the reports. */
        snprintf(number, sizeof(number), "%d", report);
        argv[command.verb_index] = report_verb;
        argv[command.verb_index + 2] = number; /* after the id: where the list ends */
        argc = command.verb_index + 3;
    }
    run_python(&installation, creates, argc > 1 ? argc - 1 : 0, argv + 1);
}
