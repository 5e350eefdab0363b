/* What is read of the code section: the instructions for exceptions, the local variables. */
#define _GNU_SOURCE
#include "binary.h"

/* One that fails ends the reading: then so much of the code is not known. */
static bool skip_numbers(struct reader *reader, unsigned count) {
    uint64_t ignored;
    while (count-- > 0)
        if (!read_number(reader, 64, &ignored))
            return false;
    return true;
}

static bool skip_bytes(struct reader *reader, uint32_t count) {
    if (reader->end - reader->at < count)
        return false;
    reader->at += count;
    return true;
}

bool skip_type(struct reader *reader) {
    enum { REF_OR_NULL = 0x63, REF = 0x64 };
    bool reference = reader->at < reader->end &&
                     (reader->bytes[reader->at] == REF_OR_NULL || reader->bytes[reader->at] == REF);
    return skip_numbers(reader, reference ? 2 : 1);
}

static bool skip_types(struct reader *reader) {
    uint32_t count;
    if (!read_u32(reader, &count))
        return false;
    while (count-- > 0)
        if (!skip_type(reader))
            return false;
    return true;
}

/* Where in a memory: alignment, the memory where a bit of it says so, offset. */
static bool skip_address(struct reader *reader) {
    enum { HAS_MEMORY = 0x40 };
    uint64_t alignment;
    return read_number(reader, 32, &alignment) &&
           skip_numbers(reader, alignment & HAS_MEMORY ? 2 : 1);
}

static bool skip_labels(struct reader *reader) {
    uint32_t count;
    return read_u32(reader, &count) && count < reader->end - reader->at &&
           skip_numbers(reader, count + 1);
}

/* The handlers of a try_table. */
static bool read_handlers(struct reader *reader, uint32_t *used) {
    static const unsigned kinds[] = {EXCEPTION_CATCH, EXCEPTION_CATCH_REF, EXCEPTION_CATCH_ALL,
                                     EXCEPTION_CATCH_ALL_REF};
    uint32_t count;
    if (!skip_type(reader) || !read_u32(reader, &count))
        return false;
    while (count-- > 0) {
        uint8_t kind = reader->at < reader->end ? reader->bytes[reader->at++] : 0xff;
        if (kind >= sizeof kinds / sizeof kinds[0])
            return false;
        *used |= 1U << kinds[kind];
        bool has_tag = kind <= 1;
        if (!skip_numbers(reader, has_tag ? 2 : 1))
            return false;
    }
    return true;
}

/* Of garbage-collected values: prefix 0xfb. */
static bool skip_gc(struct reader *reader, uint32_t code) {
    if (code == 24 || code == 25) /* br_on_cast: flags, label, two types */
        return skip_bytes(reader, 1) && skip_numbers(reader, 3);
    if (code > 30)
        return false;
    static const uint8_t numbers[] = {1, 1, 2, 2, 2, 2, 1, 1, 2, 2, 2, 1, 1, 1, 1, 0,
                                      1, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
    return skip_numbers(reader, numbers[code]);
}

/* Of memories and tables, and conversions: prefix 0xfc. */
static bool skip_bulk(struct reader *reader, uint32_t code) {
    static const uint8_t numbers[] = {0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1};
    return code < sizeof numbers && skip_numbers(reader, numbers[code]);
}

/* Of vectors: prefix 0xfd. */
static bool skip_vector(struct reader *reader, uint32_t code) {
    if (code <= 11 || code == 92 || code == 93) /* loads and stores */
        return skip_address(reader);
    if (code == 12 || code == 13) /* v128.const, i8x16.shuffle */
        return skip_bytes(reader, 16);
    if (code >= 21 && code <= 34) /* a lane */
        return skip_bytes(reader, 1);
    if (code >= 84 && code <= 91) /* loads and stores of a lane */
        return skip_address(reader) && skip_bytes(reader, 1);
    return true;
}

static bool skip_prefixed(struct reader *reader, uint8_t prefix) {
    enum { ATOMIC_FENCE = 3 };
    uint32_t code;
    if (!read_u32(reader, &code))
        return false;
    switch (prefix) {
    case 0xfb:
        return skip_gc(reader, code);
    case 0xfc:
        return skip_bulk(reader, code);
    case 0xfd:
        return skip_vector(reader, code);
    default:
        return code == ATOMIC_FENCE ? skip_bytes(reader, 1) : skip_address(reader);
    }
}

/* What follows the opcode of an instruction without exceptions (core specification, 5.4). */
static bool skip_operands(struct reader *reader, uint8_t code) {
    if (code >= 0x28 && code <= 0x3e) /* loads and stores */
        return skip_address(reader);
    if (code >= 0x45 && code <= 0xc4) /* arithmetic */
        return true;
    if (code >= 0xfb && code <= 0xfe)
        return skip_prefixed(reader, code);
    switch (code) {
    case 0x00: /* unreachable, nop, else, end, return, drop, select */
    case 0x01:
    case 0x05:
    case 0x0b:
    case 0x0f:
    case 0x1a:
    case 0x1b:
    case 0xd1: /* ref.is_null, ref.eq, ref.as_non_null */
    case 0xd3:
    case 0xd4:
        return true;
    case 0x02: /* block, loop, if, try; ref.null */
    case 0x03:
    case 0x04:
    case 0x06:
    case 0xd0:
        return skip_type(reader);
    case 0x0e: /* br_table */
        return skip_labels(reader);
    case 0x11: /* call_indirect, return_call_indirect */
    case 0x13:
        return skip_numbers(reader, 2);
    case 0x1c: /* select with types */
        return skip_types(reader);
    case 0x43: /* f32.const */
        return skip_bytes(reader, 4);
    case 0x44: /* f64.const */
        return skip_bytes(reader, 8);
    case 0x09: /* rethrow, br, br_if, call, return_call, call_ref, return_call_ref, delegate */
    case 0x0c:
    case 0x0d:
    case 0x10:
    case 0x12:
    case 0x14:
    case 0x15:
    case 0x18:
    case 0x20: /* of variables and tables */
    case 0x21:
    case 0x22:
    case 0x23:
    case 0x24:
    case 0x25:
    case 0x26:
    case 0x3f: /* memory.size, memory.grow */
    case 0x40:
    case 0x41: /* i32.const, i64.const */
    case 0x42:
    case 0xd2: /* ref.func, br_on_null, br_on_non_null */
    case 0xd5:
    case 0xd6:
        return skip_numbers(reader, 1);
    default:
        return false;
    }
}

bool skip_expression(struct reader *reader) {
    enum { END = 0x0b };
    while (reader->at < reader->end) {
        uint8_t code = reader->bytes[reader->at++];
        if (code == END)
            return true;
        if (!skip_operands(reader, code))
            return false;
    }
    return false;
}

static bool read_instruction(struct reader *reader, uint32_t *used) {
    enum {
        LEGACY_CATCH = 0x07,
        THROW = 0x08,
        THROW_REF = 0x0a,
        LEGACY_CATCH_ALL = 0x19,
        TRY_TABLE = 0x1f,
    };
    uint8_t code = reader->bytes[reader->at++];
    switch (code) {
    case THROW:
        *used |= 1U << EXCEPTION_THROW;
        return skip_numbers(reader, 1);
    case THROW_REF:
        *used |= 1U << EXCEPTION_THROW_REF;
        return true;
    case LEGACY_CATCH:
        *used |= 1U << EXCEPTION_LEGACY_CATCH;
        return skip_numbers(reader, 1);
    case LEGACY_CATCH_ALL:
        *used |= 1U << EXCEPTION_LEGACY_CATCH_ALL;
        return true;
    case TRY_TABLE:
        return read_handlers(reader, used);
    default:
        return skip_operands(reader, code);
    }
}

/* The next function; false: the section is damaged. */
static bool next_body(struct reader *section, struct reader *body) {
    uint32_t length;
    if (!read_u32(section, &length) || length > section->end - section->at)
        return false;
    *body = (struct reader){section->bytes, section->at, section->at + length};
    section->at = body->end;
    return true;
}

static bool read_body(struct reader body, uint32_t *used) {
    uint32_t groups;
    if (!read_u32(&body, &groups))
        return false;
    while (groups-- > 0)
        if (!skip_numbers(&body, 1) || !skip_type(&body))
            return false;
    while (body.at < body.end)
        if (!read_instruction(&body, used))
            return false;
    return true;
}

uint32_t exceptions_used(struct reader section) {
    const uint32_t doubt = 1U << EXCEPTION_CATCH_ALL | 1U << EXCEPTION_CATCH_ALL_REF;
    uint32_t used = 0;
    uint32_t count;
    struct reader body;
    if (!read_u32(&section, &count))
        return doubt;
    for (; count > 0; count--)
        if (!next_body(&section, &body) || !read_body(body, &used))
            return used | doubt;
    return used;
}

uint64_t most_locals(struct reader section) {
    uint32_t count;
    struct reader body;
    uint64_t largest = 0;
    if (!read_u32(&section, &count))
        return 0;
    for (; count > 0 && next_body(&section, &body); count--) {
        uint64_t locals = 0;
        uint32_t groups;
        uint32_t number;
        if (!read_u32(&body, &groups))
            break;
        while (groups-- > 0 && read_u32(&body, &number) && skip_type(&body))
            locals += number;
        largest = locals > largest ? locals : largest;
    }
    return largest;
}
