/* `exec` as probes call it, of a native program or of one module, without the interpreter: `exec
 * [--env N=V]…
 * [--cwd DIR] ID COMMAND…`, or `exec --process FILE ID` with a file that differs from an earlier
 * one in its "args" alone, either with --pid-file and --detach. The plan is what Python made and
 * left in a file of the state directory (crunw/plan/exec_recipe.py) when it ran the first
 * one; what differs from call to call is put in here. Whatever is not this case, or fails before
 * the program runs, is Python's to do from the beginning: nothing has happened by then that can't
 * happen again. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../plan.h"
#include "launcher.h"

#define MAX_BYTES (1 << 20)
#define MAX_PROCESS_BYTES (256 << 10)
#define DEFAULT_PATH "/bin:/usr/bin" /* execvp(3) */

/* The file "exec", or "exec.process" with what is before and after the value of "args" in the
 * process file:
 *
 *   4 bytes "CRWX" | u32 version | u32 plan version | u flags | u namespaces to enter
 *   | u records in the plan | b before NS_ENTER_PIDFD | b before CWD | b before PROCESS
 *   | b after it | s cwd | S environment | b text before the arguments | b text after them
 *   | s absolute path of a module ("": the plan is a native program's)
 *   | u device, u inode, u size, u ns of the last change of content, u ns of any, of its file
 *
 * with the types of plan.h; each b is whole records. The plan of a module names its compiled code,
 * and is for "/" as working directory. */
enum { PIECES = 4 };
enum { DEVICE, INODE, SIZE, CONTENT_CHANGED, CHANGED, IDENTITY };
struct recipe {
    struct bytes {
        const char *data;
        size_t size;
    } pieces[PIECES];
    uint64_t flags;
    uint64_t namespaces;
    uint64_t records;
    const char *cwd;
    const char **environment; /* NULL-terminated, with room for what is added */
    size_t variables;
    struct bytes before;
    struct bytes after;
    const char *module;
    uint64_t identity[IDENTITY];
};

struct reader {
    const char *next;
    size_t left;
};

static bool take(struct reader *reader, void *value, size_t size) {
    if (reader->left < size)
        return false;
    memcpy(value, reader->next, size);
    reader->next += size;
    reader->left -= size;
    return true;
}

static bool take_u32(struct reader *reader, uint32_t *value) {
    if (!take(reader, value, sizeof *value))
        return false;
    *value = le32toh(*value);
    return true;
}

static bool take_u64(struct reader *reader, uint64_t *value) {
    if (!take(reader, value, sizeof *value))
        return false;
    *value = le64toh(*value);
    return true;
}

static bool take_bytes(struct reader *reader, struct bytes *bytes) {
    uint32_t size;
    if (!take_u32(reader, &size) || reader->left < size)
        return false;
    *bytes = (struct bytes){.data = reader->next, .size = size};
    reader->next += size;
    reader->left -= size;
    return true;
}

static bool take_string(struct reader *reader, const char **string) {
    struct bytes bytes;
    if (!take_bytes(reader, &bytes) || reader->left == 0 || *reader->next != '\0' ||
        memchr(bytes.data, '\0', bytes.size) != NULL)
        return false;
    *string = bytes.data;
    reader->next++;
    reader->left--;
    return true;
}

/* The whole of a regular file, in memory that lives until the end. */
static bool read_whole(int directory, const char *name, off_t most, struct reader *reader) {
    struct stat status;
    OWNED int file = openat(directory, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char *data = NULL;
    ssize_t got = -1;
    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size < most)
        data = malloc((size_t)status.st_size + 1);
    if (data != NULL)
        got = TEMP_FAILURE_RETRY(read(file, data, (size_t)status.st_size + 1));
    if (got < 0 || got != status.st_size)
        return false;
    *reader = (struct reader){.next = data, .left = (size_t)got};
    return true;
}

static bool parse_recipe(struct recipe *recipe, int directory, const char *name, size_t more) {
    struct reader reader;
    char magic[4];
    uint32_t version;
    uint32_t plan_version;
    uint32_t count;
    if (!read_whole(directory, name, MAX_BYTES, &reader) || !take(&reader, magic, sizeof magic) ||
        memcmp(magic, RECIPE_MAGIC, sizeof magic) != 0 || !take_u32(&reader, &version) ||
        version != RECIPE_VERSION || !take_u32(&reader, &plan_version) ||
        plan_version != PLAN_VERSION || !take_u64(&reader, &recipe->flags) ||
        !take_u64(&reader, &recipe->namespaces) || !take_u64(&reader, &recipe->records))
        return false;
    for (int i = 0; i < PIECES; i++)
        if (!take_bytes(&reader, &recipe->pieces[i]))
            return false;
    if (!take_string(&reader, &recipe->cwd) || !take_u32(&reader, &count) || count > reader.left)
        return false;
    recipe->environment = calloc(count + more + 1, sizeof *recipe->environment);
    if (recipe->environment == NULL)
        return false;
    for (; recipe->variables < count; recipe->variables++)
        if (!take_string(&reader, &recipe->environment[recipe->variables]))
            return false;
    if (!take_bytes(&reader, &recipe->before) || !take_bytes(&reader, &recipe->after) ||
        !take_string(&reader, &recipe->module))
        return false;
    for (int i = 0; i < IDENTITY; i++)
        if (!take_u64(&reader, &recipe->identity[i]))
            return false;
    return reader.left == 0;
}

/* A character after a backslash: of Go's escapes those that text has; -1: another. */
static int unescape(struct reader *reader) {
    static const struct {
        const char *escape;
        char character;
    } known[] = {{"\"", '"'},    {"\\", '\\'},   {"n", '\n'},   {"t", '\t'},
                 {"u0026", '&'}, {"u003c", '<'}, {"u003e", '>'}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t length = strlen(known[i].escape);
        if (reader->left < length || memcmp(reader->next, known[i].escape, length) != 0)
            continue;
        reader->next += length;
        reader->left -= length;
        return known[i].character;
    }
    return -1;
}

static bool take_character(struct reader *reader, char wanted) {
    char found;
    return take(reader, &found, 1) && found == wanted;
}

/* A JSON string of plain ASCII, written to `*text` with a NUL after it; `*text` is moved on. */
static bool take_json_string(struct reader *reader, char **text) {
    char found = '\0';
    if (!take_character(reader, '"'))
        return false;
    while (take(reader, &found, 1) && found != '"') {
        int character = found == '\\' ? unescape(reader) : found;
        if (character < 0 || (found != '\\' && (found < ' ' || found > '~')))
            return false;
        *(*text)++ = (char)character;
    }
    *(*text)++ = '\0';
    return found == '"';
}

/* `["…","…"]` to the end, as Go writes it: nothing but strings, no white space. */
static bool parse_arguments(struct reader reader, struct exec *exec) {
    char *decoded = malloc(reader.left + 1); /* it is at most as long as that */
    char *text = decoded;
    const char **words = calloc(reader.left + 1, sizeof *words);
    size_t count = 0;
    bool good = decoded != NULL && words != NULL && take_character(&reader, '[');
    char next = ',';
    while (good && next == ',') {
        words[count++] = text;
        good = take_json_string(&reader, &text) && take(&reader, &next, 1);
    }
    if (!good || next != ']' || reader.left > 0) {
        free(decoded);
        free(words);
        return false;
    }
    exec->words = words;
    exec->word_count = count;
    return true;
}

/* The arguments of a process file that is, but for them, the recipe's. */
static bool read_process(const struct recipe *recipe, struct exec *exec) {
    struct reader reader;
    const struct bytes *before = &recipe->before;
    const struct bytes *after = &recipe->after;
    if (!read_whole(AT_FDCWD, exec->process, MAX_PROCESS_BYTES, &reader) || before->size == 0 ||
        after->size == 0 || reader.left < before->size + after->size ||
        memcmp(reader.next, before->data, before->size) != 0 ||
        memcmp(reader.next + reader.left - after->size, after->data, after->size) != 0)
        return false;
    reader.next += before->size;
    reader.left -= before->size + after->size;
    return parse_arguments(reader, exec);
}

/* The part that names the variable: all of it where there is no "=". */
static size_t name_length(const char *entry) { return strcspn(entry, "="); }

/* A later value takes the place of the first, as crunw/plan/process.py has it. */
static void set_variable(struct recipe *recipe, const char *entry) {
    size_t length = name_length(entry);
    size_t at = 0;
    while (at < recipe->variables && (name_length(recipe->environment[at]) != length ||
                                      memcmp(recipe->environment[at], entry, length) != 0))
        at++;
    recipe->environment[at] = entry;
    if (at == recipe->variables)
        recipe->variables++;
}

static const char *variable(const struct recipe *recipe, const char *name) {
    for (size_t at = 0; at < recipe->variables; at++)
        if (name_length(recipe->environment[at]) == strlen(name) &&
            strncmp(recipe->environment[at], name, strlen(name)) == 0 &&
            recipe->environment[at][strlen(name)] == '=')
            return recipe->environment[at] + strlen(name) + 1;
    return NULL;
}

/* openat2(2), for which neither C library has a function. */
static int open_in_root(int root, const char *path, int flags) {
    const struct {
        uint64_t flags;
        uint64_t mode;
        uint64_t resolve;
    } how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = 0x10 | 0x02};
    /* RESOLVE_IN_ROOT: no link leads out; RESOLVE_NO_MAGICLINKS: nor does one of a procfs. */
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* -1: there is no file; 0: there is something that Python is to look at; 1: it is an ELF file. */
static int is_native(int root, const char *path) {
    struct stat status;
    char again[40];
    char head[4];
    OWNED int found = open_in_root(root, path, O_PATH);
    if (found < 0)
        return errno == ENOENT || errno == ENOTDIR ? -1 : 0;
    if (fstat(found, &status) != 0 || !S_ISREG(status.st_mode) || (status.st_mode & 0111) == 0)
        return 0;
    /* Not a device or a FIFO, which opening could do something to. */
    snprintf(again, sizeof again, "/proc/self/fd/%d", found);
    OWNED int file = open(again, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return file >= 0 && pread(file, head, sizeof head, 0) == (ssize_t)sizeof head &&
           memcmp(head, "\177ELF", sizeof head) == 0;
}

/* The first file on $PATH of that name. */
static int is_native_on_path(int root, const char *name, const char *search) {
    char path[PATH_MAX];
    int result = -1;
    for (const char *next = search; result < 0;) {
        size_t length = strcspn(next, ":");
        if (next[0] != '/' || /* relative to a directory of the container: rare */
            snprintf(path, sizeof path, "%.*s/%s", (int)length, next, name) >= (int)sizeof path)
            return 0;
        result = is_native(root, path);
        if (next[length] == '\0')
            break;
        next += length + 1;
    }
    return result;
}

static uint64_t nanoseconds(struct timespec time) {
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The module is the very file of which the plan is, and has not changed. */
static bool is_module(const struct recipe *recipe, int root) {
    struct stat status;
    OWNED int found = open_in_root(root, recipe->module, O_PATH);
    const uint64_t *wanted = recipe->identity;
    return found >= 0 && fstat(found, &status) == 0 && status.st_dev == wanted[DEVICE] &&
           status.st_ino == wanted[INODE] && (uint64_t)status.st_size == wanted[SIZE] &&
           nanoseconds(status.st_mtim) == wanted[CONTENT_CHANGED] &&
           nanoseconds(status.st_ctim) == wanted[CHANGED];
}

/* Whether the recipe is of such a program. */
static bool is_for(const struct recipe *recipe, const struct exec *exec, pid_t pid) {
    char path[40];
    const char *name = exec->words[0];
    const char *search = variable(recipe, "PATH");
    snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
    OWNED int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return false;
    if (recipe->module[0] != '\0')
        return exec->cwd == NULL && strcmp(name, recipe->module) == 0 && is_module(recipe, root);
    if (name[0] == '/')
        return is_native(root, name) > 0;
    if (name[0] == '\0' || strchr(name, '/') != NULL)
        return false;
    return is_native_on_path(root, name, search != NULL ? search : DEFAULT_PATH) > 0;
}

static void put_strings(struct writer *writer, const char *const *strings, size_t count) {
    put_u32(writer, count);
    for (size_t i = 0; i < count; i++)
        put_string(writer, strings[i]);
}

/* A record whose payload is what `writer` gets until end_record. */
static size_t begin_record(struct writer *writer, enum plan_op op) {
    const uint16_t head[2] = {htole16((uint16_t)op), 0};
    put(writer, head, sizeof head);
    put_u32(writer, 0);
    return writer->size;
}

static void end_record(struct writer *writer, size_t begin) {
    patch_u32(writer, begin - sizeof(uint32_t), writer->size - begin);
}

static bool write_plan(struct writer *writer, const struct recipe *recipe, const struct exec *exec,
                       int pidfd) {
    put(writer, PLAN_MAGIC, 4);
    put_u32(writer, PLAN_VERSION);
    put_u32(writer, recipe->records);
    put_u32(writer, 0);
    put_u32(writer, 0); /* no other part follows */
    size_t body = writer->size;
    put(writer, recipe->pieces[0].data, recipe->pieces[0].size);
    size_t record = begin_record(writer, OP_NS_ENTER_PIDFD);
    put_u64(writer, (uint64_t)pidfd);
    put_u64(writer, recipe->namespaces);
    end_record(writer, record);
    put(writer, recipe->pieces[1].data, recipe->pieces[1].size);
    record = begin_record(writer, OP_CWD);
    put_string(writer, exec->cwd != NULL ? exec->cwd : recipe->cwd);
    put_u64(writer, 0);
    end_record(writer, record);
    put(writer, recipe->pieces[2].data, recipe->pieces[2].size);
    record = begin_record(writer, OP_PROCESS);
    put_strings(writer, exec->words, exec->word_count);
    put_strings(writer, recipe->environment, recipe->variables);
    end_record(writer, record);
    put(writer, recipe->pieces[3].data, recipe->pieces[3].size);
    patch_u32(writer, body - 2 * sizeof(uint32_t), writer->size - body);
    return !writer->failed && writer->size - body <= PLAN_MAX_BYTES;
}

/* What a runtime in the foreground passes on: as crunw/effects/processes.py has it. */
static void passed_on(sigset_t *set) {
    static const int kept[] = {SIGKILL, SIGSTOP, SIGILL,  SIGTRAP, SIGBUS,
                               SIGFPE,  SIGSEGV, SIGTSTP, SIGTTIN, SIGTTOU};
    sigemptyset(set);
    for (int number = 1; number < 32; number++)
        sigaddset(set, number);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        sigdelset(set, kept[i]);
}

static bool read_exactly(int descriptor, void *data, size_t size) {
    char *next = data;
    while (size > 0) {
        ssize_t got = TEMP_FAILURE_RETRY(read(descriptor, next, size));
        if (got <= 0)
            return false;
        next += got;
        size -= (size_t)got;
    }
    return true;
}

/* Whether a file may be put there: it would replace a device. */
static bool is_replaceable(const char *path) {
    struct stat status;
    return lstat(path, &status) < 0 || S_ISREG(status.st_mode) || S_ISLNK(status.st_mode);
}

/* As crunw/effects/store.py writes a file: a reader sees all of it or nothing, and no link is
 * followed. What is in the way is Python's to judge. */
static bool write_pid_file(const char *path, pid_t pid) {
    char temporary[PATH_MAX];
    char text[16];
    int length = snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid());
    if (length >= (int)sizeof temporary || !is_replaceable(path))
        return false;
    OWNED int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    length = snprintf(text, sizeof text, "%d", (int)pid);
    bool written = write_all(file, text, (size_t)length) &&
                   close(take_fd(&file)) == 0 && /* it is written only then */
                   rename(temporary, path) == 0;
    if (!written)
        unlink(temporary);
    return written;
}

static void reap(pid_t pid) { TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0)); }

/* Follows the reports until the program runs; its pid, or 0: it does not, and nothing is left. */
static pid_t follow(const struct spawned *init, const char *pid_file) {
    struct {
        uint32_t type;
        uint32_t size;
    } head;
    uint64_t pid = 0;
    bool ready = read_exactly(init->report, &head, sizeof head) &&
                 le32toh(head.type) == REPORT_PID && le32toh(head.size) == sizeof pid &&
                 read_exactly(init->report, &pid, sizeof pid) &&
                 read_exactly(init->report, &head, sizeof head) &&
                 le32toh(head.type) == REPORT_READY && le32toh(head.size) == 0;
    pid = le64toh(pid);
    /* End of file: the descriptor was closed by exec. Else it is an error, and a crunw-init that
     * has ended, or ends for lack of an answer. */
    bool announced = ready && (pid_file == NULL || write_pid_file(pid_file, (pid_t)pid));
    bool runs = announced && write(init->answer, "g", 1) == 1 &&
                TEMP_FAILURE_RETRY(read(init->report, &head, 1)) == 0;
    close(init->answer); /* a crunw-init that waits for it ends */
    close(init->report); /* or can't write to it */
    reap(init->pid);
    if (!runs && pid > 0) {
        kill((pid_t)pid, SIGKILL);
        reap((pid_t)pid);
    }
    return runs ? (pid_t)pid : 0;
}

/* The exit status of our child, to which the signals in `set` are passed on. */
static int wait_for(pid_t pid, const sigset_t *set) {
    for (;;) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == pid)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        if (ended > 0)
            continue;
        int number;
        if (sigwait(set, &number) == 0 && number != SIGCHLD)
            kill(pid, number); /* not reaped yet: the pid is still its own */
    }
}

/* crunw-init with the plan; its pid is 0 where there is none. */
static struct spawned begin(const struct recipe *recipe, const struct exec *exec,
                            const char *program, int pidfd) {
    struct writer plan = {0};
    struct spawned init = {0};
    if (write_plan(&plan, recipe, exec, pidfd) && spawn(program, NULL, pidfd, &init)) {
        write_all(init.plan, plan.data, plan.size);
        close(init.plan); /* its end of file is the plan's */
    }
    free(plan.data);
    return init;
}

static bool run(const struct recipe *recipe, const struct exec *exec, const char *program,
                int pidfd, int *status) {
    sigset_t set;
    sigset_t before;
    passed_on(&set);
    sigprocmask(SIG_BLOCK, &set, &before);
    signal(SIGPIPE,
           SIG_IGN); /* of a crunw-init that has ended; the interpreter ignores it anyway */
    struct spawned init = begin(recipe, exec, program, pidfd);
    pid_t pid = init.pid > 0 ? follow(&init, exec->pid_file) : 0;
    if (pid > 0) {
        *status = exec->detach ? EXIT_SUCCESS : wait_for(pid, &set);
        return true;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return false;
}

bool verb_exec(struct exec *exec, const char *program, int *status) {
    static struct record record;
    struct recipe recipe = {0};
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", exec->root, exec->id) >= (int)sizeof path)
        return false;
    OWNED int directory = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return false;
    OWNED int pidfd = -1;
    const char *name = exec->process != NULL ? STATE_EXEC_PROCESS : STATE_EXEC;
    if (parse_recipe(&recipe, directory, name, exec->variable_count) &&
        (exec->process == NULL || read_process(&recipe, exec)) && record_read(&record, directory))
        pidfd = (int)syscall(SYS_pidfd_open, (pid_t)record.pid, 0);
    bool done = false;
    /* Looked at again now that the pid can't be given to another process. */
    if (pidfd >= 0 && process_life(&record) == LIFE_RUNS && record_thawed(&record)) {
        bool plain = true;
        for (size_t i = 0; i < exec->variable_count; i++) {
            plain = plain && ((recipe.flags & RECIPE_HOME) == 0 ||
                              strncmp(exec->variables[i], "HOME=", 5) != 0);
            set_variable(&recipe, exec->variables[i]);
        }
        done = plain && is_for(&recipe, exec, (pid_t)record.pid) &&
               run(&recipe, exec, program, pidfd, status);
    }
    return done;
}
