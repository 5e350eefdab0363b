/* What an implementation of engine.h provides: one folder, one table of operations, one line in
 * engine.c. Each has its own struct engine and struct engine_module, which begin with the table. */
#ifndef CRUNW_ENGINE_IMPLEMENTATION_H
#define CRUNW_ENGINE_IMPLEMENTATION_H

#include "binary.h"
#include "engine.h"

/* The functions of engine.h, without "engine_". Those that may be NULL have something to say only
 * about some engines. */
struct engine_operations {
    const char *name;
    struct engine *(*open)(const char *library, const char *stub, struct engine_error *error);
    const char *(*version)(const struct engine *engine);
    bool (*uses_stub)(const struct engine *engine); /* or NULL */
    void (*wrong_exceptions)(const struct engine *engine, uint32_t used, char *text,
                             size_t size); /* or NULL */
    int (*load_plugin)(struct engine *engine, const char *path,
                       struct engine_error *); /* or NULL */
    void (*close)(struct engine *engine);
    struct engine_module *(*load)(struct engine *engine, int fd,
                                  const struct engine_options *options, struct engine_error *error);
    struct engine_module *(*load_compiled)(struct engine *engine, const char *path,
                                           const struct engine_options *options,
                                           struct engine_error *error);
    void (*module_close)(struct engine_module *module);
    enum engine_kind (*module_kind)(const struct engine_module *module);
    bool (*module_has_native_code)(const struct engine_module *module);
    size_t (*module_imports)(const struct engine_module *module, struct engine_external *list,
                             size_t size);
    size_t (*module_exports)(const struct engine_module *module, struct engine_external *list,
                             size_t size);
    int (*check)(struct engine_module *module, const struct engine_program *program,
                 struct engine_error *error);
    int (*prepare)(struct engine_module *module, const struct engine_program *program,
                   struct engine_error *error);
    const char *(*module_doubt)(const struct engine_module *module); /* or NULL */
    int (*module_descriptor)(const struct engine_module *module, uint32_t index);
    int (*run)(struct engine_module *module, uint32_t *status, struct engine_error *error);
    struct engine_statistics (*module_statistics)(const struct engine_module *module);
    int (*check_runnable)(struct engine *engine, int fd,
                          const struct engine_compile_options *options, bool any_import,
                          struct engine_error *error);
    bool (*compiles_exceptions)(struct engine *engine, uint32_t used, const char *output,
                                const struct engine_compile_options *options); /* or NULL */
    int (*compile)(struct engine *engine, int fd, const char *output,
                   const struct engine_compile_options *options, struct engine_error *error);
    int (*check_compiled)(struct engine *engine, const char *path,
                          const struct engine_compile_options *options, struct engine_error *error);
};

extern const struct engine_operations wasmedge_operations;
extern const struct engine_operations wasmtime_operations;

/* program.c */
uint32_t list_length(const char *const *list);
/* "guest:host[:readonly]" */
struct preopen {
    char *guest;
    char *host;
    bool read_only;
};
int preopen_split(const char *preopen, struct preopen *parts, struct engine_error *error);
void preopen_free(struct preopen *parts);
/* Whether all can be opened: a library leaves out, silently, what it can't open. */
int check_preopens(const char *const *preopens, struct engine_error *error);

#endif
