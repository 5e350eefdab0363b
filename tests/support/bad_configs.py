"""Configs that must be refused: each as one line that names the field, leaving nothing behind.

``CASES`` is for tests of the whole program: name, function that writes a bundle's config.json, what
the one line must contain. ``CONFIGS`` and ``FILES`` say more, for the tests of ``crunw.oci``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crunw.oci.example import example

ABSENT = object()

A_MAPPING = [{"containerID": 0, "hostID": 1000, "size": 10}]
RULE = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}

# Name, what is changed in the example config, the field of the error, its text.
CONFIGS: list[tuple[str, dict[str, Any], str, str]] = [
    # The document.
    ("no version", {"ociVersion": ABSENT}, "ociVersion", "is required"),
    ("version is null", {"ociVersion": None}, "ociVersion", "is required"),
    ("version is a number", {"ociVersion": 1}, "ociVersion", "must be a string, is 1"),
    ("version is empty", {"ociVersion": ""}, "ociVersion", "must not be empty"),
    (
        "version is half",
        {"ociVersion": "1.2"},
        "ociVersion",
        "must be a version such as '1.2.0', is '1.2'",
    ),
    (
        "version is text",
        {"ociVersion": "latest"},
        "ociVersion",
        "must be a version such as '1.2.0', is 'latest'",
    ),
    (
        "version of the future",
        {"ociVersion": "2.0.0"},
        "ociVersion",
        "version '2.0.0' is not supported, only 1.x is",
    ),
    (
        "version before 1",
        {"ociVersion": "0.9.0-dev"},
        "ociVersion",
        "version '0.9.0-dev' is not supported, only 1.x is",
    ),
    ("no root", {"root": ABSENT}, "root", "is required"),
    ("root is text", {"root": "rootfs"}, "root", "must be an object, is 'rootfs'"),
    ("root is a list", {"root": []}, "root", "must be an object, is an array"),
    ("no root path", {"root": {}}, "root.path", "is required"),
    ("root path is empty", {"root.path": ""}, "root.path", "must not be empty"),
    ("root path is a number", {"root.path": 0}, "root.path", "must be a string, is 0"),
    (
        "root path with NUL",
        {"root.path": "root\0fs"},
        "root.path",
        "must not contain a NUL character, is 'root\\x00fs'",
    ),
    (
        "readonly is text",
        {"root.readonly": "yes"},
        "root.readonly",
        "must be true or false, is 'yes'",
    ),
    (
        "annotations are a list",
        {"annotations": ["a=b"]},
        "annotations",
        "must be an object, is an array",
    ),
    (
        "annotation is a number",
        {"annotations": {"a.b/c": 1}},
        "annotations['a.b/c']",
        "must be a string, is 1",
    ),
    (
        "annotation without a name",
        {"annotations": {"": "x"}},
        "annotations['']",
        "must not be empty",
    ),
    (
        "hostname is long",
        {"hostname": "h" * 65},
        "hostname",
        f"must be at most 64 bytes long, is '{'h' * 65}'",
    ),
    (
        "hostname of the host",
        {"linux.namespaces": [{"type": "mount"}]},
        "hostname",
        "needs a uts namespace in linux.namespaces",
    ),
    (
        "domainname of the host",
        {"hostname": ABSENT, "domainname": "d", "linux.namespaces": [{"type": "mount"}]},
        "domainname",
        "needs a uts namespace in linux.namespaces",
    ),
    ("linux is a list", {"linux": []}, "linux", "must be an object, is an array"),
    # The process.
    ("no process", {"process": ABSENT}, "process", "is required"),
    ("process is null", {"process": None}, "process", "is required"),
    ("process is text", {"process": "sh"}, "process", "must be an object, is 'sh'"),
    ("no args", {"process.args": ABSENT}, "process.args", "is required"),
    ("args are null", {"process.args": None}, "process.args", "is required"),
    ("args are empty", {"process.args": []}, "process.args", "must not be empty"),
    ("args are text", {"process.args": "sh -c"}, "process.args", "must be an array, is 'sh -c'"),
    ("arg is a number", {"process.args": ["sh", 1]}, "process.args[1]", "must be a string, is 1"),
    ("arg is null", {"process.args": ["sh", None]}, "process.args[1]", "must be a string, is null"),
    ("program is empty", {"process.args": [""]}, "process.args[0]", "must not be empty"),
    (
        "arg with NUL",
        {"process.args": ["sh", "a\0b"]},
        "process.args[1]",
        "must not contain a NUL character, is 'a\\x00b'",
    ),
    (
        "arg is half a character",
        {"process.args": ["\ud800"]},
        "process.args[0]",
        "must be valid Unicode text, is '\\ud800'",
    ),
    (
        "arg with a line end",
        {"process.cwd": "a\nb"},
        "process.cwd",
        "must be an absolute path, is 'a\\nb'",
    ),
    ("no cwd", {"process.cwd": ABSENT}, "process.cwd", "is required"),
    (
        "cwd is relative",
        {"process.cwd": "tmp"},
        "process.cwd",
        "must be an absolute path, is 'tmp'",
    ),
    ("cwd is empty", {"process.cwd": ""}, "process.cwd", "must be an absolute path, is ''"),
    (
        "variable without a value",
        {"process.env": ["A=b", "C"]},
        "process.env[1]",
        "must be NAME=value, is 'C'",
    ),
    (
        "variable without a name",
        {"process.env": ["=b"]},
        "process.env[0]",
        "must be NAME=value, is '=b'",
    ),
    (
        "env is an object",
        {"process.env": {"A": "b"}},
        "process.env",
        "must be an array, is an object",
    ),
    (
        "terminal is a number",
        {"process.terminal": 1},
        "process.terminal",
        "must be true or false, is 1",
    ),
    (
        "console without a width",
        {"process.consoleSize": {"height": 24}},
        "process.consoleSize.width",
        "is required",
    ),
    (
        "console is too high",
        {"process.consoleSize": {"height": 65536, "width": 80}},
        "process.consoleSize.height",
        "must be an integer from 0 to 65535, is 65536",
    ),
    (
        "uid is negative",
        {"process.user.uid": -1},
        "process.user.uid",
        "must be an integer from 0 to 4294967294, is -1",
    ),
    (
        "uid is nobody's",
        {"process.user.uid": 4294967295},
        "process.user.uid",
        "must be an integer from 0 to 4294967294, is 4294967295",
    ),
    (
        "uid is a fraction",
        {"process.user.uid": 1.5},
        "process.user.uid",
        "must be an integer from 0 to 4294967294, is 1.5",
    ),
    (
        "uid is true",
        {"process.user.uid": True},
        "process.user.uid",
        "must be an integer from 0 to 4294967294, is true",
    ),
    (
        "gid is text",
        {"process.user.gid": "root"},
        "process.user.gid",
        "must be an integer from 0 to 4294967294, is 'root'",
    ),
    (
        "umask is too wide",
        {"process.user.umask": 512},
        "process.user.umask",
        "must be an integer from 0 to 511, is 512",
    ),
    (
        "group is text",
        {"process.user.additionalGids": [1, "tty"]},
        "process.user.additionalGids[1]",
        "must be an integer from 0 to 4294967294, is 'tty'",
    ),
    (
        "capabilities are a list",
        {"process.capabilities": ["CAP_KILL"]},
        "process.capabilities",
        "must be an object, is an array",
    ),
    (
        "capability is a number",
        {"process.capabilities.bounding": ["CAP_KILL", 5]},
        "process.capabilities.bounding[1]",
        "must be a string, is 5",
    ),
    (
        "unknown limit",
        {"process.rlimits": [{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}]},
        "process.rlimits[0].type",
        "unknown resource limit 'RLIMIT_FOO'",
    ),
    (
        "limit without hard",
        {"process.rlimits": [{"type": "RLIMIT_CPU", "soft": 1}]},
        "process.rlimits[0].hard",
        "is required",
    ),
    (
        "soft limit above hard",
        {"process.rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]},
        "process.rlimits[0].soft",
        "2 is above the hard limit 1",
    ),
    (
        "limit is negative",
        {"process.rlimits": [{"type": "RLIMIT_CPU", "soft": -1, "hard": 1}]},
        "process.rlimits[0].soft",
        "must be an integer from 0 to 18446744073709551615, is -1",
    ),
    (
        "limit is given twice",
        {"process.rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2},
        "process.rlimits[1].type",
        "RLIMIT_CPU is given twice",
    ),
    (
        "oom score is out of range",
        {"process.oomScoreAdj": 1001},
        "process.oomScoreAdj",
        "must be an integer from -1000 to 1000, is 1001",
    ),
    (
        "unknown scheduler",
        {"process.scheduler": {"policy": "SCHED_FAST"}},
        "process.scheduler.policy",
        "unknown scheduling policy 'SCHED_FAST'",
    ),
    (
        "I/O priority is out of range",
        {"process.ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}},
        "process.ioPriority.priority",
        "must be an integer from 0 to 7, is 8",
    ),
    (
        "affinity is no list",
        {"process.execCPUAffinity": {"initial": "all"}},
        "process.execCPUAffinity.initial",
        "must be a list such as '0-3,7', is 'all'",
    ),
    # Mounts.
    ("mounts are an object", {"mounts": {}}, "mounts", "must be an array, is an object"),
    ("mount is text", {"mounts[1]": "/dev"}, "mounts[1]", "must be an object, is '/dev'"),
    (
        "mount without a destination",
        {"mounts[2].destination": ABSENT},
        "mounts[2].destination",
        "is required",
    ),
    (
        "destination is empty",
        {"mounts[2].destination": ""},
        "mounts[2].destination",
        "must not be empty",
    ),
    (
        "destination with NUL",
        {"mounts[0].destination": "/proc\0"},
        "mounts[0].destination",
        "must not contain a NUL character, is '/proc\\x00'",
    ),
    (
        "options are text",
        {"mounts[0].options": "ro,nosuid"},
        "mounts[0].options",
        "must be an array, is 'ro,nosuid'",
    ),
    (
        "option is a number",
        {"mounts[0].options": ["ro", 7]},
        "mounts[0].options[1]",
        "must be a string, is 7",
    ),
    (
        "bind mount of nothing",
        {"mounts[0]": {"destination": "/a", "options": ["rbind"]}},
        "mounts[0].source",
        "is required for a bind mount",
    ),
    (
        "mount of no type",
        {"mounts[0]": {"destination": "/a", "source": "/b"}},
        "mounts[0].type",
        "is required unless it is a bind mount",
    ),
    (
        "mount with half a mapping",
        {"mounts[0].uidMappings": A_MAPPING},
        "mounts[0].gidMappings",
        "is required with the other mapping",
    ),
    # Hooks.
    ("hooks are a list", {"hooks": []}, "hooks", "must be an object, is an array"),
    ("hook without a path", {"hooks": {"prestart": [{}]}}, "hooks.prestart[0].path", "is required"),
    (
        "hook's path is relative",
        {"hooks": {"poststop": [{"path": "true"}]}},
        "hooks.poststop[0].path",
        "must be an absolute path, is 'true'",
    ),
    (
        "hook without time",
        {"hooks": {"poststart": [{"path": "/bin/true", "timeout": 0}]}},
        "hooks.poststart[0].timeout",
        "must be an integer from 1 to 2147483647, is 0",
    ),
    (
        "hook's variable",
        {"hooks": {"createRuntime": [{"path": "/bin/true", "env": ["A"]}]}},
        "hooks.createRuntime[0].env[0]",
        "must be NAME=value, is 'A'",
    ),
    # Namespaces and mappings.
    (
        "no namespaces",
        {"linux": ABSENT, "hostname": ABSENT},
        "linux.namespaces",
        "a mount namespace is required (its mounts would be the host's)",
    ),
    (
        "no mount namespace",
        {"linux.namespaces": [{"type": "uts"}]},
        "linux.namespaces",
        "a mount namespace is required (its mounts would be the host's)",
    ),
    (
        "unknown namespace",
        {"linux.namespaces[2].type": "foo"},
        "linux.namespaces[2].type",
        "unknown namespace 'foo'",
    ),
    (
        "namespace of no type",
        {"linux.namespaces[2]": {"path": "/proc/1/ns/net"}},
        "linux.namespaces[2].type",
        "is required",
    ),
    (
        "namespace is given twice",
        {"linux.namespaces[0].type": "mount"},
        "linux.namespaces[4].type",
        "namespace 'mount' is given twice",
    ),
    (
        "namespace path is relative",
        {"linux.namespaces[0].path": "proc/self/ns/pid"},
        "linux.namespaces[0].path",
        "must be an absolute path, is 'proc/self/ns/pid'",
    ),
    (
        "mapping without a user namespace",
        {"linux.uidMappings": A_MAPPING, "linux.gidMappings": A_MAPPING},
        "linux.uidMappings",
        "needs a user namespace in linux.namespaces",
    ),
    (
        "half a mapping",
        {"linux.namespaces[0].type": "user", "linux.uidMappings": A_MAPPING},
        "linux.gidMappings",
        "is required with the other mapping",
    ),
    (
        "mapping of nothing",
        {"linux.uidMappings": [{"containerID": 0, "hostID": 0, "size": 0}]},
        "linux.uidMappings[0].size",
        "must be an integer from 1 to 4294967295, is 0",
    ),
    (
        "mapping without a host ID",
        {"linux.uidMappings": [{"containerID": 0, "size": 1}]},
        "linux.uidMappings[0].hostID",
        "is required",
    ),
    (
        "mappings overlap",
        {
            "linux.namespaces[0].type": "user",
            "linux.uidMappings": [*A_MAPPING, {"containerID": 9, "hostID": 1, "size": 1}],
            "linux.gidMappings": A_MAPPING,
        },
        "linux.uidMappings",
        "ranges overlap at containerID 9",
    ),
    (
        "mapping beyond the last ID",
        {
            "linux.namespaces[0].type": "user",
            "linux.uidMappings": A_MAPPING,
            "linux.gidMappings": [{"containerID": 0, "hostID": 4294967290, "size": 10}],
        },
        "linux.gidMappings",
        "a range ends above the last hostID, 4294967294",
    ),
    (
        "offset without a time namespace",
        {"linux.timeOffsets": {"monotonic": {"secs": 1}}},
        "linux.timeOffsets",
        "needs a new time namespace in linux.namespaces",
    ),
    (
        "offset of an unknown clock",
        {"linux.timeOffsets": {"realtime": {"secs": 1}}},
        "linux.timeOffsets",
        "unknown clock 'realtime'",
    ),
    (
        "offset of too many nanoseconds",
        {"linux.timeOffsets": {"monotonic": {"nanosecs": 1000000000}}},
        "linux.timeOffsets['monotonic'].nanosecs",
        "must be an integer from 0 to 999999999, is 1000000000",
    ),
    # Paths, devices, sysctls.
    (
        "unknown propagation",
        {"linux.rootfsPropagation": "public"},
        "linux.rootfsPropagation",
        "unknown propagation 'public'",
    ),
    (
        "masked path is relative",
        {"linux.maskedPaths": ["/proc/keys", "proc/kcore"]},
        "linux.maskedPaths[1]",
        "must be an absolute path, is 'proc/kcore'",
    ),
    (
        "read-only path is empty",
        {"linux.readonlyPaths": [""]},
        "linux.readonlyPaths[0]",
        "must be an absolute path, is ''",
    ),
    (
        "cgroup above the root",
        {"linux.cgroupsPath": "/a/../../b"},
        "linux.cgroupsPath",
        "must not go up ('..'), is '/a/../../b'",
    ),
    (
        "device of no type",
        {"linux.devices": [{"path": "/dev/a", "major": 1, "minor": 3}]},
        "linux.devices[0].type",
        "is required",
    ),
    (
        "device of an unknown type",
        {"linux.devices": [{"type": "x", "path": "/dev/a", "major": 1, "minor": 3}]},
        "linux.devices[0].type",
        "unknown device type 'x'",
    ),
    (
        "device without a number",
        {"linux.devices": [{"type": "c", "path": "/dev/a", "major": 1}]},
        "linux.devices[0].minor",
        "is required",
    ),
    (
        "device with too big a number",
        {"linux.devices": [{"type": "c", "path": "/dev/a", "major": 4096, "minor": 3}]},
        "linux.devices[0].major",
        "must be an integer from 0 to 4095, is 4096",
    ),
    (
        "device's path is relative",
        {"linux.devices": [{"type": "p", "path": "dev/a"}]},
        "linux.devices[0].path",
        "must be an absolute path, is 'dev/a'",
    ),
    (
        "sysctl of the host",
        {"linux.sysctl": {"vm.swappiness": "1"}},
        "linux.sysctl['vm.swappiness']",
        "is not namespaced: it would change the host",
    ),
    (
        "sysctl that climbs",
        {"linux.sysctl": {"net/../kernel/core_pattern": "|/x"}},
        "linux.sysctl['net/../kernel/core_pattern']",
        "is not the name of a sysctl",
    ),
    (
        "sysctl without a network namespace",
        {"linux.namespaces[1].type": "cgroup", "linux.sysctl": {"net.ipv4.ip_forward": "1"}},
        "linux.sysctl['net.ipv4.ip_forward']",
        "needs its own network namespace in linux.namespaces",
    ),
    (
        "sysctl without an ipc namespace",
        {"linux.namespaces[2].type": "cgroup", "linux.sysctl": {"kernel/shmmax": "1"}},
        "linux.sysctl['kernel/shmmax']",
        "needs its own ipc namespace in linux.namespaces",
    ),
    (
        "sysctl for the hostname",
        {"linux.sysctl": {"kernel.hostname": "x"}},
        "linux.sysctl['kernel.hostname']",
        "belongs in the field hostname",
    ),
    (
        "sysctl is a number",
        {"linux.sysctl": {"net.ipv4.ip_forward": 1}},
        "linux.sysctl['net.ipv4.ip_forward']",
        "must be a string, is 1",
    ),
    (
        "unknown personality",
        {"linux.personality": {"domain": "BSD"}},
        "linux.personality.domain",
        "unknown personality 'BSD'",
    ),
    (
        "personality with a flag",
        {"linux.personality": {"domain": "LINUX", "flags": ["X"]}},
        "linux.personality.flags[0]",
        "unknown personality flag 'X'",
    ),
    # Resources.
    (
        "device rule without allow",
        {"linux.resources.devices": [{"access": "rwm"}]},
        "linux.resources.devices[0].allow",
        "is required",
    ),
    (
        "device rule of other letters",
        {"linux.resources.devices": [{"allow": True, "access": "rx"}]},
        "linux.resources.devices[0].access",
        "must be made of the letters r, w and m, is 'rx'",
    ),
    (
        "memory is text",
        {"linux.resources.memory": {"limit": "64m"}},
        "linux.resources.memory.limit",
        "must be an integer from -1 to 9223372036854775807, is '64m'",
    ),
    (
        "memory is beyond 64 bits",
        {"linux.resources.memory": {"limit": 1 << 63}},
        "linux.resources.memory.limit",
        "must be an integer from -1 to 9223372036854775807, is 9223372036854775808",
    ),
    (
        "swap below memory",
        {"linux.resources.memory": {"limit": 100, "swap": 50}},
        "linux.resources.memory.swap",
        "50 is below the memory limit 100",
    ),
    (
        "swap with unlimited memory",
        {"linux.resources.memory": {"limit": -1, "swap": 50}},
        "linux.resources.memory.swap",
        "needs a memory limit",
    ),
    (
        "swappiness is out of range",
        {"linux.resources.memory": {"swappiness": 101}},
        "linux.resources.memory.swappiness",
        "must be an integer from 0 to 100, is 101",
    ),
    (
        "one CPU share",
        {"linux.resources.cpu": {"shares": 1}},
        "linux.resources.cpu.shares",
        "must be 0 or from 2 to 262144, is 1",
    ),
    (
        "CPU period is short",
        {"linux.resources.cpu": {"period": 5}},
        "linux.resources.cpu.period",
        "must be 0 or from 1000 to 1000000 µs, is 5",
    ),
    (
        "CPU quota is small",
        {"linux.resources.cpu": {"quota": 5}},
        "linux.resources.cpu.quota",
        "must be at least 1000 µs, is 5",
    ),
    (
        "CPU burst above the quota",
        {"linux.resources.cpu": {"quota": 1000, "burst": 1001}},
        "linux.resources.cpu.burst",
        "1001 is above the quota 1000",
    ),
    (
        "realtime runtime above the period",
        {"linux.resources.cpu": {"realtimeRuntime": 2, "realtimePeriod": 1}},
        "linux.resources.cpu.realtimeRuntime",
        "2 is above the period 1",
    ),
    (
        "CPU list of letters",
        {"linux.resources.cpu": {"cpus": "a-b"}},
        "linux.resources.cpu.cpus",
        "must be a list such as '0-3,7', is 'a-b'",
    ),
    (
        "node list runs backwards",
        {"linux.resources.cpu": {"mems": "3-1"}},
        "linux.resources.cpu.mems",
        "has a range that runs backwards, is '3-1'",
    ),
    (
        "CPU list of huge numbers",
        {"linux.resources.cpu": {"cpus": "9" * 5000}},
        "linux.resources.cpu.cpus",
        f"must be a list such as '0-3,7', is '{'9' * 77}'…",
    ),
    (
        "idle is 2",
        {"linux.resources.cpu": {"idle": 2}},
        "linux.resources.cpu.idle",
        "must be an integer from 0 to 1, is 2",
    ),
    (
        "pids below none",
        {"linux.resources.pids": {"limit": -2}},
        "linux.resources.pids.limit",
        "must be an integer from -1 to 9223372036854775807, is -2",
    ),
    (
        "I/O weight is small",
        {"linux.resources.blockIO": {"weight": 9}},
        "linux.resources.blockIO.weight",
        "must be 0 or from 10 to 1000, is 9",
    ),
    (
        "I/O weight of a device",
        {"linux.resources.blockIO": {"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 1}]}},
        "linux.resources.blockIO.weightDevice[0].leafWeight",
        "must be 0 or from 10 to 1000, is 1",
    ),
    (
        "throttle without a rate",
        {"linux.resources.blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0}]}},
        "linux.resources.blockIO.throttleReadBpsDevice[0].rate",
        "is required",
    ),
    (
        "huge page without a unit",
        {"linux.resources.hugepageLimits": [{"pageSize": "2M", "limit": 1}]},
        "linux.resources.hugepageLimits[0].pageSize",
        "must be a size such as '2MB', is '2M'",
    ),
    (
        "huge page is given twice",
        {"linux.resources.hugepageLimits": [{"pageSize": "2MB", "limit": 1}] * 2},
        "linux.resources.hugepageLimits[1].pageSize",
        "2MB is given twice",
    ),
    (
        "network class is out of range",
        {"linux.resources.network": {"classID": 4294967296}},
        "linux.resources.network.classID",
        "must be an integer from 0 to 4294967295, is 4294967296",
    ),
    (
        "network priority of no interface",
        {"linux.resources.network": {"priorities": [{"name": "", "priority": 1}]}},
        "linux.resources.network.priorities[0].name",
        "must not be empty",
    ),
    (
        "rdma without limits",
        {"linux.resources.rdma": {"mlx5_0": {}}},
        "linux.resources.rdma['mlx5_0']",
        "needs hcaHandles or hcaObjects",
    ),
    (
        "unified key with a slash",
        {"linux.resources.unified": {"../memory.max": "1"}},
        "linux.resources.unified['../memory.max']",
        "is not the name of a cgroup file",
    ),
    (
        "unified key of dots",
        {"linux.resources.unified": {"..": "1"}},
        "linux.resources.unified['..']",
        "is not the name of a cgroup file",
    ),
    # Seccomp.
    (
        "seccomp without a default",
        {"linux.seccomp": {}},
        "linux.seccomp.defaultAction",
        "is required",
    ),
    (
        "unknown action",
        {"linux.seccomp": {"defaultAction": "ALLOW"}},
        "linux.seccomp.defaultAction",
        "unknown seccomp action 'ALLOW'",
    ),
    (
        "unknown architecture",
        {"linux.seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_FOO"]}},
        "linux.seccomp.architectures[0]",
        "unknown architecture 'SCMP_ARCH_FOO'",
    ),
    (
        "unknown flag",
        {"linux.seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["FAST"]}},
        "linux.seccomp.flags[0]",
        "unknown seccomp flag 'FAST'",
    ),
    (
        "rule without names",
        {"linux.seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{**RULE, "names": []}]}},
        "linux.seccomp.syscalls[0].names",
        "must not be empty",
    ),
    (
        "rule without an action",
        {"linux.seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"]}]}},
        "linux.seccomp.syscalls[0].action",
        "is required",
    ),
    (
        "rule for a seventh argument",
        {
            "linux.seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [
                    RULE,
                    {**RULE, "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]},
                ],
            }
        },
        "linux.seccomp.syscalls[1].args[0].index",
        "must be an integer from 0 to 5, is 6",
    ),
    (
        "rule with an unknown operator",
        {
            "linux.seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{**RULE, "args": [{"index": 0, "value": 0, "op": "=="}]}],
            }
        },
        "linux.seccomp.syscalls[0].args[0].op",
        "unknown operator '=='",
    ),
    (
        "notification by default",
        {"linux.seccomp": {"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/s"}},
        "linux.seccomp.defaultAction",
        "SCMP_ACT_NOTIFY can't be the default",
    ),
    (
        "notification to nobody",
        {
            "linux.seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{**RULE, "action": "SCMP_ACT_NOTIFY"}],
            }
        },
        "linux.seccomp.listenerPath",
        "is required for SCMP_ACT_NOTIFY",
    ),
    (
        "notification of write",
        {
            "linux.seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "listenerPath": "/s",
                "syscalls": [{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}],
            }
        },
        "linux.seccomp.syscalls[0].names",
        "SCMP_ACT_NOTIFY can't be used for write",
    ),
    # Sections that are checked though no test above needs them.
    (
        "unknown memory policy",
        {"linux.memoryPolicy": {"mode": "MPOL_BEST"}},
        "linux.memoryPolicy.mode",
        "unknown memory policy 'MPOL_BEST'",
    ),
    (
        "intelRdt schemata are text",
        {"linux.intelRdt": {"schemata": "L3:0=f"}},
        "linux.intelRdt.schemata",
        "must be an array, is 'L3:0=f'",
    ),
    (
        "net device is text",
        {"linux.netDevices": {"eth0": "eth1"}},
        "linux.netDevices['eth0']",
        "must be an object, is 'eth1'",
    ),
]

EXAMPLE = json.dumps(example(rootless=False))


def config(changes: dict[str, Any]) -> dict[str, Any]:
    """The example config, with each ``path: value`` of ``changes`` set (or taken out: ABSENT)."""
    document: dict[str, Any] = json.loads(EXAMPLE)
    for path, value in changes.items():
        *steps, last = path.replace("[", ".[").split(".")
        place: Any = document
        for step in steps:
            place = place[_key(step)]
        if value is ABSENT:
            del place[_key(last)]
        else:
            place[_key(last)] = value
    return document


def _key(step: str) -> str | int:
    return int(step[1:-1]) if step.startswith("[") else step


def _text(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate((16 << 20) + 1)


# Name, function that makes the file, what the error says of it.
FILES: list[tuple[str, Callable[[Path], None], str]] = [
    ("missing", lambda _: None, "can't be read: No such file or directory"),
    ("directory", Path.mkdir, "can't be read: Is a directory"),
    ("link to itself", lambda path: path.symlink_to(path), "can't be read: Too many levels"),
    ("huge", _huge, "is larger than 16 MiB"),
    ("empty", _text(b""), "invalid JSON at line 1, column 1: a value is missing"),
    ("only spaces", _text(b" \n\n "), "invalid JSON at line 3, column 2: a value is missing"),
    ("truncated", _text(EXAMPLE.encode()[:-40]), "invalid JSON at line 1, column "),
    ("not JSON", _text(b"ociVersion: 1.0.0\n"), "invalid JSON at line 1, column 1"),
    ("an ELF file", _text(b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe"), "is not UTF-8 text: byte 11"),
    ("UTF-16", _text(EXAMPLE.encode("utf-16")), "is not UTF-8 text: byte 1"),
    (
        "UTF-16 without a mark",
        _text(EXAMPLE.encode("utf-16-le")),
        "invalid JSON at line 1, column 2",
    ),
    ("byte order mark", _text(b"\xef\xbb\xbf{}"), "invalid JSON at line 1, column 1"),
    ("Latin-1", _text(b'{"hostname": "caf\xe9"}'), "is not UTF-8 text: byte 18"),
    ("NUL bytes", _text(b"\0" * 4096), "invalid JSON at line 1, column 1"),
    ("NUL at the end", _text(EXAMPLE.encode() + b"\0"), "invalid JSON at line 1, column "),
    ("raw control character", _text(b'{"a":\n"\x01"}'), "invalid JSON at line 2, column 2"),
    ("deep lists", _text(b"[" * 200000), "invalid JSON: nested too deep"),
    ("deep objects", _text(b'{"a":' * 200000), "invalid JSON: nested too deep"),
    ("two documents", _text(b"{}\n{}"), "invalid JSON at line 2, column 1: text after"),
    ("NaN", _text(b'{"a": NaN}'), "invalid JSON: NaN is not a JSON number"),
    ("endless number", _text(b'{"a": ' + b"9" * 5000 + b"}"), "invalid JSON: "),
    ("trailing comma", _text(b'{\n  "a": 1,\n}'), "invalid JSON at line "),
    ("an array", _text(b"[]"), "must be an object, is an array"),
    ("a number", _text(b"1"), "must be an object, is 1"),
    ("null", _text(b"null"), "must be an object, is null"),
    ("a string", _text(b'"' + b"x" * 5000 + b'"'), "must be an object, is 'xxx"),
]


def _writer(changes: dict[str, Any]) -> Callable[[Path], None]:
    return _maker(_text(json.dumps(config(changes)).encode()))


def _maker(make: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda bundle: make(bundle / "config.json")


CASES: list[tuple[str, Callable[[Path], None], str]] = [
    *((name, _writer(changes), field) for name, changes, field, _ in CONFIGS),
    *((name, _maker(make), f"config.json: {problem}") for name, make, problem in FILES),
]
