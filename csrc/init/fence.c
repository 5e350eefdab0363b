/* The system calls that are left to a module's process: what the engine needs to parse, compile and
 * run a module, and for WASI. It does not fork, executes nothing and mounts nothing. All else is
 * refused as a profile of an engine refuses it, also to native code that a module has got hold of.
 * docs/wasm.md has the list; a test compares it with the filter of a process.
 *
 * For each number the kernel asks a new filter whether it allows it without a look at arguments,
 * and then does not run it for those. That takes most of the time of loading one: so the number is
 * searched for by halves. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../system_calls.h"
#include "sys.h"

#ifdef ARCHITECTURE
#define NEWEST __NR_mount_setattr /* of Linux 5.12, which crunw needs */

static const uint16_t allowed[] = {
    /* memory */
    __NR_brk,
    __NR_madvise,
    __NR_mincore,
    __NR_mmap,
    __NR_mprotect,
    __NR_mremap,
    __NR_msync,
    __NR_munmap,
    /* open files */
    __NR_close,
    __NR_close_range,
    __NR_copy_file_range,
    __NR_dup,
    __NR_dup3,
    __NR_fadvise64,
    __NR_fallocate,
    __NR_fcntl,
    __NR_fdatasync,
    __NR_flock,
    __NR_fstat,
    __NR_fstatfs,
    __NR_fsync,
    __NR_ftruncate,
    __NR_getdents64,
    __NR_lseek,
    __NR_pread64,
    __NR_preadv,
    __NR_preadv2,
    __NR_pwrite64,
    __NR_pwritev,
    __NR_pwritev2,
    __NR_read,
    __NR_readv,
    __NR_sendfile,
    __NR_write,
    __NR_writev,
    /* files by name */
    __NR_faccessat,
    __NR_faccessat2,
    __NR_getcwd,
    __NR_linkat,
    __NR_mkdirat,
    __NR_newfstatat,
    __NR_openat,
    __NR_readlinkat,
    __NR_renameat2,
    __NR_statfs,
    __NR_statx,
    __NR_symlinkat,
    __NR_truncate,
    __NR_unlinkat,
    __NR_utimensat,
#ifdef __NR_renameat
    __NR_renameat,
#endif
    /* waiting, clocks */
    __NR_clock_getres,
    __NR_clock_gettime,
    __NR_clock_nanosleep,
    __NR_epoll_create1,
    __NR_epoll_ctl,
    __NR_epoll_pwait,
    __NR_epoll_pwait2,
    __NR_eventfd2,
    __NR_getitimer,
    __NR_gettimeofday,
    __NR_nanosleep,
    __NR_pipe2,
    __NR_ppoll,
    __NR_pselect6,
    __NR_restart_syscall,
    __NR_setitimer,
    __NR_timerfd_create,
    __NR_timerfd_gettime,
    __NR_timerfd_settime,
    /* sockets, once there is one */
    __NR_accept,
    __NR_accept4,
    __NR_bind,
    __NR_connect,
    __NR_getpeername,
    __NR_getsockname,
    __NR_getsockopt,
    __NR_listen,
    __NR_recvfrom,
    __NR_recvmmsg,
    __NR_recvmsg,
    __NR_sendmmsg,
    __NR_sendmsg,
    __NR_sendto,
    __NR_setsockopt,
    __NR_shutdown,
    /* threads and signals of this process */
    __NR_exit,
    __NR_exit_group,
    __NR_futex,
    __NR_get_robust_list,
    __NR_getcpu,
    __NR_membarrier,
    __NR_rseq,
    __NR_rt_sigaction,
    __NR_rt_sigpending,
    __NR_rt_sigprocmask,
    __NR_rt_sigreturn,
    __NR_rt_sigsuspend,
    __NR_rt_sigtimedwait,
    __NR_sched_getaffinity,
    __NR_sched_yield,
    __NR_set_robust_list,
    __NR_set_tid_address,
    __NR_sigaltstack,
    /* what there is to know */
    __NR_getegid,
    __NR_geteuid,
    __NR_getgid,
    __NR_getpid,
    __NR_getppid,
    __NR_getrandom,
    __NR_getrusage,
    __NR_gettid,
    __NR_getuid,
    __NR_sysinfo,
    __NR_times,
    __NR_uname,
#ifdef __x86_64__
    __NR_access,
    __NR_arch_prctl,
    __NR_creat,
    __NR_dup2,
    __NR_epoll_wait,
    __NR_eventfd,
    __NR_getdents,
    __NR_getpgrp,
    __NR_link,
    __NR_lstat,
    __NR_mkdir,
    __NR_open,
    __NR_pause,
    __NR_pipe,
    __NR_poll,
    __NR_readlink,
    __NR_rename,
    __NR_rmdir,
    __NR_select,
    __NR_stat,
    __NR_symlink,
    __NR_time,
    __NR_unlink,
#endif
#ifdef __riscv
    __NR_riscv_flush_icache,
#ifdef __NR_riscv_hwprobe
    __NR_riscv_hwprobe,
#endif
#endif
};

/* Calls that are allowed with such a value in the low word of an argument, after the mask. Those of
 * the same number stand together. */
struct rule {
    uint16_t number;
    uint8_t argument;
    uint32_t mask;
    uint32_t value;
};

#define EXACTLY ~UINT32_C(0)

/* Values of 0 for tgkill: the process itself. */
static const struct rule rules[] = {
    {__NR_clone, 0, CLONE_THREAD | NEW_NAMESPACES, CLONE_THREAD},
    {__NR_tgkill, 0, EXACTLY, 0},
    {__NR_prlimit64, 0, EXACTLY, 0},
    {__NR_prctl, 0, EXACTLY, PR_SET_NAME},
    {__NR_prctl, 0, EXACTLY, PR_SET_DUMPABLE},
#ifdef PR_SET_VMA
    {__NR_prctl, 0, EXACTLY, PR_SET_VMA}, /* names of memory, which glibc may give */
#endif
    {__NR_ioctl, 1, EXACTLY, TCGETS},
    {__NR_ioctl, 1, EXACTLY, TIOCGWINSZ},
    {__NR_ioctl, 1, EXACTLY, FIONREAD},
    {__NR_ioctl, 1, EXACTLY, FIONBIO},
    {__NR_socket, 0, EXACTLY, AF_UNIX},
    {__NR_socket, 0, EXACTLY, AF_INET},
    {__NR_socket, 0, EXACTLY, AF_INET6},
    /* the container's own filter comes after */
    {__NR_seccomp, 0, EXACTLY, SECCOMP_SET_MODE_FILTER},
};

#define RULES (sizeof rules / sizeof *rules)
#define CALLS (sizeof allowed / sizeof *allowed)
/* At worst each number is on its own; a range takes a test and an answer, a rule four instructions.
 */
#define RANGES_MAX (2 * (CALLS + RULES + 1) + 2)
#define FILTER_MAX (2 * RANGES_MAX + 5 * RULES + 4)

/* What holds for a number: one of these, or RULED and the index of its first rule. */
enum answer { REFUSED, ALLOWED, MISSING, RULED };

struct range {
    uint32_t first;
    unsigned answer;
};

struct program {
    struct range ranges[RANGES_MAX];
    struct sock_filter code[FILTER_MAX];
    unsigned short length;
    bool too_long; /* a test can pass over 255 instructions */
};

static void add(struct program *program, uint16_t code, uint32_t value) {
    program->code[program->length++] = (struct sock_filter)BPF_STMT(code, value);
}

static void add_load(struct program *program, size_t offset) {
    add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

/* Go on with the next instruction if the value is that, else pass over one. */
static void add_test(struct program *program, uint32_t value) {
    program->code[program->length++] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
}

static void add_return(struct program *program, enum answer answer) {
    static const uint32_t actions[] = {
        [REFUSED] = SECCOMP_RET_ERRNO | EPERM,
        [ALLOWED] = SECCOMP_RET_ALLOW,
        [MISSING] = SECCOMP_RET_ERRNO | ENOSYS,
    };
    add(program, BPF_RET | BPF_K, actions[answer]);
}

static void add_rules(struct program *program, size_t index) {
    const uint16_t number = rules[index].number;
    for (; index < RULES && rules[index].number == number; index++) {
        const struct rule *rule = &rules[index];
        add_load(program, ARGUMENT(rule->argument));
        if (rule->mask != EXACTLY)
            add(program, BPF_ALU | BPF_AND | BPF_K, rule->mask);
        add_test(program, number == __NR_tgkill ? (uint32_t)getpid() : rule->value);
        add_return(program, ALLOWED);
    }
    add_return(program, REFUSED);
}

/* Halve the ranges until one is left. */
static void add_search(struct program *program, const struct range *ranges, size_t count) {
    if (count == 1 && ranges->answer < RULED) {
        add_return(program, ranges->answer);
        return;
    }
    if (count == 1) {
        add_rules(program, ranges->answer - RULED);
        return;
    }
    size_t half = count / 2;
    unsigned short at = program->length++;
    add_search(program, ranges, half);
    size_t passed_over = program->length - at - 1u;
    program->too_long |= passed_over > UINT8_MAX;
    program->code[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ranges[half].first,
                                                     (uint8_t)passed_over, 0);
    add_search(program, ranges + half, count - half);
}

static size_t find_ranges(struct range ranges[]) {
    uint8_t answers[NEWEST + 2] = {REFUSED};
    size_t count = 0;
    for (size_t i = 0; i < CALLS; i++)
        answers[allowed[i]] = ALLOWED;
    for (size_t i = RULES; i-- > 0;)
        answers[rules[i].number] = (uint8_t)(RULED + i);
    answers[__NR_clone3] = MISSING; /* its flags are out of sight: glibc then takes clone(2) */
    answers[NEWEST + 1] = MISSING;
    for (uint32_t number = 0; number <= NEWEST + 1; number++)
        if (number == 0 || answers[number] != answers[number - 1])
            ranges[count++] = (struct range){number, answers[number]};
    return count;
}

static void make(struct program *program) {
    size_t count = find_ranges(program->ranges);
    program->length = 0;
    program->too_long = false;
    add_load(program, offsetof(struct seccomp_data, arch));
    program->code[program->length++] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    add_return(program, MISSING);
    add_load(program, offsetof(struct seccomp_data, nr));
    add_search(program, program->ranges, count);
}

int run_wasm_fence(struct init *init, UNUSED struct step *step) {
    struct program program;
    make(&program);
#ifdef CRUNW_WEAKEN_FENCE
    program.code[0] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
#endif
    if (program.too_long)
        return error_set(&init->error, "seccomp", "run.oci.wasm.seccomp", E2BIG, "%s", "");
    const struct sock_fprog filter = {program.length, program.code};
    return sys_seccomp(&init->error, &filter, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                       "run.oci.wasm.seccomp");
}
#else
int run_wasm_fence(struct init *init, UNUSED struct step *step) {
    return error_set(&init->error, "seccomp", "run.oci.wasm.seccomp", ENOSYS,
                     "it is not known what modules need on this processor: set it to off");
}
#endif
