/* The pause container of runtimes without WebAssembly: it ends on TERM, and waits for children. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) {
    (void)signal;
    _exit(EXIT_SUCCESS);
}

static void wait_for_children(int signal) {
    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int main(void) {
    const struct sigaction ending = {.sa_handler = end};
    const struct sigaction reaping = {.sa_handler = wait_for_children, .sa_flags = SA_NOCLDSTOP};
    sigaction(SIGINT, &ending, NULL);
    sigaction(SIGTERM, &ending, NULL);
    sigaction(SIGCHLD, &reaping, NULL);
    for (;;)
        pause();
}
