#define _GNU_SOURCE
/* A validated module as a WASI program: arguments, environment, directories, exit status. */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESULT_SUCCESS 0    /* proc_exit gives 1, "terminated" */
#define RESULT_COST_LIMIT 3 /* CostLimitExceeded of enum.inc */

#define FIRST_PREOPEN 3
#define MAX_ATTEMPTS 64

static int preopen_descriptor(const struct engine *engine,
                              const WasmEdge_ModuleInstanceContext *wasi, uint32_t index) {
    uint64_t descriptor;
    if (engine->wasmedge.ModuleInstanceWASIGetNativeHandler(wasi, (int32_t)(FIRST_PREOPEN + index),
                                                            &descriptor) != 0)
        return -1;
    return (int)descriptor;
}

/* The host's descriptors were opened one after the other, so they ascend where WASI's do. */
static bool in_order(const struct engine *engine, const WasmEdge_ModuleInstanceContext *wasi,
                     uint32_t preopens) {
    int previous = STDERR_FILENO;
    for (uint32_t index = 0; index < preopens; index++) {
        int descriptor = preopen_descriptor(engine, wasi, index);
        if (descriptor <= previous)
            return false;
        previous = descriptor;
    }
    return true;
}

/* The library numbers the preopens by the addresses of its objects. Those ascend unless the heap
 * has holes of their size, and an attempt that is kept fills holes. */
static int create_wasi(struct engine_module *module, const struct engine_program *program,
                       struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    WasmEdge_ModuleInstanceContext *attempts[MAX_ATTEMPTS];
    uint32_t preopens = list_length(program->preopens);
    size_t count = 0;
    bool done = false;
    while (!done && count < MAX_ATTEMPTS) {
        attempts[count] = wasmedge->ModuleInstanceCreateWASI(
            program->argv, list_length(program->argv), program->envp, list_length(program->envp),
            program->preopens, preopens);
        done = in_order(module->engine, attempts[count++], preopens);
    }
    if (done)
        module->wasi = attempts[--count];
    while (count > 0)
        wasmedge->ModuleInstanceDelete(attempts[--count]);
    return done ? 0 : engine_fail(error, "the preopens can't be opened in their order");
}

/* Functions are all that WASI and plugins provide. */
static bool has(const struct engine_module *module, const WasmEdge_ModuleInstanceContext *provider,
                const struct engine_external *import) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    WasmEdge_String owner = wasmedge->ModuleInstanceGetModuleName(provider);
    WasmEdge_String name = {.Length = (uint32_t)import->name_length, .Buf = import->name};
    return import->module_length == owner.Length &&
           memcmp(import->module, owner.Buf, owner.Length) == 0 &&
           strcmp(import->type, "function") == 0 &&
           wasmedge->ModuleInstanceFindFunction(provider, name);
}

static bool is_provided(const struct engine_module *module, const struct engine_external *import) {
    bool found = has(module, module->wasi, import);
    for (size_t index = 0; index < module->plugin_count && !found; index++)
        found = has(module, module->plugins[index], import);
    return found;
}

/* Whom modules that import something else were made for: "module." or "module.name…" of an import,
 * and what to do about it. */
static const struct {
    const char *import;
    const char *hint;
} STRANGERS[] = {
    {"gojs.", "built by Go for JavaScript: build it with GOOS=wasip1 GOARCH=wasm"},
    {"go.", "built by Go for JavaScript: build it with GOOS=wasip1 GOARCH=wasm"},
    {"wbg.", "built with wasm-bindgen for JavaScript: build it without, for wasm32-wasip1"},
    {"__wbindgen", "built with wasm-bindgen for JavaScript: build it without, for wasm32-wasip1"},
    {"a.", "built by Emscripten for JavaScript: link it with -sSTANDALONE_WASM"},
    {"env.emscripten_", "built by Emscripten for JavaScript: link it with -sSTANDALONE_WASM"},
    {"env._emscripten_", "built by Emscripten for JavaScript: link it with -sSTANDALONE_WASM"},
    {"env.__syscall_", "built by Emscripten for JavaScript: link it with -sSTANDALONE_WASM"},
    {"env.invoke_", "built by Emscripten for JavaScript: link it with -sSTANDALONE_WASM"},
    {"env._embind", "built by Emscripten for JavaScript: link it with -sSTANDALONE_WASM"},
    {"env.abort", "built by AssemblyScript for JavaScript: build it with its wasi-shim"},
    {"wasi_unstable.", "built for the WASI of 2019, whose calls take other structures and numbers: "
                       "build it again, for WASI preview 1"},
    {"wasi:", "the inside of a component of WASI preview 2: build it for wasm32-wasip1"},
    {"wasi_nn.", "name the plugin wasi_nn in the annotation run.oci.wasm.plugins"},
    {"wasi_ephemeral_nn.", "name the plugin wasi_nn in the annotation run.oci.wasm.plugins"},
};

static const char *explain_import(const struct engine_external *import) {
    char name[256];
    snprintf(name, sizeof(name), "%.*s.%.*s", (int)import->module_length, import->module,
             (int)import->name_length, import->name);
    for (size_t index = 0; index < sizeof(STRANGERS) / sizeof(STRANGERS[0]); index++)
        if (strncmp(name, STRANGERS[index].import, strlen(STRANGERS[index].import)) == 0)
            return STRANGERS[index].hint;
    return NULL;
}

/* Names what is missing, as far as the message reaches; the library would say "unknown import". */
static int check_imports(const struct engine_module *module, struct engine_error *error) {
    size_t count = wasmedge_module_imports(module, NULL, 0);
    struct engine_external *imports = calloc(count + 1, sizeof(*imports));
    if (!imports)
        return engine_fail(error, "out of memory");
    wasmedge_module_imports(module, imports, count);
    char missing[300] = "";
    const char *hint = NULL;
    size_t length = 0;
    for (size_t index = 0; index < count && length < sizeof(missing); index++) {
        const struct engine_external *import = &imports[index];
        if (is_provided(module, import))
            continue;
        hint = hint ? hint : explain_import(import);
        length += (size_t)snprintf(missing + length, sizeof(missing) - length, "%s%s %.*s.%.*s",
                                   length ? ", " : "", import->type, (int)import->module_length,
                                   import->module, (int)import->name_length, import->name);
    }
    free(imports);
    if (length)
        return engine_fail(error, "the module imports what crunw does not provide: %s%s%s%s%s",
                           missing, length < sizeof(missing) ? "" : "...", hint ? " (" : "",
                           hint ? hint : "", hint ? ")" : "");
    return 0;
}

/* Which function to run, and whether it can be called as it is. */
static int check_function(struct engine_module *module, const char *function,
                          struct engine_error *error) {
    bool takes_nothing;
    module->function = function ? function : "_start";
    if (!function && module->kind != ENGINE_COMMAND)
        return engine_fail(error,
                           "the module exports no _start: it is a %s (name the function to call in "
                           "the annotation run.oci.wasm.function, or build a program, in Rust for "
                           "wasm32-wasip1)",
                           module->kind == ENGINE_REACTOR ? "reactor" : "library");
    if (!find_function(module, module->function, &takes_nothing))
        return engine_fail(error, "the module exports no function %s", module->function);
    if (!takes_nothing)
        return engine_fail(error, "function %s can't be called without arguments",
                           module->function);
    return 0;
}

/* The parsed form is as large as the module several times over, and not needed any more. */
static int instantiate(struct engine_module *module, struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    WasmEdge_Result result = wasmedge->ExecutorInstantiate(module->executor, &module->instance,
                                                           module->store, module->ast);
    wasmedge->ASTModuleDelete(module->ast);
    module->ast = NULL;
    if (!wasmedge->ResultOK(result))
        return engine_fail(error, "the module can't be instantiated: %s",
                           wasmedge->ResultGetMessage(result));
    return 0;
}

/* A wrong result is worse than none. */
static int check_exceptions(struct engine_module *module, struct engine_error *error) {
    char wrong[160];
    exceptions_wrong(module->engine, module->exceptions, wrong, sizeof wrong);
    if (!*wrong)
        return 0;
    const char *version = wasmedge_version(module->engine);
    if (!module->insist)
        return engine_fail(error,
                           "the module uses exception handling (%s), which libwasmedge %s "
                           "executes wrongly: its results would be wrong (build it without "
                           "exceptions, or have it run nevertheless by the annotation "
                           "run.oci.wasm.insist=exceptions)",
                           wrong, version);
    engine_fail(&module->doubt,
                "exception handling (%s) is executed wrongly by libwasmedge %s: the results may be "
                "wrong (run.oci.wasm.insist asks for it)",
                wrong, version);
    return 0;
}

const char *wasmedge_module_doubt(const struct engine_module *module) {
    return module->doubt.message;
}

int wasmedge_check(struct engine_module *module, const struct engine_program *program,
                   struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    if (check_preopens(program->preopens, error) != 0 || create_wasi(module, program, error) != 0)
        return -1;
    module->executor = wasmedge->ExecutorCreate(module->configure, module->statistics);
    module->store = wasmedge->StoreCreate();
    if (!module->executor || !module->store)
        return engine_fail(error, "out of memory");
    /* Creating the executor takes the limit away. */
    if (module->cost_limit)
        wasmedge->StatisticsSetCostLimit(module->statistics, module->cost_limit);
    WasmEdge_Result result =
        wasmedge->ExecutorRegisterImport(module->executor, module->store, module->wasi);
    if (!wasmedge->ResultOK(result))
        return engine_fail(error, "WASI can't be registered: %s",
                           wasmedge->ResultGetMessage(result));
    /* What a module imports says more of what it was made for than what it lacks. */
    if (create_plugin_modules(module, error) != 0 || check_imports(module, error) != 0 ||
        check_function(module, program->function, error) != 0)
        return -1;
    return check_exceptions(module, error);
}

int wasmedge_prepare(struct engine_module *module, const struct engine_program *program,
                     struct engine_error *error) {
    if (wasmedge_check(module, program, error) != 0)
        return -1;
    return module->has_start ? 0 : instantiate(module, error);
}

int wasmedge_check_runnable(struct engine *engine, int fd,
                            const struct engine_compile_options *options, bool any_import,
                            struct engine_error *error) {
    static const char *const none[] = {NULL};
    const struct engine_options plain = {.without = options->without};
    const struct engine_program program = {.argv = none, .envp = none, .preopens = none};
    struct engine_module *module = wasmedge_load(engine, fd, &plain, error);
    if (!module)
        return -1;
    int outcome = 0;
    if (!any_import && (create_wasi(module, &program, error) != 0 || check_imports(module, error)))
        outcome = -1;
    wasmedge_module_close(module);
    return outcome;
}

int wasmedge_module_descriptor(const struct engine_module *module, uint32_t index) {
    return preopen_descriptor(module->engine, module->wasi, index);
}

/* A call without arguments. Results are not looked at: _start has none, and of another function
 * they are nobody's exit status. */
static WasmEdge_Result invoke(struct engine_module *module, const char *name) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    WasmEdge_String string = {.Length = (uint32_t)strlen(name), .Buf = name};
    return wasmedge->ExecutorInvoke(module->executor,
                                    wasmedge->ModuleInstanceFindFunction(module->instance, string),
                                    NULL, 0, NULL, 0);
}

/* A program that was refused memory often ends in a trap that says nothing of it. Whether it was
 * the library does not say: but that nearly all is used is worth a word. */
static int fail_trap(const struct engine_module *module, WasmEdge_Result result,
                     struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    const char *message = wasmedge->ResultGetMessage(result);
    const WasmEdge_String name = {.Buf = "memory", .Length = 6};
    const WasmEdge_MemoryInstanceContext *memory =
        wasmedge->ModuleInstanceFindMemory(module->instance, name);
    uint64_t limit = module->max_memory_pages;
    uint64_t pages = memory == NULL ? 0 : wasmedge->MemoryInstanceGetPageSize(memory);
    if (limit == 0 || pages < limit - limit / 8)
        return engine_fail(error, "trap: %s", message);
    return engine_fail(error,
                       "trap: %s; its memory has grown to %" PRIu64 " of %" PRIu64
                       " pages of 64 KiB "
                       "(raise the container's memory limit, or run.oci.wasm.memory-pages)",
                       message, pages, limit);
}

int wasmedge_run(struct engine_module *module, uint32_t *status, struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    if (!module->instance && instantiate(module, error) != 0)
        return -1;
    WasmEdge_Result result = {0};
    if (module->kind == ENGINE_REACTOR)
        result = invoke(module, "_initialize");
    if (result.Code == RESULT_SUCCESS)
        result = invoke(module, module->function);
    if (result.Code == RESULT_COST_LIMIT)
        return engine_fail(error, "trap: the limit of %" PRIu64 " instructions is reached",
                           module->cost_limit);
    if (!wasmedge->ResultOK(result))
        return fail_trap(module, result, error);
    *status = wasmedge->ModuleInstanceWASIGetExitCode(module->wasi);
    return 0;
}

struct engine_statistics wasmedge_module_statistics(const struct engine_module *module) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    return (struct engine_statistics){
        .instructions = wasmedge->StatisticsGetInstrCount(module->statistics),
        .cost = wasmedge->StatisticsGetTotalCost(module->statistics),
    };
}
