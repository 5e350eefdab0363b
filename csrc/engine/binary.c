/* The outer structure of a module: header and sections (WebAssembly core specification, 5.5).
 * Everything is checked against the end of the file before it is used. */
#include "binary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_LENGTH 8
#define SECTION_CUSTOM 0
#define SECTION_TABLE 4
#define SECTION_MEMORY 5
#define SECTION_START 8
#define SECTION_CODE 10
#define SECTION_TAG 13

/* WasmEdge looks for its native code under this name. */
static const char aot_name[] = "wasmedge";

bool read_number(struct reader *reader, unsigned bits, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        if (reader->at == reader->end)
            return false;
        uint8_t byte = reader->bytes[reader->at++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

bool read_u32(struct reader *reader, uint32_t *value) {
    uint64_t result;
    bool done = read_number(reader, 32, &result);
    *value = (uint32_t)result;
    return done && result <= UINT32_MAX;
}

/* An AOT section is renamed, so that no version of the library takes it for one. */
static void inspect_custom(struct binary *binary, struct reader section) {
    uint32_t length;
    if (!read_u32(&section, &length) || length != sizeof(aot_name) - 1 ||
        section.end - section.at < length)
        return; /* a broken name is the library's to report */
    if (memcmp(section.bytes + section.at, aot_name, length) != 0)
        return;
    binary->bytes[section.at] = '-';
    binary->has_native = true;
}

/* Cuts the next section off; false when it goes beyond the end. */
static bool read_section(struct reader *reader, uint8_t *id, struct reader *section) {
    uint32_t length;
    *id = reader->bytes[reader->at++];
    if (!read_u32(reader, &length) || reader->end - reader->at < length)
        return false;
    *section = (struct reader){reader->bytes, reader->at, reader->at + length};
    reader->at = section->end;
    return true;
}

/* The largest minimum of the memories. What is damaged is the library's to report. */
static uint64_t initial_pages(struct reader section) {
    enum { HAS_MAXIMUM = 1, IS_64_BITS = 4 };
    uint32_t count;
    uint64_t flags;
    uint64_t minimum;
    uint64_t maximum;
    uint64_t largest = 0;
    if (!read_u32(&section, &count))
        return 0;
    for (; count > 0 && read_number(&section, 32, &flags); count--) {
        unsigned bits = flags & IS_64_BITS ? 64 : 32;
        if (!read_number(&section, bits, &minimum) ||
            (flags & HAS_MAXIMUM && !read_number(&section, bits, &maximum)))
            break;
        largest = minimum > largest ? minimum : largest;
    }
    return largest;
}

/* Reads a table's type; `minimum`: the elements that it begins with. */
static bool read_table(struct reader *reader, uint64_t *minimum) {
    enum { HAS_MAXIMUM = 1, IS_64_BITS = 4 };
    uint64_t ignored;
    uint64_t flags;
    if (!skip_type(reader) || !read_number(reader, 32, &flags))
        return false;
    unsigned bits = flags & IS_64_BITS ? 64 : 32;
    return read_number(reader, bits, minimum) &&
           (!(flags & HAS_MAXIMUM) || read_number(reader, bits, &ignored));
}

/* The most elements that a table begins with. What is damaged is the library's to report. */
static uint64_t initial_elements(struct reader section) {
    enum { HAS_VALUE = 0x40 };
    uint32_t count;
    uint64_t minimum;
    uint64_t largest = 0;
    if (!read_u32(&section, &count))
        return 0;
    for (; count > 0 && section.end - section.at > 2; count--) {
        bool has_value = section.bytes[section.at] == HAS_VALUE;
        section.at += has_value ? 2 : 0; /* a reserved byte follows */
        if (!read_table(&section, &minimum))
            break;
        largest = minimum > largest ? minimum : largest;
        if (has_value && !skip_expression(&section))
            break;
    }
    return largest;
}

/* What the engine would reserve memory for without asking whether it can have it: the limits are
 * those that the JavaScript API of WebAssembly names, and that browsers have. */
static int check_size(uint8_t id, struct reader section, struct engine_error *error) {
    enum { MOST_ELEMENTS = 10000000, MOST_LOCALS = 50000 };
    uint64_t elements = id == SECTION_TABLE ? initial_elements(section) : 0;
    uint64_t locals = id == SECTION_CODE ? most_locals(section) : 0;
    if (elements > MOST_ELEMENTS)
        return engine_fail(error, "a table of %" PRIu64 " elements; %d are the most", elements,
                           MOST_ELEMENTS);
    if (locals > MOST_LOCALS)
        return engine_fail(error, "a function with %" PRIu64 " local variables; %d are the most",
                           locals, MOST_LOCALS);
    return 0;
}

static void outline_section(struct outline *outline, uint8_t id, struct reader section) {
    if (id == SECTION_START)
        outline->has_start = true;
    else if (id == SECTION_MEMORY)
        outline->initial_pages = initial_pages(section);
    else if (id == SECTION_TAG)
        outline->has_tags = true;
    else if (id == SECTION_CODE && outline->has_tags) /* else nothing can be thrown */
        outline->exceptions = exceptions_used(section);
}

struct outline binary_outline(const uint8_t *bytes, uint32_t length) {
    struct reader reader = {bytes, HEADER_LENGTH, length};
    struct outline outline = {0};
    struct reader section;
    uint8_t id;
    while (reader.at < reader.end && read_section(&reader, &id, &section))
        outline_section(&outline, id, section);
    return outline;
}

static int inspect_sections(struct binary *binary, struct engine_error *error) {
    struct reader reader = {binary->bytes, HEADER_LENGTH, binary->length};
    while (reader.at < reader.end) {
        uint32_t start = reader.at;
        uint8_t id;
        struct reader section;
        if (!read_section(&reader, &id, &section))
            return engine_fail(error,
                               "the module is truncated or damaged: section %u at byte %" PRIu32
                               " goes beyond the end of the file",
                               id, start);
        if (check_size(id, section, error) != 0)
            return -1;
        if (id == SECTION_CUSTOM)
            inspect_custom(binary, section);
        else
            outline_section(&binary->outline, id, section);
    }
    return 0;
}

static bool starts_with(const struct binary *binary, const char *text, size_t length) {
    return binary->length >= length && memcmp(binary->bytes, text, length) == 0;
}

/* What a file of that name turns out to be now and then, by its first bytes. */
static const struct {
    const char *start;
    size_t length;
    const char *is;
} MISTAKEN[] = {
    {"\177ELF", 4, "native code (ELF): give the .wasm file it was compiled from"},
    {"(module", 7, "WebAssembly text: make a module of it, for example with wat2wasm"},
    {"(component", 10, "WebAssembly text: make a module of it, for example with wat2wasm"},
    {";;", 2, "WebAssembly text: make a module of it, for example with wat2wasm"},
    {"\037\213", 2, "compressed with gzip: unpack it (gunzip) when the image is built"},
    {"\050\265\057\375", 4, "compressed with zstd: unpack it (unzstd) when the image is built"},
    {"PK\003\004", 4, "a zip archive: unpack it when the image is built"},
    {"BC\300\336", 4, "LLVM bitcode: link it (wasm-ld)"},
    {"!<arch>", 7, "a library archive (.a): link it (wasm-ld)"},
    {"version https://git-lfs", 23, "a pointer of Git LFS: get the file with git lfs pull"},
    {"<", 1, "HTML or XML: a page in place of a download?"},
};

/* Refuses what is not WebAssembly with a sentence that says what it is. */
static int check_header(struct binary *binary, struct engine_error *error) {
    if (!binary->bytes)
        return engine_fail(error, "the file is empty, not a WebAssembly module");
    for (size_t i = 0; i < sizeof MISTAKEN / sizeof MISTAKEN[0]; i++)
        if (starts_with(binary, MISTAKEN[i].start, MISTAKEN[i].length))
            return engine_fail(error, "this is not a WebAssembly module, but %s", MISTAKEN[i].is);
    if (!starts_with(binary, "\0asm", 4))
        return engine_fail(error,
                           "this is not a WebAssembly module: it does not start with \\0asm");
    if (binary->length < HEADER_LENGTH)
        return engine_fail(error, "the module is truncated: %" PRIu32 " bytes", binary->length);
    unsigned version = binary->bytes[4] | (unsigned)binary->bytes[5] << 8;
    unsigned layer = binary->bytes[6] | (unsigned)binary->bytes[7] << 8;
    binary->is_component = layer == 1;
    if (layer == 1)
        return 0;
    if (layer != 0 || version != 1)
        return engine_fail(error, "unknown version of WebAssembly: %u, layer %u", version, layer);
    return 0;
}

static int read_all(struct binary *binary, int fd, struct engine_error *error) {
    uint32_t done = 0;
    while (done < binary->length) {
        ssize_t count = pread(fd, binary->bytes + done, binary->length - done, done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return engine_fail(error, "read: %s", strerror(errno));
        if (count == 0)
            return engine_fail(error, "the file shrank while it was read");
        done += (uint32_t)count;
    }
    return 0;
}

int binary_read_any(struct binary *binary, int fd, struct engine_error *error) {
    *binary = (struct binary){0};
    struct stat status;
    if (fstat(fd, &status) != 0)
        return engine_fail(error, "stat: %s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return engine_fail(error, "not a regular file");
    if (status.st_size > UINT32_MAX)
        return engine_fail(error, "the module is larger than 4 GiB");
    binary->length = (uint32_t)status.st_size;
    if (binary->length > 0) {
        /* A mapping of its own goes back to the system whole. */
        void *bytes =
            mmap(NULL, binary->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (bytes == MAP_FAILED)
            return engine_fail(error, "no memory for a module of %" PRIu32 " bytes",
                               binary->length);
        binary->bytes = bytes;
    }
    if (read_all(binary, fd, error) == 0 && check_header(binary, error) == 0 &&
        (binary->is_component || inspect_sections(binary, error) == 0))
        return 0;
    binary_free(binary);
    return -1;
}

int binary_read(struct binary *binary, int fd, struct engine_error *error) {
    if (binary_read_any(binary, fd, error) != 0)
        return -1;
    if (!binary->is_component)
        return 0;
    binary_free(binary);
    return engine_fail(error, "this is a WebAssembly component, which libwasmedge can't run: "
                              "wasmtime can (docs/components.md), or build a core module for WASI "
                              "preview 1 (for Rust: --target wasm32-wasip1)");
}

void binary_free(struct binary *binary) {
    if (binary->bytes)
        munmap(binary->bytes, binary->length);
    binary->bytes = NULL;
}
