/* The engine's steps: its library and what this node has compiled are opened on the host's files,
 * the module is loaded and run in the sealed container, by this process. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <nss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "meter.h"
#include "preopen.h"
#include "sys.h"

/* The engine that is expected, as crunw/paths.py names it and its library. */
#define ENGINE_NAME "wasmedge"
#define ENGINE_LIBRARY "libwasmedge.so.0"
#define ARTEFACT "module.so" /* as crunw/aot/ names it */

/* The engine, its libraries opened below the read-only root where they are there. */
static int open_engine(struct init *init, const char *name, const char *library, const char *stub,
                       struct engine_error *error) {
    if (library_root_enter(init) < 0)
        return -1;
    init->engine = engine_open(name, library, stub, error);
    return library_root_leave(init);
}

/* What it dirties of the library is then charged to the cgroup of the caller: half a megabyte. */
int engine_expect(struct init *init) {
    const char *stub = getenv("ENGINE_STUB");
    struct engine_error ignored;
    if (stub == NULL)
        return 0;
    init->library = ENGINE_LIBRARY;
    return open_engine(init, ENGINE_NAME, init->library, access(stub, R_OK) == 0 ? stub : NULL,
                       &ignored);
}

/* By /etc/nsswitch.conf the image would name libraries of its own, which the C library loads into
 * this process when the program looks a name up. The C library reads the file once, now: the
 * host's. */
static int fix_name_services(struct init *init) {
#ifndef CRUNW_WEAKEN_NAMES
    if (__nss_configure_lookup("hosts", "files dns") != 0 ||
        __nss_configure_lookup("services", "files") != 0)
        return error_errno(&init->error, "configure", "name services");
#else
    (void)init;
#endif
    return 0;
}

int run_engine_open(struct init *init, struct step *step) {
    const char *name = step_string(step);
    const char *library = step_string(step);
    const char *stub = step_string(step);
    struct engine_error error;
    if (fix_name_services(init) < 0)
        return -1;
    if (init->engine && strcmp(init->library, library) == 0)
        return 0;
    if (init->engine)
        engine_close(init->engine); /* another one than was expected */
    init->library = library;
    if (open_engine(init, name, library, *stub ? stub : NULL, &error) < 0)
        return -1;
    if (!init->engine && init->library_root_fd >= 0) {
        init->engine = engine_open(name, library, *stub ? stub : NULL, &error);
        if (init->engine)
            report_notice(
                init, NOTICE_WARNING, library,
                "it is not on the mount of \"/\": a privileged container could write to it");
    }
    if (!init->engine)
        return error_set(&init->error, "dlopen", library, ENOENT, "%s", error.message);
    return 0;
}

int run_engine_plugin(struct init *init, struct step *step) {
    const char *path = step_string(step);
    struct engine_error error;
    if (library_root_enter(init) < 0)
        return -1;
    int result = engine_load_plugin(init->engine, path, &error);
    if (library_root_leave(init) < 0)
        return -1;
    if (result != 0 && init->library_root_fd >= 0) {
        result = engine_load_plugin(init->engine, path, &error);
        if (result == 0)
            report_notice(
                init, NOTICE_WARNING, path,
                "it is not on the mount of \"/\": a privileged container could write to it");
    }
    if (result == 0)
        return 0;
    return error_set(&init->error, "load plugin", "", ENOEXEC, "%s", error.message);
}

/* Opened on a read-only mount of its own: whatever becomes of this process, the cache can't be
 * written to through it. An ordinary user can't clone mounts; his cache is his own. The last to
 * close the clone takes it apart, which waits for a grace period of RCU: that is left to the
 * process that ends after FORK. A file that is gone is not an error: then the module is
 * interpreted. */
int run_engine_artefact(struct init *init, struct step *step) {
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    struct error ignored;
    init->artefact = step_string(step);
    OWNED int directory =
        sys_open_tree(&ignored, AT_FDCWD, init->artefact, OPEN_TREE_CLONE, init->artefact);
    if (directory < 0 && geteuid() != 0)
        directory = sys_openat(&ignored, AT_FDCWD, init->artefact, O_PATH | O_DIRECTORY, 0);
    else if (directory >= 0 &&
             sys_mount_setattr(&ignored, directory, "", AT_EMPTY_PATH, &read_only, "") < 0)
        return 0;
    if (directory < 0)
        return 0;
    init->artefact_fd = sys_openat(&ignored, directory, ARTEFACT, O_RDONLY | O_NOFOLLOW, 0);
    init->artefact_mount = take_fd(&directory);
    return 0;
}

/* The library takes nothing but an absolute path. The container's /proc is what its image and its
 * mounts have made of it: the path must lead to the very file. */
static int artefact_path(const struct init *init, char path[static 32],
                         struct engine_error *engine_error) {
    struct error error;
    struct stat wanted;
    struct stat found;
    if (init->artefact_fd < 0 || fstat(init->artefact_fd, &wanted) < 0) {
        snprintf(engine_error->message, sizeof engine_error->message,
                 "it can't be opened on a read-only mount");
        return -1;
    }
    snprintf(path, 32, "/proc/self/fd/%d", init->artefact_fd);
    OWNED int fd = sys_openat(&error, AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd >= 0 && fstat(fd, &found) == 0 && found.st_dev == wanted.st_dev &&
        found.st_ino == wanted.st_ino)
        return 0;
    snprintf(engine_error->message, sizeof engine_error->message,
             "the container has no usable /proc");
    return -1;
}

/* NULL where there is no compiled code, or none that can be used; then `error` says why. */
static struct engine_module *load_compiled(struct init *init, struct engine_error *error) {
    struct engine_module *module = NULL;
    char path[32];
    if (!init->artefact)
        return NULL;
    if (artefact_path(init, path, error) == 0)
        module = engine_load_compiled(init->engine, path, &init->limits, error);
    close_now(&init->artefact_fd); /* the library has mapped it */
    return module;
}

int run_wasm_insist(struct init *init, struct step *step) {
    (void)step;
    init->limits.insist_exceptions = true;
    return 0;
}

/* By no magic link: what is still open here is the runtime's. */
int run_wasm_open(struct init *init, struct step *step) {
    const char *path = step_string(step);
    init->module_fd =
        sys_openat2(&init->error, AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0, RESOLVE_NO_MAGICLINKS);
    if (init->module_fd < 0)
        return error_set(&init->error, "open", path, init->error.number, "%s", "");
    meter_handle_signals();
    return 0;
}

/* The module and all that it needs of the file system: nothing is opened by name after this but by
 * the program itself. The module's own file must be readable even where its compiled code is run,
 * so that the same things fail on each start. */
static int load(struct init *init, const char *path, strings preopens, const char *function) {
    struct engine_error error;
    struct engine_error unusable = {.message = ""};
    init->module = load_compiled(init, &unusable);
    bool interpreted = !init->module;
    if (interpreted)
        init->module = engine_load(init->engine, init->module_fd, &init->limits, &error);
    close_now(&init->module_fd); /* before the program's directories are opened */
    struct engine_program program = {
        .argv = (const char *const *)init->argv,
        .envp = (const char *const *)init->envp,
        .preopens = (const char *const *)preopens,
        .function = *function ? function : NULL,
    };
    if (!init->module || engine_prepare(init->module, &program, &error) != 0)
        return error_set(&init->error, "load", path, ENOEXEC, "%s", error.message);
    if (interpreted && init->artefact)
        report_notice(init, NOTICE_INTERPRETED, "compiled code", "%s (%s)", unusable.message,
                      strcmp(engine_name(init->engine), ENGINE_NAME) == 0
                          ? "the module is interpreted"
                          : "it is compiled at each start");
    if (*engine_module_doubt(init->module))
        report_notice(init, NOTICE_WARNING, path, "%s", engine_module_doubt(init->module));
    return preopens_replace(init);
}

/* A seccomp profile may be older than close_range: CRI-O gives one to the pause container of a
 * privileged pod. Those below CLOSE_FROM were inherited; the others are numbered from there on, and
 * few are open by now. */
static void close_between(const struct init *init, unsigned first, unsigned last) {
    if (first > last || close_range(first, last, 0) == 0)
        return;
    for (unsigned fd = first; fd <= last && fd <= init->close_from + OWN_DESCRIPTORS; fd++)
        close((int)fd); /* whoever has opened it */
}

int run_wasm_load(struct init *init, struct step *step) {
    const char *path = step_string(step);
    strings preopens = step_strings(step);
    const char *function = step_string(step);
    if (!init->executed)
        return error_set(&init->error, "load", path, EPERM, "the plan leaves capabilities to it");
    if (load(init, path, preopens, function) != 0)
        return -1;
    /* What parsing has left on the heap would stay for the container's life. */
    malloc_trim(0);
    title_set(init->argv);
    return 0;
}

static void close_between_but(const struct init *init, unsigned first, unsigned last, int kept) {
    if (kept < 0 || (unsigned)kept < first || (unsigned)kept > last) {
        close_between(init, first, last);
        return;
    }
    close_between(init, first, (unsigned)kept - 1);
    close_between(init, (unsigned)kept + 1, last);
}

/* There is no exec that would close them, and the program may see /proc/self/fd, where a descriptor
 * of the host's files is a way out. */
static void close_others(const struct init *init) {
    unsigned first = STDERR_FILENO + 1;
    int keep = -1;
    for (uint32_t index = 0; (keep = engine_module_descriptor(init->module, index)) >= 0; index++) {
        close_between_but(init, first, (unsigned)keep - 1, init->started_fd);
        first = (unsigned)keep + 1;
    }
    close_between_but(init, first, ~0U, init->started_fd);
}

/* As exec makes a native program: else only the host's root could enter its namespaces. By now
 * nothing of the host is open (CVE-2016-9962). The library's file, which is mapped, could be opened
 * by /proc/PID/map_files, but not with the capabilities of a user namespace; outside of one the
 * runtime is root and needs none of this. Where a seccomp filter forbids it, it stays as it is. */
static void make_dumpable(const struct init *init) {
    if (init->in_user_namespace)
        prctl(PR_SET_DUMPABLE, 1);
}

int run_wasm_run(struct init *init, struct step *step) {
    (void)step;
    struct engine_error error;
    uint32_t status = ENGINE_TRAP_STATUS;
    if (meter_start(init) < 0)
        return -1;
    close_others(init);
    close_now(&init->started_fd); /* `start` waits for its end of file */
    make_dumpable(init);
    if (engine_run(init->module, &status, &error) != 0)
        dprintf(STDERR_FILENO, "crunw: %s\n", error.message);
    meter_end();
    _exit((int)(status & 0xff));
}
