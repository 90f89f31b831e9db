"""`python -m gchain_node.keys`: the keys commands alone, for processes that need their own PKCS#11 environment."""

from __future__ import annotations

import sys

from gchain_node.errors import NodeError
from gchain_node.keys.cli import app


def main() -> int:
    try:
        app()
    except NodeError as error:
        print(f"{error}{f' ({error.remedy})' if error.remedy else ''}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
