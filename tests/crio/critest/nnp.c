/* With its set-user-ID bit: who it runs as, unless no_new_privs keeps it from that. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
    printf("Effective uid: %u\n", (unsigned)geteuid());
    return 0;
}
