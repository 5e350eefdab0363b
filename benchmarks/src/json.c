/* json ROUNDS: write a document of some 3 MB, parse it into a tree, add up its numbers; ROUNDS
 * times. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS 20000
#define RECORD_SIZE 256

enum kind { LITERAL, NUMBER, STRING, ARRAY, OBJECT };

struct value {
    enum kind kind;
    double number;
    char *text;          /* STRING */
    char *key;           /* of a member */
    struct value *first; /* ARRAY, OBJECT */
    struct value *next;
};

static void *get(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static char *document(void) {
    char *text = get((size_t)RECORDS * RECORD_SIZE);
    char *end = text;
    *end++ = '[';
    for (int i = 0; i < RECORDS; i++) {
        end += sprintf(end,
                       "%s{\"id\": %d, \"name\": \"record \\\"%d\\\"\", \"active\": %s,\n"
                       "  \"tags\": [\"one\", \"two\", \"n%d\"], \"position\": {\"x\": %.3f, "
                       "\"y\": -%d.5e2}, \"parent\": null}",
                       i ? ",\n" : "", i, i, i % 3 ? "true" : "false", i % 17, i * 0.125, i % 1000);
    }
    *end++ = ']';
    return text;
}

static const char *skip(const char *at) {
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') {
        at++;
    }
    return at;
}

/* A string without its quotes; `at` is behind the first one. */
static char *parse_string(const char **at) {
    const char *from = *at;
    size_t length = 0;
    while (from[length] != '"') {
        length += from[length] == '\\' ? 2 : 1;
    }
    char *text = get(length + 1);
    char *end = text;
    while (*from != '"') {
        from += *from == '\\';
        *end++ = *from++;
    }
    *at = from + 1;
    return text;
}

static struct value *parse(const char **at);

static void parse_members(const char **at, struct value *parent, char closing) {
    struct value **last = &parent->first;
    *at = skip(*at + 1);
    while (**at != closing) {
        char *key = NULL;
        if (closing == '}') {
            *at += 1;
            key = parse_string(at);
            *at = skip(*at) + 1; /* the colon */
        }
        *last = parse(at);
        (*last)->key = key;
        last = &(*last)->next;
        *at = skip(*at);
        *at = skip(*at + (**at == ','));
    }
    *at += 1;
}

static double parse_number(const char **at) {
    char *end;
    double number = strtod(*at, &end);
    *at = end;
    return number;
}

static struct value *parse(const char **at) {
    struct value *value = get(sizeof(*value));
    *at = skip(*at);
    switch (**at) {
    case '{':
        value->kind = OBJECT;
        parse_members(at, value, '}');
        break;
    case '[':
        value->kind = ARRAY;
        parse_members(at, value, ']');
        break;
    case '"':
        value->kind = STRING;
        *at += 1;
        value->text = parse_string(at);
        break;
    case 't':
    case 'n':
        *at += 4;
        break;
    case 'f':
        *at += 5;
        break;
    default:
        value->kind = NUMBER;
        value->number = parse_number(at);
    }
    return value;
}

/* The sum of its numbers and of its texts' lengths; frees it. */
static double consume(struct value *value) {
    double sum = value->number + (value->text ? (double)strlen(value->text) : 0);
    for (struct value *child = value->first; child != NULL;) {
        struct value *next = child->next;
        sum += consume(child);
        child = next;
    }
    free(value->text);
    free(value->key);
    free(value);
    return sum;
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 1;
    double sum = 0;
    for (long i = 0; i < rounds; i++) {
        char *text = document();
        const char *at = text;
        sum += consume(parse(&at));
        free(text);
    }
    printf("%.3f\n", sum);
    return 0;
}
