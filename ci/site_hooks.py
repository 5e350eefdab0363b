"""For mkdocs: links to files of the project work on the site; README's installation is a page."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

PROJECT = Path(__file__).parents[1]
LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?\)")
INSTALL = "install.md"
SECTIONS = ("Install", "Upgrade", "Uninstall")  # of README


def installation(readme: str) -> str:
    """The page made of README's sections; its links are those of a file in docs."""
    parts = re.split(r"^(?=## )", readme, flags=re.MULTILINE)
    chosen = [part for part in parts if part.partition("\n")[0][3:] in SECTIONS]
    text = re.sub("^#", "", "".join(chosen), flags=re.MULTILINE)
    text = re.sub("^# (Upgrade|Uninstall)$", r"## \1", text, flags=re.MULTILINE)
    text = text.replace("](docs/", "](")
    return re.sub(r"\]\((?![a-z]+:|#)((?!\w[\w-]*\.md)[\w./-]+)\)", r"](../\1)", text)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add README's installation, and each file outside docs that a page links to."""
    readme = (PROJECT / "README.md").read_text()
    files.append(File.generated(config, INSTALL, content=installation(readme)))
    for file in list(files.documentation_pages()):
        for _, target, _ in LINK.findall(file.content_string):
            path = outside(file.src_uri, target)
            if (
                path
                and (PROJECT / path).is_file()
                and not files.get_file_from_path(f"files/{path}")
            ):
                content = (PROJECT / path).read_bytes()
                files.append(File.generated(config, published(path), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the page's links to those files."""
    here = posixpath.dirname(page.file.src_uri)

    def point(link: re.Match[str]) -> str:
        before, target, anchor = link.groups()
        path = outside(page.file.src_uri, target)
        if path == "README.md" and anchor in {f"#{name.lower()}" for name in SECTIONS}:
            return f"{before}{posixpath.relpath(INSTALL, here)}{anchor})"
        if path and (PROJECT / path).is_file():
            return f"{before}{posixpath.relpath(published(path), here)})"
        return link[0]

    return LINK.sub(point, markdown)


def outside(page: str, target: str) -> str:
    """The file of the project that a page's link leads to; "" for one in docs, or elsewhere."""
    if ":" in target:
        return ""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return "" if path.startswith(("docs/", "..")) else path


def published(path: str) -> str:
    """Where the site has that file: as text, which browsers show."""
    return f"files/{path}.txt"
