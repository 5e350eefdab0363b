/* The container's terminal: a pair of its own devpts, used by descriptor, never by name. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mount.h"
#include "path.h"
#include "sys.h"
#include "sysmount.h"

#define MULTIPLEXER "/dev/pts/ptmx"
#define CONSOLE "/dev/console"

/* What the receiver gets to read along with the master, as it knows it from other runtimes. */
static const char MASTER_NAME[] = "/dev/ptmx";

/* Looked at before it is opened: opening a device can do things, and the image may have put another
 * one there. */
static int open_master(struct init *init) {
    struct error *error = &init->error;
    struct statfs filesystem;
    struct stat status;
    OWNED int found = path_open(init, MULTIPLEXER, RESOLVE_NO_SYMLINKS);
    if (found < 0 || sys_fstatfs(error, found, &filesystem, MULTIPLEXER) < 0 ||
        sys_fstat(error, found, &status, MULTIPLEXER) < 0)
        return -1;
    if (filesystem.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(status.st_mode) ||
        status.st_rdev != makedev(5, 2))
        return error_set(error, "open", MULTIPLEXER, ENOTTY, "not the multiplexer of a devpts");
    char link[64];
    snprintf(link, sizeof link, "self/fd/%d", found);
    return sys_openat(error, init->proc_fd, link, O_RDWR | O_NOCTTY, 0);
}

static int open_slave(struct error *error, int master) {
    int unlocked = 0;
    if (sys_ioctl(error, master, TIOCSPTLCK, &unlocked, MULTIPLEXER) < 0)
        return -1;
    void *flags = (void *)(intptr_t)(O_RDWR | O_NOCTTY | O_CLOEXEC);
    return sys_ioctl(error, master, TIOCGPTPEER, flags, MULTIPLEXER);
}

static int set_size(struct error *error, int slave, uint64_t columns, uint64_t rows) {
    if (columns == 0 && rows == 0)
        return 0;
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    return sys_ioctl(error, slave, TIOCSWINSZ, &size, CONSOLE);
}

/* The path of the console must not be a link: it is bound over (CVE-2025-52565). */
static int bind_console(struct init *init, int slave) {
    struct error *error = &init->error;
    OWNED int target = path_make(init, CONSOLE, S_IFREG, RESOLVE_NO_SYMLINKS);
    if (target < 0)
        return -1;
    OWNED int tree = sys_open_tree(error, slave, "", OPEN_TREE_CLONE | AT_EMPTY_PATH, CONSOLE);
    return tree < 0 ? -1 : mount_attach(error, tree, target, CONSOLE);
}

/* 0, 1, 2 and the controlling terminal of this process, which leads its session (SETSID). */
static int use(struct error *error, int slave) {
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++)
        if (sys_dup_to(error, slave, number) < 0)
            return -1;
    return sys_ioctl(error, STDIN_FILENO, TIOCSCTTY, NULL, CONSOLE);
}

int run_console(struct init *init, struct step *step) {
    struct error *error = &init->error;
    OWNED int socket = (int)step_u64(step);
    uint64_t columns = step_u64(step);
    uint64_t rows = step_u64(step);
    bool bind = step_u64(step) != 0;
    OWNED int master = path_root(init) < 0 ? -1 : open_master(init);
    if (master < 0)
        return -1;
    OWNED int slave = open_slave(error, master);
    if (slave < 0 || set_size(error, slave, columns, rows) < 0 ||
        (bind && bind_console(init, slave) < 0) ||
        sys_send_descriptor(error, socket, master, MASTER_NAME, strlen(MASTER_NAME),
                            "console socket") < 0)
        return -1;
    return use(error, slave);
}
