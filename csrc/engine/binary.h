/* A module's file, read before the engine reads it: not for the users of engine.h. */
#ifndef CRUNW_ENGINE_BINARY_H
#define CRUNW_ENGINE_BINARY_H

#include "engine.h"

int engine_fail(struct engine_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What the outer structure of a module says that the library does not. */
struct outline {
    bool has_start;         /* a start section: instantiating runs code */
    uint64_t initial_pages; /* of its largest memory */
    bool has_tags;          /* a tag section, which comes before the code */
    uint32_t exceptions;    /* what its code does with them: bits, by enum exception */
};

/* The ways to use exceptions, each with a probe in exceptions.c. */
enum exception {
    EXCEPTION_THROW,
    EXCEPTION_THROW_REF,
    EXCEPTION_CATCH,
    EXCEPTION_CATCH_REF,
    EXCEPTION_CATCH_ALL,
    EXCEPTION_CATCH_ALL_REF,
    EXCEPTION_LEGACY_CATCH,
    EXCEPTION_LEGACY_CATCH_ALL,
};

/* A module's bytes in memory of their own: a file can change while it is read. */
struct binary {
    uint8_t *bytes;
    uint32_t length;
    bool is_component; /* then the rest says nothing */
    bool has_native;   /* an AOT section; its name has been made unrecognisable */
    struct outline outline;
};

/* binary.c: read and check the outer structure; refuse what is not a core module. */
int binary_read(struct binary *binary, int fd, struct engine_error *error);
/* Components, too. */
int binary_read_any(struct binary *binary, int fd, struct engine_error *error);
void binary_free(struct binary *binary);
/* Of a module that has been read once, as `bytes`. */
struct outline binary_outline(const uint8_t *bytes, uint32_t length);

struct reader {
    const uint8_t *bytes;
    uint32_t at;
    uint32_t end;
};
/* LEB128, of at most `bits` bits; false at the end of what is read. */
bool read_number(struct reader *reader, unsigned bits, uint64_t *value);
bool read_u32(struct reader *reader, uint32_t *value);

/* code.c: skips a value's or a block's type, or a heap type: a number, after REF or REF_OR_NULL one
 * more. */
bool skip_type(struct reader *reader);
/* Skips a constant expression with its end, as initial values of tables are. */
bool skip_expression(struct reader *reader);
/* What the code section does with exceptions, a set of enum exception. Code that is not
 * understood is taken to catch all. */
uint32_t exceptions_used(struct reader section);
/* The most local variables of a function; 0 where that can't be read. */
uint64_t most_locals(struct reader section);

#endif
