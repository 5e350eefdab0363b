/* The command lines that engines use: [--root DIR] [other global options] VERB [--force] ID
 * [SIGNAL] */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher.h"

#define DEFAULT_ROOT "/run/crunw"

static const char *const with_value[] = {"--root",           "--log",      "--log-format",
                                         "--cgroup-manager", "--rootless", NULL};
static const char *const without_value[] = {"--debug", "--systemd-cgroup", NULL};

static bool is_one_of(const char *word, size_t length, const char *const *list) {
    for (; *list != NULL; list++)
        if (strlen(*list) == length && memcmp(*list, word, length) == 0)
            return true;
    return false;
}

/* Whether `word` is the option `name`, with or without a value behind "=". */
static bool is_option(const char *word, size_t length, const char *name) {
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

/* Reads the global options; returns the index of the verb, 0 for an option that is not known. */
static int parse_globals(struct command *command, int argc, char **argv) {
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *word = argv[at];
        const char *equals = strchr(word, '=');
        size_t length = equals != NULL ? (size_t)(equals - word) : strlen(word);
        if (equals == NULL && is_one_of(word, length, without_value))
            continue;
        if (!is_one_of(word, length, with_value))
            return 0;
        const char *value = equals != NULL ? equals + 1 : argv[++at];
        if (value == NULL)
            return 0;
        if (is_option(word, length, "--root"))
            command->root = value;
        if (is_option(word, length, "--log"))
            command->log = value;
    }
    return at;
}

/* Any of the words, and one too many, that ask for descriptors of the caller. */
static bool passes_descriptors(int count, char **words) {
    for (int at = 0; at < count; at++)
        if (strstr(words[at], "-preserve-fds") != NULL)
            return true;
    return getenv("LISTEN_FDS") != NULL;
}

bool command_creates(int argc, char **argv) {
    static const char *const verbs[] = {"create", "run", NULL};
    struct command ignored = {0};
    int at = parse_globals(&ignored, argc, argv);
    return at > 0 && at + 1 < argc && is_one_of(argv[at], strlen(argv[at]), verbs) &&
           !passes_descriptors(argc - at, argv + at);
}

static bool plain(const char *word) {
    return word[0] != '-' && word[0] != '.' && word[0] != '\0' && strchr(word, '/') == NULL;
}

/* Not an ordinary user, and not root of a user namespace, as crunw.paths has it. */
static bool is_host_root(void) {
    char text[64] = "";
    char *next = text;
    int map = geteuid() == 0 ? open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC) : -1;
    if (map < 0)
        return false;
    ssize_t got = TEMP_FAILURE_RETRY(read(map, text, sizeof text - 1));
    close(map);
    return got > 0 && strtoul(next, &next, 10) == 0 && strtoul(next, &next, 10) == 0 &&
           strtoul(next, &next, 10) == UINT32_MAX;
}

bool command_parse(struct command *command, int argc, char **argv) {
    *command = (struct command){0};
    int at = parse_globals(command, argc, argv);
    if (command->root == NULL && is_host_root())
        command->root = DEFAULT_ROOT;
    if (at == 0 || at >= argc || command->root == NULL || command->root[0] == '\0')
        return false;
    command->verb_index = at;
    command->verb = argv[at++];
    if (strcmp(command->verb, "delete") == 0 && at < argc &&
        (strcmp(argv[at], "--force") == 0 || strcmp(argv[at], "-f") == 0)) {
        command->force = true;
        at++;
    }
    if (at >= argc || !plain(argv[at]))
        return false;
    command->id = argv[at++];
    if (strcmp(command->verb, "kill") == 0 && at < argc && plain(argv[at]))
        command->signal = argv[at++];
    return at == argc;
}
