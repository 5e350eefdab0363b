/* What is used of wasmtime's C interface, by the declarations of its headers (wasm.h, wasmtime.h of
 * version 50): names and layouts. A library of another range is not opened. */
#ifndef CRUNW_ENGINE_WASMTIME_SYMBOLS_H
#define CRUNW_ENGINE_WASMTIME_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wasm_config;
struct wasm_engine;
struct wasm_trap;
struct wasm_importtype;
struct wasm_exporttype;
struct wasm_externtype;
struct wasm_functype;
struct wasi_config;
struct wasmtime_error;
struct wasmtime_store;
struct wasmtime_context;
struct wasmtime_module;
struct wasmtime_linker;
struct wasmtime_component;
struct wasmtime_component_type;
struct wasmtime_component_extern;
struct wasmtime_component_instance_type;
struct wasmtime_component_func_type;
struct wasmtime_component_linker;
struct wasmtime_component_export_index;

struct wasm_bytes {
    size_t size;
    char *data;
};
struct wasm_importtypes {
    size_t size;
    struct wasm_importtype **data;
};
struct wasm_exporttypes {
    size_t size;
    struct wasm_exporttype **data;
};
struct wasm_valtypes {
    size_t size;
    void **data;
};

struct wasmtime_func {
    uint64_t store;
    void *own;
};
struct wasmtime_instance {
    uint64_t store;
    size_t own;
};
struct wasmtime_extern {
    uint8_t kind;
    union {
        struct wasmtime_func function;
        struct {
            uint64_t store;
            uint32_t own[3];
        } global; /* the largest */
    } of;
};
#define WASMTIME_EXTERN_FUNC 0

struct wasmtime_component_instance {
    uint64_t store;
    uint32_t own;
};
struct wasmtime_component_func {
    struct {
        uint64_t store;
        uint32_t own;
    } item;
    uint32_t own;
    void *more;
};
struct wasmtime_component_val {
    uint8_t kind;
    union {
        struct {
            bool is_ok;
            struct wasmtime_component_val *value;
        } result;
        struct {
            struct wasm_bytes name;
            struct wasmtime_component_val *value;
        } variant; /* the largest */
    } of;
};
#define WASMTIME_COMPONENT_RESULT 19
struct wasmtime_component_valtype {
    uint8_t kind;
    void *of;
};
#define WASMTIME_COMPONENT_ITEM_INSTANCE 1
#define WASMTIME_COMPONENT_ITEM_FUNC 3
struct wasmtime_component_item {
    uint8_t kind;
    union {
        struct wasmtime_component_instance_type *instance;
        struct wasmtime_component_func_type *function;
        struct wasmtime_component_valtype type; /* the largest */
    } of;
};

enum { WASMTIME_OPT_NONE, WASMTIME_OPT_SPEED, WASMTIME_OPT_SPEED_AND_SIZE };

/* result, name, parameters */
#define WASMTIME_SYMBOLS(X)                                                                        \
    X(struct wasm_config *, wasm_config_new, (void))                                               \
    X(struct wasm_engine *, wasm_engine_new_with_config, (struct wasm_config *))                   \
    X(void, wasm_engine_delete, (struct wasm_engine *))                                            \
    X(void, wasmtime_config_consume_fuel_set, (struct wasm_config *, bool))                        \
    X(void, wasmtime_config_parallel_compilation_set, (struct wasm_config *, bool))                \
    X(void, wasmtime_config_memory_init_cow_set, (struct wasm_config *, bool))                     \
    X(void, wasmtime_config_memory_reservation_set, (struct wasm_config *, uint64_t))              \
    X(void, wasmtime_config_memory_reservation_for_growth_set, (struct wasm_config *, uint64_t))   \
    X(void, wasmtime_config_memory_guard_size_set, (struct wasm_config *, uint64_t))               \
    X(void, wasmtime_config_max_wasm_stack_set, (struct wasm_config *, size_t))                    \
    X(void, wasmtime_config_native_unwind_info_set, (struct wasm_config *, bool))                  \
    X(void, wasmtime_config_cranelift_opt_level_set, (struct wasm_config *, uint8_t))              \
    X(void, wasmtime_config_wasm_exceptions_set, (struct wasm_config *, bool))                     \
    X(void, wasmtime_config_wasm_function_references_set, (struct wasm_config *, bool))            \
    X(void, wasmtime_config_wasm_gc_set, (struct wasm_config *, bool))                             \
    X(void, wasmtime_config_wasm_memory64_set, (struct wasm_config *, bool))                       \
    X(void, wasmtime_config_wasm_multi_memory_set, (struct wasm_config *, bool))                   \
    X(void, wasmtime_config_wasm_tail_call_set, (struct wasm_config *, bool))                      \
    X(void, wasmtime_error_message, (const struct wasmtime_error *, struct wasm_bytes *))          \
    X(bool, wasmtime_error_exit_status, (const struct wasmtime_error *, int *))                    \
    X(void, wasmtime_error_delete, (struct wasmtime_error *))                                      \
    X(void, wasm_trap_message, (const struct wasm_trap *, struct wasm_bytes *))                    \
    X(void, wasm_trap_delete, (struct wasm_trap *))                                                \
    X(void, wasm_byte_vec_delete, (struct wasm_bytes *))                                           \
    X(struct wasmtime_store *, wasmtime_store_new,                                                 \
      (struct wasm_engine *, void *, void (*)(void *)))                                            \
    X(struct wasmtime_context *, wasmtime_store_context, (struct wasmtime_store *))                \
    X(void, wasmtime_store_limiter,                                                                \
      (struct wasmtime_store *, int64_t, int64_t, int64_t, int64_t, int64_t))                      \
    X(void, wasmtime_store_delete, (struct wasmtime_store *))                                      \
    X(struct wasmtime_error *, wasmtime_context_set_fuel, (struct wasmtime_context *, uint64_t))   \
    X(struct wasmtime_error *, wasmtime_context_get_fuel,                                          \
      (const struct wasmtime_context *, uint64_t *))                                               \
    X(struct wasmtime_error *, wasmtime_context_set_wasi,                                          \
      (struct wasmtime_context *, struct wasi_config *))                                           \
    X(void, wasmtime_context_set_wasi_http, (struct wasmtime_context *))                           \
    X(struct wasi_config *, wasi_config_new, (void))                                               \
    X(void, wasi_config_delete, (struct wasi_config *))                                            \
    X(bool, wasi_config_set_argv, (struct wasi_config *, size_t, const char *const *))             \
    X(bool, wasi_config_set_env,                                                                   \
      (struct wasi_config *, size_t, const char *const *, const char *const *))                    \
    X(void, wasi_config_inherit_stdin, (struct wasi_config *))                                     \
    X(void, wasi_config_inherit_stdout, (struct wasi_config *))                                    \
    X(void, wasi_config_inherit_stderr, (struct wasi_config *))                                    \
    X(void, wasi_config_inherit_network, (struct wasi_config *))                                   \
    X(void, wasi_config_allow_ip_name_lookup, (struct wasi_config *, bool))                        \
    X(bool, wasi_config_preopen_dir, (struct wasi_config *, const char *, const char *, bool))     \
    X(struct wasmtime_error *, wasmtime_module_new,                                                \
      (struct wasm_engine *, const uint8_t *, size_t, struct wasmtime_module **))                  \
    X(struct wasmtime_error *, wasmtime_module_serialize,                                          \
      (struct wasmtime_module *, struct wasm_bytes *))                                             \
    X(struct wasmtime_error *, wasmtime_module_deserialize_file,                                   \
      (struct wasm_engine *, const char *, struct wasmtime_module **))                             \
    X(void, wasmtime_module_imports, (const struct wasmtime_module *, struct wasm_importtypes *))  \
    X(void, wasmtime_module_exports, (const struct wasmtime_module *, struct wasm_exporttypes *))  \
    X(void, wasmtime_module_delete, (struct wasmtime_module *))                                    \
    X(const struct wasm_bytes *, wasm_importtype_module, (const struct wasm_importtype *))         \
    X(const struct wasm_bytes *, wasm_importtype_name, (const struct wasm_importtype *))           \
    X(const struct wasm_externtype *, wasm_importtype_type, (const struct wasm_importtype *))      \
    X(const struct wasm_bytes *, wasm_exporttype_name, (const struct wasm_exporttype *))           \
    X(const struct wasm_externtype *, wasm_exporttype_type, (const struct wasm_exporttype *))      \
    X(void, wasm_importtype_vec_delete, (struct wasm_importtypes *))                               \
    X(void, wasm_exporttype_vec_delete, (struct wasm_exporttypes *))                               \
    X(uint8_t, wasm_externtype_kind, (const struct wasm_externtype *))                             \
    X(const struct wasm_functype *, wasm_externtype_as_functype_const,                             \
      (const struct wasm_externtype *))                                                            \
    X(const struct wasm_valtypes *, wasm_functype_params, (const struct wasm_functype *))          \
    X(const struct wasm_valtypes *, wasm_functype_results, (const struct wasm_functype *))         \
    X(struct wasmtime_linker *, wasmtime_linker_new, (struct wasm_engine *))                       \
    X(struct wasmtime_error *, wasmtime_linker_define_wasi, (struct wasmtime_linker *))            \
    X(bool, wasmtime_linker_get,                                                                   \
      (const struct wasmtime_linker *, struct wasmtime_context *, const char *, size_t,            \
       const char *, size_t, struct wasmtime_extern *))                                            \
    X(struct wasmtime_error *, wasmtime_linker_instantiate,                                        \
      (const struct wasmtime_linker *, struct wasmtime_context *, const struct wasmtime_module *,  \
       struct wasmtime_instance *, struct wasm_trap **))                                           \
    X(void, wasmtime_linker_delete, (struct wasmtime_linker *))                                    \
    X(void, wasmtime_extern_delete, (struct wasmtime_extern *))                                    \
    X(bool, wasmtime_instance_export_get,                                                          \
      (struct wasmtime_context *, const struct wasmtime_instance *, const char *, size_t,          \
       struct wasmtime_extern *))                                                                  \
    X(struct wasmtime_error *, wasmtime_func_call,                                                 \
      (struct wasmtime_context *, const struct wasmtime_func *, const void *, size_t, void *,      \
       size_t, struct wasm_trap **))                                                               \
    X(struct wasmtime_error *, wasmtime_component_new,                                             \
      (struct wasm_engine *, const uint8_t *, size_t, struct wasmtime_component **))               \
    X(struct wasmtime_error *, wasmtime_component_serialize,                                       \
      (const struct wasmtime_component *, struct wasm_bytes *))                                    \
    X(struct wasmtime_error *, wasmtime_component_deserialize_file,                                \
      (struct wasm_engine *, const char *, struct wasmtime_component **))                          \
    X(void, wasmtime_component_delete, (struct wasmtime_component *))                              \
    X(struct wasmtime_component_type *, wasmtime_component_type,                                   \
      (const struct wasmtime_component *))                                                         \
    X(void, wasmtime_component_type_delete, (struct wasmtime_component_type *))                    \
    X(size_t, wasmtime_component_type_import_count,                                                \
      (const struct wasmtime_component_type *, const struct wasm_engine *))                        \
    X(size_t, wasmtime_component_type_export_count,                                                \
      (const struct wasmtime_component_type *, const struct wasm_engine *))                        \
    X(bool, wasmtime_component_type_import_nth,                                                    \
      (const struct wasmtime_component_type *, const struct wasm_engine *, size_t, const char **,  \
       size_t *, struct wasmtime_component_extern **))                                             \
    X(bool, wasmtime_component_type_export_nth,                                                    \
      (const struct wasmtime_component_type *, const struct wasm_engine *, size_t, const char **,  \
       size_t *, struct wasmtime_component_extern **))                                             \
    X(bool, wasmtime_component_type_export_get,                                                    \
      (const struct wasmtime_component_type *, const struct wasm_engine *, const char *, size_t,   \
       struct wasmtime_component_extern **))                                                       \
    X(bool, wasmtime_component_instance_type_export_get,                                           \
      (const struct wasmtime_component_instance_type *, const struct wasm_engine *, const char *,  \
       size_t, struct wasmtime_component_extern **))                                               \
    X(size_t, wasmtime_component_func_type_param_count,                                            \
      (const struct wasmtime_component_func_type *))                                               \
    X(bool, wasmtime_component_func_type_result,                                                   \
      (const struct wasmtime_component_func_type *, struct wasmtime_component_valtype *))          \
    X(void, wasmtime_component_valtype_delete, (struct wasmtime_component_valtype *))              \
    X(void, wasmtime_component_extern_type,                                                        \
      (const struct wasmtime_component_extern *, struct wasmtime_component_item *))                \
    X(void, wasmtime_component_item_delete, (struct wasmtime_component_item *))                    \
    X(void, wasmtime_component_extern_delete, (struct wasmtime_component_extern *))                \
    X(struct wasmtime_component_linker *, wasmtime_component_linker_new,                           \
      (const struct wasm_engine *))                                                                \
    X(struct wasmtime_error *, wasmtime_component_linker_add_wasip2,                               \
      (struct wasmtime_component_linker *))                                                        \
    X(struct wasmtime_error *, wasmtime_component_linker_add_wasi_http,                            \
      (struct wasmtime_component_linker *))                                                        \
    X(struct wasmtime_error *, wasmtime_component_linker_instantiate,                              \
      (const struct wasmtime_component_linker *, struct wasmtime_context *,                        \
       const struct wasmtime_component *, struct wasmtime_component_instance *))                   \
    X(void, wasmtime_component_linker_delete, (struct wasmtime_component_linker *))                \
    X(struct wasmtime_component_export_index *, wasmtime_component_instance_get_export_index,      \
      (const struct wasmtime_component_instance *, struct wasmtime_context *,                      \
       const struct wasmtime_component_export_index *, const char *, size_t))                      \
    X(bool, wasmtime_component_instance_get_func,                                                  \
      (const struct wasmtime_component_instance *, struct wasmtime_context *,                      \
       const struct wasmtime_component_export_index *, struct wasmtime_component_func *))          \
    X(struct wasmtime_error *, wasmtime_component_func_call,                                       \
      (const struct wasmtime_component_func *, struct wasmtime_context *,                          \
       const struct wasmtime_component_val *, size_t, struct wasmtime_component_val *, size_t))

struct wasmtime_symbols {
#define WASMTIME_POINTER(result, name, parameters) result(*name) parameters;
    WASMTIME_SYMBOLS(WASMTIME_POINTER)
#undef WASMTIME_POINTER
};

#endif
