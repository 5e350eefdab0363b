/* libwasmedge itself: found, opened with or without LLVM, its functions resolved. */
#define _GNU_SOURCE
#include "internal.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

/* The object's first dynamic string with this tag, or the one that equals `wanted`; else NULL. */
static const char *dynamic_string(void *handle, ElfW(Sxword) tag, const char *wanted) {
    struct link_map *map;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
        return NULL;
    ElfW(Addr) strings = 0;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_STRTAB)
            strings = entry->d_un.d_ptr;
    /* glibc adds the load address itself, but where the dynamic section is read-only (RISC-V). */
    if (strings < map->l_addr)
        strings += map->l_addr;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag != tag)
            continue;
        const char *string = (const char *)(strings + entry->d_un.d_val);
        if (!wanted || strcmp(string, wanted) == 0)
            return string;
    }
    return NULL;
}

/* The stub stands in when the library asks for it by name. The linker has checked every single
 * symbol by then. */
static bool depends_on(void *library, void *stub) {
    const char *soname = dynamic_string(stub, DT_SONAME, NULL);
    return soname && dynamic_string(library, DT_NEEDED, soname);
}

static int open_library(struct engine *engine, const char *library, const char *stub,
                        struct engine_error *error) {
    if (stub)
        engine->stub = dlopen(stub, RTLD_NOW | RTLD_GLOBAL);
    engine->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    engine->uses_stub =
        engine->stub && engine->library && depends_on(engine->library, engine->stub);
    if (engine->stub && !engine->uses_stub) {
        /* It lacks a symbol, or another LLVM (or none) is wanted. */
        dlclose(engine->stub);
        engine->stub = NULL;
        if (!engine->library)
            engine->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    }
    if (!engine->library)
        return engine_fail(error, "the WasmEdge library can't be loaded: %s", dlerror());
    /* LLVM calls fmin, fmax and others of libm. It is there, as the library needs it, but its names
     * are not for all. Code that wants one that is missing is not loaded. */
    // cppcheck-suppress leakReturnValNotUsed ; it is for the life of the process
    (void)dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
    return 0;
}

static int resolve_symbols(struct engine *engine, struct engine_error *error) {
    const char *missing = NULL;
#define RESOLVE(name)                                                                              \
    engine->wasmedge.name =                                                                        \
        (__typeof__(WasmEdge_##name) *)dlsym(engine->library, "WasmEdge_" #name);                  \
    if (!engine->wasmedge.name)                                                                    \
        missing = #name;
    ENGINE_SYMBOLS(RESOLVE)
#undef RESOLVE
#define RESOLVE(name, type, ...)                                                                   \
    engine->wasmedge.name = (type(*)(__VA_ARGS__))dlsym(engine->library, "WasmEdge_" #name);
    ENGINE_OPTIONAL_SYMBOLS(RESOLVE)
    ENGINE_CHANGED_SYMBOLS(RESOLVE)
#undef RESOLVE
#define CHECK(name, ...)                                                                           \
    if (!engine->wasmedge.name)                                                                    \
        missing = #name;
    ENGINE_CHANGED_SYMBOLS(CHECK)
#undef CHECK
    /* One of the two says that a module is interpreted. */
    if (!engine->wasmedge.ConfigureSetForceInterpreter && !engine->wasmedge.ConfigureSetRunMode)
        missing = "ConfigureSetRunMode";
    /* Said first: an old version lacks functions too. */
    if (engine->wasmedge.VersionGetMinor && engine->wasmedge.VersionGetMajor &&
        engine->wasmedge.VersionGetMajor() == 0 && engine->wasmedge.VersionGetMinor() < 14)
        return engine_fail(error, "libwasmedge %s is too old: 0.14 or newer is needed",
                           engine->wasmedge.VersionGet());
    if (missing)
        return engine_fail(error, "this libwasmedge has no WasmEdge_%s", missing);
    return 0;
}

struct engine *wasmedge_open(const char *library, const char *stub, struct engine_error *error) {
    struct engine *engine = calloc(1, sizeof(*engine));
    if (!engine) {
        engine_fail(error, "out of memory");
        return NULL;
    }
    engine->operations = &wasmedge_operations;
    if (open_library(engine, library, stub, error) != 0 || resolve_symbols(engine, error) != 0) {
        wasmedge_close(engine);
        return NULL;
    }
    /* It would write to the program's standard output. */
    engine->wasmedge.LogOff();
    return engine;
}

const char *wasmedge_version(const struct engine *engine) { return engine->wasmedge.VersionGet(); }

bool wasmedge_uses_stub(const struct engine *engine) { return engine->uses_stub; }

void wasmedge_close(struct engine *engine) {
    if (engine->library)
        dlclose(engine->library);
    if (engine->stub)
        dlclose(engine->stub);
    free(engine->plugins);
    free(engine);
}

const struct engine_operations wasmedge_operations = {
    .name = "wasmedge",
    .open = wasmedge_open,
    .version = wasmedge_version,
    .uses_stub = wasmedge_uses_stub,
    .wrong_exceptions = wasmedge_wrong_exceptions,
    .load_plugin = wasmedge_load_plugin,
    .close = wasmedge_close,
    .load = wasmedge_load,
    .load_compiled = wasmedge_load_compiled,
    .module_close = wasmedge_module_close,
    .module_kind = wasmedge_module_kind,
    .module_has_native_code = wasmedge_module_has_native_code,
    .module_imports = wasmedge_module_imports,
    .module_exports = wasmedge_module_exports,
    .check = wasmedge_check,
    .prepare = wasmedge_prepare,
    .module_doubt = wasmedge_module_doubt,
    .module_descriptor = wasmedge_module_descriptor,
    .run = wasmedge_run,
    .module_statistics = wasmedge_module_statistics,
    .check_runnable = wasmedge_check_runnable,
    .compiles_exceptions = wasmedge_compiles_exceptions,
    .compile = wasmedge_compile,
    .check_compiled = wasmedge_check_compiled,
};
