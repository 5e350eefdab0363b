/* Shared by the files about WasmEdge. */
#ifndef CRUNW_ENGINE_WASMEDGE_INTERNAL_H
#define CRUNW_ENGINE_WASMEDGE_INTERNAL_H

#include "../binary.h"
#include "../implementation.h"
#include "symbols.h"

struct engine {
    const struct engine_operations *operations;
    struct wasmedge_symbols wasmedge;
    void *library;
    void *stub;
    bool uses_stub;
    const WasmEdge_PluginContext **plugins; /* owned by the library */
    size_t plugin_count;
};

struct engine_module {
    const struct engine_operations *operations;
    struct engine *engine;
    enum engine_kind kind;
    bool has_native;
    bool has_start;
    uint64_t cost_limit;       /* 0: none */
    uint32_t max_memory_pages; /* 0: what Wasm allows */
    uint32_t exceptions;       /* as of its outline */
    bool insist;
    struct engine_error doubt; /* what the library executes wrongly of it; "": nothing */
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

/* The operations, one for each of implementation.h. */
struct engine *wasmedge_open(const char *library, const char *stub, struct engine_error *error);
const char *wasmedge_version(const struct engine *engine);
bool wasmedge_uses_stub(const struct engine *engine);
void wasmedge_wrong_exceptions(const struct engine *engine, uint32_t used, char *text, size_t size);
int wasmedge_load_plugin(struct engine *engine, const char *path, struct engine_error *error);
void wasmedge_close(struct engine *engine);
struct engine_module *wasmedge_load(struct engine *engine, int fd,
                                    const struct engine_options *options,
                                    struct engine_error *error);
struct engine_module *wasmedge_load_compiled(struct engine *engine, const char *path,
                                             const struct engine_options *options,
                                             struct engine_error *error);
void wasmedge_module_close(struct engine_module *module);
enum engine_kind wasmedge_module_kind(const struct engine_module *module);
bool wasmedge_module_has_native_code(const struct engine_module *module);
size_t wasmedge_module_imports(const struct engine_module *module, struct engine_external *list,
                               size_t size);
size_t wasmedge_module_exports(const struct engine_module *module, struct engine_external *list,
                               size_t size);
int wasmedge_check(struct engine_module *module, const struct engine_program *program,
                   struct engine_error *error);
int wasmedge_prepare(struct engine_module *module, const struct engine_program *program,
                     struct engine_error *error);
const char *wasmedge_module_doubt(const struct engine_module *module);
int wasmedge_module_descriptor(const struct engine_module *module, uint32_t index);
int wasmedge_run(struct engine_module *module, uint32_t *status, struct engine_error *error);
struct engine_statistics wasmedge_module_statistics(const struct engine_module *module);
int wasmedge_check_runnable(struct engine *engine, int fd,
                            const struct engine_compile_options *options, bool any_import,
                            struct engine_error *error);
bool wasmedge_compiles_exceptions(struct engine *engine, uint32_t used, const char *output,
                                  const struct engine_compile_options *options);
int wasmedge_compile(struct engine *engine, int fd, const char *output,
                     const struct engine_compile_options *options, struct engine_error *error);
int wasmedge_check_compiled(struct engine *engine, const char *path,
                            const struct engine_compile_options *options,
                            struct engine_error *error);

/* exceptions.c: names, in at most `size` - 1 bytes, those of a set that the interpreter executes
 * wrongly. */
void exceptions_wrong(const struct engine *engine, uint32_t used, char *text, size_t size);

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
