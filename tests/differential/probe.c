/*
 * What a process observes of itself and its surroundings, a line "KEY<tab>VALUE" each, to standard
 * output; then what comes of the actions that its arguments ask for:
 *
 *   look:PATH     what PATH is, and whether it can be read and written
 *   open:PATH     opens PATH for reading and writing, as the devices cgroup may forbid
 *   make:PATH     makes a file, and a device node beside it
 *   text:PATH     the text of PATH
 *   call:NAME     makes the system call, which a seccomp filter may answer
 *   to:PATH       (first) writes to PATH instead of standard output
 *   wait          waits for a signal
 *   exit:N        exits with N
 *   signal:N      kills itself
 *
 * As a hook, "hook:NAME" and "to:PATH": appends what a hook observes, its standard input too.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;
static FILE *out;

/* The value may hold anything: what would end the line is escaped. */
static void say_text(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\\' || c < ' ' || c == 0x7f) {
            fprintf(out, "\\x%02x", c);
        } else {
            fputc(c, out);
        }
    }
}

__attribute__((format(printf, 2, 3))) static void say(const char *key, const char *format, ...) {
    char value[8192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    say_text(key, strlen(key));
    fputc('\t', out);
    say_text(value, strlen(value));
    fputc('\n', out);
}

static const char *result(long value) {
    static char text[32];
    if (value < 0) {
        return strerrorname_np(errno);
    }
    snprintf(text, sizeof text, "%ld", value);
    return text;
}

static ssize_t read_file(const char *path, char *buffer, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return -1;
    }
    size_t length = 0;
    ssize_t got = 0;
    while (length < size - 1 && (got = read(file, buffer + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    int problem = errno;
    close(file);
    errno = problem;
    buffer[length] = 0;
    return got < 0 && !length ? -1 : (ssize_t)length;
}

static void say_file(const char *key, const char *path) {
    static char text[65536];
    ssize_t length = read_file(path, text, sizeof text);
    fprintf(out, "%s\t", key);
    if (length < 0) {
        fputs(strerrorname_np(errno), out);
    } else {
        say_text(text, (size_t)length);
    }
    fputc('\n', out);
}

static void say_link(const char *key, const char *path) {
    char target[4096];
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = 0;
    say(key, "%s", length < 0 ? strerrorname_np(errno) : target);
}

static void identity(void) {
    unsigned real = 0;
    unsigned effective = 0;
    unsigned saved = 0;
    getresuid(&real, &effective, &saved);
    say("uids", "%u %u %u", real, effective, saved);
    getresgid(&real, &effective, &saved);
    say("gids", "%u %u %u", real, effective, saved);
    gid_t groups[128];
    int count = getgroups(128, groups);
    char text[2048] = "";
    for (int i = 0; i < count; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%u ", groups[i]);
    }
    say("groups", "%s", text);
    mode_t mask = umask(0);
    umask(mask);
    say("umask", "%04o", mask);
    say("pid 1", "%d", getpid() == 1);
    say("parent outside", "%d", getppid() == 0);
    say("session", "%s", getsid(0) == getpid() ? "own" : "other");
    say("process group", "%s", getpgrp() == getpid() ? "own" : "other");
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    say("controlling terminal", "%s", terminal < 0 ? strerrorname_np(errno) : "yes");
    if (terminal >= 0) {
        close(terminal);
    }
}

static void capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {0};
    syscall(SYS_capget, &header, data);
    say("capabilities effective", "%08x%08x", data[1].effective, data[0].effective);
    say("capabilities permitted", "%08x%08x", data[1].permitted, data[0].permitted);
    say("capabilities inheritable", "%08x%08x", data[1].inheritable, data[0].inheritable);
    uint64_t bounding = 0;
    uint64_t ambient = 0;
    for (unsigned i = 0; i < 64; i++) {
        bounding |= (uint64_t)(prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1) << i;
        ambient |= (uint64_t)(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1) << i;
    }
    say("capabilities bounding", "%016lx", bounding);
    say("capabilities ambient", "%016lx", ambient);
    say("securebits", "%s", result(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0)));
    say("no new privileges", "%s", result(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
    say("seccomp", "%s", result(prctl(PR_GET_SECCOMP, 0, 0, 0, 0)));
    say("dumpable", "%s", result(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)));
    say("secure execution", "%lu", getauxval(AT_SECURE));
    int number = 0;
    prctl(PR_GET_PDEATHSIG, &number, 0, 0, 0);
    say("parent death signal", "%d", number);
    prctl(PR_GET_CHILD_SUBREAPER, &number, 0, 0, 0);
    say("child subreaper", "%d", number);
    say("timer slack", "%s", result(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0)));
    say("transparent huge pages disabled", "%s", result(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)));
    say("personality", "%08x", (unsigned)personality(0xffffffff));
    char description[256] = "";
    long length = syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, description,
                          sizeof description - 1, 0);
    say("session keyring", "%s", length < 0 ? strerrorname_np(errno) : description);
}

static void limits(void) {
    static const char *const names[] = {
        "CPU",     "FSIZE", "DATA",  "STACK",      "CORE",     "RSS",  "NPROC",  "NOFILE",
        "MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct rlimit limit;
        char key[64];
        getrlimit((__rlimit_resource_t)i, &limit);
        snprintf(key, sizeof key, "limit %s", names[i]);
        say(key, "%ld %ld", (long)limit.rlim_cur, (long)limit.rlim_max);
    }
}

static void scheduling(void) {
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
        uint32_t minimum, maximum;
    } attributes = {0};
    syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0);
    say("scheduler", "policy %u flags %lu nice %d priority %u", attributes.policy, attributes.flags,
        attributes.nice, attributes.priority);
    say("io priority", "%s", result(syscall(SYS_ioprio_get, 1, 0)));
    uint64_t processors[16] = {0};
    syscall(SYS_sched_getaffinity, 0, sizeof processors, processors);
    say("affinity", "%lx", processors[0]);
    int mode = 0;
    uint64_t nodes[16] = {0};
    long status = syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, 0, 0);
    say("memory policy", "%s mode %x nodes %lx", result(status), (unsigned)mode, nodes[0]);
}

static void signals(void) {
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    char text[512] = "";
    char ignored[512] = "";
    for (int i = 1; i < 65; i++) {
        struct sigaction action;
        if (sigismember(&blocked, i) == 1) {
            snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", i);
        }
        if (!sigaction(i, NULL, &action) && action.sa_handler == SIG_IGN) {
            snprintf(ignored + strlen(ignored), sizeof ignored - strlen(ignored), "%d ", i);
        }
    }
    say("signals blocked", "%s", text);
    say("signals ignored", "%s", ignored);
}

static const char *describe(const char *path, const struct stat *status) {
    static char text[4400];
    static const char kinds[] = "?pc?d?b?-?l?s???";
    char more[4200] = "";
    if (S_ISLNK(status->st_mode)) {
        ssize_t length = readlink(path, more, sizeof more - 1);
        more[length < 0 ? 0 : length] = 0;
    } else if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode)) {
        snprintf(more, sizeof more, "%u:%u", major(status->st_rdev), minor(status->st_rdev));
    } else if (S_ISREG(status->st_mode)) {
        snprintf(more, sizeof more, "%ld bytes", status->st_size);
    }
    snprintf(text, sizeof text, "%c%04o %u:%u %s", kinds[status->st_mode >> 12 & 15],
             status->st_mode & 07777, status->st_uid, status->st_gid, more);
    return text;
}

static void descriptors(void) {
    for (int i = 0; i < 1024; i++) {
        struct stat status;
        char key[32];
        if (fstat(i, &status) || (out != stdout && i == fileno(out))) {
            continue;
        }
        snprintf(key, sizeof key, "descriptor %d", i);
        say(key, "%c flags %o cloexec %d", "?pc?d?b?-?l?s???"[status.st_mode >> 12 & 15],
            (unsigned)fcntl(i, F_GETFL) & ~(unsigned)(O_CLOEXEC | 0100000), fcntl(i, F_GETFD));
    }
}

static void names(void) {
    struct utsname system;
    uname(&system);
    say("hostname", "%s", system.nodename);
    say("domainname", "%s", system.domainname);
    say("machine", "%s", system.machine);
    char directory[4096];
    say("cwd", "%s", getcwd(directory, sizeof directory) ? directory : strerrorname_np(errno));
    struct if_nameindex *interfaces = if_nameindex();
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (struct if_nameindex *each = interfaces; each && each->if_name; each++) {
        struct ifreq request = {0};
        char key[64];
        snprintf(request.ifr_name, sizeof request.ifr_name, "%s", each->if_name);
        snprintf(key, sizeof key, "interface %s", each->if_name);
        int status = ioctl(control, SIOCGIFFLAGS, &request);
        say(key, "%s",
            status                       ? strerrorname_np(errno)
            : request.ifr_flags & IFF_UP ? "up"
                                         : "down");
    }
    close(control);
}

static void processes(void) {
    static const char *const files[] = {
        "mountinfo", "cgroup",        "uid_map",        "gid_map",  "setgroups",      "comm",
        "status",    "oom_score_adj", "timens_offsets", "loginuid", "coredump_filter"};
    static const char *const spaces[] = {"cgroup", "ipc",  "mnt",  "net",
                                         "pid",    "time", "user", "uts"};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/%s", files[i]);
        say_file(files[i], path);
    }
    for (unsigned i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        char path[64];
        char key[64];
        snprintf(path, sizeof path, "/proc/self/ns/%s", spaces[i]);
        snprintf(key, sizeof key, "namespace %s", spaces[i]);
        say_link(key, path);
    }
    say_link("root", "/proc/self/root");
}

static void tree(const char *directory, unsigned depth) {
    DIR *entries = opendir(directory);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        char path[4096];
        char key[4200];
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        snprintf(key, sizeof key, "file %s", path);
        if (lstat(path, &status)) {
            say(key, "%s", strerrorname_np(errno));
            continue;
        }
        say(key, "%s", describe(path, &status));
        if (S_ISDIR(status.st_mode) && strcmp(path, "/proc") != 0 && depth < 4 &&
            (strcmp(path, "/sys") != 0)) {
            tree(path, depth + 1);
        }
    }
    if (entries) {
        closedir(entries);
    }
}

/* Directories and what is in them, files and whether they are readable and writable. */
static void look(const char *path) {
    char key[4200];
    struct stat status;
    struct statfs system;
    snprintf(key, sizeof key, "look %s", path);
    if (lstat(path, &status)) {
        say(key, "%s", strerrorname_np(errno));
        return;
    }
    const char *what = describe(path, &status);
    if (statfs(path, &system)) {
        system = (struct statfs){0};
    }
    char contents[64];
    if (S_ISDIR(status.st_mode)) {
        DIR *entries = opendir(path);
        unsigned count = 0;
        while (entries && readdir(entries)) {
            count++;
        }
        snprintf(contents, sizeof contents, "%s",
                 !entries    ? "closed"
                 : count > 2 ? "some"
                             : "empty");
        if (entries) {
            closedir(entries);
        }
    } else {
        char byte[2];
        ssize_t length = read_file(path, byte, sizeof byte);
        snprintf(contents, sizeof contents, "reads %s", result(length));
    }
    int writable = access(path, W_OK);
    say(key, "%s on %lx flags %lx, %s, write %s", what, system.f_type, system.f_flags, contents,
        result(writable));
}

static void make(const char *path) {
    char key[4200];
    char node[4200];
    snprintf(key, sizeof key, "make %s", path);
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    say(key, "%s", file < 0 ? strerrorname_np(errno) : "made");
    if (file >= 0) {
        struct stat status;
        fstat(file, &status);
        say(key, "%s", describe(path, &status));
        close(file);
        unlink(path);
    }
    snprintf(node, sizeof node, "%s.node", path);
    snprintf(key, sizeof key, "make node %s", path);
    int made = mknod(node, S_IFCHR | 0600, makedev(1, 3));
    say(key, "%s", result(made));
    if (!made) {
        file = open(node, O_RDWR | O_CLOEXEC);
        say(key, "open %s", file < 0 ? strerrorname_np(errno) : "0");
        unlink(node);
    }
}

static long call(const char *name) {
    static const struct {
        const char *name;
        long number;
    } calls[] = {
        {"mkdir", SYS_mkdir},
        {"chmod", SYS_chmod},
        {"getcpu", SYS_getcpu},
        {"sethostname", SYS_sethostname},
        {"unshare", SYS_unshare},
        {"keyctl", SYS_keyctl},
        {"bpf", SYS_bpf},
        {"ptrace", SYS_ptrace},
        {"mount", SYS_mount},
        {"sync", SYS_sync},
        {"getpriority", SYS_getpriority},
        {"socket", SYS_socket},
        {"clone3", SYS_clone3},
        {"io_uring_setup", SYS_io_uring_setup},
        {"reboot", SYS_reboot},
        {"openat2", SYS_openat2},
        {"personality", SYS_personality},
    };
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(calls[i].name, name) == 0) {
            errno = 0;
            return syscall(calls[i].number, -1L, -1L, -1L, -1L, -1L, -1L);
        }
    }
    errno = ENOSYS;
    return -1;
}

static volatile sig_atomic_t received;

static void receive(int number) { received = number; }

static void act(const char *action) {
    const char *value = strchr(action, ':');
    value = value ? value + 1 : "";
    char key[4200];
    if (strncmp(action, "look:", 5) == 0) {
        look(value);
    } else if (strncmp(action, "open:", 5) == 0) {
        int file = open(value, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        snprintf(key, sizeof key, "open %s", value);
        say(key, "%s", file < 0 ? strerrorname_np(errno) : "opened");
    } else if (strncmp(action, "make:", 5) == 0) {
        make(value);
    } else if (strncmp(action, "text:", 5) == 0) {
        snprintf(key, sizeof key, "text %s", value);
        say_file(key, value);
    } else if (strncmp(action, "call:", 5) == 0) {
        snprintf(key, sizeof key, "call %s", value);
        fflush(out); /* the filter may kill */
        long status = call(value);
        say(key, "%s", result(status));
    } else if (strncmp(action, "exit:", 5) == 0) {
        fflush(out);
        _exit(atoi(value));
    } else if (strncmp(action, "signal:", 7) == 0) {
        fflush(out);
        kill(getpid(), atoi(value));
    } else if (strcmp(action, "wait") == 0) {
        struct sigaction handler = {.sa_handler = receive};
        sigset_t wanted;
        sigset_t before;
        sigemptyset(&wanted);
        sigaddset(&wanted, SIGUSR1);
        sigaddset(&wanted, SIGTERM);
        sigprocmask(SIG_BLOCK, &wanted, &before);
        sigaction(SIGUSR1, &handler, NULL);
        sigaction(SIGTERM, &handler, NULL);
        say("waiting", "yes");
        fflush(out);
        sigsuspend(&before);
        say("woken by", "%d", (int)received);
    }
}

static void environment(int count, char **arguments) {
    char key[32];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "argument %d", i);
        say(key, "%s", arguments[i]);
    }
    for (int i = 0; environ[i]; i++) {
        snprintf(key, sizeof key, "environment %d", i);
        say(key, "%s", environ[i]);
    }
}

static void hook(const char *name, int count, char **arguments) {
    say("hook", "%s", name);
    environment(count, arguments);
    identity();
    capabilities();
    names();
    static const char *const spaces[] = {"cgroup", "ipc",  "mnt",  "net",
                                         "pid",    "time", "user", "uts"};
    for (unsigned i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        char path[64];
        char key[64];
        snprintf(path, sizeof path, "/proc/self/ns/%s", spaces[i]);
        snprintf(key, sizeof key, "namespace %s", spaces[i]);
        say_link(key, path);
    }
    say_file("state", "/dev/stdin");
    descriptors();
}

int main(int count, char **arguments) {
    out = stdout;
    const char *name = NULL;
    for (int i = 1; i < count; i++) {
        if (strncmp(arguments[i], "to:", 3) == 0) {
            out = fopen(arguments[i] + 3, "ae");
            if (!out) {
                return 99;
            }
        } else if (strncmp(arguments[i], "hook:", 5) == 0) {
            name = arguments[i] + 5;
        }
    }
    if (name) {
        hook(name, count, arguments);
    } else {
        environment(count, arguments);
        identity();
        capabilities();
        limits();
        scheduling();
        signals();
        descriptors();
        names();
        processes();
        tree("", 0);
    }
    for (int i = 1; i < count; i++) {
        act(arguments[i]);
    }
    fflush(out);
    return 0;
}
