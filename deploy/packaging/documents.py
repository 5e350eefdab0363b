"""usage: documents.py CHECKOUT OUTPUT-DIRECTORY

Write what belongs to the command line in other places, from what `--help` is made of: manual pages
(``crunw.1``, ``crunw-VERB.1``) and the completions of bash, zsh and fish.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [sys.argv[1], str(Path(__file__).parent)]
    sys.dont_write_bytecode = True
    import completions
    import manual
    from verb import Verb

    import crunw
    from crunw.cli.main import GLOBALS, USAGE, VERBS
    from crunw.cli.options import Option

    HELP = Option("help", "print this help", short="h")
    program = Verb("", "OCI container runtime for WebAssembly", USAGE.split(" ", 1)[1], "", GLOBALS)
    verbs = []
    for name, summary in VERBS.items():
        module = importlib.import_module(f"crunw.cli.{name}")
        options = (*module.OPTIONS, HELP)
        verbs.append(Verb(name, summary, module.USAGE, module.ABOUT, options, module.INTERSPERSED))
    pages = manual.pages(program, verbs, crunw.__version__)
    output = Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    for file, text in {**pages, **completions.files(program, verbs)}.items():
        (output / file).write_text(text, encoding="utf-8")
