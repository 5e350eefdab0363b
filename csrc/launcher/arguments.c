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

/* Whether `word` is the option `name`, with or without a value after "=". */
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
        if (equals == NULL && is_one_of(word, length, without_value)) {
            command->debug = command->debug || strcmp(word, "--debug") == 0;
            continue;
        }
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
    OWNED int map = geteuid() == 0 ? open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC) : -1;
    if (map < 0)
        return false;
    ssize_t got = TEMP_FAILURE_RETRY(read(map, text, sizeof text - 1));
    return got > 0 && strtoul(next, &next, 10) == 0 && strtoul(next, &next, 10) == 0 &&
           strtoul(next, &next, 10) == UINT32_MAX;
}

/* False: Python is to find it. */
static bool find_root(struct command *command) {
    if (command->root == NULL && is_host_root())
        command->root = DEFAULT_ROOT;
    return command->root != NULL && command->root[0] != '\0';
}

bool command_parse(struct command *command, int argc, char **argv) {
    *command = (struct command){0};
    int at = parse_globals(command, argc, argv);
    if (at == 0 || at >= argc || !find_root(command))
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

/* How many words an option at `words` takes with its value; 0: it is another, or has none. */
static int option_words(char **words, const char *name, const char *letter, const char **value) {
    size_t length = strlen(name);
    if (strncmp(words[0], name, length) == 0 && words[0][length] == '=') {
        *value = words[0] + length + 1;
        return 1;
    }
    *value = words[1];
    if (words[1] == NULL)
        return 0;
    return strcmp(words[0], name) == 0 || (letter != NULL && strcmp(words[0], letter) == 0) ? 2 : 0;
}

/* The words that an option of `exec` takes; 0: it is not one of those. */
static int exec_option(struct exec *exec, const char **variables, char **words) {
    const struct {
        const char *name;
        const char *letter;
        const char **value;
    } options[] = {{"--env", "-e", &variables[exec->variable_count]},
                   {"--cwd", NULL, &exec->cwd},
                   {"--process", "-p", &exec->process},
                   {"--pid-file", NULL, &exec->pid_file}};
    if (strcmp(words[0], "--detach") == 0 || strcmp(words[0], "-d") == 0) {
        exec->detach = true;
        return 1;
    }
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const char *value = NULL;
        int count = option_words(words, options[i].name, options[i].letter, &value);
        if (count == 0)
            continue;
        *options[i].value = value;
        exec->variable_count += i == 0;
        /* An empty path or a relative directory is Python's to judge. */
        return i == 0 || (i == 1 ? value[0] == '/' : value[0] != '\0') ? count : 0;
    }
    return 0;
}

bool exec_parse(struct exec *exec, int argc, char **argv) {
    struct command command = {0};
    int at = parse_globals(&command, argc, argv);
    if (at == 0 || at >= argc || strcmp(argv[at], "exec") != 0 || command.debug ||
        !find_root(&command))
        return false;
    const char **variables = calloc((size_t)argc, sizeof *variables);
    if (variables == NULL)
        return false;
    *exec = (struct exec){.root = command.root, .variables = variables};
    at++;
    while (at < argc && argv[at][0] == '-') {
        int words = exec_option(exec, variables, argv + at);
        if (words == 0)
            return false;
        at += words;
    }
    if (at >= argc || !plain(argv[at]) || (at + 1 < argc) == (exec->process != NULL))
        return false;
    /* The file says all of the process. */
    if (exec->process != NULL && (exec->cwd != NULL || exec->variable_count > 0))
        return false;
    exec->id = argv[at];
    exec->words = (const char *const *)argv + at + 1;
    exec->word_count = (size_t)(argc - at - 1);
    return true;
}
