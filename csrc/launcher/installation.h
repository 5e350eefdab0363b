/* Where the parts of crunw are that the launcher starts. */
#ifndef CRUNW_INSTALLATION_H
#define CRUNW_INSTALLATION_H

#include <limits.h>

struct installation {
    char library[PATH_MAX];     /* crunw/lib of the package: crunw.paths.library_dir() */
    char interpreter[PATH_MAX]; /* the Python that the package was built for */
    char loader[PATH_MAX];      /* what starts the interpreter; "": the kernel */
    char shared[PATH_MAX];      /* where the loader finds all libraries */
};

/* Finds the installation that this program belongs to. Otherwise this is a copy of the program:
 * becomes the installed one, with the arguments `argv`. Ends with an error where there is none. */
void find_installation(struct installation *installation, char **argv);

/* Prints an error and ends the program. */
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...);

/* Writes a path; ends the program if it is too long. */
__attribute__((format(printf, 2, 3))) void set_path(char path[static PATH_MAX], const char *format,
                                                    ...);

#endif
