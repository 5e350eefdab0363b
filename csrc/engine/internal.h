/* Shared by the engine's files; not for its users. */
#ifndef CRUNW_ENGINE_INTERNAL_H
#define CRUNW_ENGINE_INTERNAL_H

#include "engine.h"
#include "symbols.h"

struct engine {
    struct engine_symbols wasmedge;
    void *library;
    void *stub;
    bool uses_stub;
    const WasmEdge_PluginContext **plugins; /* owned by the library */
    size_t plugin_count;
};

/* What the outer structure of a module says that the library does not. */
struct outline {
    bool has_start;         /* a start section: instantiating runs code */
    uint64_t initial_pages; /* of its largest memory */
};

/* A module's bytes in memory of their own: a file can change while it is read. */
struct binary {
    uint8_t *bytes;
    uint32_t length;
    bool has_native; /* an AOT section; its name has been made unrecognisable */
    struct outline outline;
};

struct engine_module {
    struct engine *engine;
    enum engine_kind kind;
    bool has_native;
    bool has_start;
    uint64_t cost_limit;       /* 0: none */
    uint32_t max_memory_pages; /* 0: what Wasm allows */
    const char *function;
    WasmEdge_ConfigureContext *configure;
    WasmEdge_StatisticsContext *statistics;
    WasmEdge_ASTModuleContext *ast;
    WasmEdge_ExecutorContext *executor;
    WasmEdge_StoreContext *store;
    WasmEdge_ModuleInstanceContext *wasi;
    WasmEdge_ModuleInstanceContext *instance;
    WasmEdge_ModuleInstanceContext **plugins; /* the modules of the engine's plugins */
    size_t plugin_count;
};

int engine_fail(struct engine_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* binary.c: read and check the outer structure; refuse what is no core module. */
int binary_read(struct binary *binary, int fd, struct engine_error *error);
void binary_free(struct binary *binary);
/* Of a module that has been read once, as `bytes`. */
struct outline binary_outline(const uint8_t *bytes, uint32_t length);

/* plugin.c: create the modules of the engine's plugins and register them. */
int create_plugin_modules(struct engine_module *module, struct engine_error *error);
void delete_plugin_modules(struct engine_module *module);

/* module.c: whether a function is exported, and whether it can be called without arguments. */
bool find_function(const struct engine_module *module, const char *name, bool *takes_nothing);

/* configure.c: every proposal on but for those in the set `without`; NULL: an error. */
enum execution { INTERPRETED, COMPILED };
WasmEdge_ConfigureContext *configure_create(const struct engine *engine, enum execution execution,
                                            uint32_t max_memory_pages, bool statistics,
                                            uint32_t without, struct engine_error *error);

/* capture.c: what `call` makes the library log, at most `size` - 1 bytes and a NUL; "" where it
 * cannot be had. */
void capture_log(const struct engine *engine, void (*call)(void *argument), void *argument,
                 char *text, size_t size);

#endif
