/* `state`, `start`, `kill` and `delete` of a container in the status that they are meant for. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../plan.h"
#include "launcher.h"

/* Everything that a state directory holds; the lock goes last: a process that waits for it finds it
 * gone. */
static const char *const files[] = {STATE_FILES};

static bool exists(int directory, const char *name) {
    return faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_missing(int directory, const char *name) {
    return !exists(directory, name) && errno == ENOENT;
}

/* Takes the lock until the end of this process, also by exec. */
static bool lock(int directory) {
    struct stat status;
    int file = openat(directory, STATE_LOCK, O_RDWR | O_CLOEXEC);
    return file >= 0 && TEMP_FAILURE_RETRY(flock(file, LOCK_EX)) == 0 &&
           fstat(file, &status) == 0 && status.st_nlink > 0;
}

/* False: it can't be found out. */
static bool find_frozen(const struct record *record, bool *frozen) {
    char text[64];
    *frozen = false;
    if (record->freezer[0] == '\0')
        return true;
    OWNED int file = open(record->freezer, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT;
    ssize_t got = TEMP_FAILURE_RETRY(read(file, text, sizeof text));
    size_t length = strlen(record->thawed);
    *frozen = got != (ssize_t)length + 1 || memcmp(text, record->thawed, length) != 0;
    return got > 0;
}

bool record_thawed(const struct record *record) {
    bool frozen;
    return find_frozen(record, &frozen) && !frozen;
}

/* NULL: it can't be found out. */
static const char *current(const struct record *record, int directory) {
    enum life life = process_life(record);
    if (life != LIFE_RUNS)
        return life == LIFE_ENDED ? "stopped" : NULL;
    if (exists(directory, STATE_START))
        return "created";
    bool frozen;
    if (!is_missing(directory, STATE_START) || !find_frozen(record, &frozen))
        return NULL;
    return frozen ? "paused" : "running";
}

bool verb_state(const struct command *command, int directory, int *status) {
    static struct record record;
    char *text;
    (void)command;
    if (!is_missing(directory, STATE_NOTICES) || !record_read(&record, directory))
        return false;
    const char *now = current(&record, directory);
    if (now == NULL)
        return false;
    uint64_t pid = strcmp(now, "stopped") == 0 ? 0 : record.pid;
    int length = asprintf(&text, "%s%" PRIu64 "%s%s%s\n", record.before_pid, pid,
                          record.before_status, now, record.after_status);
    if (length < 0)
        return false;
    bool written = write_all(STDOUT_FILENO, text, (size_t)length);
    if (!written && errno != EPIPE)
        dprintf(STDERR_FILENO, "crunw: write standard output: %s\n", strerror(errno));
    *status = written ? EXIT_SUCCESS : EXIT_FAILURE;
    return true;
}

/* 0: not one that engines send, or not known here. */
static int signal_number(const char *name) {
    static const struct {
        const char *name;
        int number;
    } known[] = {{"KILL", SIGKILL}, {"TERM", SIGTERM}, {"INT", SIGINT},   {"HUP", SIGHUP},
                 {"QUIT", SIGQUIT}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"WINCH", SIGWINCH}};
    if (name == NULL)
        return SIGTERM;
    if (name[0] >= '1' && name[0] <= '9') {
        char *end;
        long number = strtol(name, &end, 10);
        return *end == '\0' && number <= SIGRTMAX ? (int)number : 0;
    }
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i].number;
    return 0;
}

bool verb_kill(const struct command *command, int directory, int *status) {
    static struct record record;
    int number = signal_number(command->signal);
    if (number == 0 || !record_read(&record, directory))
        return false;
    /* What is frozen on cgroup v1 does not end; without a pid namespace there are others to end. */
    if (number == SIGKILL && (!record_thawed(&record) || (record.hooks & FAST_SHARED_PIDS) != 0))
        return false;
    OWNED int process = (int)syscall(SYS_pidfd_open, (pid_t)record.pid, 0);
    if (process < 0)
        return false;
    /* Looked at again now that the pid can't be given to another process. */
    bool sent = process_life(&record) == LIFE_RUNS &&
                syscall(SYS_pidfd_send_signal, process, number, NULL, 0) == 0;
    *status = EXIT_SUCCESS;
    return sent;
}

/* Adds what has failed here, with errno, to the reports: as crunw-init would (plan.h). */
static bool add_error(int report, const char *operation, const char *path) {
    struct writer record = {0};
    uint64_t number = (uint64_t)errno;
    put_u32(&record, REPORT_ERROR);
    put_u32(&record, 0); /* the payload's size, known in the end */
    size_t payload = record.size;
    put_string(&record, "start");
    put_string(&record, operation);
    put_string(&record, path);
    put_u64(&record, number);
    put_string(&record, ""); /* errno says it all */
    patch_u32(&record, payload - sizeof(uint32_t), record.size - payload);
    bool added = !record.failed && write_all(report, record.data, record.size);
    free(record.data);
    return added;
}

/* Copies what the process reports until its program runs into `report`; false: not all of it. */
static bool keep_report(int started, int report) {
    char data[8192];
    ssize_t got;
    while ((got = TEMP_FAILURE_RETRY(read(started, data, sizeof data))) > 0)
        if (!write_all(report, data, (size_t)got))
            return false;
    return got == 0;
}

/* Lets the process go on and hears what it reports; false: what has failed can't be reported. */
static bool let_go(int go, int started, int report) {
    if (write(go, "g", 1) != 1)
        return add_error(report, "write", STATE_START);
    return keep_report(started, report) || add_error(report, "read", STATE_STARTED);
}

/* Has the module compiled after the start where `create` has left that to do; false: Python is to
 * say why not. Not by `create`: conmon would inherit the compiler, and wait for it when the
 * container has ended. */
static bool compile_later(const struct command *command, const char *later, int directory) {
    char path[PATH_MAX];
    pid_t pid;
    int status = -1;
    if (is_missing(directory, STATE_LATER))
        return true;
    int length = snprintf(path, sizeof path, "%s/%s/" STATE_LATER, command->root, command->id);
    if (length >= (int)sizeof path)
        return false;
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    char *words[] = {(char *)later, "--from", path, NULL};
    bool spawned =
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
        posix_spawn(&pid, later, &actions, NULL, words, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    return spawned && TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) == pid && status == 0 &&
           unlinkat(directory, STATE_LATER, 0) == 0;
}

bool verb_start(const struct command *command, const char *later, int directory, int *status,
                int *report) {
    static struct record record;
    if (!lock(directory) || !record_read(&record, directory) ||
        (record.hooks & FAST_POSTSTART) != 0)
        return false;
    const char *now = current(&record, directory);
    if (now == NULL || strcmp(now, "created") != 0 || !compile_later(command, later, directory))
        return false;
    int started = openat(directory, STATE_STARTED, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    OWNED int go = openat(directory, STATE_START, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    int kept = memfd_create("report", 0);
    /* The FIFO goes first: where it can't, the container would stay "created" though it runs. */
    if (started < 0 || go < 0 || kept < 0 || fcntl(started, F_SETFL, 0) < 0 ||
        unlinkat(directory, STATE_START, 0) < 0)
        return false;
    /* From here on Python can't do it in this one's place, but it can report what has failed. */
    signal(SIGPIPE, SIG_IGN);
    off_t reported = let_go(go, started, kept) ? lseek(kept, 0, SEEK_CUR) : -1;
    if (reported < 0 || lseek(kept, 0, SEEK_SET) < 0) {
        dprintf(STDERR_FILENO, "crunw: start: keep the reports: %s\n", strerror(errno));
        *status = EXIT_FAILURE;
        return true;
    }
    unlinkat(directory, STATE_STARTED, 0); /* `delete` removes it where this can't */
    if (reported > 0)
        *report = kept;
    *status = EXIT_SUCCESS;
    return true;
}

/* Removes the cgroup's directories, which must be empty. */
static bool remove_cgroup(const char *directories) {
    char path[4096];
    const char *end;
    for (; (end = strchr(directories, '\n')) != NULL; directories = end + 1) {
        size_t length = (size_t)(end - directories);
        if (length >= sizeof path)
            return false;
        memcpy(path, directories, length);
        path[length] = '\0';
        if (rmdir(path) < 0 && errno != ENOENT)
            return false;
    }
    return true;
}

bool verb_delete(const struct command *command, int directory, int *status) {
    static struct record record;
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", command->root, command->id);
    if (length >= (int)sizeof path || !lock(directory) || !record_read(&record, directory) ||
        (record.hooks & FAST_POSTSTOP) != 0 || process_life(&record) != LIFE_ENDED ||
        !remove_cgroup(record.directories))
        return false;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (unlinkat(directory, files[i], 0) < 0 && errno != ENOENT)
            return false;
    *status = EXIT_SUCCESS;
    return rmdir(path) == 0;
}
