"""Device rules as an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE (cgroup v2).

The kernel runs the program for every open and mknod of a device node in the cgroup, with a
``struct bpf_cgroup_dev_ctx`` (linux/bpf.h), and permits the access when it returns 1.
"""

from __future__ import annotations

from crunw.errors import SpecError
from crunw.plan.device_rules import ALL, Rule

# Operations: class, source and width in one byte (Documentation/bpf/standardization).
_LOAD_WORD = 0x61  # dst = *(u32 *)(src + offset)
_AND_IMM = 0x54  # 32 bit
_SHIFT_RIGHT_IMM = 0x74  # 32 bit
_MOVE_IMM = 0xB4  # 32 bit
_JUMP = 0x05
_JUMP_EQUAL_IMM = 0x16  # 32 bit, as the following
_JUMP_UNEQUAL_IMM = 0x56
_JUMP_SET_IMM = 0x46
_EXIT = 0x95

_RESULT, _CONTEXT, _TYPE, _PENDING, _MAJOR, _MINOR = range(6)  # registers

_DEVICE_TYPES = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*
_NEXT, _ALLOW, _DENY = "next", "allow", "deny"  # jump targets

_MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS


class _Instruction:
    __slots__ = ("destination", "immediate", "offset", "operation", "source", "target")

    def __init__(
        self,
        operation: int,
        destination: int = 0,
        *,
        source: int = 0,
        offset: int = 0,
        immediate: int = 0,
        target: str = "",
    ) -> None:
        self.operation = operation
        self.destination = destination
        self.source = source
        self.offset = offset
        self.immediate = immediate
        self.target = target

    def encode(self) -> bytes:
        registers = self.source << 4 | self.destination
        return (
            bytes((self.operation, registers))
            + self.offset.to_bytes(2, "little", signed=True)
            + self.immediate.to_bytes(4, "little")
        )


def program(rules: list[Rule]) -> bytes:
    """An array of ``struct bpf_insn`` (little-endian) that decides as ``rules`` do.

    The bits of the access that are not decided yet are kept in a register; the rules are tried
    from the last to the first, an allowing one clears its bits, a denying one that still finds a
    bit ends it. Raises :class:`SpecError` for more rules than a program can hold.
    """
    code = [
        _Instruction(_LOAD_WORD, _TYPE, source=_CONTEXT),  # access << 16 | type
        _Instruction(_LOAD_WORD, _PENDING, source=_CONTEXT),
        _Instruction(_LOAD_WORD, _MAJOR, source=_CONTEXT, offset=4),
        _Instruction(_LOAD_WORD, _MINOR, source=_CONTEXT, offset=8),
        _Instruction(_AND_IMM, _TYPE, immediate=0xFFFF),
        _Instruction(_SHIFT_RIGHT_IMM, _PENDING, immediate=16),
    ]
    fallthrough = _DENY
    for rule in reversed(rules):
        if rule.covers_all():  # the kernel refuses code that can't be reached
            fallthrough = _ALLOW if rule.allow else _DENY
            break
        code += _rule_code(rule)
    return _assemble(code, fallthrough)


def _rule_code(rule: Rule) -> list[_Instruction]:
    numbers = []
    if rule.type != "a":
        numbers.append((_TYPE, _DEVICE_TYPES[rule.type]))
    if rule.major is not None:
        numbers.append((_MAJOR, rule.major))
    if rule.minor is not None:
        numbers.append((_MINOR, rule.minor))
    tests = [
        _Instruction(_JUMP_UNEQUAL_IMM, register, immediate=number, target=_NEXT)
        for register, number in numbers
    ]
    if not rule.allow:
        decision = [_Instruction(_JUMP_SET_IMM, _PENDING, immediate=rule.access, target=_DENY)]
    elif rule.access == ALL:
        decision = [_Instruction(_JUMP, target=_ALLOW)]
    else:
        decision = [
            _Instruction(_AND_IMM, _PENDING, immediate=ALL & ~rule.access),
            _Instruction(_JUMP_EQUAL_IMM, _PENDING, immediate=0, target=_ALLOW),
        ]
    whole = tests + decision
    for position, instruction in enumerate(tests):
        instruction.offset = len(whole) - position - 1
    return whole


def _assemble(code: list[_Instruction], fallthrough: str) -> bytes:
    """Append the two results, the one that is fallen into first, and resolve the jumps."""
    positions: dict[str, int] = {}
    targets = {instruction.target for instruction in code}
    for result in (fallthrough, _DENY if fallthrough == _ALLOW else _ALLOW):
        if result == fallthrough or result in targets:
            positions[result] = len(code)
            code.append(_Instruction(_MOVE_IMM, _RESULT, immediate=int(result == _ALLOW)))
            code.append(_Instruction(_EXIT))
    if len(code) > _MAX_INSTRUCTIONS:
        raise SpecError("linux.resources.devices", "has more rules than a program can hold")
    for position, instruction in enumerate(code):
        if instruction.target in positions:
            instruction.offset = positions[instruction.target] - position - 1
    return b"".join(instruction.encode() for instruction in code)
