"""A component of WASI 0.2 in Python, a command: says hello to its arguments."""

import sys

import wit_world.exports


class Run(wit_world.exports.Run):
    """What `wasi:cli/run` calls."""

    def run(self) -> None:
        """Raising `componentize_py_types.Err` would be a failure."""
        print(f"Hello {', '.join(sys.argv[1:]) or 'world'}, from Python")
