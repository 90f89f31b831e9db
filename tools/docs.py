"""`make docs`: everything in the repository that is made from something else. Tests compare each with its source."""

from __future__ import annotations

from gchain.environment.schema import publish
from gchain.workspace import REPOSITORY
from gchain_node.codes import markdown
from policies.reports import rule_pages
from tools import role_tables

__all__ = ["main"]

_DOCS = REPOSITORY / "docs"


def main() -> None:
    role_tables.main()
    publish(REPOSITORY / "environments" / "schema")
    (_DOCS / "result-codes.md").write_text(markdown())
    rule_pages.write(_DOCS / "rules")


if __name__ == "__main__":
    main()
