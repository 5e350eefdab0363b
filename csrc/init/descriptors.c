/* Which of the inherited descriptors stay: those that the plan names, and those below CLOSE_FROM
 * (--preserve-fds). A plan that names any comes in one part. All others are closed before the first
 * step, not only at exec: a Wasm program stays in this process, and whoever waits for the end of
 * file of a pipe must not wait for it. */
#define _GNU_SOURCE
#include <limits.h>
#include <unistd.h>

#include "sys.h"

#define NONE UINT_MAX

static unsigned smaller(unsigned a, unsigned b) { return a < b ? a : b; }

static unsigned at_least(unsigned minimum, uint64_t descriptor) {
    return descriptor >= minimum && descriptor < NONE ? (unsigned)descriptor : NONE;
}

/* The smallest descriptor not below `minimum` that a step names. */
static unsigned named_by(struct step step, unsigned minimum) {
    size_t size;
    switch (step.op) {
    case OP_NS_ENTER_PIDFD:
    case OP_CONSOLE:
        return at_least(minimum, step_u64(&step));
    case OP_SECCOMP:
        step_bytes(&step, &size);
        step_u64(&step);
        return at_least(minimum, step_u64(&step) - 1);
    default:
        return NONE;
    }
}

static unsigned next_kept(const struct init *init, struct plan plan, unsigned minimum) {
    const int own[] = {init->report_fd,    init->answer_fd,   plan.more ? init->plan_fd : -1,
                       init->host_root_fd, init->host_cwd_fd, init->library_root_fd};
    unsigned found = NONE;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        found = smaller(found, at_least(minimum, (uint64_t)own[i]));
    struct step step;
    while (plan_next(&plan, &step))
        found = smaller(found, named_by(step, minimum));
    return found;
}

static unsigned first_closed(struct plan plan) {
    struct step step;
    while (plan_next(&plan, &step))
        if (step.op == OP_CLOSE_FROM)
            return (unsigned)step_u64(&step);
    return STDERR_FILENO + 1;
}

int close_unnamed(struct init *init, struct plan plan) {
    unsigned from = first_closed(plan);
    for (unsigned kept = 0; kept != NONE; from = kept + 1) {
        kept = next_kept(init, plan, from);
        if (kept > from && close_range(from, kept - 1, 0) < 0)
            return error_errno(&init->error, "close_range", "");
    }
    return 0;
}
