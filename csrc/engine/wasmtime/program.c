/* A module or component as a WASI program: what it imports and exports, its arguments, its
 * directories. */
#define _GNU_SOURCE
#include "internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_DESCRIPTOR 3
#define MOST_ELEMENTS 10000000 /* of a table: as binary.c limits those that it sees */

static const char *const type_names[] = {"function", "global", "table", "memory", "tag"};

static const char *type_name(const struct wasmtime_symbols *wasmtime,
                             const struct wasm_externtype *type) {
    uint8_t kind = wasmtime->wasm_externtype_kind(type);
    return kind < sizeof type_names / sizeof type_names[0] ? type_names[kind] : "unknown";
}

/* Import or export number `index` of a component. */
static bool component_external(const struct engine_module *module, bool import, size_t index,
                               struct engine_external *external) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasmtime_component_extern *item;
    *external = (struct engine_external){.type = "interface"};
    bool found = import
                     ? wasmtime->wasmtime_component_type_import_nth(module->type, module->compiler,
                                                                    index, &external->name,
                                                                    &external->name_length, &item)
                     : wasmtime->wasmtime_component_type_export_nth(module->type, module->compiler,
                                                                    index, &external->name,
                                                                    &external->name_length, &item);
    if (found)
        wasmtime->wasmtime_component_extern_delete(item);
    return found;
}

static size_t component_externals(const struct engine_module *module, bool import,
                                  struct engine_external *list, size_t size) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    size_t count =
        import ? wasmtime->wasmtime_component_type_import_count(module->type, module->compiler)
               : wasmtime->wasmtime_component_type_export_count(module->type, module->compiler);
    for (size_t index = 0; list && index < count && index < size; index++)
        component_external(module, import, index, &list[index]);
    return count;
}

size_t wasmtime_module_imports(const struct engine_module *module, struct engine_external *list,
                               size_t size) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    if (module->component)
        return component_externals(module, true, list, size);
    for (size_t index = 0; index < module->imports.size && index < size; index++) {
        const struct wasm_importtype *import = module->imports.data[index];
        const struct wasm_bytes *owner = wasmtime->wasm_importtype_module(import);
        const struct wasm_bytes *name = wasmtime->wasm_importtype_name(import);
        list[index] =
            (struct engine_external){owner->data, owner->size, name->data, name->size,
                                     type_name(wasmtime, wasmtime->wasm_importtype_type(import))};
    }
    return module->imports.size;
}

size_t wasmtime_module_exports(const struct engine_module *module, struct engine_external *list,
                               size_t size) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    if (module->component)
        return component_externals(module, false, list, size);
    for (size_t index = 0; index < module->exports.size && index < size; index++) {
        const struct wasm_exporttype *export = module->exports.data[index];
        const struct wasm_bytes *name = wasmtime->wasm_exporttype_name(export);
        list[index] =
            (struct engine_external){NULL, 0, name->data, name->size,
                                     type_name(wasmtime, wasmtime->wasm_exporttype_type(export))};
    }
    return module->exports.size;
}

const struct wasm_exporttype *exported(const struct engine_module *module, const char *name) {
    for (size_t index = 0; index < module->exports.size; index++) {
        const struct wasm_exporttype *export = module->exports.data[index];
        const struct wasm_bytes *found = module->engine->wasmtime.wasm_exporttype_name(export);
        if (found->size == strlen(name) && memcmp(found->data, name, found->size) == 0)
            return export;
    }
    return NULL;
}

const struct wasm_functype *exported_function(const struct engine_module *module,
                                              const char *name) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    const struct wasm_exporttype *export = exported(module, name);
    if (!export)
        return NULL;
    return wasmtime->wasm_externtype_as_functype_const(wasmtime->wasm_exporttype_type(export));
}

bool find_interface(const struct engine_module *module, const char *start, char *name,
                    size_t size) {
    struct engine_external external;
    for (size_t index = 0; component_external(module, false, index, &external); index++)
        if (external.name_length >= strlen(start) && external.name_length < size &&
            memcmp(external.name, start, strlen(start)) == 0) {
            snprintf(name, size, "%.*s", (int)external.name_length, external.name);
            return true;
        }
    return false;
}

/* Whether the name of an import of a component, of version 0.2.x, begins so. */
static bool is_of(const struct engine_external *import, const char *start) {
    static const char version[] = "@0.2.";
    size_t length = strlen(start);
    return import->name_length > length && memcmp(import->name, start, length) == 0 &&
           memmem(import->name, import->name_length, version, sizeof version - 1);
}

static bool is_of_any(const struct engine_external *import, const char *const *starts) {
    while (*starts && !is_of(import, *starts))
        starts++;
    return *starts;
}

static bool is_http(const struct engine_external *import) {
    static const char *const interfaces[] = {"wasi:http/types@", "wasi:http/outgoing-handler@",
                                             NULL};
    return is_of_any(import, interfaces);
}

/* The interfaces of WASI 0.2 that the linker has been given. Whether their functions are those that
 * the component means is seen when it is instantiated. */
static bool is_wasip2(const struct engine_external *import) {
    static const char *const packages[] = {"wasi:cli/", "wasi:clocks/", "wasi:filesystem/",
                                           "wasi:io/",  "wasi:random/", "wasi:sockets/",
                                           NULL};
    return is_of_any(import, packages) || is_http(import);
}

static bool is_socket(const struct engine_external *import) {
    static const char *const interfaces[] = {"wasi:sockets/tcp-create-socket@",
                                             "wasi:sockets/udp-create-socket@", NULL};
    return is_of_any(import, interfaces);
}

/* Whether it is a component with such an import. */
static bool imports(const struct engine_module *module,
                    bool (*is_wanted)(const struct engine_external *import)) {
    struct engine_external import;
    if (!module->component)
        return false;
    for (size_t index = 0; component_external(module, true, index, &import); index++)
        if (is_wanted(&import))
            return true;
    return false;
}

static bool is_provided(const struct engine_module *module, const struct engine_external *import) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasmtime_extern found;
    if (module->component)
        return is_wasip2(import);
    if (!wasmtime->wasmtime_linker_get(
            module->linker, wasmtime->wasmtime_store_context(module->store), import->module,
            import->module_length, import->name, import->name_length, &found))
        return false;
    wasmtime->wasmtime_extern_delete(&found);
    return true;
}

static int check_imports(const struct engine_module *module, struct engine_error *error) {
    size_t count = wasmtime_module_imports(module, NULL, 0);
    struct engine_external *list = calloc(count + 1, sizeof *list);
    if (!list)
        return engine_fail(error, "out of memory");
    wasmtime_module_imports(module, list, count);
    char missing[300] = "";
    size_t length = 0;
    for (size_t index = 0; index < count && length < sizeof missing; index++) {
        const struct engine_external *import = &list[index];
        if (!is_provided(module, import))
            length += (size_t)snprintf(
                missing + length, sizeof missing - length, "%s%s %.*s%s%.*s", length ? ", " : "",
                import->type, (int)import->module_length, import->module ? import->module : "",
                import->module ? "." : "", (int)import->name_length, import->name);
    }
    free(list);
    if (!length)
        return 0;
    return engine_fail(error, "the %s imports what crunw does not provide: %s%s",
                       module->component ? "component" : "module", missing,
                       length < sizeof missing ? "" : "...");
}

/* Takes `external`; whether it is an item of that kind. */
static bool take_item(const struct wasmtime_symbols *wasmtime,
                      struct wasmtime_component_extern *external, uint8_t kind,
                      struct wasmtime_component_item *item) {
    wasmtime->wasmtime_component_extern_type(external, item);
    wasmtime->wasmtime_component_extern_delete(external);
    if (item->kind == kind)
        return true;
    wasmtime->wasmtime_component_item_delete(item);
    return false;
}

/* Whether it takes nothing and returns a result. */
static bool is_run(const struct wasmtime_symbols *wasmtime,
                   const struct wasmtime_component_func_type *function) {
    struct wasmtime_component_valtype result;
    if (wasmtime->wasmtime_component_func_type_param_count(function) != 0 ||
        !wasmtime->wasmtime_component_func_type_result(function, &result))
        return false;
    bool found = result.kind == WASMTIME_COMPONENT_RESULT;
    wasmtime->wasmtime_component_valtype_delete(&result);
    return found;
}

/* Whether the interface of that name can be run. */
static bool has_run(const struct engine_module *module, const char *name) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasmtime_component_extern *external;
    struct wasmtime_component_item interface;
    struct wasmtime_component_item function;
    bool found = false;
    if (!wasmtime->wasmtime_component_type_export_get(module->type, module->compiler, name,
                                                      strlen(name), &external) ||
        !take_item(wasmtime, external, WASMTIME_COMPONENT_ITEM_INSTANCE, &interface))
        return false;
    if (wasmtime->wasmtime_component_instance_type_export_get(
            interface.of.instance, module->compiler, "run", strlen("run"), &external) &&
        take_item(wasmtime, external, WASMTIME_COMPONENT_ITEM_FUNC, &function)) {
        found = is_run(wasmtime, function.of.function);
        wasmtime->wasmtime_component_item_delete(&function);
    }
    wasmtime->wasmtime_component_item_delete(&interface);
    return found;
}

static int check_component(const struct engine_module *module, const char *function,
                           struct engine_error *error) {
    char name[128];
    if (function)
        return engine_fail(error, "run.oci.wasm.function names functions of core modules, and this "
                                  "is a component");
    if (find_interface(module, RUN, name, sizeof name)) {
        if (has_run(module, name))
            return 0;
        return engine_fail(error,
                           "the component's %s has no function run that takes nothing and returns "
                           "a result",
                           name);
    }
    if (find_interface(module, "wasi:cli/run@", name, sizeof name))
        return engine_fail(error, "the component exports %s, and crunw runs those of WASI 0.2",
                           name);
    if (find_interface(module, "wasi:http/incoming-handler@", name, sizeof name))
        return engine_fail(error,
                           "the component answers HTTP requests (%s), which crunw does not "
                           "serve: build a command (wasi:cli/run)",
                           name);
    return engine_fail(error, "the component exports no wasi:cli/run: it is not a program");
}

/* Whether a core function is there and can be called without arguments. */
static int check_core(struct engine_module *module, const char *function,
                      struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    module->function = function ? function : "_start";
    if (!function && module->kind != ENGINE_COMMAND)
        return engine_fail(error,
                           "the module exports no _start: it is a %s (name the function to call in "
                           "the annotation run.oci.wasm.function, or build a program)",
                           module->kind == ENGINE_REACTOR ? "reactor" : "library");
    const struct wasm_functype *type = exported_function(module, module->function);
    if (!type)
        return engine_fail(error, "the module exports no function %s", module->function);
    if (wasmtime->wasm_functype_params(type)->size > 0)
        return engine_fail(error, "function %s can't be called without arguments",
                           module->function);
    return 0;
}

static int set_environment(const struct wasmtime_symbols *wasmtime, struct wasi_config *wasi,
                           const char *const *envp, struct engine_error *error) {
    for (; *envp; envp++) {
        const char *equals = strchr(*envp, '=');
        if (!equals)
            continue;
        char *name = strndup(*envp, (size_t)(equals - *envp));
        const char *names[] = {name};
        const char *values[] = {equals + 1};
        bool done = name && wasmtime->wasi_config_set_env(wasi, 1, names, values);
        free(name);
        if (!done)
            return engine_fail(error, "the environment: %.200s is not UTF-8, as WASI wants it",
                               *envp);
    }
    return 0;
}

/* The library does not say which descriptor it has opened; it is the lowest one that was free, and
 * of that very directory. */
static int add_preopen(struct engine_module *module, struct wasi_config *wasi,
                       const struct preopen *preopen, struct engine_error *error) {
    struct stat opened;
    struct stat wanted;
    int expected = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
    if (expected < 0)
        return engine_fail(error, "no descriptor is free");
    close(expected); /* it is the library's next */
    if (!module->engine->wasmtime.wasi_config_preopen_dir(wasi, preopen->host, preopen->guest,
                                                          !preopen->read_only))
        return engine_fail(error, "preopen %s:%s can't be opened", preopen->guest, preopen->host);
    if (fstat(expected, &opened) != 0 || stat(preopen->host, &wanted) != 0 ||
        opened.st_dev != wanted.st_dev || opened.st_ino != wanted.st_ino)
        return engine_fail(error, "preopen %s:%s: its descriptor is not known", preopen->guest,
                           preopen->host);
    module->descriptors[module->descriptor_count++] = expected;
    return 0;
}

static int add_preopens(struct engine_module *module, struct wasi_config *wasi,
                        const char *const *preopens, struct engine_error *error) {
    module->descriptors = calloc(list_length(preopens) + 1u, sizeof *module->descriptors);
    if (!module->descriptors)
        return engine_fail(error, "out of memory");
    for (; *preopens; preopens++) {
        struct preopen parts;
        if (preopen_split(*preopens, &parts, error) != 0)
            return -1;
        int outcome = add_preopen(module, wasi, &parts, error);
        preopen_free(&parts);
        if (outcome != 0)
            return -1;
    }
    return 0;
}

static int configure_wasi(struct engine_module *module, struct wasi_config *wasi,
                          const struct engine_program *program, struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    if (!wasmtime->wasi_config_set_argv(wasi, list_length(program->argv), program->argv))
        return engine_fail(error, "an argument is not UTF-8, as WASI wants it");
    if (set_environment(wasmtime, wasi, program->envp, error) != 0)
        return -1;
    wasmtime->wasi_config_inherit_stdin(wasi);
    wasmtime->wasi_config_inherit_stdout(wasi);
    wasmtime->wasi_config_inherit_stderr(wasi);
    if (!allow_network(module->engine, wasi) && imports(module, is_socket))
        return engine_fail(error,
                           "this build of wasmtime %s allows no sockets, which the component "
                           "imports (take PyPI's, docs/components.md)",
                           module->engine->version);
    return add_preopens(module, wasi, program->preopens, error);
}

static int create_wasi(struct engine_module *module, const struct engine_program *program,
                       struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasi_config *wasi = wasmtime->wasi_config_new();
    if (configure_wasi(module, wasi, program, error) != 0) {
        wasmtime->wasi_config_delete(wasi);
        return -1;
    }
    struct wasmtime_context *context = wasmtime->wasmtime_store_context(module->store);
    struct wasmtime_error *failure = wasmtime->wasmtime_context_set_wasi(context, wasi);
    if (failure)
        return fail_with(module->engine, "WASI", failure, error);
    if (imports(module, is_http))
        wasmtime->wasmtime_context_set_wasi_http(context);
    return 0;
}

static int create_store(struct engine_module *module, struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    module->store = wasmtime->wasmtime_store_new(module->compiler, NULL, NULL);
    wasmtime->wasmtime_store_limiter(module->store,
                                     module->max_memory ? (int64_t)module->max_memory : -1,
                                     MOST_ELEMENTS, -1, -1, -1);
    if (!module->metered)
        return 0;
    module->fuel = module->cost_limit ? module->cost_limit : INT64_MAX;
    struct wasmtime_error *failure = wasmtime->wasmtime_context_set_fuel(
        wasmtime->wasmtime_store_context(module->store), module->fuel);
    return failure ? fail_with(module->engine, "fuel", failure, error) : 0;
}

static int create_linker(struct engine_module *module, struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasmtime_error *failure;
    if (module->component) {
        module->component_linker = wasmtime->wasmtime_component_linker_new(module->compiler);
        failure = wasmtime->wasmtime_component_linker_add_wasip2(module->component_linker);
        if (!failure && imports(module, is_http))
            failure = wasmtime->wasmtime_component_linker_add_wasi_http(module->component_linker);
    } else {
        module->linker = wasmtime->wasmtime_linker_new(module->compiler);
        failure = wasmtime->wasmtime_linker_define_wasi(module->linker);
    }
    return failure ? fail_with(module->engine, "WASI can't be linked", failure, error) : 0;
}

int wasmtime_check(struct engine_module *module, const struct engine_program *program,
                   struct engine_error *error) {
    if (check_preopens(program->preopens, error) != 0 || create_store(module, error) != 0 ||
        create_wasi(module, program, error) != 0 || create_linker(module, error) != 0 ||
        check_imports(module, error) != 0)
        return -1;
    return module->component ? check_component(module, program->function, error)
                             : check_core(module, program->function, error);
}

int wasmtime_module_descriptor(const struct engine_module *module, uint32_t index) {
    return index < module->descriptor_count ? module->descriptors[index] : -1;
}
