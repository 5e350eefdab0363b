"""The conformance tests of the Container Runtime Interface, with crunw below CRI-O."""

from __future__ import annotations

from crio import suite
from crio.node import Node
from support import run_again

FEWEST = 80  # specs; fewer have run when critest itself has failed

# When `exec` ends, CRI-O closes its terminal, whether or not it has read the last output.
RACE = "runtime should support exec with tty=true and stdin=true [Conformance]"
ATTEMPTS = 5


def passes_again(node: Node, spec: str) -> bool:
    for _ in range(ATTEMPTS):
        run_again.note(spec)
        if suite.run_alone(node, spec) == "passed":
            return True
    return False


def test_critest(critest_node: Node) -> None:
    results = suite.run(critest_node)
    log = (critest_node.directory / "critest.log").read_text()[-20000:]
    failed = sorted(name for name, status in results.items() if status != "passed")
    if len(failed) == 1 and failed[0].endswith(RACE):
        failed = [] if passes_again(critest_node, failed[0]) else failed
    assert failed == [], log
    assert len(results) >= FEWEST
