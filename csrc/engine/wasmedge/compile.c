/* Ahead-of-time compilation, for which the library needs LLVM. */
#define _GNU_SOURCE
#include "internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const char levels[] = {
    [WasmEdge_CompilerOptimizationLevel_O0] = '0', [WasmEdge_CompilerOptimizationLevel_O1] = '1',
    [WasmEdge_CompilerOptimizationLevel_O2] = '2', [WasmEdge_CompilerOptimizationLevel_O3] = '3',
    [WasmEdge_CompilerOptimizationLevel_Os] = 's', [WasmEdge_CompilerOptimizationLevel_Oz] = 'z',
};

static int configure(const struct engine *engine, WasmEdge_ConfigureContext *context,
                     const struct engine_compile_options *options, struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &engine->wasmedge;
    const char *level = memchr(levels, options->level, sizeof(levels));
    if (!level)
        return engine_fail(error, "unknown optimization level %c", options->level);
    wasmedge->ConfigureCompilerSetOptimizationLevel(
        context, (enum WasmEdge_CompilerOptimizationLevel)(level - levels));
    wasmedge->ConfigureCompilerSetOutputFormat(context, options->native
                                                            ? WasmEdge_CompilerOutputFormat_Native
                                                            : WasmEdge_CompilerOutputFormat_Wasm);
    wasmedge->ConfigureCompilerSetGenericBinary(context, options->generic);
    wasmedge->ConfigureCompilerSetInterruptible(context, options->interruptible);
    return 0;
}

static int compile(const struct engine *engine, const struct binary *binary, const char *output,
                   const struct engine_compile_options *options, struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &engine->wasmedge;
    WasmEdge_ConfigureContext *context =
        configure_create(engine, INTERPRETED, 0, options->statistics, options->without, error);
    if (!context)
        return -1;
    int outcome = configure(engine, context, options, error);
    if (outcome == 0) {
        WasmEdge_CompilerContext *compiler = wasmedge->CompilerCreate(context);
        WasmEdge_Bytes bytes = {.Length = binary->length, .Buf = binary->bytes};
        WasmEdge_Result result = wasmedge->CompilerCompileFromBytes(compiler, bytes, output);
        if (!wasmedge->ResultOK(result))
            outcome = engine_fail(error, "the module can't be compiled: %s",
                                  wasmedge->ResultGetMessage(result));
        wasmedge->CompilerDelete(compiler);
    }
    wasmedge->ConfigureDelete(context);
    return outcome;
}

// cppcheck-suppress constParameterPointer ; the type is that of struct engine_operations
int wasmedge_compile(struct engine *engine, int fd, const char *output,
                     const struct engine_compile_options *options, struct engine_error *error) {
    struct binary binary;
    if (binary_read(&binary, fd, error) != 0)
        return -1;
    int outcome = compile(engine, &binary, output, options, error);
    binary_free(&binary);
    return outcome;
}

struct trial {
    struct engine *engine;
    const char *path;
    const struct engine_options *options;
    struct engine_module *module;
    struct engine_error error;
};

static void load_trial(void *argument) {
    struct trial *trial = argument;
    trial->module =
        wasmedge_load_compiled(trial->engine, trial->path, trial->options, &trial->error);
}

/* Whether the library has kept the shared object open: it does when it runs its code. */
static bool is_kept(const char *path) {
    void *handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    if (handle)
        dlclose(handle);
    return handle != NULL;
}

/* Why the code is left aside, which the library's log alone says; NULL: it is not. */
static const char *why_interpreted(const char *log) {
    const char *reason = strstr(log, "AOT ");
    return reason && strstr(reason, "nterpreter") ? reason : NULL;
}

int wasmedge_check_compiled(struct engine *engine, const char *path,
                            const struct engine_compile_options *options,
                            struct engine_error *error) {
    const struct engine_options plain = {.statistics = options->statistics,
                                         .without = options->without};
    struct trial trial = {.engine = engine, .path = path, .options = &plain};
    char log[4096];
    snprintf(trial.error.message, sizeof trial.error.message, "the log can't be read");
    capture_log(engine, load_trial, &trial, log, sizeof log);
    if (!trial.module)
        return engine_fail(error, "the compiled code can't be loaded: %s", trial.error.message);
    bool kept = !options->native || is_kept(path);
    wasmedge_module_close(trial.module);
    const char *reason = why_interpreted(log);
    if (reason)
        return engine_fail(error, "the compiled code can't be used: %.*s",
                           (int)strcspn(reason, "\n"), reason);
    return kept ? 0
                : engine_fail(error, "the compiled code is not used: the library interprets it");
}
