/* crunw-compiler ENGINE LIBRARY MODULE REPORT DIRECTORY LEVEL [WORD…]: compile one module ahead of
 * time.
 *
 * LLVM keeps what it has allocated and can't be interrupted: a process of its own gives everything
 * back, whether it ends, is stopped or is killed. crunw/aot/compiler.py starts it.
 *
 * MODULE, REPORT and DIRECTORY are inherited descriptors; the code is written to "output" in
 * DIRECTORY, which is the working directory from the beginning, so that what is above it need not
 * be open to the compiler's user. LEVEL is '0' to '3', 's' or 'z'. Words are "native", "generic",
 * "interruptible", "statistics", "sandbox", "any-import" and "no-PROPOSAL".
 *
 * REPORT gets lines, each with a letter for what it is: 'm', the module can't be compiled; 's', the
 * system does not allow it; 'n', a notice: it is compiled, with a fence less. Without an error and
 * with the status 0 the output is there, and has been seen to be usable. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../engine/engine.h"
#include "../owned.h"
#include "filter.h"

#define NOBODY 65534
/* What a module may take of the node: so much for any, so much more for each byte of it. */
#define CPU_SECONDS 60
#define CPU_SECONDS_PER_MIB 120
#define CPU_SECONDS_MOST 3600
#define CPU_SECONDS_SPARE 5
#define MEMORY ((rlim_t)2 << 30)
#define MEMORY_PER_BYTE 160
#define OUTPUT_SIZE ((rlim_t)64 << 20)
#define OUTPUT_PER_BYTE 32
/* As crunw/aot/compiler.py names it. The library makes a relative path absolute, and the
 * directories above may be closed. */
#define OUTPUT "/proc/self/cwd/output"
/* The status of a process whose child was ended by a signal: so much more than its number. */
#define SIGNALLED 128

struct job {
    const char *engine;
    const char *library;
    int module;
    int report;
    int directory;
    bool sandbox;
    bool any_import; /* of plugins, which are not opened here */
    pid_t checker;   /* of exceptions */
    int question;    /* to it */
    struct engine_compile_options options;
};

static int fail(struct engine_error *error, const char *what, const char *reason) {
    snprintf(error->message, sizeof error->message, "%s: %s", what, reason);
    return -1;
}

static void report(const struct job *job, char kind, const char *what, const char *reason) {
    dprintf(job->report, "%c%s%s%s\n", kind, what, *reason ? ": " : "", reason);
}

static int parse_descriptor(const char *text, int *descriptor) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    *descriptor = (int)number;
    return errno || end == text || *end || number < 0 || number > INT32_MAX ? -1 : 0;
}

static int parse_word(struct job *job, const char *word) {
    struct engine_compile_options *options = &job->options;
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"native", &options->native},
        {"generic", &options->generic},
        {"interruptible", &options->interruptible},
        {"statistics", &options->statistics},
        {"sandbox", &job->sandbox},
        {"any-import", &job->any_import},
    };
    for (size_t index = 0; index < sizeof flags / sizeof *flags; index++)
        if (strcmp(word, flags[index].name) == 0) {
            *flags[index].flag = true;
            return 0;
        }
    if (strncmp(word, "no-", 3) != 0)
        return -1;
    const char *name;
    for (unsigned index = 0; (name = engine_proposal(index)); index++)
        if (strcmp(word + 3, name) == 0) {
            options->without |= 1U << index;
            return 0;
        }
    return -1;
}

static int parse_arguments(struct job *job, int count, char **arguments) {
    if (count < 7 || parse_descriptor(arguments[3], &job->module) != 0 ||
        parse_descriptor(arguments[4], &job->report) != 0 ||
        parse_descriptor(arguments[5], &job->directory) != 0)
        return -1;
    job->engine = arguments[1];
    job->library = arguments[2];
    job->options.level = arguments[6][0];
    for (int index = 7; index < count; index++)
        if (parse_word(job, arguments[index]) != 0)
            return -1;
    return 0;
}

static int by_number(const void *left, const void *right) {
    return *(const int *)left - *(const int *)right;
}

/* Whatever else a container's engine has left open is nothing to a compiler. */
static void close_others(const struct job *job) {
    int kept[] = {STDERR_FILENO, job->module, job->report, job->directory};
    size_t count = sizeof kept / sizeof *kept;
    qsort(kept, count, sizeof *kept, by_number);
    for (size_t index = 0; index < count; index++) {
        unsigned first = (unsigned)kept[index] + 1;
        unsigned last = index + 1 < count ? (unsigned)kept[index + 1] - 1 : ~0U;
        if (first <= last)
            close_range(first, last, 0);
    }
}

/* The rights that Landlock knows are as many low bits, by the version of its interface. Those
 * beyond the first version's have no name in every header. */
static uint64_t landlock_rights(long version) {
    static const unsigned bits[] = {0, 13, 14, 15, 15, 16};
    long last = sizeof bits / sizeof *bits - 1;
    return (1ULL << bits[version < last ? version : last]) - 1;
}

static bool allow(int rules, const char *path, uint64_t rights) {
    OWNED int parent = open(path, O_PATH | O_CLOEXEC);
    const struct landlock_path_beneath_attr below = {.allowed_access = rights, .parent_fd = parent};
    return parent >= 0 &&
           syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) == 0;
}

/* Of the file system leave the working directory alone, where LLVM writes and reads what it wrote,
 * and what gives it the processor's name on some machines. A kernel without Landlock (landlock(7),
 * Linux 5.13) leaves what the user may reach. */
static int confine_files(const struct job *job, struct engine_error *error) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) {
        report(job, 'n', "compiled without Landlock", strerror(errno));
        return 0;
    }
    struct landlock_ruleset_attr all = {.handled_access_fs = landlock_rights(version)};
    OWNED int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    uint64_t rights = all.handled_access_fs & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE;
    bool done = rules >= 0 && allow(rules, ".", rights) &&
                (allow(rules, "/proc/cpuinfo", LANDLOCK_ACCESS_FS_READ_FILE) || errno == ENOENT) &&
                syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    return done ? 0 : fail(error, "landlock", strerror(errno));
}

static int become_nobody(struct engine_error *error) {
    if (setgroups(0, NULL) != 0)
        return fail(error, "setgroups", strerror(errno));
    if (setresgid(NOBODY, NOBODY, NOBODY) != 0)
        return fail(error, "setresgid", strerror(errno));
    if (setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return fail(error, "setresuid", strerror(errno));
    return 0;
}

static int set_limit(__rlimit_resource_t resource, rlim_t value, struct engine_error *error) {
    /* A process gets a signal at the soft limit of its time, and is ended at the hard one. */
    const struct rlimit limit = {value, value + (resource == RLIMIT_CPU ? CPU_SECONDS_SPARE : 0)};
#ifdef __SANITIZE_ADDRESS__
    if (resource == RLIMIT_AS) /* its shadow memory takes terabytes of addresses */
        return 0;
#endif
    return setrlimit(resource, &limit) == 0 ? 0 : fail(error, "setrlimit", strerror(errno));
}

/* A module may be made so that LLVM takes for ever, or all there is. */
static int limit_resources(int module, struct engine_error *error) {
    struct stat status;
    if (fstat(module, &status) != 0)
        return fail(error, "fstat", strerror(errno));
    rlim_t size = (rlim_t)status.st_size;
    rlim_t seconds = CPU_SECONDS + CPU_SECONDS_PER_MIB * (size >> 20);
    if (seconds > CPU_SECONDS_MOST)
        seconds = CPU_SECONDS_MOST;
    if (set_limit(RLIMIT_CPU, seconds, error) != 0 ||
        set_limit(RLIMIT_AS, MEMORY + MEMORY_PER_BYTE * size, error) != 0)
        return -1;
    return set_limit(RLIMIT_FSIZE, OUTPUT_SIZE + OUTPUT_PER_BYTE * size, error);
}

/* With an empty bounding set no program that is executed could give a capability back. */
static int drop_bounding(struct engine_error *error) {
    int present;
    for (unsigned long number = 0; (present = prctl(PR_CAPBSET_READ, number, 0, 0, 0)) >= 0;
         number++)
        if (present && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0)
            return fail(error, "drop capabilities", strerror(errno));
    return errno == EINVAL ? 0 : fail(error, "drop capabilities", strerror(errno));
}

/* End with whoever has started this, if it is still there. Changing the user would undo it. */
static int follow_parent(const struct job *job, struct engine_error *error) {
    struct pollfd reader = {.fd = job->report};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return fail(error, "prctl", strerror(errno));
    if (poll(&reader, 1, 0) != 0)
        return fail(error, "crunw-compiler", "nobody waits for the result");
    return 0;
}

/* The status of a child that has ended, as that of a process. */
static int wait_for(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

/* End as the compiler has ended. Whoever waits for it must not wait for its files as well. */
static void end_as(pid_t child) {
    close_range(STDERR_FILENO + 1, ~0U, 0);
    int status = wait_for(child);
    if (status > SIGNALLED) {
        signal(status - SIGNALLED, SIG_DFL);
        raise(status - SIGNALLED);
    }
    _exit(status);
}

/* The first process of the new pid namespace: a signal without a handler does nothing to it, so it
 * does not compile itself. With it all others of the namespace end. `parent`: a pidfd, or -1. */
static int begin_namespace(int parent, struct engine_error *error) {
    struct pollfd ended = {.fd = parent, .events = POLLIN};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return fail(error, "prctl", strerror(errno));
    if (poll(&ended, 1, 0) != 0)
        _exit(1);
    pid_t compiler = fork();
    if (compiler > 0) {
        close_range(STDERR_FILENO + 1, ~0U, 0);
        _exit(wait_for(compiler));
    }
    return compiler == 0 ? 0 : fail(error, "fork", strerror(errno));
}

/* Go on as the second process of the pid namespace that was made for children. This process and the
 * first one wait, and pass the status on. */
static int enter_pid_namespace(const struct job *job, struct engine_error *error) {
    if (follow_parent(job, error) != 0)
        return -1;
    OWNED int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
    pid_t first = fork();
    if (first < 0)
        return fail(error, "fork", strerror(errno));
    if (first > 0)
        end_as(first);
    return begin_namespace(own, error);
}

/* Give up all rights: the module that is parsed and compiled may be made to break LLVM.
 *
 * What a subverted compiler can do is to make an artefact that does more than the module says: it
 * is run by containers of this very module alone, as confined as native programs. */
static int enter_sandbox(const struct job *job, struct engine_error *error) {
    bool root = geteuid() == 0;
    /* A container engine's own container may forbid new namespaces. */
    if (unshare((root ? 0 : CLONE_NEWUSER) | CLONE_NEWIPC | CLONE_NEWNET) != 0)
        report(job, 'n', "compiled without namespaces of its own", strerror(errno));
    bool apart = unshare(CLONE_NEWPID) == 0;
    if (!apart)
        report(job, 'n', "compiled without a pid namespace of its own", strerror(errno));
    if (limit_resources(job->module, error) != 0)
        return -1;
    if (root && (drop_bounding(error) != 0 || become_nobody(error) != 0))
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail(error, "prctl", strerror(errno));
    if (apart && enter_pid_namespace(job, error) != 0)
        return -1;
    return confine_files(job, error);
}

/* The last fence, after all that needs what it forbids. */
static int filter(const struct job *job, struct engine_error *error) {
    if (filter_system_calls() == 0)
        return 0;
    if (errno != ENOSYS && errno != EINVAL)
        return fail(error, "seccomp", strerror(errno));
    report(job, 'n', "compiled without a seccomp filter", strerror(errno));
    return 0;
}

static int enter_directory(struct job *job, struct engine_error *error) {
    if (fchdir(job->directory) != 0)
        return fail(error, "fchdir", strerror(errno));
    close_now(&job->directory); /* the fences are about paths, not about what is open */
    return 0;
}

/* Where the library can't compile exceptions, it ends the process, at any level: small modules of
 * its own say that in a process apart. It is made while that is allowed, before the module is
 * looked at, and waits to be asked; at end of file nobody asks. */
static int start_checker(struct job *job, struct engine *engine, struct engine_error *error) {
    OWNED_PAIR int ends[2] = NO_PAIR;
    uint32_t used;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail(error, "pipe", strerror(errno));
    pid_t parent = getpid();
    job->checker = fork();
    if (job->checker < 0)
        return fail(error, "fork", strerror(errno));
    if (job->checker > 0) {
        job->question = take_fd(&ends[1]);
        return 0;
    }
    close_now(&ends[1]); /* or there would be no end of file */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent ||
        (job->sandbox && filter(job, error) != 0) ||
        TEMP_FAILURE_RETRY(read(ends[0], &used, sizeof used)) != sizeof used)
        _exit(1);
    _exit(engine_compiles_exceptions(engine, used, OUTPUT, &job->options) ? 0 : 1);
}

/* What the system must grant before anything of the module is looked at. */
static struct engine *prepare(struct job *job, struct engine_error *error) {
    static const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    struct engine *engine = engine_open(job->engine, job->library, NULL, error);
    if (!engine || enter_directory(job, error) != 0 ||
        (job->sandbox && enter_sandbox(job, error) != 0) || follow_parent(job, error) != 0)
        return NULL;
    if (start_checker(job, engine, error) != 0 || (job->sandbox && filter(job, error) != 0))
        return NULL;
    return engine;
}

/* Whether the checker has seen that the module's exceptions can be compiled. */
static int check_exceptions(const struct job *job, const struct engine *engine,
                            struct engine_error *error) {
    uint32_t used = engine_used_exceptions(job->module);
    if (!used)
        return 0;
    signal(SIGPIPE, SIG_IGN); /* it may have been ended already */
    bool asked = write(job->question, &used, sizeof used) == sizeof used;
    int status = wait_for(job->checker);
    if (status == SIGNALLED + SIGKILL)
        raise(SIGKILL); /* by the system: that is not the module's fault */
    if (asked && status == 0)
        return 0;
    snprintf(error->message, sizeof error->message,
             "exception handling can't be compiled by lib%s %s", engine_name(engine),
             engine_version(engine));
    return -1;
}

/* What can't be run is not compiled, and what can't be used as code is not a result. */
static int compile(const struct job *job, struct engine *engine, struct engine_error *error) {
    if (engine_check_runnable(engine, job->module, &job->options, job->any_import, error) != 0 ||
        check_exceptions(job, engine, error) != 0 ||
        engine_compile(engine, job->module, OUTPUT, &job->options, error) != 0)
        return -1;
    return engine_check_compiled(engine, OUTPUT, &job->options, error);
}

int main(int count, char **arguments) {
    struct job job = {0};
    struct engine_error error;
    if (parse_arguments(&job, count, arguments) != 0) {
        dprintf(STDERR_FILENO, "crunw-compiler: called by crunw alone\n");
        return 2;
    }
    close_others(&job);
    struct engine *engine = prepare(&job, &error);
    bool done = engine && compile(&job, engine, &error) == 0;
    if (!done)
        report(&job, engine ? 'm' : 's', error.message, "");
    /* Not through the destructors of LLVM: the system takes everything back faster. */
    _exit(done ? 0 : 1);
}
