/* Starts crunw-init for the verbs that will need it, so that it begins on another processor while
 * this process becomes the interpreter. What it is to do it reads from a pipe, and ends when that
 * is closed. Nothing here may fail the call: without a crunw-init Python starts one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher.h"

/* Descriptors below may be asked for with --preserve-fds, by whoever has opened them. */
#define LOWEST 200

/* Where the command line of a process that runs a module is shown (csrc/init/title.c). */
#define TITLE_BYTES 1000

enum { PLAN, REPORT, ANSWER, PIPES };

static void close_pipe(int ends[2]) {
    close(ends[0]);
    close(ends[1]);
}

static bool make_pipe(int ends[2]) {
    int low[2];
    if (pipe2(low, O_CLOEXEC) < 0)
        return false;
    ends[0] = fcntl(low[0], F_DUPFD_CLOEXEC, LOWEST);
    ends[1] = fcntl(low[1], F_DUPFD_CLOEXEC, LOWEST);
    close_pipe(low);
    return ends[0] >= 0 && ends[1] >= 0;
}

static bool make_pipes(int pipes[PIPES][2]) {
    for (int i = 0; i < PIPES; i++)
        if (!make_pipe(pipes[i])) {
            for (; i >= 0; i--)
                close_pipe(pipes[i]);
            return false;
        }
    return true;
}

/* Its end of each pipe outlives exec under its own number. */
static bool spawn(const char *program, const int ends[PIPES], pid_t *pid) {
    char numbers[PIPES][16];
    char name[] = "crunw-init";
    char *argv[PIPES + 2] = {name};
    char title[TITLE_BYTES + sizeof "TITLE="];
    char *envp[] = {title, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    bool good = posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0;
    snprintf(title, sizeof title, "TITLE=%*s", TITLE_BYTES, "");
    sigemptyset(&none);
    for (int i = 0; i < PIPES && good; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%d", ends[i]);
        argv[i + 1] = numbers[i];
        good = posix_spawn_file_actions_adddup2(&actions, ends[i], ends[i]) == 0;
    }
    return good && posix_spawnattr_setsigmask(&attributes, &none) == 0 &&
           posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK) == 0 &&
           posix_spawn(pid, program, &actions, &attributes, argv, envp) == 0;
}

bool spawn_init(const char *program, char word[static SPAWN_WORD_BYTES]) {
    int pipes[PIPES][2];
    pid_t pid;
    if (!make_pipes(pipes))
        return false;
    const int theirs[PIPES] = {pipes[PLAN][0], pipes[REPORT][1], pipes[ANSWER][0]};
    const int ours[PIPES] = {pipes[PLAN][1], pipes[REPORT][0], pipes[ANSWER][1]};
    bool good = spawn(program, theirs, &pid);
    for (int i = 0; i < PIPES; i++) {
        close(theirs[i]);
        if (good)
            fcntl(ours[i], F_SETFD, 0);
        else
            close(ours[i]);
    }
    if (good)
        snprintf(word, SPAWN_WORD_BYTES, SPAWN_WORD "%d:%d:%d:%d", (int)pid, ours[PLAN],
                 ours[REPORT], ours[ANSWER]);
    return good;
}
