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
    bool has_tags;          /* a tag section, which comes before the code */
    uint32_t exceptions;    /* what its code does with them: bits, by enum exception */
};

/* The ways to use exceptions, each with a probe in exceptions.c. */
enum exception {
    EXCEPTION_THROW,
    EXCEPTION_THROW_REF,
    EXCEPTION_CATCH,
    EXCEPTION_CATCH_REF,
    EXCEPTION_CATCH_ALL,
    EXCEPTION_CATCH_ALL_REF,
    EXCEPTION_LEGACY_CATCH,
    EXCEPTION_LEGACY_CATCH_ALL,
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

int engine_fail(struct engine_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* binary.c: read and check the outer structure; refuse what is no core module. */
int binary_read(struct binary *binary, int fd, struct engine_error *error);
void binary_free(struct binary *binary);
/* Of a module that has been read once, as `bytes`. */
struct outline binary_outline(const uint8_t *bytes, uint32_t length);

struct reader {
    const uint8_t *bytes;
    uint32_t at;
    uint32_t end;
};
/* LEB128, of at most `bits` bits; false at the end of what is read. */
bool read_number(struct reader *reader, unsigned bits, uint64_t *value);
bool read_u32(struct reader *reader, uint32_t *value);

/* code.c: skips a value's or a block's type, or a heap type: a number, after REF or REF_OR_NULL one
 * more. */
bool skip_type(struct reader *reader);
/* Skips a constant expression with its end, as initial values of tables are. */
bool skip_expression(struct reader *reader);
/* What the code section does with exceptions, a set of enum exception. Code that is not
 * understood is taken to catch all. */
uint32_t exceptions_used(struct reader section);
/* The most local variables of a function; 0 where that can't be read. */
uint64_t most_locals(struct reader section);

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
