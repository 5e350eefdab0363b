/* A checked module or component, run to its end. */
#define _GNU_SOURCE
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESULT_BYTES 32 /* at least those of a wasmtime_val_t */

static struct wasmtime_context *context_of(const struct engine_module *module) {
    return module->engine->wasmtime.wasmtime_store_context(module->store);
}

static int fail_limit(const struct engine_module *module, struct engine_error *error) {
    return engine_fail(error, "trap: the limit of %" PRIu64 " instructions is reached",
                       module->cost_limit);
}

/* Of what instantiating or a run gives back: the status that the program has asked for, or `what`
 * has failed. */
static int end(const struct engine_module *module, struct wasmtime_error *failure, const char *what,
               uint32_t *status, struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    int wanted;
    if (!failure)
        return 0;
    if (wasmtime->wasmtime_error_exit_status(failure, &wanted)) {
        *status = (uint32_t)wanted;
        wasmtime->wasmtime_error_delete(failure);
        return 0;
    }
    fail_with(module->engine, what, failure, error);
    if (module->cost_limit && strstr(error->message, "all fuel consumed"))
        return fail_limit(module, error);
    return -1;
}

static int end_trap(const struct engine_module *module, struct wasm_trap *trap,
                    struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasm_bytes text;
    char line[700];
    wasmtime->wasm_trap_message(trap, &text);
    shorten(&text, line, sizeof line);
    wasmtime->wasm_byte_vec_delete(&text);
    wasmtime->wasm_trap_delete(trap);
    if (module->cost_limit && strstr(line, "all fuel consumed"))
        return fail_limit(module, error);
    return engine_fail(error, "trap: %s", line);
}

static size_t result_count(const struct engine_module *module, const char *name) {
    const struct wasm_functype *type = exported_function(module, name);
    return type ? module->engine->wasmtime.wasm_functype_results(type)->size : 0;
}

/* Calls a core function without arguments. `ended`: the program has asked for its end. */
static int call_core(struct engine_module *module, const struct wasmtime_instance *instance,
                     const char *name, bool *ended, uint32_t *status, struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasmtime_extern function;
    struct wasm_trap *trap = NULL;
    if (!wasmtime->wasmtime_instance_export_get(context_of(module), instance, name, strlen(name),
                                                &function) ||
        function.kind != WASMTIME_EXTERN_FUNC)
        return engine_fail(error, "the module exports no function %s", name);
    size_t count = result_count(module, name);
    void *results = calloc(count + 1, RESULT_BYTES);
    if (!results)
        return engine_fail(error, "out of memory");
    struct wasmtime_error *failure = wasmtime->wasmtime_func_call(
        context_of(module), &function.of.function, NULL, 0, results, count, &trap);
    free(results);
    *ended = failure != NULL;
    return trap ? end_trap(module, trap, error) : end(module, failure, "trap", status, error);
}

static int run_core(struct engine_module *module, uint32_t *status, struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasmtime_instance instance;
    struct wasm_trap *trap = NULL;
    bool ended = false;
    struct wasmtime_error *failure = wasmtime->wasmtime_linker_instantiate(
        module->linker, context_of(module), module->core, &instance, &trap);
    if (failure)
        return end(module, failure, "the module can't be instantiated", status, error);
    if (trap)
        return end_trap(module, trap, error);
    if (module->kind == ENGINE_REACTOR &&
        call_core(module, &instance, "_initialize", &ended, status, error) != 0)
        return -1;
    return ended ? 0 : call_core(module, &instance, module->function, &ended, status, error);
}

/* wasi:cli/run#run of whichever 0.2 version the component has. */
static int find_run(struct engine_module *module,
                    const struct wasmtime_component_instance *instance,
                    struct wasmtime_component_func *function, struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasmtime_component_export_index *run = NULL;
    char name[128];
    if (find_interface(module, RUN, name, sizeof name))
        run = wasmtime->wasmtime_component_instance_get_export_index(instance, context_of(module),
                                                                     NULL, name, strlen(name));
    if (run)
        run = wasmtime->wasmtime_component_instance_get_export_index(instance, context_of(module),
                                                                     run, "run", strlen("run"));
    if (run &&
        wasmtime->wasmtime_component_instance_get_func(instance, context_of(module), run, function))
        return 0;
    return engine_fail(error, "the component's wasi:cli/run has no function run");
}

static int run_component(struct engine_module *module, uint32_t *status,
                         struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasmtime_component_instance instance;
    struct wasmtime_component_func function;
    struct wasmtime_component_val result = {0};
    struct wasmtime_error *failure = wasmtime->wasmtime_component_linker_instantiate(
        module->component_linker, context_of(module), module->component, &instance);
    if (failure)
        return end(module, failure, "the component can't be instantiated", status, error);
    if (find_run(module, &instance, &function, error) != 0)
        return -1;
    failure =
        wasmtime->wasmtime_component_func_call(&function, context_of(module), NULL, 0, &result, 1);
    if (!failure) /* result<_, _>: that it failed is all that it says */
        *status = result.of.result.is_ok ? 0 : 1;
    return end(module, failure, "trap", status, error);
}

int wasmtime_run(struct engine_module *module, uint32_t *status, struct engine_error *error) {
    *status = 0;
    int outcome =
        module->component ? run_component(module, status, error) : run_core(module, status, error);
    if (outcome != 0)
        *status = ENGINE_TRAP_STATUS;
    return outcome;
}

struct engine_statistics wasmtime_module_statistics(const struct engine_module *module) {
    uint64_t left = 0;
    if (module->metered && module->store)
        module->engine->wasmtime.wasmtime_context_get_fuel(context_of(module), &left);
    return (struct engine_statistics){.instructions = module->fuel - left,
                                      .cost = module->fuel - left};
}
