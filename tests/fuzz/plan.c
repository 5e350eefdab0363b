/* The plan: its check, then each field of each step as its signature says. */
#define _GNU_SOURCE
#include "memory.h"

#include "../../csrc/init/plan.c"

int error_errno(struct error *error, const char *operation, const char *path) {
    return error_set(error, operation, path, errno, "%s", "");
}

int error_set(struct error *error, const char *operation, const char *path, int number,
              const char *format, ...) {
    (void)operation;
    (void)path;
    (void)format;
    error->number = number;
    return -1;
}

static const uint8_t *input;
static size_t left;
static size_t offset;

ssize_t sys_read(struct error *error, int descriptor, void *buffer, size_t size, const char *name) {
    size_t got = size < left ? size : left;
    (void)error;
    (void)descriptor;
    (void)name;
    memcpy(buffer, input, got);
    /* The version is always right: a change of it does not void the corpus. */
    for (size_t i = 0; i < got; i++, offset++)
        if (offset >= 4 && offset < 8)
            ((uint8_t *)buffer)[i] = (uint8_t)(PLAN_VERSION >> 8 * (offset - 4));
    input += got;
    left -= got;
    return (ssize_t)got;
}

static volatile size_t used;

static void use_field(char type, struct step *step) {
    size_t count = 0;
    strings list;
    if (type == 'u') {
        used += step_u64(step);
    } else if (type == 's') {
        used += strlen(step_string(step));
    } else if (type == 'b') {
        const uint8_t *bytes = step_bytes(step, &count);
        for (size_t i = 0; i < count; i++)
            used += bytes[i];
    } else if (type == 'U') {
        used += step_u64s(step, &count)[count > 0 ? count - 1 : 0];
    } else {
        for (list = step_strings(step); *list != NULL; list++)
            used += strlen(*list);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct error error;
    struct plan plan;
    struct step step;
    if (size == 0)
        return 0; /* no plan: it exits */
    input = data;
    left = size;
    offset = 0;
    if (plan_read(&error, -1, &plan) == 0)
        while (plan_next(&plan, &step))
            for (const char *type = shapes[step.op].signature; *type != '\0'; type++)
                use_field(*type, &step);
    fuzz_free_all();
    return 0;
}
