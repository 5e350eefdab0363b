/* The control group of the container: join it, filter its devices (cgroup v2). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys.h"

#define BPF_INSTRUCTION_BYTES 8
#define DEVICE_PROGRAMS_MAX 64 /* BPF_CGROUP_MAX_PROGS of the kernel */

int run_cgroup_join(struct init *init, struct step *step) {
    return sys_write_file(&init->error, AT_FDCWD, step_string(step), "0");
}

int run_cgroup_into(struct init *init, struct step *step) {
    const char *path = step_string(step);
    init->cgroup_fd = sys_openat(&init->error, AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
    return init->cgroup_fd < 0 ? -1 : 0;
}

static int sys_bpf(struct error *error, const char *operation, int command, union bpf_attr *attr,
                   const char *name) {
    long result = TEMP_FAILURE_RETRY(syscall(SYS_bpf, command, attr, sizeof *attr));
    return result < 0 ? error_errno(error, operation, name) : (int)result;
}

static int load_program(struct error *error, const uint8_t *code, size_t size, const char *name) {
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
        .insns = (uintptr_t)code,
        .insn_cnt = (uint32_t)(size / BPF_INSTRUCTION_BYTES),
        .license = (uintptr_t)"GPL",
    };
    return sys_bpf(error, "bpf(BPF_PROG_LOAD)", BPF_PROG_LOAD, &attr, name);
}

static int detach(struct error *error, int cgroup, uint32_t id, const char *name) {
    union bpf_attr by_id = {.prog_id = id};
    OWNED int program =
        sys_bpf(error, "bpf(BPF_PROG_GET_FD_BY_ID)", BPF_PROG_GET_FD_BY_ID, &by_id, name);
    if (program < 0)
        return -1;
    union bpf_attr attr = {
        .target_fd = (uint32_t)cgroup,
        .attach_bpf_fd = (uint32_t)program,
        .attach_type = BPF_CGROUP_DEVICE,
    };
    return sys_bpf(error, "bpf(BPF_PROG_DETACH)", BPF_PROG_DETACH, &attr, name);
}

/* A device must pass every program of a cgroup, so the earlier ones go, after the new one came. */
static int replace_filter(struct error *error, int cgroup, int program, const char *name) {
    uint32_t earlier[DEVICE_PROGRAMS_MAX] = {0};
    union bpf_attr query = {
        .query = {.target_fd = (uint32_t)cgroup,
                  .attach_type = BPF_CGROUP_DEVICE,
                  .prog_ids = (uintptr_t)earlier,
                  .prog_cnt = DEVICE_PROGRAMS_MAX},
    };
    if (sys_bpf(error, "bpf(BPF_PROG_QUERY)", BPF_PROG_QUERY, &query, name) < 0)
        return -1;
    union bpf_attr attach = {
        .target_fd = (uint32_t)cgroup,
        .attach_bpf_fd = (uint32_t)program,
        .attach_type = BPF_CGROUP_DEVICE,
        .attach_flags = BPF_F_ALLOW_MULTI,
    };
    if (sys_bpf(error, "bpf(BPF_PROG_ATTACH)", BPF_PROG_ATTACH, &attach, name) < 0)
        return -1;
    for (uint32_t i = 0; i < query.query.prog_cnt; i++)
        if (detach(error, cgroup, earlier[i], name) < 0)
            return -1;
    return 0;
}

int run_cgroup_devices(struct init *init, struct step *step) {
    const char *path = step_string(step);
    size_t size;
    const uint8_t *code = step_bytes(step, &size);
    OWNED int cgroup = sys_openat(&init->error, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (cgroup < 0)
        return -1;
    OWNED int program = load_program(&init->error, code, size, path);
    return program < 0 ? -1 : replace_filter(&init->error, cgroup, program, path);
}
