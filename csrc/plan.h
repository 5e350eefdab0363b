/* The wire format between crunw (Python, which decides) and crunw-init (C, which executes).
 *
 * A plan is a flat, ordered list of steps. All integers are little-endian. It may come in parts, of
 * which the first are performed while the runtime still makes the others: each has a header.
 *
 *   header   4 bytes "CRWP" | u32 version | u32 number of records | u32 bytes of these
 *            | u32 1 if another part follows, else 0
 *   record   u16 op | u16 zero | u32 payload bytes | payload
 *
 * A payload is the op's fields in order, as its signature says:
 *
 *   u   u64 (a negative number as two's complement)
 *   s   string: u32 length, the bytes, one NUL that the length does not count; no NUL inside
 *   b   bytes: u32 length, the bytes
 *   S   list of strings: u32 count, then each as s
 *   U   list of u64: u32 count, then each as u
 *
 * A part is checked before its first step runs: against the signatures, and that no step comes
 * before another whose result it works on (csrc/init/plan.c). crunw/plan/ops.py holds the same
 * table for Python; a test compares the two.
 */
#ifndef CRUNW_PLAN_H
#define CRUNW_PLAN_H

#include <stdint.h>

#define PLAN_MAGIC "CRWP"
#define PLAN_VERSION 8u
#define PLAN_MAX_BYTES (16u << 20)

/* op, number, signature. Steps run in the order of the plan; the comment says what each does and
 * where it must stand. "Host" steps run before FORK in a short-lived parent, all others in the
 * process that becomes the container's. A plan of host steps alone starts no process. */
#define PLAN_OPS(X)                                                                                \
    /* Anywhere: from here on tell how long each step takes, as NOTICE_DETAIL */                   \
    X(DEBUG, 77, "")                                                                               \
    /* Host, before all others: leave a process with the runtime's credentials behind. By it       \
     * ROOTFS and binds reach what the root of a user namespace may not, and BIND_IDMAPPED maps.   \
     * It serves the steps of the last part of the plan, which it gets before that part begins: in \
     * a part before, nothing may be joined. */                                                    \
    X(OPENER, 15, "")                                                                              \
    /* Host: s file, tasks or cgroup.procs of a cgroup: write "0" to it */                         \
    X(CGROUP_JOIN, 1, "s")                                                                         \
    /* Host: s cgroup v2 directory, b eBPF program (array of struct bpf_insn): attach as device    \
     * filter, replacing what this runtime attached before. */                                     \
    X(CGROUP_DEVICES, 2, "sb")                                                                     \
    /* u value: /proc/self/oom_score_adj, where it is another one */                               \
    X(OOM_SCORE_ADJ, 3, "u")                                                                       \
    /* u resource, u hard: where it is lower, raise the hard limit, if that is allowed. For RLIMIT \
     * in a user namespace, where no rights suffice to */                                          \
    X(RLIMIT_RAISE, 76, "uu")                                                                      \
    /* Host: u CLONE_NEW* type, s path of a namespace file: setns */                               \
    X(NS_ENTER, 4, "us")                                                                           \
    /* Host: u pidfd (inherited), u CLONE_NEW* flags: one setns for all of them */                 \
    X(NS_ENTER_PIDFD, 5, "uu")                                                                     \
    /* Host: u CLONE_NEW* flags: unshare */                                                        \
    X(NS_UNSHARE, 6, "u")                                                                          \
    /* Host: after NS_UNSHARE(CLONE_NEWUSER): report REPORT_USERNS, wait for go, become 0:0 */     \
    X(USERNS_MAP, 7, "")                                                                           \
    /* Host, before NS_ENTER_PIDFD: s root directory of a running container (/proc/PID/root):      \
     * paths are resolved below it. OPENER does not join its mount namespace, but clones out of    \
     * the host's what is bound. */                                                                \
    X(ROOT_JOINED, 19, "s")                                                                        \
    /* Host: s text for /proc/self/timens_offsets, after NS_UNSHARE(CLONE_NEWTIME) */              \
    X(TIME_OFFSETS, 8, "s")                                                                        \
    /* Host: s state directory: open its FIFOs, for WAIT_START */                                  \
    X(OPEN_START, 18, "s")                                                                         \
    /* u CLONE_NEW* flags: clone3 with them and CLONE_PARENT. The parent exits 0; the child        \
     * reports REPORT_PID before anything else and goes on with the next step. Once in a plan. */  \
    X(FORK, 9, "u")                                                                                \
    /* bring the loopback interface of the network namespace up */                                 \
    X(LOOPBACK_UP, 10, "")                                                                         \
    /* s device of the network namespace, u family, u prefix length, u flags, u scope, b           \
     * attributes (struct rtattr): add an address (rtnetlink(7) RTM_NEWADDR) */                    \
    X(NET_ADDRESS, 16, "suuuub")                                                                   \
    /* s device of the network namespace: bring it up */                                           \
    X(NET_UP, 17, "s")                                                                             \
    /* setsid */                                                                                   \
    X(SETSID, 11, "")                                                                              \
    /* s engine ("wasmedge", "wasmtime"), s its library (path or soname), s LLVM stub path ("" for \
     * none): dlopen, while the host's files are still reachable */                                \
    X(ENGINE_OPEN, 12, "sss")                                                                      \
    /* Host: s path of a plugin of WasmEdge: loaded, its modules can be imported */                \
    X(ENGINE_PLUGIN, 74, "s")                                                                      \
    /* Host: s path of a file that does not exist: struct plan_counters, mapped; WASM_RUN keeps    \
     * them up to date */                                                                          \
    X(ENGINE_COUNTERS, 75, "s")                                                                    \
    /* Host: s directory of a cached "module.so" that this node has compiled: WASM_LOAD loads it   \
     * instead of interpreting the module; where that fails it reports NOTICE_INTERPRETED */       \
    X(ENGINE_ARTEFACT, 13, "s")                                                                    \
    /* Host: s cgroup v2 directory: FORK clones the process into it. Unlike a write to its         \
     * cgroup.procs that waits for no RCU grace period. A cgroup namespace must then be unshared   \
     * behind FORK: one made by it would have the parent's cgroup for its root. */                 \
    X(CGROUP_INTO, 14, "s")                                                                        \
    /* u MS_* propagation flags for "/" of the new mount namespace */                              \
    X(ROOT_PROPAGATION, 20, "u")                                                                   \
    /* s host path: bind it to itself (recursively), make its parent mount private, keep the       \
     * descriptor under which every later path before PIVOT_ROOT is resolved */                    \
    X(ROOTFS, 21, "s")                                                                             \
    /* s source, s target, s filesystem type, u MS_* flags, s data, u MOUNT_* bits (below).        \
     * The target is resolved inside the rootfs and created if missing (a file for a bind of a     \
     * non-directory, else a directory). With MS_BIND the other flags are applied too. Where a     \
     * link was bound, the steps on the same target right behind are about that link. */           \
    X(MOUNT, 22, "sssusu")                                                                         \
    /* s source, s target, u MS_* flags, s path of a user namespace ("": make one with), s uid     \
     * map, s gid map, u nonzero: the mounts below are mapped too, u MOUNT_* bits. A bind mount    \
     * with mapped ids. Needs OPENER. */                                                           \
    X(BIND_IDMAPPED, 32, "ssusssuu")                                                               \
    /* s path: detach the mount there, with those below it. After ROOT_JOINED */                   \
    X(UNMOUNT, 34, "s")                                                                            \
    /* s path, s SELinux label of the file or directory there */                                   \
    X(RELABEL, 33, "ss")                                                                           \
    /* s target, u MS_* propagation flags */                                                       \
    X(MOUNT_PROPAGATION, 23, "su")                                                                 \
    /* s target, u attr_set, u attr_clr, u nonzero for AT_RECURSIVE: mount_setattr */              \
    X(MOUNT_SETATTR, 24, "suuu")                                                                   \
    /* s path, u mode with type, u major, u minor, u uid, u gid: mknod, or where that is           \
     * forbidden (user namespace) a bind mount of the host's node of that path */                  \
    X(MKNOD, 25, "suuuuu")                                                                         \
    /* s link target, s path; whatever is there already is left alone */                           \
    X(SYMLINK, 26, "ss")                                                                           \
    /* s key as a path below /proc/sys, s value */                                                 \
    X(SYSCTL, 27, "ss")                                                                            \
    /* s name */                                                                                   \
    X(HOSTNAME, 28, "s")                                                                           \
    /* s name */                                                                                   \
    X(DOMAINNAME, 29, "s")                                                                         \
    /* report REPORT_HOOKS (prestart and createRuntime run now), wait for go */                    \
    X(HOOKS_BARRIER, 30, "")                                                                       \
    /* s path, S argv, S environment, u timeout in s (0: none), s state JSON before and s after    \
     * the pid, u nonzero: the environment is the program's (PROCESS), not S. Run, feed the state, \
     * fail on a non-zero exit. Before PIVOT_ROOT it runs in the rootfs, afterwards where the      \
     * program will. */                                                                            \
    X(HOOK, 31, "sSSussu")                                                                         \
    /* u 0: pivot_root; u 1: MS_MOVE and chroot (--no-pivot) */                                    \
    X(PIVOT_ROOT, 40, "u")                                                                         \
    /* u inherited descriptor of a connected unix socket, u columns, u rows (0: leave), u nonzero: \
     * bind the slave on /dev/console. Opens /dev/ptmx, sends the master, makes the slave 0, 1, 2  \
     * and the controlling terminal */                                                             \
    X(CONSOLE, 41, "uuuu")                                                                         \
    /* s path: /dev/null over a file, an empty read-only tmpfs over a directory; missing is fine   \
     */                                                                                            \
    X(MASK, 42, "s")                                                                               \
    /* s path: read-only bind on itself; missing is fine */                                        \
    X(READONLY, 43, "s")                                                                           \
    /* remount "/" read-only */                                                                    \
    X(ROOT_READONLY, 44, "")                                                                       \
    /* s name of a new session keyring */                                                          \
    X(KEYRING, 50, "s")                                                                            \
    /* u resource, u soft, u hard */                                                               \
    X(RLIMIT, 51, "uuu")                                                                           \
    /* u persona */                                                                                \
    X(PERSONALITY, 52, "u")                                                                        \
    /* u policy, u flags, u nice, u priority, u runtime, u deadline, u period in ns:               \
     * sched_setattr(2) */                                                                         \
    X(SCHEDULER, 65, "uuuuuuu")                                                                    \
    /* u class and priority as ioprio_set(2) takes them */                                         \
    X(IO_PRIORITY, 66, "u")                                                                        \
    /* b mask of processors, the first one in the lowest bit of the first byte */                  \
    X(CPU_AFFINITY, 67, "b")                                                                       \
    /* u MPOL_* mode and flags, b mask of nodes: set_mempolicy(2) */                               \
    X(MEMORY_POLICY, 68, "ub")                                                                     \
    /* u uid: PROCESS adds $HOME, the user's directory by /etc/passwd or "/", where the            \
     * environment has none */                                                                     \
    X(HOME, 69, "u")                                                                               \
    /* s path, u nonzero: create if missing */                                                     \
    X(CWD, 53, "su")                                                                               \
    /* u uid, u gid, U additional groups, u bounding, u effective, u permitted, u inheritable,     \
     * u ambient capability masks, u CREDENTIALS_* bits (below) */                                 \
    X(CREDENTIALS, 54, "uuUuuuuuu")                                                                \
    /* u mask */                                                                                   \
    X(UMASK, 55, "u")                                                                              \
    X(NO_NEW_PRIVS, 56, "")                                                                        \
    /* b BPF program (array of struct sock_filter), u SECCOMP_FILTER_FLAG_*, u inherited socket    \
     * for the listener + 1 (0: none), S container process state sent with it: this process's pid  \
     * stands between the strings */                                                               \
    X(SECCOMP, 57, "buuS")                                                                         \
    /* s "apparmor" or "selinux", s label, u nonzero: from now on, 0: from the next exec on */     \
    X(LSM_LABEL, 58, "ssu")                                                                        \
    /* u first: every descriptor from it on is closed at exec. What was inherited there and no     \
     * step names is closed before the first step (without CLOSE_FROM: from 3 on). */              \
    X(CLOSE_FROM, 59, "u")                                                                         \
    /* S argv, S environment. After CREDENTIALS and LSM_LABEL: closes the host's /proc. */         \
    X(PROCESS, 60, "SS")                                                                           \
    /* find argv[0] ($PATH of the environment when it has no slash), check that it can be run */   \
    X(EXEC_FIND, 61, "")                                                                           \
    /* report REPORT_READY, wait for go; end of file (the runtime died) exits */                   \
    X(READY, 62, "")                                                                               \
    /* Read one byte from the FIFO "start", which `start` writes. The FIFO "started" stays open    \
     * until exec or WASM_RUN: errors are reported on it from now on, its end of file says that    \
     * the program runs. Needs OPEN_START. */                                                      \
    X(WAIT_START, 63, "")                                                                          \
    /* execve what EXEC_FIND found. Last step of a native plan. */                                 \
    X(EXEC, 64, "")                                                                                \
    /* u nonzero: in a mount namespace of this process's own. Each procfs of the container becomes \
     * read-only */                                                                                \
    X(PROC_READONLY, 79, "u")                                                                      \
    /* s path of the module in the container: open it, for WASM_LOAD, under no filter yet. After   \
     * PROCESS. Signals end this process from now on. */                                           \
    X(WASM_OPEN, 78, "s")                                                                          \
    /* s path in the container, S preopens "guest:host", s function to run ("": _start): parse,    \
     * validate and instantiate. After WASM_OPEN and CREDENTIALS_EXECUTED. */                      \
    X(WASM_LOAD, 70, "sSs")                                                                        \
    /* run the function; exit with the program's status. Last step of a Wasm plan. */              \
    X(WASM_RUN, 71, "")                                                                            \
    /* u number of a preopen of WASM_LOAD, s its directory in the container: it is read-only.      \
     * Before CREDENTIALS. */                                                                      \
    X(PREOPEN_READONLY, 72, "us")                                                                  \
    /* Before WASM_LOAD: u pages of 64 KiB for each memory (0: none), u the most that it may       \
     * begin with (0: none), u instructions (0: none), u nonzero: count, u ms from WASM_RUN on     \
     * (0: none) */                                                                                \
    X(WASM_LIMITS, 73, "uuuuu")                                                                    \
    /* Before WASM_LOAD: a module whose exceptions the engine executes wrongly runs, with a notice \
     */                                                                                            \
    X(WASM_INSIST, 80, "")                                                                         \
    /* Leave this process the system calls that modules need. Under no_new_privs; a filter of      \
     * SECCOMP may come before, if it allows that, or behind. */                                   \
    X(WASM_FENCE, 81, "")

#define PLAN_ENUM(name, number, signature) OP_##name = number,
enum plan_op { PLAN_OPS(PLAN_ENUM) };
#undef PLAN_ENUM

/* ENGINE_COUNTERS: what the module has used. All are of this machine's byte order. */
struct plan_counters {
    uint64_t instructions;
    uint64_t cost; /* "gas" */
    uint64_t nanoseconds;
};

/* MOUNT: bits of the last field. */
#define MOUNT_COPY_UP 1u  /* tmpcopyup: the directory's content is copied into the new tmpfs */
#define MOUNT_OPTIONAL 2u /* a source that does not exist is skipped */
/* A symbolic link is not followed in the last component */
#define MOUNT_SOURCE_LINK 4u /* of the source: the link is bound */
#define MOUNT_TARGET_LINK 8u /* of the target: the link is covered */
#define MOUNT_COPY_LINK 16u  /* of the source: the target becomes a link like it */

/* CREDENTIALS: bits of the last field. */
#define CREDENTIALS_KEEP 1u /* all capabilities stay as they are */
/* What execve would make of the capabilities is made of them now, as WASM_LOAD demands: a module is
 * not executed. */
#define CREDENTIALS_EXECUTED 2u
#define CREDENTIALS_NO_NEW_PRIVS 4u /* with CREDENTIALS_EXECUTED: under no_new_privs */
#define CREDENTIALS_KEEP_GROUPS 8u  /* the additional groups stay the caller's */

/* What crunw-init tells the runtime, on the descriptor it was given for it:
 *
 *   report   u32 type | u32 payload bytes | payload (fields as in a plan)
 *
 * and the runtime answers REPORT_USERNS, REPORT_HOOKS and REPORT_READY with one byte "g" (go).
 * End of file instead of an answer: the runtime is gone; crunw-init exits.
 *
 * crunw-init is started as: crunw-init PLAN-FD REPORT-FD ANSWER-FD. End of file instead of a plan:
 * it is not needed, and exits. */
enum plan_report {
    REPORT_PID = 1,    /* u pid of the container process, in the runtime's pid namespace */
    REPORT_USERNS = 2, /* write the uid and gid maps of the process that reports, then go */
    REPORT_HOOKS = 3,
    REPORT_READY = 4,
    REPORT_ERROR = 5,  /* s stage (the op's name, lower case), s operation, s path, u errno,
                          s message ("" where errno says it all) */
    REPORT_NOTICE = 6, /* u NOTICE_*, s what works worse than asked for, s why; no answer */
};

/* After WAIT_START error and notices come on the FIFO "started", in as many records. */
enum plan_notice {
    NOTICE_WARNING = 0,     /* whoever started the container must know */
    NOTICE_DETAIL = 1,      /* for who looks for a cause: shown with --debug */
    NOTICE_INTERPRETED = 2, /* a warning: what ENGINE_ARTEFACT names could not be used */
};

#endif
