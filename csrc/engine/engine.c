/* engine.h: which implementation an engine is of, and its operations. */
#define _GNU_SOURCE
#include "implementation.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct engine_operations *const implementations[] = {
    &wasmedge_operations,
    &wasmtime_operations,
};

int engine_fail(struct engine_error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    /* Names in a module may hold anything; an error is one line. */
    for (char *at = error->message; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?';
    return -1;
}

/* Both struct engine and struct engine_module begin with it. */
static const struct engine_operations *of(const void *object) {
    return *(const struct engine_operations *const *)object;
}

struct engine *engine_open(const char *name, const char *library, const char *stub,
                           struct engine_error *error) {
    for (size_t i = 0; i < sizeof implementations / sizeof implementations[0]; i++)
        if (strcmp(implementations[i]->name, name) == 0)
            return implementations[i]->open(library, stub, error);
    engine_fail(error, "unknown engine %s", name);
    return NULL;
}

const char *engine_name(const struct engine *engine) { return of(engine)->name; }

const char *engine_version(const struct engine *engine) { return of(engine)->version(engine); }

bool engine_uses_stub(const struct engine *engine) {
    return of(engine)->uses_stub && of(engine)->uses_stub(engine);
}

void engine_wrong_exceptions(const struct engine *engine, uint32_t used, char *text, size_t size) {
    text[0] = '\0';
    if (of(engine)->wrong_exceptions)
        of(engine)->wrong_exceptions(engine, used, text, size);
}

int engine_load_plugin(struct engine *engine, const char *path, struct engine_error *error) {
    if (!of(engine)->load_plugin)
        return engine_fail(error, "%s: plugins are WasmEdge's, and %s runs this module", path,
                           of(engine)->name);
    return of(engine)->load_plugin(engine, path, error);
}

void engine_close(struct engine *engine) { of(engine)->close(engine); }

struct engine_module *engine_load(struct engine *engine, int fd,
                                  const struct engine_options *options,
                                  struct engine_error *error) {
    return of(engine)->load(engine, fd, options, error);
}

struct engine_module *engine_load_compiled(struct engine *engine, const char *path,
                                           const struct engine_options *options,
                                           struct engine_error *error) {
    return of(engine)->load_compiled(engine, path, options, error);
}

void engine_module_close(struct engine_module *module) { of(module)->module_close(module); }

enum engine_kind engine_module_kind(const struct engine_module *module) {
    return of(module)->module_kind(module);
}

bool engine_module_has_native_code(const struct engine_module *module) {
    return of(module)->module_has_native_code(module);
}

size_t engine_module_imports(const struct engine_module *module, struct engine_external *list,
                             size_t size) {
    return of(module)->module_imports(module, list, size);
}

size_t engine_module_exports(const struct engine_module *module, struct engine_external *list,
                             size_t size) {
    return of(module)->module_exports(module, list, size);
}

int engine_check(struct engine_module *module, const struct engine_program *program,
                 struct engine_error *error) {
    return of(module)->check(module, program, error);
}

int engine_prepare(struct engine_module *module, const struct engine_program *program,
                   struct engine_error *error) {
    return of(module)->prepare(module, program, error);
}

const char *engine_module_doubt(const struct engine_module *module) {
    return of(module)->module_doubt ? of(module)->module_doubt(module) : "";
}

int engine_module_descriptor(const struct engine_module *module, uint32_t index) {
    return of(module)->module_descriptor(module, index);
}

int engine_run(struct engine_module *module, uint32_t *status, struct engine_error *error) {
    return of(module)->run(module, status, error);
}

struct engine_statistics engine_module_statistics(const struct engine_module *module) {
    return of(module)->module_statistics(module);
}

int engine_check_runnable(struct engine *engine, int fd,
                          const struct engine_compile_options *options, bool any_import,
                          struct engine_error *error) {
    return of(engine)->check_runnable(engine, fd, options, any_import, error);
}

uint32_t engine_used_exceptions(int fd) {
    struct binary binary;
    struct engine_error ignored;
    if (binary_read(&binary, fd, &ignored) != 0)
        return 0;
    binary_free(&binary);
    return binary.outline.exceptions;
}

bool engine_compiles_exceptions(struct engine *engine, uint32_t used, const char *output,
                                const struct engine_compile_options *options) {
    return !of(engine)->compiles_exceptions ||
           of(engine)->compiles_exceptions(engine, used, output, options);
}

int engine_compile(struct engine *engine, int fd, const char *output,
                   const struct engine_compile_options *options, struct engine_error *error) {
    return of(engine)->compile(engine, fd, output, options, error);
}

int engine_check_compiled(struct engine *engine, const char *path,
                          const struct engine_compile_options *options,
                          struct engine_error *error) {
    return of(engine)->check_compiled(engine, path, options, error);
}
