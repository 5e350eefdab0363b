/* The launcher: answers what it can itself from a container's fast record, and hands everything
 * else to Python (crunw.lifecycle), where the rules stand; here is only the common case of each,
 * and no error text. A function that finds anything unusual returns false, with nothing done that
 * Python would not do in its place. */
#ifndef CRUNW_LAUNCHER_H
#define CRUNW_LAUNCHER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../owned.h"

#ifndef TEMP_FAILURE_RETRY /* musl has none */
#define TEMP_FAILURE_RETRY(expression)                                                             \
    ({                                                                                             \
        long result_;                                                                              \
        do {                                                                                       \
            result_ = (long)(expression);                                                          \
        } while (result_ == -1 && errno == EINTR);                                                 \
        result_;                                                                                   \
    })
#endif

/* A command line in one of the forms that engines use. */
struct command {
    int verb_index;
    const char *verb;
    const char *root;
    const char *log; /* NULL: none */
    const char *id;
    bool debug;
    const char *signal; /* kill; NULL: not given */
    bool force;         /* delete */
};

/* Before all else: closed standard streams, signals, umask, too few descriptors. */
void prepare_process(void);

/* False: not one of those forms. */
bool command_parse(struct command *command, int argc, char **argv);

/* Whether the verb is one that makes a container, and passes it no descriptors: those are looked at
 * before any is opened here. */
bool command_creates(int argc, char **argv);

/* `exec` as verb_exec can do it. */
struct exec {
    const char *root;
    const char *id;
    const char *cwd;      /* --cwd; NULL: not given */
    const char *process;  /* --process; NULL: the words are given */
    const char *pid_file; /* --pid-file; NULL: not given */
    bool detach;
    const char *const *variables; /* --env */
    size_t variable_count;
    const char *const *words; /* the program and its arguments */
    size_t word_count;
};

/* False: not an `exec` of that kind. */
bool exec_parse(struct exec *exec, int argc, char **argv);

/* `program`: crunw-init. exec.c */
bool verb_exec(struct exec *exec, const char *program, int *status);

/* A crunw-init, and this side's descriptors. */
struct spawned {
    pid_t pid;
    int plan;
    int report;
    int answer;
};

/* What is written piece by piece, as plan.h has it. `failed`: there was no memory for it. writer.c
 */
struct writer {
    char *data;
    size_t size;
    size_t room;
    bool failed;
};

void put(struct writer *writer, const void *data, size_t size);
void put_u32(struct writer *writer, size_t value);
void put_u64(struct writer *writer, uint64_t value);
void put_string(struct writer *writer, const char *string);
/* Sets what put_u32 has written at that place. */
void patch_u32(struct writer *writer, size_t at, size_t value);

/* False, with errno: not all was written. */
bool write_all(int descriptor, const char *data, size_t size);

/* Starts `program`, with the descriptor `inherited` (-1: none). spawn.c */
bool spawn(const char *program, const char *stub, int inherited, struct spawned *init);

/* Starts `program`, crunw-init, for Python; false: there is none. `word` is for Python: its pid and
 * this side's descriptors, for the plan, the reports and the answers. `stub`: of LLVM, where the
 * engine will be needed; NULL: it will not. */
#define SPAWN_WORD "crunw-init="
enum { SPAWN_WORD_BYTES = 64 };
bool spawn_init(const char *program, const char *stub, char word[static SPAWN_WORD_BYTES]);

/* Whether the bundle of these arguments looks like one of a WebAssembly program. */
bool hint_wasm(int argc, char **argv);

/* The file `fast` of a state directory; crunw/effects/fast.py writes it.
 *
 *   4 bytes "CRWF" | u32 version | u64 pid | u64 start time | u64 hooks | strings
 *
 * little-endian; a string is a u32 length, the bytes and a NUL. The last one is Python's alone. */
struct record {
    uint64_t pid;
    uint64_t start_time;    /* proc(5), field 22 of /proc/PID/stat */
    uint64_t hooks;         /* FAST_* */
    const char *before_pid; /* the state document, cut where pid and status go */
    const char *before_status;
    const char *after_status;
    const char *freezer;     /* file that says whether the cgroup is frozen; "": none */
    const char *thawed;      /* its content when it is not */
    const char *directories; /* of the cgroup, each ended by a newline */
    char data[65536];
};

bool record_read(struct record *record, int directory);

/* Whether its cgroup is known not to be frozen. */
bool record_thawed(const struct record *record);

/* Whether the process of the record runs; a zombie does not. Unknown: /proc can't be read. */
enum life { LIFE_UNKNOWN, LIFE_RUNS, LIFE_ENDED };
enum life process_life(const struct record *record);

/* The verbs; false: Python is to do it. Otherwise *status is the exit status. `directory` is the
 * container's state directory. */
bool verb_state(const struct command *command, int directory, int *status);
bool verb_kill(const struct command *command, int directory, int *status);
bool verb_delete(const struct command *command, int directory, int *status);
/* `later`: the program crunw-later. *report: an inherited descriptor with what the container's
 * process has reported, -1 for nothing; Python is to print it. */
bool verb_start(const struct command *command, const char *later, int directory, int *status,
                int *report);

#endif
