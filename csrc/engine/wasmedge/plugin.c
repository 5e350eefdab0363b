/* Plugins of WasmEdge: shared objects with modules that a program can import. */
#include "internal.h"

#include <dlfcn.h>
#include <stdlib.h>

/* The name of the one plugin that there is now beside `known` ones; a NULL buffer: there is none.
 * The library lists them in the order in which they were loaded. */
static WasmEdge_String newest(const struct engine *engine, uint32_t known) {
    const struct wasmedge_symbols *wasmedge = &engine->wasmedge;
    WasmEdge_String found = {0};
    uint32_t count = wasmedge->PluginListPluginsLength();
    WasmEdge_String *names = calloc(count + 1u, sizeof(*names));
    if (names && count == known + 1) {
        wasmedge->PluginListPlugins(names, count);
        found = names[known];
    }
    free(names);
    return found;
}

static int fail_plugin(const char *path, struct engine_error *error) {
    void *handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (!handle)
        return engine_fail(error, "%s", dlerror());
    dlclose(handle);
    return engine_fail(error, "%s: not a plugin for this version of libwasmedge", path);
}

int wasmedge_load_plugin(struct engine *engine, const char *path, struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &engine->wasmedge;
    const WasmEdge_PluginContext **grown =
        realloc(engine->plugins, (engine->plugin_count + 1) * sizeof(*grown));
    if (!grown)
        return engine_fail(error, "out of memory");
    engine->plugins = grown;
    uint32_t known = wasmedge->PluginListPluginsLength();
    wasmedge->PluginLoadFromPath(path);
    WasmEdge_String name = newest(engine, known);
    const WasmEdge_PluginContext *plugin = name.Buf ? wasmedge->PluginFind(name) : NULL;
    if (!plugin)
        return fail_plugin(path, error);
    engine->plugins[engine->plugin_count++] = plugin;
    return 0;
}

static int register_module(struct engine_module *module, const WasmEdge_PluginContext *plugin,
                           WasmEdge_String name, struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    WasmEdge_ModuleInstanceContext *created = wasmedge->PluginCreateModule(plugin, name);
    if (!created)
        return engine_fail(error, "the plugin does not create its module %.*s", (int)name.Length,
                           name.Buf);
    module->plugins[module->plugin_count++] = created;
    WasmEdge_Result result =
        wasmedge->ExecutorRegisterImport(module->executor, module->store, created);
    if (!wasmedge->ResultOK(result))
        return engine_fail(error, "the plugin's module %.*s can't be registered: %s",
                           (int)name.Length, name.Buf, wasmedge->ResultGetMessage(result));
    return 0;
}

static int create_modules(struct engine_module *module, const WasmEdge_PluginContext *plugin,
                          struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &module->engine->wasmedge;
    uint32_t count = wasmedge->PluginListModuleLength(plugin);
    WasmEdge_String *names = calloc(count + 1u, sizeof(*names));
    WasmEdge_ModuleInstanceContext **grown =
        realloc(module->plugins,
                (module->plugin_count + count + 1) * sizeof(WasmEdge_ModuleInstanceContext *));
    if (grown)
        module->plugins = grown;
    if (!names || !grown) {
        free(names);
        return engine_fail(error, "out of memory");
    }
    wasmedge->PluginListModule(plugin, names, count);
    int outcome = 0;
    for (uint32_t index = 0; index < count && outcome == 0; index++)
        outcome = register_module(module, plugin, names[index], error);
    free(names);
    return outcome;
}

int create_plugin_modules(struct engine_module *module, struct engine_error *error) {
    const struct engine *engine = module->engine;
    for (size_t index = 0; index < engine->plugin_count; index++)
        if (create_modules(module, engine->plugins[index], error) != 0)
            return -1;
    return 0;
}

void delete_plugin_modules(struct engine_module *module) {
    while (module->plugin_count > 0)
        module->engine->wasmedge.ModuleInstanceDelete(module->plugins[--module->plugin_count]);
    free(module->plugins);
    module->plugins = NULL;
}
