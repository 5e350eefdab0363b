/* A module may open what a preopen leads to, "/" by default: in procfs also its own memory, and
 * with it the engine's code, which would make native code of it. It reads there, but writes
 * nothing. */
#define _GNU_SOURCE
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "mount.h"
#include "mountinfo.h"
#include "path.h"
#include "sys.h"
#include "sysmount.h"

/* What is mounted over it, or below where nobody gets, is left alone: the topmost mount counts. */
static int make_read_only(struct init *init, const struct mountinfo *info,
                          UNUSED const void *argument) {
    struct error *error = &init->error;
    struct statfs status;
    if (strcmp(info->type, "proc") != 0)
        return 0;
    OWNED int mounted = path_open(init, info->point, RESOLVE_NO_SYMLINKS);
    if (mounted < 0)
        return -1;
    int result = sys_fstatfs(error, mounted, &status, info->point);
    if (result == 0 && status.f_type == PROC_SUPER_MAGIC)
        result = mount_add_flags(error, mounted, MS_RDONLY, 0, info->point);
    return result;
}

int run_proc_readonly(struct init *init, struct step *step) {
    bool apart = step_u64(step) != 0;
#ifdef CRUNW_WEAKEN_PROC
    return (void)apart, 0;
#endif
    if (apart) {
        if (sys_unshare(&init->error, CLONE_NEWNS) < 0)
            return -1;
        close_now(&init->root_fd); /* of the mount namespace that was left */
    }
    return path_root(init) < 0 ? -1 : mountinfo_each(init, make_read_only, NULL);
}
