"""List the types of the Pulumi AWS provider that can be tagged: `python tools/taggable.py > policies/taggable.txt`."""

from __future__ import annotations

import re
from pathlib import Path

import pulumi_aws

_TOKEN = re.compile(r"super\(\w+, __self__\)\.__init__\(\s*'(aws:[^']+)'")


def main() -> None:
    found = set()
    for source in sorted(Path(pulumi_aws.__file__).parent.glob("*/*.py")):
        text = source.read_text()
        if "def tags_all(self)" in text:
            found.update(_TOKEN.findall(text))
    print("\n".join(sorted(found)))


if __name__ == "__main__":
    main()
