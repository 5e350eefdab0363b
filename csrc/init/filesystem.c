#define _GNU_SOURCE
#include "filesystem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "sys.h"
#include "sysmount.h"

/* fsconfig(2): "up to 256 bytes", the NUL included. */
#define MAX_VALUE 255

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

static const struct {
    unsigned long flag;
    unsigned attribute;
} ATTRIBUTES[] = {
    {MS_RDONLY, MOUNT_ATTR_RDONLY},         {MS_NOSUID, MOUNT_ATTR_NOSUID},
    {MS_NODEV, MOUNT_ATTR_NODEV},           {MS_NOEXEC, MOUNT_ATTR_NOEXEC},
    {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}, {MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW},
};

/* The flags of mount(2) that belong to the file system, not (only) to the mount. */
static const struct {
    unsigned long flag;
    const char *key;
} SUPER_FLAGS[] = {
    {MS_RDONLY, "ro"},     {MS_SYNCHRONOUS, "sync"},  {MS_DIRSYNC, "dirsync"},
    {MS_MANDLOCK, "mand"}, {MS_LAZYTIME, "lazytime"},
};

/* One option of the data, cut out of a copy. */
struct option {
    char *key;
    char *value; /* NULL for a flag */
};

unsigned filesystem_attributes(unsigned long flags) {
    unsigned attributes = 0;
    for (size_t i = 0; i < sizeof ATTRIBUTES / sizeof ATTRIBUTES[0]; i++)
        if (flags & ATTRIBUTES[i].flag)
            attributes |= ATTRIBUTES[i].attribute;
    if (flags & MS_STRICTATIME)
        attributes |= MOUNT_ATTR_STRICTATIME;
    else if (flags & MS_NOATIME)
        attributes |= MOUNT_ATTR_NOATIME;
    return attributes;
}

/* Take the next option off *rest. Security labels are quoted where they contain a comma
 * (context="a:b:c,d"); the quotes are not part of the value. */
static bool next_option(char **rest, struct option *option) {
    char *start = *rest + strspn(*rest, ",");
    if (*start == '\0')
        return false;
    char *end = start;
    for (bool quoted = false; *end != '\0' && (quoted || *end != ','); end++)
        if (*end == '"')
            quoted = !quoted;
    *rest = *end == '\0' ? end : end + 1;
    *end = '\0';
    char *value = strchr(start, '=');
    if (value != NULL) {
        *value++ = '\0';
        size_t length = strlen(value);
        if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
            value[length - 1] = '\0';
            value++;
        }
    }
    *option = (struct option){.key = start, .value = value};
    return true;
}

bool filesystem_expressible(const struct filesystem *wanted) {
    if (wanted->flags & (MS_SILENT | MS_I_VERSION) || strchr(wanted->data, '\\') != NULL)
        return false;
    for (const char *rest = wanted->data; *rest != '\0'; rest += *rest == ',') {
        size_t length = strcspn(rest, ",");
        if (length > MAX_VALUE)
            return false;
        rest += length;
    }
    return strlen(wanted->source) <= MAX_VALUE;
}

/* Turn the failure of a step into one of "mount", with the last thing the kernel had to say. */
static int explain(struct error *error, int context, const char *type, const char *name) {
    char text[sizeof error->message] = "";
    char line[sizeof text];
    while (context >= 0 && sys_fsmessage(context, line, sizeof line))
        if (line[0] == 'e')
            memcpy(text, line, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    if (text[0] != '\0')
        return error_set(error, "mount", name, error->number, "%s", text + 2); /* after "e " */
    if (context < 0 && error->number == ENODEV)
        return error_set(error, "mount", name, ENODEV, "no file system of type %s", type);
    return error_set(error, "mount", name, error->number, "%s", "");
}

static int configure(struct error *error, int context, const struct filesystem *wanted,
                     const char *name) {
    for (size_t i = 0; i < sizeof SUPER_FLAGS / sizeof SUPER_FLAGS[0]; i++)
        if (wanted->flags & SUPER_FLAGS[i].flag &&
            sys_fsconfig(error, context, FSCONFIG_SET_FLAG, SUPER_FLAGS[i].key, NULL, name) < 0)
            return -1;
    char *data = strdup(wanted->data);
    if (data == NULL)
        return error_errno(error, "malloc", name);
    char *rest = data;
    struct option option;
    int result = 0;
    while (result == 0 && next_option(&rest, &option)) {
        unsigned command = option.value != NULL ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
        result = sys_fsconfig(error, context, command, option.key, option.value, name);
    }
    free(data);
    return result;
}

int filesystem_new(struct error *error, const struct filesystem *wanted, const char *name) {
    OWNED int context = sys_fsopen(error, wanted->type, name);
    int mounted = -1;
    if (context >= 0 &&
        sys_fsconfig(error, context, FSCONFIG_SET_STRING, "source", wanted->source, name) == 0 &&
        configure(error, context, wanted, name) == 0 &&
        sys_fsconfig(error, context, FSCONFIG_CMD_CREATE, NULL, NULL, name) == 0)
        mounted = sys_fsmount(error, context, filesystem_attributes(wanted->flags), name);
    if (mounted < 0)
        explain(error, context, wanted->type, name);
    return mounted;
}

int filesystem_reconfigure(struct error *error, int target, const struct filesystem *wanted,
                           const char *name) {
    OWNED int context = sys_fspick(error, target, name);
    if (context < 0)
        return -1;
    int result = configure(error, context, wanted, name);
    if (result == 0)
        result = sys_fsconfig(error, context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, name);
    if (result < 0)
        explain(error, context, wanted->type, name);
    return result;
}
