/* The system calls that are left to a compiler. */
#ifndef CRUNW_COMPILER_FILTER_H
#define CRUNW_COMPILER_FILTER_H

/* Leave this process what LLVM and lld need to compile and to load code; all else is EPERM. After
 * PR_SET_NO_NEW_PRIVS (seccomp(2)). 0, or -1 with errno: ENOSYS for a processor that it is not
 * written for, EINVAL for a kernel without filters. */
int filter_system_calls(void);

#endif
