"""Modules compiled ahead of time: the compiler, and the node's cache of what it made.

``places`` (where), ``config`` and ``lookup`` are on the way to every Wasm container and import
nothing; the others do the work. See ``docs/aot.md``.
"""
