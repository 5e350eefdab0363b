"""Write the C source of ``crunw._seccomp``: the part of libseccomp that compiles filters.

    build_ffi.py OUTPUT

The functions are as in their man pages (seccomp_init(3) and so on). The decisions are made in
``crunw.effects.seccomp``; there is no C of our own.
"""

from __future__ import annotations

import sys

from cffi import FFI

DECLARATIONS = """
typedef void *scmp_filter_ctx;

enum scmp_compare { SCMP_CMP_NE, ... };

struct scmp_arg_cmp {
    unsigned int arg;
    enum scmp_compare op;
    uint64_t datum_a;
    uint64_t datum_b;
};

#define SCMP_ARCH_X86_64 ...
#define SCMP_ARCH_X32 ...
#define SCMP_ARCH_S390 ...
#define SCMP_ARCH_S390X ...

scmp_filter_ctx seccomp_init(uint32_t def_action);
void seccomp_release(scmp_filter_ctx ctx);
uint32_t seccomp_arch_native(void);
uint32_t seccomp_arch_resolve_name(const char *arch_name);
int seccomp_arch_add(scmp_filter_ctx ctx, uint32_t arch_token);
int seccomp_syscall_resolve_name(const char *name);
int seccomp_syscall_resolve_name_arch(uint32_t arch_token, const char *name);
int seccomp_rule_add_array(scmp_filter_ctx ctx, uint32_t action, int syscall,
                           unsigned int arg_cnt, const struct scmp_arg_cmp *arg_array);
int seccomp_export_bpf(scmp_filter_ctx ctx, int fd);
"""


def main(output: str) -> None:
    """Write the source."""
    ffi = FFI()
    ffi.cdef(DECLARATIONS)
    ffi.set_source("crunw._seccomp", "#include <seccomp.h>")
    ffi.emit_c_code(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
