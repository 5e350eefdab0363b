/* Starts crunw-init for the verbs that will need it, so that it begins on another processor while
 * this process becomes the interpreter. What it is to do it reads from a pipe, and ends when that
 * is closed. Nothing here may fail the call: without a crunw-init Python starts one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "launcher.h"

/* Descriptors below may be asked for with --preserve-fds, by whoever has opened them. */
#define LOWEST 200

/* Where the command line of a process that runs a module is shown (csrc/init/title.c). */
#define TITLE_BYTES 1000

/* Tells crunw-init to open the engine at once (csrc/init/main.c). */
#define ENGINE_STUB "ENGINE_STUB="

enum { PLAN, REPORT, ANSWER, PIPES };

static bool make_pipe(int ends[2]) {
    OWNED_PAIR int low[2] = NO_PAIR;
    if (pipe2(low, O_CLOEXEC) < 0)
        return false;
    for (int i = 0; i < 2; i++)
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, LOWEST);
    return ends[0] >= 0 && ends[1] >= 0;
}

/* Becomes crunw-init: its end of each pipe outlives exec, and `inherited` (-1: none). Signals it
 * resets itself. */
__attribute__((noreturn)) static void execute(const char *program, const char *stub, int inherited,
                                              const int ends[PIPES]) {
    char numbers[PIPES][16];
    char name[] = "crunw-init";
    char *argv[PIPES + 2] = {name};
    char engine[PATH_MAX + sizeof ENGINE_STUB];
    char title[TITLE_BYTES + sizeof "TITLE="];
    char *envp[] = {title, stub == NULL ? NULL : engine, NULL};
    snprintf(title, sizeof title, "TITLE=%*s", TITLE_BYTES, "");
    snprintf(engine, sizeof engine, ENGINE_STUB "%s", stub == NULL ? "" : stub);
    for (int i = 0; i < PIPES; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%d", ends[i]);
        argv[i + 1] = numbers[i];
        fcntl(ends[i], F_SETFD, 0);
    }
    if (inherited >= 0)
        fcntl(inherited, F_SETFD, 0);
    execve(program, argv, envp);
    _exit(EXIT_FAILURE);
}

bool spawn(const char *program, const char *stub, int inherited, struct spawned *init) {
    int pipes[PIPES][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    bool good = access(program, X_OK) == 0;
    for (int i = 0; i < PIPES && good; i++)
        good = make_pipe(pipes[i]);
    int theirs[PIPES] = {pipes[PLAN][0], pipes[REPORT][1], pipes[ANSWER][0]};
    int ours[PIPES] = {pipes[PLAN][1], pipes[REPORT][0], pipes[ANSWER][1]};
    /* Not vfork, which would wait for exec: this process is small, and has something to do. */
    pid_t pid = good ? fork() : -1;
    if (pid == 0)
        execute(program, stub, inherited, theirs);
    for (int i = 0; i < PIPES; i++) {
        close_now(&theirs[i]); /* the child has them, and their end of file is to be seen */
        if (pid < 0)
            close_now(&ours[i]); /* nobody is at the other end */
    }
    *init = (struct spawned){
        .pid = pid, .plan = ours[PLAN], .report = ours[REPORT], .answer = ours[ANSWER]};
    return pid > 0;
}

bool spawn_init(const char *program, const char *stub, char word[static SPAWN_WORD_BYTES]) {
    struct spawned init;
    if (!spawn(program, stub, -1, &init))
        return false;
    const int ours[PIPES] = {init.plan, init.report, init.answer};
    for (int i = 0; i < PIPES; i++)
        fcntl(ours[i], F_SETFD, 0);
    snprintf(word, SPAWN_WORD_BYTES, SPAWN_WORD "%d:%d:%d:%d", (int)init.pid, init.plan,
             init.report, init.answer);
    return true;
}
