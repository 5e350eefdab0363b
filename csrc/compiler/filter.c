/* A list of what the engine needs: a new system call of a new kernel is refused. Files are opened
 * within what Landlock leaves; threads are made, no processes; there are no sockets, no namespaces,
 * no mounts, no keys, no tracing. */
#define _GNU_SOURCE
#include "filter.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../system_calls.h"

#ifdef ARCHITECTURE
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define UNLESS(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skipped))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define REFUSE(number) RETURN(SECCOMP_RET_ERRNO | (number))
#define ALLOW(call) UNLESS(__NR_##call, 1), RETURN(SECCOMP_RET_ALLOW)
#define ALLOW_WITH(call, index, value)                                                             \
    UNLESS(__NR_##call, 4), LOAD(ARGUMENT(index)), UNLESS(value, 1), RETURN(SECCOMP_RET_ALLOW),    \
        REFUSE(EPERM)

int filter_system_calls(void) {
    const unsigned own = (unsigned)getpid();
    struct sock_filter filter[] = {
        LOAD(offsetof(struct seccomp_data, arch)),
        UNLESS(ARCHITECTURE, 1),
        BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(offsetof(struct seccomp_data, nr)),
        /* memory */
        ALLOW(brk),
        ALLOW(madvise),
        ALLOW(mmap),
        ALLOW(mprotect),
        ALLOW(mremap),
        ALLOW(msync),
        ALLOW(munmap),
        /* open files */
        ALLOW(close),
        ALLOW(copy_file_range),
        ALLOW(dup),
        ALLOW(dup3),
        ALLOW(fallocate),
        ALLOW(fcntl),
        ALLOW(fdatasync),
        ALLOW(fstat),
        ALLOW(fstatfs),
        ALLOW(fsync),
        ALLOW(ftruncate),
        ALLOW(getdents64),
        ALLOW(lseek),
        ALLOW(memfd_create), /* for the engine's log */
        ALLOW(pread64),
        ALLOW(pwrite64),
        ALLOW(read),
        ALLOW(readv),
        ALLOW(write),
        ALLOW(writev),
        /* files by name */
        ALLOW(faccessat),
#ifdef __NR_faccessat2
        ALLOW(faccessat2),
#endif
        ALLOW(fchmod),
        ALLOW(fchmodat),
        ALLOW(getcwd),
        ALLOW(newfstatat),
        ALLOW(openat),
        ALLOW(readlinkat),
#ifdef __NR_renameat
        ALLOW(renameat),
#endif
        ALLOW(renameat2),
        ALLOW(statfs),
        ALLOW(statx),
        ALLOW(truncate),
        ALLOW(umask),
        ALLOW(unlinkat),
#ifdef __x86_64__
        ALLOW(access),
        ALLOW(chmod),
        ALLOW(dup2),
        ALLOW(getdents),
        ALLOW(lstat),
        ALLOW(open),
        ALLOW(poll),
        ALLOW(readlink),
        ALLOW(rename),
        ALLOW(stat),
        ALLOW(time),
        ALLOW(unlink),
#endif
        /* threads and signals */
        UNLESS(__NR_clone, 5),
        LOAD(ARGUMENT(0)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, CLONE_THREAD | NEW_NAMESPACES),
        UNLESS(CLONE_THREAD, 1),
        RETURN(SECCOMP_RET_ALLOW),
        REFUSE(EPERM),
#ifdef __NR_clone3
        /* Its flags are out of sight: glibc then takes clone(2). */
        UNLESS(__NR_clone3, 1),
        REFUSE(ENOSYS),
#endif
        ALLOW(exit),
        ALLOW(exit_group),
        ALLOW(futex),
        ALLOW(getcpu),
        ALLOW(membarrier),
        ALLOW(ppoll),
        ALLOW(restart_syscall),
#ifdef __NR_rseq
        ALLOW(rseq),
#endif
        ALLOW(rt_sigaction),
        ALLOW(rt_sigprocmask),
        ALLOW(rt_sigreturn),
        ALLOW(sched_getaffinity),
        ALLOW(sched_yield),
        ALLOW(set_robust_list),
        ALLOW(sigaltstack),
        ALLOW_WITH(tgkill, 0, own),
        ALLOW(wait4), /* for the one that looks at exceptions */
        /* what there is to know */
        ALLOW(clock_getres),
        ALLOW(clock_gettime),
        ALLOW(clock_nanosleep),
        ALLOW(getegid),
        ALLOW(geteuid),
        ALLOW(getgid),
        ALLOW(getpid),
        ALLOW(getppid),
        ALLOW(getrandom),
        ALLOW(getrusage),
        ALLOW(gettid),
        ALLOW(gettimeofday),
        ALLOW(getuid),
        ALLOW(nanosleep),
        ALLOW(sysinfo),
        ALLOW(times),
        ALLOW(uname),
        ALLOW_WITH(prctl, 0, PR_SET_NAME),
        ALLOW_WITH(prlimit64, 0, 0),
#ifdef __NR_riscv_flush_icache
        ALLOW(riscv_flush_icache),
#endif
#ifdef __NR_riscv_hwprobe
        ALLOW(riscv_hwprobe),
#endif
        REFUSE(EPERM),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
#else
int filter_system_calls(void) {
    errno = ENOSYS;
    return -1;
}
#endif
