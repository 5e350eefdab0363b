"""Images for ``crunw cache warm``: engines whose answers are other ones than ours expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crunw.aot import images
from crunw.errors import CrunwError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STORED = '[{"layer": "a", "names": ["docker.io/library/x:latest"]}]'


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], None]:
    """Puts a program on the only PATH that prints the given bytes, whatever it is asked."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()

    def put(name: str, answer: bytes) -> None:
        (tmp_path / name).write_bytes(answer)
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\nexec /bin/cat {tmp_path / name}\n")
        program.chmod(0o755)

    return put


def refusal(engine: str) -> str:
    with pytest.raises(CrunwError) as caught, images.opened("x", [engine]):
        pass
    return str(caught.value)


@pytest.mark.parametrize(
    "answer", [b"", b"null", b"[]", b"{}", b"7", b'{"Name": 1', b"\xff", b'{"Name": "overlay2"}',
               b'{"Name": "overlay2", "Data": null}', b'{"Name": "overlay2", "Data": {}}'],
)  # fmt: skip
def test_docker_prints_something_else(answers: Callable[[str, bytes], None], answer: bytes) -> None:
    answers("docker", answer)
    assert "docker: docker image inspect" in refusal("docker")
    assert "unexpected content" in refusal("docker")


@pytest.mark.parametrize("answer", [b"", b"crio = 1", b"[crio]\nroot = 1", b"[crio", b"\xff"])
def test_crio_prints_something_else(answers: Callable[[str, bytes], None], answer: bytes) -> None:
    answers("crio", answer)
    assert "crio: crio status config: unexpected content" in refusal("crio")


def test_other_storage_driver(answers: Callable[[str, bytes], None]) -> None:
    answers("docker", b'{"Name": "overlayfs", "Data": null}')
    assert "the storage driver is overlayfs, not overlay2" in refusal("docker")


@pytest.mark.parametrize(
    ("stored", "layers", "named"),
    [
        ("", "[]", "images.json"),
        ("{}", "[]", "does not know the image"),
        ("[1]", "[]", "images.json"),
        ("[{}]", "[]", "does not know the image"),
        (STORED.replace("layer", "other"), "[]", "images.json"),
        (STORED, "", "layers.json"),
        (STORED, "[]", "layers.json"),  # the layer is not in it
        (STORED, "[{}]", "layers.json"),
        (STORED, '[{"id": "a", "parent": "b"}]', "layers.json"),
        (STORED, '[{"id": "a", "parent": "a"}]', "layers.json"),  # a circle
    ],
)
def test_storage_of_crio_has_another_form(
    tmp_path: Path, answers: Callable[[str, bytes], None], stored: str, layers: str, named: str
) -> None:
    settings = f'[crio]\nroot = "{tmp_path}"\nstorage_driver = "overlay"\n'
    answers("crio", settings.encode())
    for directory, text in (("images", stored), ("layers", layers)):
        (tmp_path / f"overlay-{directory}").mkdir()
        (tmp_path / f"overlay-{directory}" / f"{directory}.json").write_text(text)
    assert named in refusal("crio")


def test_engine_is_not_installed(answers: Callable[[str, bytes], None]) -> None:
    assert answers
    for engine, program in (("podman", "podman"), ("containerd", "ctr"), ("docker", "docker")):
        assert f"{engine}: {program} is not installed" in refusal(engine)
