/* libwasmtime itself: opened, its version found, its functions resolved. */
#define _GNU_SOURCE
#include "internal.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The C interface has no function for the version, but each build exports symbols of such names. */
static const char version_symbol[] = "resolve_vmctx_memory_ptr_";

/* The strings of the library's symbol table; NULL where there are none. */
static const char *symbol_names(void *library, size_t *size) {
    struct link_map *map;
    ElfW(Addr) strings = 0;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0)
        return NULL;
    *size = 0;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_STRTAB)
            strings = entry->d_un.d_ptr;
        else if (entry->d_tag == DT_STRSZ)
            *size = entry->d_un.d_val;
    }
    /* glibc adds the load address itself, but where the dynamic section is read-only (RISC-V). */
    if (strings && strings < map->l_addr)
        strings += map->l_addr;
    return (const char *)strings;
}

/* "50.0.1" */
static void find_version(struct engine *engine) {
    size_t size;
    const char *names = symbol_names(engine->library, &size);
    const char *found =
        names ? memmem(names, size, version_symbol, sizeof version_symbol - 1) : NULL;
    snprintf(engine->version, sizeof engine->version, "%s",
             found ? found + sizeof version_symbol - 1 : "");
    for (char *at = engine->version; *at; at++)
        if (*at == '_')
            *at = '.';
}

static int check_version(struct engine *engine, struct engine_error *error) {
    find_version(engine);
    unsigned major = (unsigned)strtoul(engine->version, NULL, 10);
    if (major >= OLDEST && major <= NEWEST)
        return 0;
    return engine_fail(error,
                       "wasmtime %s is another version than crunw is made for, %d (install "
                       "wasmtime==%d.*, docs/components.md)",
                       *engine->version ? engine->version : "of an unknown version", OLDEST,
                       OLDEST);
}

static int resolve_symbols(struct engine *engine, struct engine_error *error) {
    const char *missing = NULL;
#define RESOLVE(result, name, parameters)                                                          \
    engine->wasmtime.name = (result(*) parameters)dlsym(engine->library, #name);                   \
    if (!engine->wasmtime.name)                                                                    \
        missing = #name;
    WASMTIME_SYMBOLS(RESOLVE)
#undef RESOLVE
    return missing ? engine_fail(error, "this libwasmtime has no %s", missing) : 0;
}

static int open_library(struct engine *engine, const char *library, struct engine_error *error) {
    /* What serves waiting and input and output is one thread of this process, not one for each
     * processor: the memory and the tasks are the container's. */
    setenv("TOKIO_WORKER_THREADS", "1", 1);
    engine->library = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    if (!engine->library)
        return engine_fail(error, "the wasmtime library can't be loaded: %s", dlerror());
    if (check_version(engine, error) != 0)
        return -1;
    return resolve_symbols(engine, error);
}

struct engine *wasmtime_open(const char *library, const char *stub, struct engine_error *error) {
    (void)stub;
    struct engine *engine = calloc(1, sizeof(*engine));
    if (!engine) {
        engine_fail(error, "out of memory");
        return NULL;
    }
    engine->operations = &wasmtime_operations;
    if (open_library(engine, library, error) == 0)
        return engine;
    wasmtime_close(engine);
    return NULL;
}

const char *wasmtime_version(const struct engine *engine) { return engine->version; }

/* Threads of the library may live on: it stays mapped. */
void wasmtime_close(struct engine *engine) { free(engine); }

static size_t line_length(const char *at, const char *end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return (size_t)((newline ? newline : end) - at);
}

/* The last line, without the number that a list of causes gives it. */
static const char *last_line(const char *start, const char *end) {
    const char *line = end;
    while (line > start && line[-1] != '\n')
        line--;
    line += strspn(line, " ");
    const char *rest = line + strspn(line, "0123456789");
    return rest != line && rest + 1 < end && *rest == ':' ? rest + 1 + strspn(rest + 1, " ") : line;
}

void shorten(const struct wasm_bytes *text, char *line, size_t size) {
    static const char trap[] = "wasm trap: ";
    const char *start = text->data;
    const char *end = start + text->size;
    while (end > start && (end[-1] == '\0' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    const char *cause = memmem(start, (size_t)(end - start), trap, sizeof trap - 1);
    if (cause) {
        cause += sizeof trap - 1;
        snprintf(line, size, "%.*s", (int)line_length(cause, end), cause);
        return;
    }
    size_t first = line_length(start, end);
    if (start + first == end) {
        snprintf(line, size, "%.*s", (int)first, start);
        return;
    }
    const char *last = last_line(start, end);
    snprintf(line, size, "%.*s: %.*s", (int)first, start, (int)(end - last), last);
}

int fail_with(const struct engine *engine, const char *what, struct wasmtime_error *failure,
              struct engine_error *error) {
    char line[700];
    struct wasm_bytes text;
    engine->wasmtime.wasmtime_error_message(failure, &text);
    shorten(&text, line, sizeof line);
    engine->wasmtime.wasm_byte_vec_delete(&text);
    engine->wasmtime.wasmtime_error_delete(failure);
    return engine_fail(error, "%s: %s", what, line);
}

const struct engine_operations wasmtime_operations = {
    .name = "wasmtime",
    .open = wasmtime_open,
    .version = wasmtime_version,
    .close = wasmtime_close,
    .load = wasmtime_load,
    .load_compiled = wasmtime_load_compiled,
    .module_close = wasmtime_module_close,
    .module_kind = wasmtime_module_kind,
    .module_has_native_code = wasmtime_module_has_native_code,
    .module_imports = wasmtime_module_imports,
    .module_exports = wasmtime_module_exports,
    .check = wasmtime_check,
    .prepare = wasmtime_check, /* instantiating can run code: that is done at the start */
    .module_descriptor = wasmtime_module_descriptor,
    .run = wasmtime_run,
    .module_statistics = wasmtime_module_statistics,
    .check_runnable = wasmtime_check_runnable,
    .compile = wasmtime_compile,
    .check_compiled = wasmtime_check_compiled,
};
