"""Annotations of crun's family: carried out, or told of."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.containers import Bundle, Runtime, in_user_namespace, skip_without_root

MakeBundle = Callable[..., Bundle]


def annotate(bundle: Bundle, **annotations: str) -> Bundle:
    bundle.config["annotations"] |= {
        f"run.oci.{name.replace('__', '.')}": value for name, value in annotations.items()
    }
    return bundle.write()


def test_what_is_not_understood_is_told_of(crunw: Runtime, bundle: MakeBundle) -> None:
    made = annotate(bundle(), seccomp__receiver="/run/x", something="1")
    result = crunw.run(made)
    assert result.status == 0
    assert result.err.splitlines() == [
        f"crunw: warning: annotations.run.oci.{name}: is not understood, and without effect{hint}"
        for name, hint in (
            ("seccomp.receiver", " (linux.seccomp.listenerPath names a receiver)"),
            ("something", ""),
        )
    ]


def test_others_annotations_are_left_alone(crunw: Runtime, bundle: MakeBundle) -> None:
    made = bundle()
    made.config["annotations"] |= {"io.kubernetes.cri-o.Name": "x", "module.wasm.image/other": "y"}
    assert crunw.run(made.write()).ok() == ""


@pytest.mark.parametrize("user_namespace", [False, True])
def test_the_caller_s_groups_are_kept(
    crunw: Runtime, bundle: MakeBundle, user_namespace: bool
) -> None:
    """podman run --group-add keep-groups. Those that are not mapped are seen as nobody's."""
    skip_without_root("to have other groups")
    made = annotate(bundle("id", "-G"), keep_original_groups="1")
    made.process["user"]["additionalGids"] = [7]
    if user_namespace:
        in_user_namespace(made)
    out = crunw.run(made.write(), extra_groups=[4321]).ok()
    assert out.split() == ["0", "65534" if user_namespace else "4321"]


def test_exec_keeps_them_too(crunw: Runtime, bundle: MakeBundle) -> None:
    skip_without_root("to have other groups")
    made = annotate(bundle("sleep", "1000"), keep_original_groups="1")
    crunw.start(made)
    assert crunw("exec", made.id, "id", "-G", extra_groups=[4321]).ok().split() == ["0", "4321"]


def test_hooks_write_to_files(crunw: Runtime, bundle: MakeBundle, tmp_path: Path) -> None:
    """What is in them stays."""
    out, err = tmp_path / "out", tmp_path / "err"
    out.write_text("before\n")
    script = {"path": "/bin/sh", "args": ["sh", "-c", "cat >/dev/null; echo $0; echo error >&2"]}
    names = ("createRuntime", "poststart", "poststop")
    hooks = {name: [{**script, "args": [*script["args"], name]}] for name in names}
    made = annotate(bundle(hooks=hooks), hooks__stdout=str(out), hooks__stderr=str(err))
    crunw.run(made).ok()
    assert out.read_text() == "before\ncreateRuntime\npoststart\npoststop\n"
    assert err.read_text() == "error\n" * 3


def test_hooks_file_that_can_not_be_opened(
    crunw: Runtime, bundle: MakeBundle, tmp_path: Path
) -> None:
    hooks = {"createRuntime": [{"path": "/bin/true"}]}
    made = annotate(bundle(hooks=hooks), hooks__stdout=f"{tmp_path}/missing/out")
    assert crunw.run(made).error() == (
        f"createRuntime hook /bin/true: {tmp_path}/missing/out: No such file or directory"
    )


# --- Options of mounts that engines pass ----------------------------------------------------------


def test_a_relative_destination(crunw: Runtime, bundle: MakeBundle) -> None:
    made = bundle("ls", "-d", "/below/here")
    made.config["mounts"].append({"destination": "below/here", "type": "tmpfs", "source": "t"})
    result = crunw.run(made.write())
    assert (result.status, result.out) == (0, "/below/here\n")
    field = f"mounts[{len(made.config['mounts']) - 1}].destination"
    problem = "'below/here' is not absolute: /below/here is taken (write that)"
    assert result.err == f"crunw: warning: {field}: {problem}\n"


def test_a_devpts_without_options(crunw: Runtime, bundle: MakeBundle) -> None:
    """podman run --mount type=devpts: its ptmx can be used."""
    made = bundle("sh", "-c", "ls -l /pts/ptmx | cut -c1-10; grep ' /pts ' /proc/self/mountinfo")
    made.config["mounts"].append({"destination": "/pts", "type": "devpts", "source": "devpts"})
    mode, mounted = crunw.run(made.write()).ok().splitlines()
    assert mode == "crw-rw-rw-"
    assert mounted.split()[5] == "rw,nosuid,noexec,relatime"
    assert "mode=620" in mounted


def test_idmap_with_a_mapping(crunw: Runtime, bundle: MakeBundle) -> None:
    """podman run --volume …:idmap=…: ids of the file system, then those of the host."""
    skip_without_root("to map the ids of a mount")
    made = in_user_namespace(bundle("stat", "-c", "%u:%g", "/data/file"))
    (made.path / "data").mkdir()
    (made.path / "data/file").touch()
    os.chown(made.path / "data/file", 1001, 1002)
    option = "idmap=uids=1001-100003-1;gids=@1002-4-1"
    mount = {"destination": "/data", "source": "data", "type": "bind", "options": ["bind", option]}
    made.config["mounts"].append(mount)
    assert crunw.run(made.write()).ok() == "3:4\n"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("uids=0-1-10", "'uids=0-1-10': needs both uids= and gids="),
        ("uids=0-1;gids=0-1-1", "'0-1': must be three numbers, as 0-1000-10"),
        ("x=0-1-1", "'x=0-1-1': must be like uids=0-1-10;gids=0-1-10"),
        ("uids=@9-99999-1;gids=0-1-1", "'@9-99999-1': 99999 is not mapped in the container"),
    ],
)
def test_idmap_with_a_bad_mapping(
    crunw: Runtime, bundle: MakeBundle, value: str, problem: str
) -> None:
    skip_without_root("to map the ids of a mount")
    made = in_user_namespace(bundle())
    options = ["bind", f"idmap={value}"]
    mount = {"destination": "/data", "source": "rootfs", "type": "bind", "options": options}
    made.config["mounts"] = [mount]
    assert crunw.run(made.write()).error() == f"mounts[0].options: {problem}"
