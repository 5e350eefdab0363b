"""Inputs that are made: always the same, and large enough for some work."""

from __future__ import annotations

import json
import lzma
import random
import struct
import zlib
from typing import Any

_WORDS = (
    "able about above acid across action after again agree air all almost alone amount animal "
    "apple army art baby back bad bag ball band base basin basket bath bed bee bell berry bird"
).split()


def _people(count: int = 20_000) -> list[dict[str, Any]]:
    rng = random.Random(1)  # noqa: S311 - nothing is secret about it
    return [
        {
            "id": number,
            "name": f"{rng.choice(_WORDS)} {rng.choice(_WORDS)}",
            "age": rng.randrange(100),
            "score": rng.randrange(100_000) / 100,
            "tags": rng.sample(_WORDS, 3),
        }
        for number in range(count)
    ]


def _json() -> bytes:
    return json.dumps(_people(), indent=1).encode()


def _lines() -> bytes:
    return "".join(json.dumps(one) + "\n" for one in _people()).encode()


def _csv() -> bytes:
    rows = (
        f"{p['id']},{p['name']},{p['age']},{p['score']},{' '.join(p['tags'])}" for p in _people()
    )
    return "\n".join(["id,name,age,score,tags", *rows, ""]).encode()


def _yaml() -> bytes:
    return json.dumps(_people(2_000), indent=1).encode()  # JSON is YAML, too


def _toml() -> bytes:
    return "".join(
        f'[[people]]\nid = {p["id"]}\nname="{p["name"]}"\nage =   {p["age"]}\n'
        f"score = {p['score']}\ntags = {json.dumps(p['tags'])}\n"
        for p in _people(5_000)
    ).encode()


def _text() -> bytes:
    rng = random.Random(2)  # noqa: S311
    paragraphs = (" ".join(rng.choices(_WORDS, k=80)).capitalize() for _ in range(4_000))
    return ".\n\n".join(paragraphs).encode()


def _markdown() -> bytes:
    rng = random.Random(3)  # noqa: S311
    parts = []
    for number in range(2_000):
        words = [" ".join(rng.choices(_WORDS, k=12)) for _ in range(4)]
        parts.append(
            f"## {number}. {words[0]}\n\n{words[1]} *{words[2]}* and `{words[3]}`, "
            f"[{words[0]}](https://example.org/{number}).\n\n- {words[1]}\n- **{words[2]}**\n\n"
        )
    return "".join(parts).encode()


def _data() -> bytes:
    return random.Random(4).randbytes(24 << 20)  # noqa: S311


def _graph() -> bytes:
    rng = random.Random(5)  # noqa: S311
    edges = [sorted((rng.randrange(40), rng.randrange(40))) for _ in range(70)]
    lines = [f'  n{a} -> n{b} [label="{a + b}"];' for a, b in edges if a != b]
    return "\n".join(["digraph G {", "  node [shape=box];", *lines, "}", ""]).encode()


def _picture() -> bytes:
    rng = random.Random(6)  # noqa: S311
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="800" height="600"><defs>',
        '<radialGradient id="g"><stop offset="0" stop-color="#fc3"/>',
        '<stop offset="1" stop-color="#36c"/>',
        '</radialGradient></defs><rect width="800" height="600" fill="#eee"/>',
    ]
    for _ in range(80):
        x, y, size = rng.randrange(800), rng.randrange(600), rng.randrange(10, 80)
        curve = " ".join(str(rng.randrange(600)) for _ in range(6))
        parts.append(f'<circle cx="{x}" cy="{y}" r="{size}" fill="url(#g)" fill-opacity="0.5"/>')
        parts.append(f'<path d="M{x} {y}C{curve}" stroke="#222" stroke-width="3" fill="none"/>')
    return "\n".join([*parts, "</svg>", ""]).encode()


def _formula() -> bytes:
    """A random formula of three literals a clause, near where they stop to be satisfiable."""
    rng = random.Random(7)  # noqa: S311
    names, count = 180, 760
    clauses = (rng.sample(range(1, names + 1), 3) for _ in range(count))
    lines = (" ".join(str(rng.choice((-1, 1)) * name) for name in clause) for clause in clauses)
    return "\n".join([f"p cnf {names} {count}", *(f"{line} 0" for line in lines), ""]).encode()


def _netlist() -> bytes:
    """A shift register with feedback, as yosys would hand it to nextpnr-ice40."""
    size, clock = 60, 2
    registers = range(3, 3 + size)
    cells: dict[str, Any] = {}
    for at, register in enumerate(registers):
        inputs: list[int | str] = [registers[at - 1], registers[at * 7 % size], registers[-3], "0"]
        lut = dict(zip(("I0", "I1", "I2", "I3"), ([one] for one in inputs), strict=True))
        cells[f"lut{at}"] = {
            "type": "SB_LUT4",
            "parameters": {"LUT_INIT": f"{0x9696 ^ at * 257 & 0xFFFF:016b}"},
            "port_directions": {**dict.fromkeys(lut, "input"), "O": "output"},
            "connections": {**lut, "O": [register + size]},
        }
        cells[f"register{at}"] = {
            "type": "SB_DFF",
            "parameters": {},
            "port_directions": {"C": "input", "D": "input", "Q": "output"},
            "connections": {"C": [clock], "D": [register + size], "Q": [register]},
        }
    for cell in cells.values():
        cell |= {"hide_name": 0, "attributes": {}}
    ports = {
        "clock": {"direction": "input", "bits": [clock]},
        "out": {"direction": "output", "bits": [registers[-1]]},
    }
    nets = {f"n{bit}": {"hide_name": 0, "bits": [bit], "attributes": {}} for bit in registers}
    attributes = {"top": "00000000000000000000000000000001"}
    top = {"attributes": attributes, "ports": ports, "cells": cells, "netnames": nets}
    return json.dumps({"creator": "crunw", "modules": {"top": top}}).encode()


def _chip() -> bytes:
    """The logic of an FPGA, at random, as icepack reads it."""
    rng = random.Random(10)  # noqa: S311
    parts = [".device 1k"]
    for x in (1, 2, 4, 5, 6, 7, 8, 9, 11, 12):
        for y in range(1, 17):
            rows = (f"{rng.getrandbits(54):054b}" for _ in range(16))
            parts += [f".logic_tile {x} {y}", *rows]
    return "\n".join([*parts, ""]).encode()


def _png() -> bytes:
    """A picture that can be compressed better."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rng = random.Random(8)  # noqa: S311
    width, height = 300, 200
    rows = bytearray()
    for y in range(height):
        rows += b"\0"
        for x in range(width):
            rows += bytes((x * 255 // width, y * 255 // height, (x * y + rng.randrange(4)) & 255))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 1)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _words() -> bytes:
    rng = random.Random(9)  # noqa: S311
    return "".join(f"{rng.choice(_WORDS)}-{rng.randrange(1000)}\n" for _ in range(120)).encode()


MADE = {
    "graph.dot": _graph,
    "chip.asc": _chip,
    "register.json": _netlist,
    "picture.svg": _picture,
    "formula.cnf": _formula,
    "picture.png": _png,
    "words.txt": _words,
    "text.xz": lambda: lzma.compress(_text()),
    "people.json": _json,
    "people.jsonl": _lines,
    "people.csv": _csv,
    "people.yaml": _yaml,
    "people.toml": _toml,
    "text.txt": _text,
    "text.md": _markdown,
    "accents.md": lambda: _markdown().replace(b"a", "Ä".encode()).replace(b"e", "é".encode()),
    "data.bin": _data,
}
