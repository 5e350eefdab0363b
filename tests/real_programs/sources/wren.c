/* Runs the script that the argument names. */
#include <stdio.h>
#include <wren.h>

static void write_text(WrenVM *vm, const char *text) {
    (void)vm;
    fputs(text, stdout);
}

static void report(WrenVM *vm, WrenErrorType type, const char *module, int line, const char *text) {
    (void)vm;
    (void)type;
    fprintf(stderr, "%s:%d: %s\n", module ? module : "", line, text);
}

int main(int argc, char **argv) {
    static char text[1 << 20];
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!file)
        return 2;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    WrenConfiguration configuration;
    wrenInitConfiguration(&configuration);
    configuration.writeFn = write_text;
    configuration.errorFn = report;
    return wrenInterpret(wrenNewVM(&configuration), text) == WREN_RESULT_SUCCESS ? 0 : 1;
}
