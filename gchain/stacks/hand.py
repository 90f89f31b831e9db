"""What a hand-run `pulumi` needs: `eval "$(gchain env use sandbox --member treasury)"`, then `pulumi up` in infra/."""

from __future__ import annotations

import shlex

from gchain.stacks.site import Site

__all__ = ["exports"]


def exports(site: Site) -> str:
    """Shell lines that point plain `pulumi` at the member's backend, credentials and stack."""
    variables = {**site.variables(), "PULUMI_STACK": site.stack}
    lines = [
        f"unset {name}" if value == "" else f"export {name}={shlex.quote(value)}" for name, value in variables.items()
    ]
    return "\n".join(lines)
