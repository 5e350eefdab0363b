/* Exception handling: which of its instructions this library executes rightly. Versions of
 * libwasmedge leave an exception's values on the stack where a handler does not take them
 * (catch_all), and the program goes on with wrong numbers. So the library is asked, by modules that
 * trap where it is wrong; a version is not. */
#define _GNU_SOURCE
#include "../../owned.h"
#include "internal.h"
#include "probes.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
    const char *name;
    const uint8_t *bytes;
    uint32_t length;
} PROBES[] = {
    [EXCEPTION_THROW] = {"throw", probe_throw, sizeof probe_throw},
    [EXCEPTION_THROW_REF] = {"throw_ref", probe_throw_ref, sizeof probe_throw_ref},
    [EXCEPTION_CATCH] = {"catch", probe_catch, sizeof probe_catch},
    [EXCEPTION_CATCH_REF] = {"catch_ref", probe_catch_ref, sizeof probe_catch_ref},
    [EXCEPTION_CATCH_ALL] = {"catch_all", probe_catch_all, sizeof probe_catch_all},
    [EXCEPTION_CATCH_ALL_REF] = {"catch_all_ref", probe_catch_all_ref, sizeof probe_catch_all_ref},
    [EXCEPTION_LEGACY_CATCH] = {"the old catch", probe_legacy_catch, sizeof probe_legacy_catch},
    [EXCEPTION_LEGACY_CATCH_ALL] = {"the old catch_all", probe_legacy_catch_all,
                                    sizeof probe_legacy_catch_all},
};
#define PROBE_COUNT (sizeof PROBES / sizeof PROBES[0])

static bool execute(const struct engine *engine, WasmEdge_ConfigureContext *configure,
                    const WasmEdge_ASTModuleContext *ast) {
    const struct wasmedge_symbols *wasmedge = &engine->wasmedge;
    WasmEdge_ExecutorContext *executor = wasmedge->ExecutorCreate(configure, NULL);
    WasmEdge_StoreContext *store = wasmedge->StoreCreate();
    WasmEdge_ModuleInstanceContext *instance = NULL;
    bool done = wasmedge->ResultOK(wasmedge->ExecutorInstantiate(executor, &instance, store, ast));
    wasmedge->ModuleInstanceDelete(instance);
    wasmedge->StoreDelete(store);
    wasmedge->ExecutorDelete(executor);
    return done;
}

/* Whether the interpreter runs a probe to its end. */
static bool is_right(const struct engine *engine, unsigned exception) {
    const struct wasmedge_symbols *wasmedge = &engine->wasmedge;
    struct engine_error ignored;
    WasmEdge_ConfigureContext *configure =
        configure_create(engine, INTERPRETED, 0, false, 0, &ignored);
    if (!configure)
        return false;
    WasmEdge_LoaderContext *loader = wasmedge->LoaderCreate(configure);
    WasmEdge_ValidatorContext *validator = wasmedge->ValidatorCreate(configure);
    WasmEdge_ASTModuleContext *ast = NULL;
    WasmEdge_Bytes bytes = {.Length = PROBES[exception].length, .Buf = PROBES[exception].bytes};
    bool right = wasmedge->ResultOK(wasmedge->LoaderParseFromBytes(loader, &ast, bytes)) &&
                 wasmedge->ResultOK(wasmedge->ValidatorValidate(validator, ast)) &&
                 execute(engine, configure, ast);
    wasmedge->ASTModuleDelete(ast);
    wasmedge->ValidatorDelete(validator);
    wasmedge->LoaderDelete(loader);
    wasmedge->ConfigureDelete(configure);
    return right;
}

void exceptions_wrong(const struct engine *engine, uint32_t used, char *text, size_t size) {
    size_t length = 0;
    text[0] = '\0';
    for (unsigned exception = 0; exception < PROBE_COUNT && length < size; exception++)
        if (used >> exception & 1 && !is_right(engine, exception))
            length += (size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "",
                                       PROBES[exception].name);
}

/* Whether a probe, compiled into the file `output`, runs to its end. */
static bool compiles(struct engine *engine, unsigned exception, const char *output,
                     const struct engine_compile_options *options) {
    const struct engine_options plain = {.statistics = options->statistics};
    struct engine_error ignored;
    OWNED int fd = memfd_create("probe", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    bool done = write(fd, PROBES[exception].bytes, PROBES[exception].length) ==
                    (ssize_t)PROBES[exception].length &&
                wasmedge_compile(engine, fd, output, options, &ignored) == 0;
    struct engine_module *module =
        done ? wasmedge_load_compiled(engine, output, &plain, &ignored) : NULL;
    if (!module)
        return false;
    done = execute(engine, module->configure, module->ast);
    wasmedge_module_close(module);
    return done;
}

bool wasmedge_compiles_exceptions(struct engine *engine, uint32_t used, const char *output,
                                  const struct engine_compile_options *options) {
    for (unsigned exception = 0; exception < PROBE_COUNT; exception++)
        if (used >> exception & 1 && !compiles(engine, exception, output, options))
            return false;
    return true;
}

void wasmedge_wrong_exceptions(const struct engine *engine, uint32_t used, char *text,
                               size_t size) {
    exceptions_wrong(engine, used, text, size);
}
