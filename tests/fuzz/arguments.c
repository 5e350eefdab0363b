/* The launcher's command line: the words of the input, each ended by a NUL. */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>

#include "memory.h"

#include "../../csrc/launcher/arguments.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { MOST = 64 };
    static char name[] = "crunw";
    char *argv[MOST + 2] = {name};
    int argc = 1;
    struct command command = {0};
    struct exec exec = {0};
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    for (size_t at = 0; at < size && argc <= MOST; at += strlen(text + at) + 1)
        argv[argc++] = text + at;
    command_creates(argc, argv);
    command_parse(&command, argc, argv);
    exec_parse(&exec, argc, argv);
    fuzz_free_all();
    return 0;
}
