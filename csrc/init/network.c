/* The devices of the network namespace (rtnetlink(7), netdevice(7)). */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

static int name_device(struct error *error, struct ifreq *request, const char *name) {
    size_t size = strlen(name) + 1;
    if (size > sizeof request->ifr_name)
        return error_set(error, "network device", name, ENAMETOOLONG, "%s", "");
    memcpy(request->ifr_name, name, size);
    return 0;
}

static int bring_up(struct error *error, const char *name) {
    struct ifreq request = {0};
    if (name_device(error, &request, name) < 0)
        return -1;
    OWNED int any = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (any < 0)
        return error_errno(error, "socket", name);
    int result = ioctl(any, SIOCGIFFLAGS, &request);
    if (result == 0) {
        request.ifr_flags |= IFF_UP;
        result = ioctl(any, SIOCSIFFLAGS, &request);
    }
    if (result < 0)
        error_errno(error, "ioctl(SIOCSIFFLAGS)", name);
    return result;
}

int run_loopback_up(struct init *init, UNUSED struct step *step) {
    return bring_up(&init->error, "lo");
}

int run_net_up(struct init *init, struct step *step) {
    return bring_up(&init->error, step_string(step));
}

/* Send one request, wait for the kernel's word on it. */
static int ask_kernel(struct error *error, const struct nlmsghdr *request, const char *name) {
    struct {
        struct nlmsghdr header;
        struct nlmsgerr result;
        char rest[4096]; /* the request again, and an explanation */
    } answer;
    OWNED int kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (kernel < 0)
        return error_errno(error, "socket(AF_NETLINK)", name);
    ssize_t got = TEMP_FAILURE_RETRY(send(kernel, request, request->nlmsg_len, 0));
    if (got >= 0)
        got = TEMP_FAILURE_RETRY(recv(kernel, &answer, sizeof answer, 0));
    if (got >= 0)
        errno = (size_t)got >= sizeof answer.header + sizeof answer.result ? -answer.result.error
                                                                           : EPROTO;
    if (got < 0 || errno != 0)
        error_errno(error, "rtnetlink", name);
    return errno == 0 ? 0 : -1;
}

int run_net_address(struct init *init, struct step *step) {
    const char *name = step_string(step);
    struct ifaddrmsg address = {.ifa_family = (uint8_t)step_u64(step)};
    address.ifa_prefixlen = (uint8_t)step_u64(step);
    address.ifa_flags = (uint8_t)step_u64(step);
    address.ifa_scope = (uint8_t)step_u64(step);
    size_t size;
    const uint8_t *attributes = step_bytes(step, &size);
    address.ifa_index = if_nametoindex(name);
    if (address.ifa_index == 0)
        return error_errno(&init->error, "if_nametoindex", name);
    struct nlmsghdr *request = calloc(1, NLMSG_SPACE(sizeof address) + size);
    if (request == NULL)
        return error_errno(&init->error, "malloc", name);
    request->nlmsg_len = (uint32_t)(NLMSG_SPACE(sizeof address) + size);
    request->nlmsg_type = RTM_NEWADDR;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    memcpy(NLMSG_DATA(request), &address, sizeof address);
    memcpy((char *)request + NLMSG_SPACE(sizeof address), attributes, size);
    int result = ask_kernel(&init->error, request, name);
    free(request);
    return result;
}
