/* Loading: bytes, or what was compiled of them, to a module or a component. */
#define _GNU_SOURCE
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PAGE 65536
#define SMALL_GUARD 65536
#define MOST_STACK (512UL * 1024) /* the library's own choice */

/* For each memory the library reserves 4 GiB of addresses, with which it spares tests of bounds.
 * Where addresses are limited (RLIMIT_AS), memories move as they grow. */
static bool has_addresses(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY;
}

/* Of the stack that a program may use; what it calls needs the rest. Beyond it there is a trap,
 * beyond RLIMIT_STACK a fault. */
static size_t stack_size(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur / 2 >= MOST_STACK)
        return MOST_STACK;
    return limit.rlim_cur / 2;
}

struct wasm_engine *compiler_create(const struct engine *engine, struct profile profile) {
    const struct wasmtime_symbols *wasmtime = &engine->wasmtime;
    struct wasm_config *config = wasmtime->wasm_config_new();
    wasmtime->wasmtime_config_consume_fuel_set(config, profile.metered);
    wasmtime->wasmtime_config_cranelift_opt_level_set(config, profile.level);
    wasmtime->wasmtime_config_max_wasm_stack_set(config, stack_size());
    wasmtime->wasmtime_config_parallel_compilation_set(config, false);
    wasmtime->wasmtime_config_native_unwind_info_set(config, false);
    /* It would keep a file open for the first pages of memories, or make one of memory. */
    wasmtime->wasmtime_config_memory_init_cow_set(config, false);
    wasmtime->wasmtime_config_wasm_exceptions_set(config, true);
    wasmtime->wasmtime_config_wasm_function_references_set(config, true);
    wasmtime->wasmtime_config_wasm_gc_set(config, true);
    wasmtime->wasmtime_config_wasm_memory64_set(config, true);
    wasmtime->wasmtime_config_wasm_multi_memory_set(config, true);
    wasmtime->wasmtime_config_wasm_tail_call_set(config, true);
    if (!profile.cached && !has_addresses()) {
        wasmtime->wasmtime_config_memory_reservation_set(config, 0);
        wasmtime->wasmtime_config_memory_reservation_for_growth_set(config, 0);
        wasmtime->wasmtime_config_memory_guard_size_set(config, SMALL_GUARD);
    }
    return wasmtime->wasm_engine_new_with_config(config);
}

struct engine_module *module_create(struct engine *engine, struct profile profile,
                                    struct engine_error *error) {
    struct engine_module *module = calloc(1, sizeof(*module));
    if (!module) {
        engine_fail(error, "out of memory");
        return NULL;
    }
    module->operations = engine->operations;
    module->engine = engine;
    module->metered = profile.metered;
    module->compiler = compiler_create(engine, profile);
    if (module->compiler)
        return module;
    free(module);
    engine_fail(error, "wasmtime can't be configured");
    return NULL;
}

int module_compile(struct engine_module *module, const struct binary *binary,
                   struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasmtime_error *failure =
        binary->is_component ? wasmtime->wasmtime_component_new(module->compiler, binary->bytes,
                                                                binary->length, &module->component)
                             : wasmtime->wasmtime_module_new(module->compiler, binary->bytes,
                                                             binary->length, &module->core);
    if (!failure)
        return 0;
    const char *what =
        binary->is_component ? "the component is not valid" : "the module is not valid";
    return fail_with(module->engine, what, failure, error);
}

static void find_kind(struct engine_module *module) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    module->kind = ENGINE_LIBRARY;
    if (module->component) {
        char name[128];
        module->type = wasmtime->wasmtime_component_type(module->component);
        if (find_interface(module, RUN, name, sizeof name))
            module->kind = ENGINE_COMMAND;
        return;
    }
    wasmtime->wasmtime_module_imports(module->core, &module->imports);
    wasmtime->wasmtime_module_exports(module->core, &module->exports);
    if (exported(module, "_start"))
        module->kind = ENGINE_COMMAND;
    else if (exported(module, "_initialize"))
        module->kind = ENGINE_REACTOR;
}

static struct profile profile_of(const struct engine_options *options, bool cached) {
    return (struct profile){
        .metered = options->statistics || options->cost_limit > 0,
        .cached = cached,
        .level = WASMTIME_OPT_SPEED,
    };
}

static void set_limits(struct engine_module *module, const struct engine_options *options) {
    module->cost_limit = options->cost_limit;
    module->max_memory = (uint64_t)options->max_memory_pages * PAGE;
}

struct engine_module *wasmtime_load(struct engine *engine, int fd,
                                    const struct engine_options *options,
                                    struct engine_error *error) {
    struct binary binary;
    if (binary_read_any(&binary, fd, error) != 0)
        return NULL;
    struct engine_module *module = module_create(engine, profile_of(options, false), error);
    if (module) {
        set_limits(module, options);
        module->has_native = binary.has_native;
        if (module_compile(module, &binary, error) == 0) {
            find_kind(module);
        } else {
            wasmtime_module_close(module);
            module = NULL;
        }
    }
    binary_free(&binary);
    return module;
}

struct engine_module *load_code(struct engine *engine, const char *path,
                                const struct engine_options *options, struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &engine->wasmtime;
    struct engine_module *module = module_create(engine, profile_of(options, true), error);
    if (!module)
        return NULL;
    set_limits(module, options);
    struct wasmtime_error *failure =
        wasmtime->wasmtime_component_deserialize_file(module->compiler, path, &module->component);
    if (failure) {
        wasmtime->wasmtime_error_delete(failure);
        failure = wasmtime->wasmtime_module_deserialize_file(module->compiler, path, &module->core);
    }
    if (!failure) {
        find_kind(module);
        return module;
    }
    fail_with(engine, "the code can't be loaded", failure, error);
    wasmtime_module_close(module);
    return NULL;
}

struct engine_module *wasmtime_load_compiled(struct engine *engine, const char *path,
                                             const struct engine_options *options,
                                             struct engine_error *error) {
    if (has_addresses())
        return load_code(engine, path, options, error);
    engine_fail(error, "it wants more addresses than RLIMIT_AS leaves");
    return NULL;
}

void wasmtime_module_close(struct engine_module *module) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    if (module->linker)
        wasmtime->wasmtime_linker_delete(module->linker);
    if (module->component_linker)
        wasmtime->wasmtime_component_linker_delete(module->component_linker);
    if (module->store)
        wasmtime->wasmtime_store_delete(module->store);
    if (module->type)
        wasmtime->wasmtime_component_type_delete(module->type);
    if (module->component)
        wasmtime->wasmtime_component_delete(module->component);
    if (module->imports.data)
        wasmtime->wasm_importtype_vec_delete(&module->imports);
    if (module->exports.data)
        wasmtime->wasm_exporttype_vec_delete(&module->exports);
    if (module->core)
        wasmtime->wasmtime_module_delete(module->core);
    wasmtime->wasm_engine_delete(module->compiler);
    free(module->descriptors);
    free(module);
}

enum engine_kind wasmtime_module_kind(const struct engine_module *module) { return module->kind; }

bool wasmtime_module_has_native_code(const struct engine_module *module) {
    return module->has_native;
}
