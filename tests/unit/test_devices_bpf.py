"""Device rules: the eBPF program and the v1 lines decide as the rules do."""

from __future__ import annotations

import random
from itertools import product

import pytest

from crunw.errors import SpecError
from crunw.plan.device_rules import ALL, MKNOD, READ, WRITE, Rule, rules, v1_writes
from crunw.plan.devices_bpf import program

TYPES = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*


def allowed(rule_list: list[Rule], kind: str, major: int, minor: int, access: int) -> bool:
    """The definition: each bit is decided by the last rule that covers it."""
    for bit in (MKNOD, READ, WRITE):
        if not access & bit:
            continue
        verdict = False
        for rule in rule_list:
            if (
                rule.type in ("a", kind)
                and rule.major in (None, major)
                and rule.minor in (None, minor)
                and rule.access & bit
            ):
                verdict = rule.allow
        if not verdict:
            return False
    return True


JUMPS = {
    0x16: lambda value, immediate: value == immediate,
    0x56: lambda value, immediate: value != immediate,
    0x46: lambda value, immediate: value & immediate,
}


def run(code: bytes, context: list[int]) -> int:
    """Interpret a program; reading a register that was not written is a KeyError."""
    registers: dict[int, int] = {}
    position = 0
    while True:
        operation, both, *_ = code[position * 8 : position * 8 + 2]
        destination, source = both & 15, both >> 4
        offset = int.from_bytes(code[position * 8 + 2 : position * 8 + 4], "little", signed=True)
        immediate = int.from_bytes(code[position * 8 + 4 : position * 8 + 8], "little")
        position += 1
        if operation == 0x61:
            assert source == 1
            registers[destination] = context[offset // 4]
        elif operation == 0xB4:
            registers[destination] = immediate
        elif operation == 0x54:
            registers[destination] &= immediate
        elif operation == 0x74:
            registers[destination] >>= immediate
        elif operation == 0x95:
            return registers[0]
        elif operation == 0x05 or JUMPS[operation](registers[destination], immediate):
            assert offset >= 0
            position += offset


def reachable(code: bytes) -> set[int]:
    """Positions that control flow can get to; the kernel refuses a program with others."""
    found: set[int] = set()
    todo = [0]
    while todo:
        position = todo.pop()
        if position in found:
            continue
        found.add(position)
        operation = code[position * 8]
        offset = int.from_bytes(code[position * 8 + 2 : position * 8 + 4], "little", signed=True)
        if operation not in (0x95, 0x05):
            todo.append(position + 1)
        if operation in (0x05, *JUMPS):
            todo.append(position + 1 + offset)
    return found


def random_rules(generator: random.Random) -> list[Rule]:
    return [
        Rule(
            generator.random() < 0.5,
            generator.choice("abc"),
            generator.choice([None, 0, 1, 2]),
            generator.choice([None, 0, 1, 2]),
            generator.randint(1, ALL),
        )
        for _ in range(generator.randint(0, 12))
    ]


EVERY_ACCESS = list(product("bc", range(4), range(4), range(1, ALL + 1)))


@pytest.mark.parametrize("seed", range(300))
def test_the_program_decides_as_the_rules_do(seed: int) -> None:
    rule_list = random_rules(random.Random(seed))  # noqa: S311 -- the same rules each time
    code = program(rule_list)
    assert reachable(code) == set(range(len(code) // 8))
    for kind, major, minor, access in EVERY_ACCESS:
        verdict = run(code, [access << 16 | TYPES[kind], major, minor])
        assert verdict == allowed(rule_list, kind, major, minor, access)


def v1_allowed(
    writes: list[tuple[str, str]], kind: str, major: int, minor: int, access: int
) -> bool:
    """What security/device_cgroup.c makes of the lines."""
    default, exceptions = True, {}
    for file, line in writes:
        allow = file == "devices.allow"
        if line == "a":
            default, exceptions = allow, {}
            continue
        assert allow != default, "taking exceptions back is not used"
        type_, numbers, letters = line.split(" ")
        exceptions[type_, numbers] = letters

    def matches(key: tuple[str, str], letter: str) -> bool:
        numbers = zip(key[1].split(":"), (major, minor), strict=True)
        return (
            key[0] == kind
            and all(text in ("*", str(number)) for text, number in numbers)
            and letter in exceptions[key]
        )

    asked = [letter for letter, bit in (("r", READ), ("w", WRITE), ("m", MKNOD)) if access & bit]
    if default:
        return not any(matches(key, letter) for key in exceptions for letter in asked)
    return all(any(matches(key, letter) for key in exceptions) for letter in asked)


def test_the_v1_lines_decide_as_the_rules_do_or_are_refused() -> None:
    decided = 0
    for seed in range(600):
        rule_list = random_rules(random.Random(seed))  # noqa: S311 -- the same rules each time
        try:
            writes = v1_writes(rule_list)
        except SpecError:
            continue
        decided += 1
        for kind, major, minor, access in EVERY_ACCESS:
            assert v1_allowed(writes, kind, major, minor, access) == allowed(
                rule_list, kind, major, minor, access
            ), (seed, kind, major, minor, access)
    assert decided > 200


def test_nothing_but_the_defaults_without_rules() -> None:
    found = rules([])
    assert allowed(found, "c", 1, 3, ALL)
    assert allowed(found, "c", 136, 7, READ | WRITE)
    assert allowed(found, "b", 8, 0, MKNOD)
    assert not allowed(found, "b", 8, 0, READ)


def test_a_privileged_container_may_use_everything() -> None:
    found = rules([{"allow": False, "access": "rwm"}, {"allow": True, "access": "rwm"}])
    assert found[0].allow
    assert allowed(found, "b", 8, 0, ALL)
    assert v1_writes(found) == [("devices.allow", "a")]


def test_negative_and_missing_numbers_match_every_device() -> None:
    found = rules([{"allow": True, "type": "c", "major": 10, "minor": -1, "access": "r"}])
    assert allowed(found, "c", 10, 99, READ)
    assert not allowed(found, "c", 10, 99, WRITE)


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"allow": True, "type": "x"}, "linux.resources.devices[0].type"),
        ({"allow": True, "access": "rx"}, "linux.resources.devices[0].access"),
        ({"allow": True, "type": "c", "major": 1 << 32}, "linux.resources.devices[0].major"),
    ],
)
def test_a_bad_rule_is_named(rule: dict[str, object], field: str) -> None:
    with pytest.raises(SpecError) as caught:
        rules([rule])  # type: ignore[list-item]
    assert caught.value.field == field


def test_a_part_of_a_wider_rule_can_not_be_taken_back_on_v1() -> None:
    wide = {"allow": True, "type": "c", "major": 7, "access": "rwm"}
    part = {"allow": False, "type": "c", "major": 7, "minor": 1, "access": "r"}
    with pytest.raises(SpecError, match=r"7:1 reverts a part of the one for c 7:\*"):
        v1_writes(rules([wide, part]))  # type: ignore[list-item]


def test_more_rules_than_a_program_holds_are_refused() -> None:
    with pytest.raises(SpecError, match="more rules than a program can hold"):
        program([Rule(True, "c", 1, minor, READ) for minor in range(1000)])
