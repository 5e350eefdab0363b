"""The plan's operations, number and kinds of fields of each; what else ``csrc/plan.h`` has.

Made by ci/contract of csrc/contract.toml.
"""

from __future__ import annotations

MAGIC = b"CRWP"
VERSION = 8

OPS: dict[str, tuple[int, str]] = {
    "debug": (77, ""),
    "opener": (15, ""),
    "cgroup_join": (1, "s"),
    "cgroup_devices": (2, "sb"),
    "oom_score_adj": (3, "u"),
    "rlimit_raise": (76, "uu"),
    "ns_enter": (4, "us"),
    "ns_enter_pidfd": (5, "uu"),
    "ns_unshare": (6, "u"),
    "userns_map": (7, ""),
    "root_joined": (19, "s"),
    "time_offsets": (8, "s"),
    "open_start": (18, "s"),
    "fork": (9, "u"),
    "loopback_up": (10, ""),
    "net_address": (16, "suuuub"),
    "net_up": (17, "s"),
    "setsid": (11, ""),
    "engine_open": (12, "sss"),
    "engine_plugin": (74, "s"),
    "engine_counters": (75, "s"),
    "engine_artefact": (13, "s"),
    "cgroup_into": (14, "s"),
    "root_propagation": (20, "u"),
    "rootfs": (21, "s"),
    "mount": (22, "sssusu"),
    "bind_idmapped": (32, "ssusssuu"),
    "unmount": (34, "s"),
    "relabel": (33, "ss"),
    "mount_propagation": (23, "su"),
    "mount_setattr": (24, "suuu"),
    "mknod": (25, "suuuuu"),
    "symlink": (26, "ss"),
    "sysctl": (27, "ss"),
    "hostname": (28, "s"),
    "domainname": (29, "s"),
    "hooks_barrier": (30, ""),
    "hook": (31, "sSSussu"),
    "pivot_root": (40, "u"),
    "console": (41, "uuuu"),
    "mask": (42, "s"),
    "readonly": (43, "s"),
    "root_readonly": (44, ""),
    "keyring": (50, "s"),
    "rlimit": (51, "uuu"),
    "personality": (52, "u"),
    "scheduler": (65, "uuuuuuu"),
    "io_priority": (66, "u"),
    "cpu_affinity": (67, "b"),
    "memory_policy": (68, "ub"),
    "home": (69, "u"),
    "cwd": (53, "su"),
    "credentials": (54, "uuUuuuuuu"),
    "umask": (55, "u"),
    "no_new_privs": (56, ""),
    "seccomp": (57, "buuS"),
    "lsm_label": (58, "ssu"),
    "close_from": (59, "u"),
    "process": (60, "SS"),
    "exec_find": (61, ""),
    "ready": (62, ""),
    "wait_start": (63, ""),
    "exec": (64, ""),
    "proc_readonly": (79, "u"),
    "wasm_open": (78, "s"),
    "wasm_load": (70, "sSs"),
    "wasm_run": (71, ""),
    "preopen_readonly": (72, "us"),
    "wasm_limits": (73, "uuuuu"),
    "wasm_insist": (80, ""),
    "wasm_fence": (81, ""),
}

REPORT_PID = 1
REPORT_USERNS = 2
REPORT_HOOKS = 3
REPORT_READY = 4
REPORT_ERROR = 5
REPORT_NOTICE = 6

REPORTS: dict[int, str] = {
    REPORT_PID: "u",
    REPORT_USERNS: "",
    REPORT_HOOKS: "",
    REPORT_READY: "",
    REPORT_ERROR: "sssus",
    REPORT_NOTICE: "uss",
}

NOTICE_WARNING = 0
NOTICE_DETAIL = 1
NOTICE_INTERPRETED = 2

MOUNT_COPY_UP = 1
MOUNT_OPTIONAL = 2
MOUNT_SOURCE_LINK = 4
MOUNT_TARGET_LINK = 8
MOUNT_COPY_LINK = 16

CREDENTIALS_KEEP = 1
CREDENTIALS_EXECUTED = 2
CREDENTIALS_NO_NEW_PRIVS = 4
CREDENTIALS_KEEP_GROUPS = 8

RECIPE_HOME = 1

RECIPE_MAGIC = b"CRWX"
RECIPE_VERSION = 2
