/* Ahead-of-time compilation: what the library makes of a module, in a file. */
#define _GNU_SOURCE
#include "../../owned.h"
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int find_level(const struct engine_compile_options *options, uint8_t *level,
                      struct engine_error *error) {
    switch (options->level) {
    case '0':
        *level = WASMTIME_OPT_NONE;
        break;
    case 's':
    case 'z':
        *level = WASMTIME_OPT_SPEED_AND_SIZE;
        break;
    default:
        *level = WASMTIME_OPT_SPEED;
    }
    if (!options->native || options->generic || options->interruptible || options->without)
        return engine_fail(error, "wasmtime compiles for this processor alone, all proposals, to "
                                  "native code");
    return 0;
}

static int write_all(int fd, const struct wasm_bytes *bytes, struct engine_error *error) {
    for (size_t done = 0; done < bytes->size;) {
        ssize_t count = write(fd, bytes->data + done, bytes->size - done);
        if (count < 0 && errno != EINTR)
            return engine_fail(error, "the code can't be written: %s", strerror(errno));
        done += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

static int write_file(const char *output, const struct wasm_bytes *bytes,
                      struct engine_error *error) {
    OWNED int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return engine_fail(error, "the code can't be written: %s", strerror(errno));
    if (write_all(fd, bytes, error) != 0)
        return -1;
    if (close(take_fd(&fd)) != 0) /* it is written only then */
        return engine_fail(error, "the code can't be written: %s", strerror(errno));
    return 0;
}

static int serialize(struct engine_module *module, const char *output, struct engine_error *error) {
    const struct wasmtime_symbols *wasmtime = &module->engine->wasmtime;
    struct wasm_bytes bytes;
    struct wasmtime_error *failure =
        module->component ? wasmtime->wasmtime_component_serialize(module->component, &bytes)
                          : wasmtime->wasmtime_module_serialize(module->core, &bytes);
    if (failure)
        return fail_with(module->engine, "the module can't be compiled", failure, error);
    int outcome = write_file(output, &bytes, error);
    wasmtime->wasm_byte_vec_delete(&bytes);
    return outcome;
}

int wasmtime_compile(struct engine *engine, int fd, const char *output,
                     const struct engine_compile_options *options, struct engine_error *error) {
    struct profile profile = {.metered = options->statistics, .cached = true};
    struct binary binary;
    if (find_level(options, &profile.level, error) != 0 || binary_read_any(&binary, fd, error) != 0)
        return -1;
    struct engine_module *module = module_create(engine, profile, error);
    int outcome = -1;
    if (module) {
        if (module_compile(module, &binary, error) == 0)
            outcome = serialize(module, output, error);
        wasmtime_module_close(module);
    }
    binary_free(&binary);
    return outcome;
}

/* It is compiled for that, which takes less time than LLVM takes to begin. */
int wasmtime_check_runnable(struct engine *engine, int fd,
                            const struct engine_compile_options *options, bool any_import,
                            struct engine_error *error) {
    (void)engine, (void)options, (void)any_import;
    struct binary binary;
    if (binary_read_any(&binary, fd, error) != 0)
        return -1;
    binary_free(&binary);
    return 0;
}

int wasmtime_check_compiled(struct engine *engine, const char *path,
                            const struct engine_compile_options *options,
                            struct engine_error *error) {
    const struct engine_options plain = {.statistics = options->statistics};
    struct engine_module *module = load_code(engine, path, &plain, error);
    if (!module)
        return -1;
    wasmtime_module_close(module);
    return 0;
}
