/* Loading: bytes to a validated module, and what it imports and exports. */
#include "../../owned.h"
#include "internal.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COST_TABLE_LENGTH 65536 /* one entry for each opcode, as the library numbers them */

struct parse {
    struct engine_module *module;
    struct binary binary;
    const char *compiled; /* instead of it: path of a shared object; NULL: none */
    const char *phase;
    WasmEdge_Result result;
};

/* Parses and validates. Leaves module->ast set on success alone. */
static void parse(void *argument) {
    struct parse *parse = argument;
    struct engine_module *module = parse->module;
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    WasmEdge_LoaderContext *loader = wasmedge->LoaderCreate(module->configure);
    WasmEdge_ValidatorContext *validator = wasmedge->ValidatorCreate(module->configure);

    parse->phase = "can't be parsed";
    if (parse->compiled) {
        parse->result = wasmedge->LoaderParseFromFile(loader, &module->ast, parse->compiled);
    } else {
        WasmEdge_Bytes bytes = {.Length = parse->binary.length, .Buf = parse->binary.bytes};
        parse->result = wasmedge->LoaderParseFromBytes(loader, &module->ast, bytes);
    }
    if (wasmedge->ResultOK(parse->result)) {
        parse->phase = "is not valid";
        parse->result = wasmedge->ValidatorValidate(validator, module->ast);
        if (!wasmedge->ResultOK(parse->result)) {
            wasmedge->ASTModuleDelete(module->ast);
            module->ast = NULL;
        }
    }
    wasmedge->ValidatorDelete(validator);
    wasmedge->LoaderDelete(loader);
}

/* What a module was built for, where this version can't parse that any more; else "". */
static const char *explain_parse(const struct parse *failed) {
    const uint32_t old = 1U << EXCEPTION_LEGACY_CATCH | 1U << EXCEPTION_LEGACY_CATCH_ALL;
    char wrong[32];
    if (!(failed->binary.outline.exceptions & old))
        return "";
    exceptions_wrong(failed->module->engine, 1U << EXCEPTION_LEGACY_CATCH, wrong, sizeof wrong);
    return *wrong ? " (it has exceptions of the old form, which this version of libwasmedge does "
                    "not know: build it with those of WebAssembly 3.0)"
                  : "";
}

/* "…, at byte 0x31": the log is written by the library, but about bytes of the module. Only the
 * number is taken from it. */
static void fail_parse(struct parse *failed, struct engine_error *error) {
    const struct engine *engine = failed->module->engine;
    static const char label[] = "Bytecode offset: 0x";
    char log[4096];
    capture_log(engine, parse, failed, log, sizeof(log));
    const char *offset = strstr(log, label);
    const char *reason = engine->wasmedge.ResultGetMessage(failed->result);
    if (offset)
        engine_fail(error, "the module %s: %s, at byte 0x%" PRIx64 "%s", failed->phase, reason,
                    (uint64_t)strtoull(offset + sizeof(label) - 1, NULL, 16),
                    explain_parse(failed));
    else
        engine_fail(error, "the module %s: %s%s", failed->phase, reason, explain_parse(failed));
}

static int create_statistics(struct engine_module *module, struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    uint64_t *costs = calloc(COST_TABLE_LENGTH, sizeof(*costs));
    module->statistics = wasmedge->StatisticsCreate();
    if (!costs || !module->statistics) {
        free(costs);
        return engine_fail(error, "out of memory");
    }
    for (size_t index = 0; index < COST_TABLE_LENGTH; index++)
        costs[index] = 1;
    wasmedge->StatisticsSetCostTable(module->statistics, costs, COST_TABLE_LENGTH);
    free(costs);
    return 0;
}

bool find_function(const struct engine_module *module, const char *name, bool *takes_nothing) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    uint32_t count = wasmedge->ASTModuleListExportsLength(module->ast);
    const WasmEdge_ExportTypeContext **exports = calloc(count + 1u, sizeof(*exports));
    bool found = false;
    if (!exports)
        return false;
    wasmedge->ASTModuleListExports(module->ast, exports, count);
    for (uint32_t index = 0; index < count && !found; index++) {
        WasmEdge_String string = wasmedge->ExportTypeGetExternalName(exports[index]);
        found =
            wasmedge->ExportTypeGetExternalType(exports[index]) == WasmEdge_ExternalType_Function &&
            string.Length == strlen(name) && memcmp(string.Buf, name, string.Length) == 0;
        if (found)
            *takes_nothing =
                wasmedge->FunctionTypeGetParametersLength(
                    wasmedge->ExportTypeGetFunctionType(module->ast, exports[index])) == 0;
    }
    free(exports);
    return found;
}

static enum engine_kind find_kind(const struct engine_module *module) {
    bool takes_nothing;
    if (find_function(module, "_start", &takes_nothing))
        return ENGINE_COMMAND;
    return find_function(module, "_initialize", &takes_nothing) ? ENGINE_REACTOR : ENGINE_LIBRARY;
}

static int load(struct parse *attempt, const struct engine_options *options,
                struct engine_error *error) {
    struct engine_module *module = attempt->module;
    const struct engine *engine = module->engine;
    bool statistics = options->statistics || options->cost_limit > 0;
    module->cost_limit = options->cost_limit;
    module->insist = options->insist_exceptions;
    module->max_memory_pages = options->max_memory_pages;
    module->configure =
        configure_create(engine, attempt->compiled ? COMPILED : INTERPRETED,
                         options->max_memory_pages, statistics, options->without, error);
    if (!module->configure)
        return -1;
    if (statistics && create_statistics(module, error) != 0)
        return -1;
    parse(attempt);
    if (!engine->wasmedge.ResultOK(attempt->result)) {
        fail_parse(attempt, error);
        return -1;
    }
    module->kind = find_kind(module);
    return 0;
}

/* A module, or NULL, of what `attempt` names. */
static struct engine_module *create(struct engine *engine, struct parse *attempt,
                                    const struct engine_options *options,
                                    struct engine_error *error) {
    struct engine_module *module = calloc(1, sizeof(*module));
    if (!module) {
        engine_fail(error, "out of memory");
        return NULL;
    }
    module->operations = engine->operations;
    module->engine = engine;
    attempt->module = module;
    if (load(attempt, options, error) == 0)
        return module;
    wasmedge_module_close(module);
    return NULL;
}

/* Nothing reads the module any more once it has been parsed: its pages are left to the file. */
static void give_back(const uint8_t *code, uint32_t length) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)code + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)code + length) & ~(page - 1);
    if (begin < end) /* or it stays in memory: no reason to fail */
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static struct outline compiled_outline(void *handle) {
    struct outline outline = {.has_start = true}; /* the safe guess: instantiated late */
    if (!handle)
        return outline;
    const uint8_t *code = dlsym(handle, "wasm.code");
    const uint32_t *length = dlsym(handle, "wasm.size");
    if (code && length) {
        outline = binary_outline(code, *length);
        give_back(code, *length);
    }
    return outline;
}

/* The library would make a memory that is larger than its limit one without any pages. */
static int set_outline(struct engine_module *module, const struct engine_options *options,
                       struct outline outline, struct engine_error *error) {
    uint64_t pages = outline.initial_pages;
    module->has_start = outline.has_start;
    module->exceptions = outline.exceptions;
    if (options->max_initial_pages && pages > options->max_initial_pages)
        return engine_fail(error,
                           "the module needs a memory of %" PRIu64 " pages (of 64 KiB) to begin "
                           "with, more than the limit of %" PRIu32,
                           pages, options->max_initial_pages);
    if (options->max_memory_pages && pages > options->max_memory_pages)
        module->engine->wasmedge.ConfigureSetMaxMemoryPage(module->configure, (uint32_t)pages);
    return 0;
}

/* A shared object; else it is a module with its code in a section (the universal format). */
static bool is_shared_object(const char *path) {
    char magic[4];
    OWNED int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, magic, sizeof(magic)) == sizeof(magic) &&
           memcmp(magic, "\177ELF", sizeof(magic)) == 0;
}

struct engine_module *wasmedge_load_compiled(struct engine *engine, const char *path,
                                             const struct engine_options *options,
                                             struct engine_error *error) {
    struct parse attempt = {.compiled = path};
    void *handle = NULL;
    /* The library, which opens it again, would have functions looked up when they are called: one
     * that is missing would end the program then. */
    if (is_shared_object(path)) {
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle) {
            engine_fail(error, "%s", dlerror());
            return NULL;
        }
    }
    struct engine_module *module = create(engine, &attempt, options, error);
    if (module && set_outline(module, options, compiled_outline(handle), error) != 0) {
        wasmedge_module_close(module);
        module = NULL;
    }
    if (handle)
        dlclose(handle); /* the library holds it, too */
    return module;
}

struct engine_module *wasmedge_load(struct engine *engine, int fd,
                                    const struct engine_options *options,
                                    struct engine_error *error) {
    struct binary binary;
    if (binary_read(&binary, fd, error) != 0)
        return NULL;
    struct parse attempt = {.binary = binary};
    struct engine_module *module = create(engine, &attempt, options, error);
    binary_free(&binary);
    if (!module)
        return NULL;
    module->has_native = binary.has_native;
    if (set_outline(module, options, binary.outline, error) == 0)
        return module;
    wasmedge_module_close(module);
    return NULL;
}

void wasmedge_module_close(struct engine_module *module) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    wasmedge->ModuleInstanceDelete(module->instance);
    wasmedge->StoreDelete(module->store);
    delete_plugin_modules(module);
    wasmedge->ModuleInstanceDelete(module->wasi);
    wasmedge->ExecutorDelete(module->executor);
    wasmedge->ASTModuleDelete(module->ast);
    wasmedge->StatisticsDelete(module->statistics);
    wasmedge->ConfigureDelete(module->configure);
    free(module);
}

enum engine_kind wasmedge_module_kind(const struct engine_module *module) { return module->kind; }

bool wasmedge_module_has_native_code(const struct engine_module *module) {
    return module->has_native;
}

static const char *type_name(enum WasmEdge_ExternalType type) {
    switch (type) {
    case WasmEdge_ExternalType_Function:
        return "function";
    case WasmEdge_ExternalType_Table:
        return "table";
    case WasmEdge_ExternalType_Memory:
        return "memory";
    case WasmEdge_ExternalType_Global:
        return "global";
    case WasmEdge_ExternalType_Tag:
        return "tag";
    }
    return "unknown";
}

size_t wasmedge_module_imports(const struct engine_module *module, struct engine_external *list,
                               size_t size) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    uint32_t count = wasmedge->ASTModuleListImportsLength(module->ast);
    const WasmEdge_ImportTypeContext **imports = calloc(count + 1u, sizeof(*imports));
    if (!imports)
        return 0;
    wasmedge->ASTModuleListImports(module->ast, imports, count);
    for (size_t index = 0; index < count && index < size; index++) {
        WasmEdge_String owner = wasmedge->ImportTypeGetModuleName(imports[index]);
        WasmEdge_String name = wasmedge->ImportTypeGetExternalName(imports[index]);
        list[index] = (struct engine_external){
            owner.Buf, owner.Length, name.Buf, name.Length,
            type_name(wasmedge->ImportTypeGetExternalType(imports[index]))};
    }
    free(imports);
    return count;
}

size_t wasmedge_module_exports(const struct engine_module *module, struct engine_external *list,
                               size_t size) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    uint32_t count = wasmedge->ASTModuleListExportsLength(module->ast);
    const WasmEdge_ExportTypeContext **exports = calloc(count + 1u, sizeof(*exports));
    if (!exports)
        return 0;
    wasmedge->ASTModuleListExports(module->ast, exports, count);
    for (size_t index = 0; index < count && index < size; index++) {
        WasmEdge_String name = wasmedge->ExportTypeGetExternalName(exports[index]);
        list[index] = (struct engine_external){
            NULL, 0, name.Buf, name.Length,
            type_name(wasmedge->ExportTypeGetExternalType(exports[index]))};
    }
    free(exports);
    return count;
}
