/* Shared by the files about wasmtime. */
#ifndef CRUNW_ENGINE_WASMTIME_INTERNAL_H
#define CRUNW_ENGINE_WASMTIME_INTERNAL_H

#include "../binary.h"
#include "../implementation.h"
#include "symbols.h"

/* The versions whose interface symbols.h describes. */
#define OLDEST 50
#define NEWEST 50
/* How the interface begins that makes a component a program. */
#define RUN "wasi:cli/run@0.2."

struct engine {
    const struct engine_operations *operations;
    struct wasmtime_symbols wasmtime;
    void *library;
    char version[32];
};

/* A core module or a component. */
struct engine_module {
    const struct engine_operations *operations;
    struct engine *engine;
    enum engine_kind kind;
    bool has_native;
    bool metered; /* fuel is consumed */
    uint64_t cost_limit;
    uint64_t max_memory; /* bytes; 0: what Wasm allows */
    uint64_t fuel;       /* that it was given */
    const char *function;
    struct wasm_engine *compiler;
    struct wasmtime_module *core;
    struct wasm_importtypes imports;
    struct wasm_exporttypes exports;
    struct wasmtime_component *component;
    struct wasmtime_component_type *type;
    struct wasmtime_store *store;
    struct wasmtime_linker *linker;
    struct wasmtime_component_linker *component_linker;
    int *descriptors; /* of the preopens */
    uint32_t descriptor_count;
};

/* library.c: fills `error` with `what` and with what the library says is wrong, in one line; takes
 * `failure`. Returns -1. */
int fail_with(const struct engine *engine, const char *what, struct wasmtime_error *failure,
              struct engine_error *error);
/* Of a text of the library's: "wasm trap: …" cut out, else its first and its last line. */
void shorten(const struct wasm_bytes *text, char *line, size_t size);

/* load.c: what a module is compiled with. */
struct profile {
    bool metered;
    bool cached; /* the code is a file's, the same for all processes */
    uint8_t level;
};
struct wasm_engine *compiler_create(const struct engine *engine, struct profile profile);
/* A core module or a component out of its bytes. */
int module_compile(struct engine_module *module, const struct binary *binary,
                   struct engine_error *error);
struct engine_module *module_create(struct engine *engine, struct profile profile,
                                    struct engine_error *error);

/* What was compiled, to look at: to run, it wants addresses. */
struct engine_module *load_code(struct engine *engine, const char *path,
                                const struct engine_options *options, struct engine_error *error);

/* network.c: all of the network; false: not sockets. */
bool allow_network(const struct engine *engine, struct wasi_config *wasi);

/* program.c: an export of a core module; NULL: there is none of that name. */
const struct wasm_exporttype *exported(const struct engine_module *module, const char *name);
/* The type of that, where it is a function. */
const struct wasm_functype *exported_function(const struct engine_module *module, const char *name);

/* The name of an export of a component that begins so, at most `size` - 1 bytes. */
bool find_interface(const struct engine_module *module, const char *start, char *name, size_t size);

/* The operations, one for each of implementation.h. */
struct engine *wasmtime_open(const char *library, const char *stub, struct engine_error *error);
const char *wasmtime_version(const struct engine *engine);
void wasmtime_close(struct engine *engine);
struct engine_module *wasmtime_load(struct engine *engine, int fd,
                                    const struct engine_options *options,
                                    struct engine_error *error);
struct engine_module *wasmtime_load_compiled(struct engine *engine, const char *path,
                                             const struct engine_options *options,
                                             struct engine_error *error);
void wasmtime_module_close(struct engine_module *module);
enum engine_kind wasmtime_module_kind(const struct engine_module *module);
bool wasmtime_module_has_native_code(const struct engine_module *module);
size_t wasmtime_module_imports(const struct engine_module *module, struct engine_external *list,
                               size_t size);
size_t wasmtime_module_exports(const struct engine_module *module, struct engine_external *list,
                               size_t size);
int wasmtime_check(struct engine_module *module, const struct engine_program *program,
                   struct engine_error *error);
int wasmtime_module_descriptor(const struct engine_module *module, uint32_t index);
int wasmtime_run(struct engine_module *module, uint32_t *status, struct engine_error *error);
struct engine_statistics wasmtime_module_statistics(const struct engine_module *module);
int wasmtime_check_runnable(struct engine *engine, int fd,
                            const struct engine_compile_options *options, bool any_import,
                            struct engine_error *error);
int wasmtime_compile(struct engine *engine, int fd, const char *output,
                     const struct engine_compile_options *options, struct engine_error *error);
int wasmtime_check_compiled(struct engine *engine, const char *path,
                            const struct engine_compile_options *options,
                            struct engine_error *error);

#endif
