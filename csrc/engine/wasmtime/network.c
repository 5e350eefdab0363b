/* What a program may do with the network: all that the container's network namespace has. */
#define _GNU_SOURCE
#include "internal.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define WORD 8
#define CHECK (2 * sizeof(void *)) /* bytes of what is asked about addresses, before answers */

static size_t first_change(const char *before, const char *after, size_t size) {
    size_t at = 0;
    while (at < size && before[at] == after[at])
        at++;
    return at;
}

static bool is_answer(char value) { return value == 0 || value == 1; }

/* Since version 48 wasmtime refuses TCP and UDP until it is configured otherwise, and its C
 * interface has no function that does. Its answers are three bytes of a word: may names be looked
 * up, is there UDP, is there TCP. They follow what is asked about addresses. Both are found by what
 * the functions that there are change. */
static bool allow_sockets(char *wasi, const char *untouched, const char *inherited, size_t size) {
    size_t check = first_change(untouched, inherited, size);
    size_t answers = first_change(inherited, wasi, size);
    if (answers % WORD != 0 || answers + 2 >= size || check >= answers || check + CHECK < answers ||
        wasi[answers] != 1 || !is_answer(wasi[answers + 1]) || !is_answer(wasi[answers + 2]))
        return false;
    wasi[answers + 1] = wasi[answers + 2] = 1;
    return true;
}

bool allow_network(const struct engine *engine, struct wasi_config *wasi) {
    const struct wasmtime_symbols *wasmtime = &engine->wasmtime;
    size_t size = malloc_usable_size(wasi);
    char *untouched = malloc(2 * size);
    if (!untouched)
        return false;
    char *inherited = untouched + size;
    memcpy(untouched, wasi, size);
    wasmtime->wasi_config_inherit_network(wasi);
    memcpy(inherited, wasi, size);
    wasmtime->wasi_config_allow_ip_name_lookup(wasi, true);
    bool allowed = allow_sockets((char *)wasi, untouched, inherited, size);
    free(untouched);
    return allowed;
}
