/* A wasmtime in which crunw does not find where sockets are allowed: the real library, but for a
 * function by whose effect crunw looks for the place. */
#include <stdbool.h>

/* In the names of a library's symbols crunw reads its version. */
void resolve_vmctx_memory_ptr_50_0_0(void);
void resolve_vmctx_memory_ptr_50_0_0(void) {}

void wasi_config_allow_ip_name_lookup(void *config, bool allowed);
void wasi_config_allow_ip_name_lookup(void *config, bool allowed) { (void)config, (void)allowed; }
