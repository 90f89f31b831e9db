"""A page for each rule: why, an example that fails, one that passes, the remedy, the controls. One place: the catalogue
and the rule itself; `docs/rules/` is this text, and a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from policies.catalogue import Entry, catalogue
from policies.errors import PolicyError
from policies.rules import RULES

__all__ = ["index", "page", "pages", "write"]


def page(identifier: str) -> str:
    """The page of one rule as Markdown.

    Raises:
        PolicyError: the catalogue has no such rule.
    """
    entry = catalogue().get(identifier)
    if entry is None:
        raise PolicyError(f"the catalogue has no rule {identifier!r}", remedy="gchain report rules lists them")
    return "\n".join(_lines(entry)) + "\n"


def _lines(entry: Entry) -> Iterator[str]:
    rule = RULES.get(entry.id)
    yield f"# {entry.id}: {entry.title}"
    yield ""
    yield f"*{entry.severity}* · {entry.group} · judged at {', '.join(entry.stages)}"
    yield ""
    yield "## Why"
    yield entry.rationale
    yield ""
    yield "## Fails"
    yield entry.leak
    yield ""
    yield "## Passes"
    yield entry.clean
    yield ""
    yield "## Remedy"
    yield rule.remedy if rule else "Not enforced by this rule set."
    yield ""
    yield "## Looks at"
    for read in entry.reads:
        yield f"* {_read(read)}"
    yield ""
    yield "## Controls"
    yield f"NIST SP 800-53 r5: {', '.join(entry.controls)}"


def _read(read: dict[str, object]) -> str:
    if "type" in read:
        properties = read.get("properties") or ()
        listed = ", ".join(f"`{name}`" for name in properties) if isinstance(properties, list) else f"`{properties}`"
        return f"`{read['type']}`" + (f": {listed}" if properties else "")
    return f"fact `{read.get('fact')}`"


def index() -> str:
    """`docs/rules/README.md`."""
    rows = [
        f"| [{e.id}]({e.id}.md) | {e.severity} | {e.group} | {', '.join(e.stages)} | {e.title} |"
        for e in catalogue().values()
    ]
    head = ["# Rules", "", "Made from the catalogue (`make docs`).", ""]
    table = ["| rule | severity | group | stages | sentence |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *table, *rows]) + "\n"


def pages() -> dict[str, str]:
    """Every file of `docs/rules/` by its name."""
    return {"README.md": index()} | {f"{identifier}.md": page(identifier) for identifier in catalogue()}


def write(directory: Path) -> None:
    """Bring the directory up to date; a page of a rule that is gone goes too."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in directory.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (directory / name).write_text(text)
