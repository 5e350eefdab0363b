/* The one layer over the engines: open an engine's library, load a module, run it as a WASI
 * program, compile it ahead of time. Linked into crunw-init and into the Python module
 * crunw._engine. The folders wasmedge and wasmtime implement it, engine.c finds out which.
 *
 * Functions that can fail return NULL or -1 with `error` filled in: one line that says what is
 * wrong and, where the library knows it, at which byte of the module.
 *
 * Nothing here trusts the module: native code inside one (an AOT section, a shared object) is never
 * executed. engine_load_compiled alone executes native code: what engine_compile has made on this
 * host, and the caller has kept where nobody else can write. Not thread-safe: a failing load
 * redirects the process's standard output for a moment, because that is where the library writes
 * the only copy of the details. */
#ifndef CRUNW_ENGINE_H
#define CRUNW_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit status of a module that trapped: 128 + SIGABRT, as a native program that aborts. */
#define ENGINE_TRAP_STATUS 134

struct engine_error {
    char message[1024];
};

struct engine;
struct engine_module;

/* Opens the library of the engine `name`, "wasmedge" or "wasmtime", a path or a soname. `stub` is
 * the path of the LLVM stub built with crunw, or NULL for the real LLVM (compiling needs it), of
 * WasmEdge alone. A stub that does not fit the installed library is left aside. Versions that crunw
 * is not made for are refused. */
struct engine *engine_open(const char *name, const char *library, const char *stub,
                           struct engine_error *error);
/* "wasmedge" */
const char *engine_name(const struct engine *engine);
/* "0.14.1"; owned by the library. */
const char *engine_version(const struct engine *engine);
/* Whether the library runs on the stub, that is without LLVM. */
bool engine_uses_stub(const struct engine *engine);
/* Names what the library's interpreter executes wrongly of the exceptions `used`, a set (~0: all),
 * as "catch_all, catch_all_ref", at most `size` - 1 bytes; "": nothing. */
void engine_wrong_exceptions(const struct engine *engine, uint32_t used, char *text, size_t size);
/* Loads the plugin of WasmEdge at `path`, native code of the host's: its modules can be imported by
 * all that is prepared from now on. */
int engine_load_plugin(struct engine *engine, const char *path, struct engine_error *error);
/* After all modules are closed. */
void engine_close(struct engine *engine);

/* The proposals to WebAssembly that the library knows, by name, as "tail-call"; NULL after the
 * last. Their bits (1 << index) make a set. */
const char *engine_proposal(unsigned index);

struct engine_options {
    /* Pages of 64 KiB, for each linear memory; 0: what Wasm allows. A memory that is larger from
     * the beginning does not grow. */
    uint32_t max_memory_pages;
    uint32_t max_initial_pages; /* a module with more of them is refused; 0: none is */
    uint64_t cost_limit;        /* instructions until a trap; 0: none */
    bool statistics;            /* count instructions and time */
    uint32_t without;           /* proposals to refuse, a set; 0: all are enabled */
    bool insist_exceptions;     /* run a module whose exceptions the library executes wrongly */
};

enum engine_kind {
    ENGINE_COMMAND, /* exports _start */
    ENGINE_REACTOR, /* exports _initialize and functions to call */
    ENGINE_LIBRARY, /* exports neither */
};

/* Reads all of `fd`, a regular file, then parses and validates it. `fd` stays open. */
struct engine_module *engine_load(struct engine *engine, int fd,
                                  const struct engine_options *options, struct engine_error *error);
/* Loads the shared object at `path`, made by engine_compile with `native`: it holds the module,
 * too. A path with a slash, as dlopen takes it; nothing is opened by it later. */
struct engine_module *engine_load_compiled(struct engine *engine, const char *path,
                                           const struct engine_options *options,
                                           struct engine_error *error);
void engine_module_close(struct engine_module *module);

enum engine_kind engine_module_kind(const struct engine_module *module);
/* Whether the file carries native code, which is not used. */
bool engine_module_has_native_code(const struct engine_module *module);

/* An import or export of a loaded module. Names are not NUL-terminated and point into the module,
 * until engine_prepare. */
struct engine_external {
    const char *module; /* of an import; NULL for an export */
    size_t module_length;
    const char *name;
    size_t name_length;
    const char *type; /* "function", "table", "memory", "global" or "tag" */
};
/* Fill at most `size` entries; return how many there are. */
size_t engine_module_imports(const struct engine_module *module, struct engine_external *list,
                             size_t size);
size_t engine_module_exports(const struct engine_module *module, struct engine_external *list,
                             size_t size);

/* NULL-terminated lists. A preopen is "guest:host" or "guest:host:readonly" (as far as the library
 * goes: in a directory inside one can write); WASI numbers them in this order from 3 on. */
struct engine_program {
    const char *const *argv;
    const char *const *envp;
    const char *const *preopens;
    const char *function; /* of a reactor or library, to call after _initialize; NULL: _start */
};

/* What engine_prepare does before it instantiates: whether the module would run, without the memory
 * that it needs for that. It can only be closed then. */
int engine_check(struct engine_module *module, const struct engine_program *program,
                 struct engine_error *error);
/* Makes the module ready to run: opens the preopens, checks the imports and the function,
 * instantiates (but for a module with a start section, whose code may not run yet). Once. */
int engine_prepare(struct engine_module *module, const struct engine_program *program,
                   struct engine_error *error);
/* What is executed wrongly of a prepared module, which options.insist_exceptions has let pass; "":
 * nothing. A notice for its user. */
const char *engine_module_doubt(const struct engine_module *module);
/* The descriptor of a prepared module's preopen number `index`, or -1 after the last. They
 * ascend; with 0, 1 and 2 they are all that the module needs. */
int engine_module_descriptor(const struct engine_module *module, uint32_t index);
/* Runs a prepared module to its end, once. 0: it ended by itself, `status` is what it gave to
 * proc_exit, or 0. -1: it trapped; the error says why. */
int engine_run(struct engine_module *module, uint32_t *status, struct engine_error *error);

struct engine_statistics {
    uint64_t instructions;
    uint64_t cost;
};
/* Of a module loaded with options.statistics or a cost limit, during or after its run. */
struct engine_statistics engine_module_statistics(const struct engine_module *module);

struct engine_compile_options {
    char level;   /* '0', '1', '2', '3', 's' or 'z' */
    bool native;  /* a shared object instead of Wasm with an AOT section */
    bool generic; /* for any CPU of the architecture instead of this one */
    bool interruptible;
    bool statistics;  /* counters, as a run with statistics or a cost limit needs them */
    uint32_t without; /* proposals to refuse, a set */
};
/* Whether the module in `fd` could be run at all: it is valid, and imports nothing but what WASI
 * provides (or plugins might, with `any_import`). What crunw-init would refuse is not compiled. */
int engine_check_runnable(struct engine *engine, int fd,
                          const struct engine_compile_options *options, bool any_import,
                          struct engine_error *error);
/* What the module in `fd` does with exceptions, a set; 0: nothing, or it is not a module. */
uint32_t engine_used_exceptions(int fd);
/* Whether code of such a set can be compiled, and is right; `output` is written to for it. Where it
 * can't be, the library may end the process. */
bool engine_compiles_exceptions(struct engine *engine, uint32_t used, const char *output,
                                const struct engine_compile_options *options);
/* Compiles the module in `fd` into the file `output`, which must not be readable by others while
 * it grows: the caller renames it. Needs an engine opened without the stub, and a module that
 * engine_check_runnable has accepted: the library says less about what is wrong with another. */
int engine_compile(struct engine *engine, int fd, const char *output,
                   const struct engine_compile_options *options, struct engine_error *error);
/* Loads what engine_compile has written to `path` (with a slash in it), as a run would. -1 where
 * the library would leave the code aside, which it does in silence, and interpret the module. */
int engine_check_compiled(struct engine *engine, const char *path,
                          const struct engine_compile_options *options, struct engine_error *error);

#endif
