/* Check the plan against the signatures of plan.h, and the order of its steps; read the fields of
 * its steps. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

#define HEADER_BYTES 20
#define RECORD_BYTES 8

struct shape {
    const char *name;
    const char *signature;
};

#define PLAN_SHAPE(name, number, signature) [number] = {#name, signature},
static const struct shape shapes[] = {PLAN_OPS(PLAN_SHAPE)};
#undef PLAN_SHAPE

#define OPS (sizeof shapes / sizeof *shapes)

/* What a step finds only after another one, whatever the part of the plan that has that. */
static const struct {
    enum plan_op op;
    enum plan_op after;
} order[] = {
    {OP_EXEC_FIND, OP_PROCESS},     {OP_EXEC, OP_EXEC_FIND},
    {OP_WAIT_START, OP_OPEN_START}, {OP_ENGINE_PLUGIN, OP_ENGINE_OPEN},
    {OP_WASM_LOAD, OP_ENGINE_OPEN}, {OP_WASM_OPEN, OP_PROCESS},
    {OP_WASM_LOAD, OP_WASM_OPEN},   {OP_WASM_LOAD, OP_CREDENTIALS},
    {OP_WASM_RUN, OP_WASM_LOAD},
};

/* What may stand once in a plan: the second one would take what the first has left. */
static const enum plan_op once[] = {OP_FORK,       OP_PIVOT_ROOT, OP_PROCESS,
                                    OP_WAIT_START, OP_WASM_OPEN,  OP_WASM_LOAD};

static uint16_t load16(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return le16toh(value);
}

static uint32_t load32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static uint64_t load64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

/* Pass over one field if all of it lies before *end*; NULL if not. */
static const uint8_t *skip(const uint8_t *at, const uint8_t *end, size_t bytes) {
    return (size_t)(end - at) >= bytes ? at + bytes : NULL;
}

static const uint8_t *skip_counted(const uint8_t *at, const uint8_t *end, size_t unit) {
    const uint8_t *items = skip(at, end, 4);
    if (items == NULL)
        return NULL;
    size_t bytes = (size_t)load32(at) * unit; /* at most 2^32 * 8: no overflow in 64 bits */
    return skip(items, end, bytes);
}

static const uint8_t *skip_string(const uint8_t *at, const uint8_t *end) {
    const uint8_t *after = skip_counted(at, end, 1);
    if (after == NULL || after == end || *after != '\0')
        return NULL;
    const uint8_t *text = at + 4;
    return memchr(text, '\0', (size_t)(after - text)) == NULL ? after + 1 : NULL;
}

static const uint8_t *skip_strings(const uint8_t *at, const uint8_t *end) {
    const uint8_t *next = skip(at, end, 4);
    for (uint32_t left = next == NULL ? 0 : load32(at); left > 0 && next != NULL; left--)
        next = skip_string(next, end);
    return next;
}

static const uint8_t *skip_field(char type, const uint8_t *at, const uint8_t *end) {
    switch (type) {
    case 'u':
        return skip(at, end, 8);
    case 's':
        return skip_string(at, end);
    case 'b':
        return skip_counted(at, end, 1);
    case 'S':
        return skip_strings(at, end);
    default: /* 'U' */
        return skip_counted(at, end, 8);
    }
}

static bool payload_fits(const char *signature, const uint8_t *at, const uint8_t *end) {
    for (; *signature != '\0' && at != NULL; signature++)
        at = skip_field(*signature, at, end);
    return at == end;
}

/* Cut the next record off the plan; 0, or -1 when it does not end inside the plan or its op is
 * unknown. */
static int next_record(struct plan *plan, struct step *step) {
    const uint8_t *payload = skip(plan->next, plan->end, RECORD_BYTES);
    if (payload == NULL)
        return -1;
    uint16_t op = load16(plan->next);
    if (op >= OPS || shapes[op].name == NULL)
        return -1;
    if (load16(plan->next + 2) != 0)
        return -1;
    const uint8_t *end = skip(payload, plan->end, load32(plan->next + 4));
    if (end == NULL)
        return -1;
    *step = (struct step){
        .op = op, .number = plan->number++, .name = shapes[op].name, .next = payload, .end = end};
    plan->next = end;
    return 0;
}

static int check_header(struct error *error, const uint8_t *data) {
    if (memcmp(data, PLAN_MAGIC, 4) != 0)
        return error_set(error, "read", "plan", EINVAL, "not a plan");
    if (load32(data + 4) != PLAN_VERSION)
        return error_set(error, "read", "plan", EINVAL, "plan version %u, this program has %u",
                         load32(data + 4), PLAN_VERSION);
    if (load32(data + 12) > PLAN_MAX_BYTES)
        return error_set(error, "read", "plan", EFBIG, "too large");
    return 0;
}

/* `seen`: the steps before, of this part and of those before. */
static int check_order(struct error *error, const struct step *step, const bool seen[OPS]) {
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (order[i].op == step->op && !seen[order[i].after])
            return error_set(error, "read", "plan", EINVAL, "%s must come after %s", step->name,
                             shapes[order[i].after].name);
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        if (once[i] == step->op && seen[step->op])
            return error_set(error, "read", "plan", EINVAL, "%s comes twice", step->name);
    return 0;
}

static int check_records(struct error *error, struct plan plan, uint32_t count) {
    static bool seen[OPS];
    struct step step;
    for (uint32_t i = 0; i < count; i++) {
        if (next_record(&plan, &step) < 0)
            return error_set(error, "read", "plan", EINVAL, "record %u is malformed", i);
        if (!payload_fits(shapes[step.op].signature, step.next, step.end))
            return error_set(error, "read", "plan", EINVAL, "record %u (%s) is malformed", i,
                             step.name);
        if (check_order(error, &step, seen) < 0)
            return -1;
        seen[step.op] = true;
    }
    if (plan.next != plan.end)
        return error_set(error, "read", "plan", EINVAL, "bytes after the last record");
    return 0;
}

/* The bytes that were there before the end of the file, -1 for an error. */
static ssize_t read_bytes(struct error *error, int descriptor, uint8_t *data, size_t size) {
    size_t used = 0;
    ssize_t got = 1;
    while (used < size && got > 0) {
        got = sys_read(error, descriptor, data + used, size - used, "plan");
        used += got > 0 ? (size_t)got : 0;
    }
    return got < 0 ? -1 : (ssize_t)used;
}

static int read_body(struct error *error, int descriptor, uint8_t **body, size_t size) {
    *body = malloc(size + 1);
    if (*body == NULL)
        return error_errno(error, "malloc", "plan");
    ssize_t got = read_bytes(error, descriptor, *body, size);
    if (got >= 0 && (size_t)got < size)
        error_set(error, "read", "plan", EINVAL, "truncated plan");
    if (got >= 0 && (size_t)got == size)
        return 0;
    free(*body);
    return -1;
}

static int check_end(struct error *error, int descriptor) {
    uint8_t byte;
    ssize_t got = sys_read(error, descriptor, &byte, 1, "plan");
    if (got > 0)
        return error_set(error, "read", "plan", EINVAL, "bytes after the last part");
    return (int)got;
}

/* The memory lives until exec. */
int plan_read(struct error *error, int descriptor, struct plan *plan) {
    uint8_t header[HEADER_BYTES];
    uint8_t *body;
    ssize_t got = read_bytes(error, descriptor, header, sizeof header);
    if (got == 0)
        _exit(EXIT_FAILURE);
    if (got > 0 && got < HEADER_BYTES)
        return error_set(error, "read", "plan", EINVAL, "not a plan");
    if (got < 0 || check_header(error, header) < 0 ||
        read_body(error, descriptor, &body, load32(header + 12)) < 0)
        return -1;
    *plan = (struct plan){
        .next = body, .end = body + load32(header + 12), .more = load32(header + 16) != 0};
    if (!plan->more && check_end(error, descriptor) < 0)
        return -1;
    return check_records(error, *plan, load32(header + 8));
}

bool plan_next(struct plan *plan, struct step *step) {
    return plan->next < plan->end && next_record(plan, step) == 0;
}

uint64_t step_u64(struct step *step) {
    uint64_t value = load64(step->next);
    step->next += 8;
    return value;
}

const uint8_t *step_bytes(struct step *step, size_t *length) {
    const uint8_t *bytes = step->next + 4;
    *length = load32(step->next);
    step->next = bytes + *length;
    return bytes;
}

const char *step_string(struct step *step) {
    size_t length;
    const char *string = (const char *)step_bytes(step, &length);
    step->next++; /* its NUL */
    return string;
}

/* The plan's size bounds every request, so this fails only where nothing else would go on. */
static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL)
        abort();
    return memory;
}

strings step_strings(struct step *step) {
    uint32_t count = load32(step->next);
    step->next += 4;
    strings list = allocate((size_t)count + 1, sizeof *list);
    for (uint32_t i = 0; i < count; i++)
        list[i] = (char *)step_string(step);
    return list;
}

uint64_t *step_u64s(struct step *step, size_t *count) {
    *count = load32(step->next);
    step->next += 4;
    uint64_t *list = allocate(*count + 1, sizeof *list);
    for (size_t i = 0; i < *count; i++)
        list[i] = step_u64(step);
    return list;
}
