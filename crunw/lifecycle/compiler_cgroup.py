"""The cgroup of the background compiler: what anybody puts into an image is not compiled at the
node's expense alone.
"""

from __future__ import annotations


def enter() -> None:
    """Move this process into the compilers' own cgroup, with limits."""
