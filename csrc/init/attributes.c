/* How the kernel schedules the process and places its memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys.h"

/* struct sched_attr of the kernel (linux/sched/types.h collides with the C library's sched.h). */
struct scheduling {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
    uint32_t util_min;
    uint32_t util_max;
};

int run_scheduler(struct init *init, struct step *step) {
    struct scheduling wanted = {.size = sizeof wanted, .policy = (uint32_t)step_u64(step)};
    wanted.flags = step_u64(step);
    wanted.nice = (int32_t)step_u64(step);
    wanted.priority = (uint32_t)step_u64(step);
    wanted.runtime = step_u64(step);
    wanted.deadline = step_u64(step);
    wanted.period = step_u64(step);
    if (syscall(SYS_sched_setattr, 0, &wanted, 0) < 0)
        return error_errno(&init->error, "sched_setattr", "");
    return 0;
}

int run_io_priority(struct init *init, struct step *step) {
    if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, (int)step_u64(step)) < 0)
        return error_errno(&init->error, "ioprio_set", "");
    return 0;
}

/* A mask of the plan as the kernel wants it: whole words. Allocated. */
static unsigned long *mask_words(struct error *error, struct step *step, size_t *bits) {
    size_t size;
    const uint8_t *mask = step_bytes(step, &size);
    size_t word_bits = 8 * sizeof(unsigned long);
    size_t words = (8 * size + word_bits - 1) / word_bits;
    unsigned long *list = calloc(words + 1, sizeof *list);
    if (list == NULL)
        error_errno(error, "malloc", "mask");
    for (size_t i = 0; list != NULL && i < size; i++)
        list[8 * i / word_bits] |= (unsigned long)mask[i] << 8 * i % word_bits;
    *bits = words * word_bits;
    return list;
}

int run_cpu_affinity(struct init *init, struct step *step) {
    size_t bits;
    unsigned long *mask = mask_words(&init->error, step, &bits);
    if (mask == NULL)
        return -1;
    int result = sched_setaffinity(0, bits / 8, (const cpu_set_t *)mask);
    if (result < 0)
        error_errno(&init->error, "sched_setaffinity", "");
    free(mask);
    return result;
}

int run_memory_policy(struct init *init, struct step *step) {
    int mode = (int)step_u64(step);
    size_t bits;
    unsigned long *nodes = mask_words(&init->error, step, &bits);
    if (nodes == NULL)
        return -1;
    /* The kernel takes one bit less than it is given. */
    long result = syscall(SYS_set_mempolicy, mode, bits == 0 ? NULL : nodes, bits + (bits != 0));
    if (result < 0)
        error_errno(&init->error, "set_mempolicy", "");
    free(nodes);
    return (int)result;
}
