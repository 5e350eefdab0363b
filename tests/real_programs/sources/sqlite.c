/* Runs the SQL of standard input on the database that the argument names, and prints the rows. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static int print(void *context, int count, char **values, char **names) {
    (void)context;
    (void)names;
    for (int i = 0; i < count; i++)
        printf("%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
    putchar('\n');
    return 0;
}

int main(int argc, char **argv) {
    static char text[1 << 20];
    sqlite3 *database;
    char *problem = NULL;
    if (argc != 2 || sqlite3_open_v2(argv[1], &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     "unix-none") != SQLITE_OK) {
        fprintf(stderr, "can't open the database\n");
        return 2;
    }
    text[fread(text, 1, sizeof text - 1, stdin)] = '\0';
    if (sqlite3_exec(database, text, print, NULL, &problem) != SQLITE_OK) {
        fprintf(stderr, "%s\n", problem);
        return 1;
    }
    return sqlite3_close(database);
}
