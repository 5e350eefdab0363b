/* What both lists of allowed system calls are made with: that of a module's process (init/fence.c)
 * and the compiler's (compiler/filter.c). See seccomp(2). */
#ifndef CRUNW_SYSTEM_CALLS_H
#define CRUNW_SYSTEM_CALLS_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>

/* Not defined for processors of which it is not known what they need. Of these the low word of an
 * argument is the first. */
#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#endif

#define ARGUMENT(index) offsetof(struct seccomp_data, args[index])

/* Of clone(2): CLONE_NEWTIME is not among its flags. */
#define NEW_NAMESPACES                                                                             \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

#endif
