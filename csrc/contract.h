/* Made by ci/contract of csrc/contract.toml. */
/* clang-format off */

#ifndef CRUNW_CONTRACT_H
#define CRUNW_CONTRACT_H

#define PLAN_MAGIC "CRWP"
#define PLAN_VERSION 8u

/* Operations: number, kinds of their fields. */
#define PLAN_OPS(X) \
    /* Anywhere. From here on, report how long each step takes, as NOTICE_DETAIL. */ \
    X(DEBUG, 77, "") \
    /* Host, before all others. Start a helper that keeps the runtime's credentials. By it \
     * ROOTFS and binds reach what the root of a user namespace can't, and BIND_IDMAPPED maps. \
     * It serves the steps of the last part of the plan, which it gets before that part begins: \
     * in an earlier part nothing can be joined. */ \
    X(OPENER, 15, "") \
    /* s file: Host. Write "0" to file: tasks or cgroup.procs of a cgroup. */ \
    X(CGROUP_JOIN, 1, "s") \
    /* s directory, b program: Host. Attach the eBPF program (array of struct bpf_insn) to the \
     * cgroup v2 directory as device filter, in place of what this runtime attached before. */ \
    X(CGROUP_DEVICES, 2, "sb") \
    /* u value: Write value to /proc/self/oom_score_adj, where it differs. */ \
    X(OOM_SCORE_ADJ, 3, "u") \
    /* u resource, u hard: Raise the hard limit where it is lower and that is allowed. For \
     * RLIMIT in a user namespace, whose root has no right to. */ \
    X(RLIMIT_RAISE, 76, "uu") \
    /* u type, s path: Host. setns(2) to the namespace file path, of the CLONE_NEW* type. */ \
    X(NS_ENTER, 4, "us") \
    /* u pidfd, u types: Host. One setns(2) to the CLONE_NEW* types of an inherited pidfd. */ \
    X(NS_ENTER_PIDFD, 5, "uu") \
    /* u types: Host. unshare(2) the CLONE_NEW* types. */ \
    X(NS_UNSHARE, 6, "u") \
    /* Host, after NS_UNSHARE of CLONE_NEWUSER. Report REPORT_USERNS, wait for go, become 0:0. */ \
    X(USERNS_MAP, 7, "") \
    /* s path: Host, before NS_ENTER_PIDFD. Resolve paths below the root directory of a running \
     * container (/proc/PID/root). OPENER does not join its mount namespace, but clones what is \
     * bound out of the host's. */ \
    X(ROOT_JOINED, 19, "s") \
    /* s offsets: Host, after NS_UNSHARE of CLONE_NEWTIME. Write offsets to \
     * /proc/self/timens_offsets. */ \
    X(TIME_OFFSETS, 8, "s") \
    /* s directory: Host. Open the FIFOs of the state directory, for WAIT_START. */ \
    X(OPEN_START, 18, "s") \
    /* u types: clone3(2) with the CLONE_NEW* types and CLONE_PARENT. The parent exits 0. The \
     * child reports REPORT_PID before anything else and goes on with the next step. Once in a \
     * plan. */ \
    X(FORK, 9, "u") \
    /* Bring the loopback interface of the network namespace up. */ \
    X(LOOPBACK_UP, 10, "") \
    /* s device, u family, u prefix, u flags, u scope, b attributes: Add an address to a device \
     * of the network namespace (rtnetlink(7) RTM_NEWADDR), with its struct rtattr attributes. */ \
    X(NET_ADDRESS, 16, "suuuub") \
    /* s device: Bring a device of the network namespace up. */ \
    X(NET_UP, 17, "s") \
    /* setsid(2). */ \
    X(SETSID, 11, "") \
    /* s engine, s library, s llvm_stub: dlopen(3) the library (path or soname) of engine \
     * "wasmedge" or "wasmtime", while the host's files can still be reached. llvm_stub: a \
     * path, "" for none. */ \
    X(ENGINE_OPEN, 12, "sss") \
    /* s path: Host. Load a plugin of WasmEdge: its modules can be imported. */ \
    X(ENGINE_PLUGIN, 74, "s") \
    /* s path: Host. Create the file and map it as struct plan_counters; WASM_RUN keeps them up \
     * to date. It must not exist yet. */ \
    X(ENGINE_COUNTERS, 75, "s") \
    /* s directory: Host. WASM_LOAD loads the directory's "module.so", which this node has \
     * compiled, instead of interpreting the module. Where that fails, it reports \
     * NOTICE_INTERPRETED. */ \
    X(ENGINE_ARTEFACT, 13, "s") \
    /* s directory: Host. FORK clones the process into the cgroup v2 directory. That waits for \
     * no RCU grace period, as a write to its cgroup.procs does. A cgroup namespace must then \
     * be unshared after FORK: made by it, it would have the parent's cgroup for its root. */ \
    X(CGROUP_INTO, 14, "s") \
    /* u propagation: Set the MS_* propagation of "/" in the new mount namespace. */ \
    X(ROOT_PROPAGATION, 20, "u") \
    /* s path: Bind the host's path to itself (recursively), make its parent mount private, \
     * keep the descriptor below which every later path before PIVOT_ROOT is resolved. */ \
    X(ROOTFS, 21, "s") \
    /* s source, s target, s type, u flags, s data, u extra: mount(2), with MS_* flags and \
     * MOUNT_* bits (extra). The target is resolved inside the rootfs and created if it is \
     * missing: a file for a bind of a non-directory, else a directory. With MS_BIND the other \
     * flags are applied as well. Where a link was bound, the steps on the same target that \
     * follow at once are about that link. */ \
    X(MOUNT, 22, "sssusu") \
    /* s source, s target, u flags, s userns, s uids, s gids, u recursive, u extra: A bind \
     * mount with mapped ids: by the user namespace of path userns, or ("") by one that is made \
     * with the maps uids and gids. recursive, if not 0: the mounts below are mapped as well. \
     * flags and extra are those of MOUNT. Needs OPENER. */ \
    X(BIND_IDMAPPED, 32, "ssusssuu") \
    /* s path: After ROOT_JOINED. Detach the mount there, with those below it. */ \
    X(UNMOUNT, 34, "s") \
    /* s path, s label: Set the SELinux label of the file or directory. */ \
    X(RELABEL, 33, "ss") \
    /* s target, u propagation: Set the MS_* propagation of a mount. */ \
    X(MOUNT_PROPAGATION, 23, "su") \
    /* s target, u set, u clear, u recursive: mount_setattr(2), with AT_RECURSIVE if recursive \
     * is not 0. */ \
    X(MOUNT_SETATTR, 24, "suuu") \
    /* s path, u mode, u major, u minor, u uid, u gid: mknod(2), mode with the type. Where that \
     * is forbidden (user namespace): a bind mount of the host's node of that path. */ \
    X(MKNOD, 25, "suuuuu") \
    /* s points_to, s path: Make a link; what is there already is left alone. */ \
    X(SYMLINK, 26, "ss") \
    /* s key, s value: Write value to key, a path below /proc/sys. */ \
    X(SYSCTL, 27, "ss") \
    /* s name: sethostname(2). */ \
    X(HOSTNAME, 28, "s") \
    /* s name: setdomainname(2). */ \
    X(DOMAINNAME, 29, "s") \
    /* Report REPORT_HOOKS (prestart and createRuntime run now), wait for go. */ \
    X(HOOKS_BARRIER, 30, "") \
    /* s path, S args, S env, u timeout, s state_before_pid, s state_after_pid, u program_env: \
     * Run a hook, write the state JSON to it, fail on a non-zero exit status. timeout is in s \
     * (0: none). With program_env its environment is the program's (PROCESS), not env. Before \
     * PIVOT_ROOT it runs in the rootfs, afterwards where the program will. */ \
    X(HOOK, 31, "sSSussu") \
    /* u no_pivot: pivot_root(2); with no_pivot MS_MOVE and chroot(2). */ \
    X(PIVOT_ROOT, 40, "u") \
    /* u socket, u columns, u rows, u bind: Open /dev/ptmx, send the master over the inherited \
     * unix socket, make the slave 0, 1, 2 and the controlling terminal. columns and rows set \
     * its size (0: don't). With bind the slave is bound on /dev/console. */ \
    X(CONSOLE, 41, "uuuu") \
    /* s path: Bind /dev/null over a file, mount an empty read-only tmpfs over a directory. \
     * What is missing is left alone. */ \
    X(MASK, 42, "s") \
    /* s path: Bind path on itself, read-only. What is missing is left alone. */ \
    X(READONLY, 43, "s") \
    /* Remount "/" read-only. */ \
    X(ROOT_READONLY, 44, "") \
    /* s name: Join a new session keyring. */ \
    X(KEYRING, 50, "s") \
    /* u resource, u soft, u hard: setrlimit(2). */ \
    X(RLIMIT, 51, "uuu") \
    /* u domain: personality(2). */ \
    X(PERSONALITY, 52, "u") \
    /* u policy, u flags, u nice, u priority, u runtime, u deadline, u period: \
     * sched_setattr(2); times in ns. */ \
    X(SCHEDULER, 65, "uuuuuuu") \
    /* u value: Class and priority as ioprio_set(2) takes them. */ \
    X(IO_PRIORITY, 66, "u") \
    /* b processors: sched_setaffinity(2). The first processor is the lowest bit of the first \
     * byte. */ \
    X(CPU_AFFINITY, 67, "b") \
    /* u mode, b nodes: set_mempolicy(2): MPOL_* mode and flags, mask of nodes. */ \
    X(MEMORY_POLICY, 68, "ub") \
    /* u uid: PROCESS adds $HOME where the environment has none: the user's directory by \
     * /etc/passwd, or "/". */ \
    X(HOME, 69, "u") \
    /* s path, u create: chdir(2); with create, a missing directory is made. */ \
    X(CWD, 53, "su") \
    /* u uid, u gid, U groups, u bounding, u effective, u permitted, u inheritable, u ambient, \
     * u how: Ids, additional groups, masks of capabilities; CREDENTIALS_* bits (how). */ \
    X(CREDENTIALS, 54, "uuUuuuuuu") \
    /* u mask: umask(2). */ \
    X(UMASK, 55, "u") \
    /* prctl(2) PR_SET_NO_NEW_PRIVS. */ \
    X(NO_NEW_PRIVS, 56, "") \
    /* b program, u flags, u listener, S state: Load the BPF program (array of struct \
     * sock_filter) with SECCOMP_FILTER_FLAG_* flags. listener: the inherited socket for the \
     * listener + 1 (0: none). The container process state is sent with it; this process's pid \
     * goes between the strings. */ \
    X(SECCOMP, 57, "buuS") \
    /* s module, s label, u now: Label of "apparmor" or "selinux": with now from now on, else \
     * from the next exec on. */ \
    X(LSM_LABEL, 58, "ssu") \
    /* u first: Close every descriptor from first on at exec. What was inherited there and no \
     * step names is closed before the first step (without CLOSE_FROM: from 3 on). */ \
    X(CLOSE_FROM, 59, "u") \
    /* S args, S env: After CREDENTIALS and LSM_LABEL. The program's arguments and environment. \
     * Closes the host's /proc. */ \
    X(PROCESS, 60, "SS") \
    /* Find args[0] ($PATH of the environment when it has no slash), check that it can be run. */ \
    X(EXEC_FIND, 61, "") \
    /* Report REPORT_READY, wait for go. End of file (the runtime died) exits. */ \
    X(READY, 62, "") \
    /* Read one byte from the FIFO "start", which `start` writes. The FIFO "started" stays open \
     * until EXEC or WASM_RUN: errors are reported on it from now on; its end of file says that \
     * the program runs. Needs OPEN_START. */ \
    X(WAIT_START, 63, "") \
    /* execve(2) what EXEC_FIND found. Last step of a native plan. */ \
    X(EXEC, 64, "") \
    /* u apart: Make each procfs of the container read-only; with apart in a mount namespace of \
     * this process's own. */ \
    X(PROC_READONLY, 79, "u") \
    /* s path: After PROCESS. Open the module of that path in the container, for WASM_LOAD, \
     * under no filter yet. Signals end this process from now on. */ \
    X(WASM_OPEN, 78, "s") \
    /* s path, S preopens, s function: After WASM_OPEN and CREDENTIALS_EXECUTED. Parse, \
     * validate and instantiate the module. A preopen is "guest:host"; function is what \
     * WASM_RUN runs ("": _start). */ \
    X(WASM_LOAD, 70, "sSs") \
    /* Run the function; exit with the program's status. Last step of a Wasm plan. */ \
    X(WASM_RUN, 71, "") \
    /* u index, s path: Before CREDENTIALS. The preopen of WASM_LOAD with that index, whose \
     * directory in the container is path, is read-only. */ \
    X(PREOPEN_READONLY, 72, "us") \
    /* u memory_pages, u initial_pages, u instructions, u count, u milliseconds: Before \
     * WASM_LOAD; 0 means no limit. Pages of 64 KiB that each memory can have, and can begin \
     * with; instructions, counted also without a limit if count is not 0; time from WASM_RUN \
     * on. */ \
    X(WASM_LIMITS, 73, "uuuuu") \
    /* Before WASM_LOAD. A module whose exceptions the engine executes wrongly runs, with a \
     * notice. */ \
    X(WASM_INSIST, 80, "") \
    /* Under no_new_privs. Leave this process the system calls that modules need. A filter of \
     * SECCOMP can come before, if it allows that, or after. */ \
    X(WASM_FENCE, 81, "")

#define PLAN_ENUM(name, number, signature) OP_##name = number,
enum plan_op { PLAN_OPS(PLAN_ENUM) };
#undef PLAN_ENUM

/* What crunw-init reports: type, and its fields. */
enum plan_report {
    /* u pid: The container process, in the runtime's pid namespace. */
    REPORT_PID = 1,
    /* Write the uid and gid maps of the process that reports, then go. */
    REPORT_USERNS = 2,
    /* HOOKS_BARRIER. */
    REPORT_HOOKS = 3,
    /* READY. */
    REPORT_READY = 4,
    /* s stage, s operation, s path, u errno, s message: The stage is an op. message: "" where
     * errno says it all. */
    REPORT_ERROR = 5,
    /* u kind, s what, s why: What works worse than asked for; a NOTICE_* kind. */
    REPORT_NOTICE = 6,
};

/* REPORT_NOTICE: kind. */
enum plan_notice {
    /* whoever started the container must know */
    NOTICE_WARNING = 0,
    /* for whoever looks for a cause: shown with --debug */
    NOTICE_DETAIL = 1,
    /* a warning: what ENGINE_ARTEFACT names could not be used */
    NOTICE_INTERPRETED = 2,
};

/* MOUNT, BIND_IDMAPPED: bits of extra. */
/* tmpcopyup: the directory's content is copied into the new tmpfs */
#define MOUNT_COPY_UP 1u
/* a source that does not exist is skipped */
#define MOUNT_OPTIONAL 2u
/* a symbolic link in the source's last component is not followed: it is bound */
#define MOUNT_SOURCE_LINK 4u
/* a symbolic link in the target's last component is not followed: it is covered */
#define MOUNT_TARGET_LINK 8u
/* a symbolic link in the source's last component: the target becomes a link like it */
#define MOUNT_COPY_LINK 16u

/* CREDENTIALS: bits of how. */
/* all capabilities stay as they are */
#define CREDENTIALS_KEEP 1u
/* what execve would make of the capabilities is made of them now: a module is not executed */
#define CREDENTIALS_EXECUTED 2u
/* with CREDENTIALS_EXECUTED: under no_new_privs */
#define CREDENTIALS_NO_NEW_PRIVS 4u
/* the additional groups stay the caller's */
#define CREDENTIALS_KEEP_GROUPS 8u

/* The launcher's record: what is left to Python. */
/* there are poststart hooks */
#define FAST_POSTSTART 1u
/* there are poststop hooks */
#define FAST_POSTSTOP 2u
/* SIGKILL is for all processes: no pid namespace ends with the first */
#define FAST_SHARED_PIDS 4u

/* The launcher's recipe of `exec`. */
/* the plan looks $HOME up, as the environment has none */
#define RECIPE_HOME 1u

/* Files of a state directory; all, in the order of their removal. */
/* FIFO that the container's process waits on; removed by `start` */
#define STATE_START "start"
/* FIFO on which the process reports what went wrong at exec */
#define STATE_STARTED "started"
/* the specification as it was at `create` */
#define STATE_CONFIG "config.json"
/* the record; replaced by rename, so that a reader never sees half of one */
#define STATE_RECORD "state.json"
/* what the launcher needs of the record (csrc/launcher/launcher.h) */
#define STATE_FAST "fast"
/* what it needs to run a further process, left by the first `exec` (csrc/launcher/exec.c) */
#define STATE_EXEC "exec"
/* the same for `exec --process` */
#define STATE_EXEC_PROCESS "exec.process"
/* what a module has used, while that is asked for (struct plan_counters) */
#define STATE_COUNTERS "counters"
/* what works worse than was asked for, a line each */
#define STATE_NOTICES "notices"
/* the module that `start` has compiled afterwards (csrc/compiler/later.c) */
#define STATE_LATER "later"
/* flock(2)ed by whoever changes the container */
#define STATE_LOCK "lock"
#define STATE_FILES STATE_START, STATE_STARTED, STATE_CONFIG, STATE_RECORD, STATE_FAST, STATE_EXEC, STATE_EXEC_PROCESS, STATE_COUNTERS, STATE_NOTICES, STATE_LATER, STATE_LOCK

#define FAST_MAGIC "CRWF"
#define FAST_VERSION 2u

#define RECIPE_MAGIC "CRWX"
#define RECIPE_VERSION 2u

#endif
