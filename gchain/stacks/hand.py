"""What a hand-run `pulumi` needs: `eval "$(gchain env use sandbox --member treasury)"`, then `pulumi up` in infra/."""

from __future__ import annotations

import shlex

from gchain.stacks.automation import prepare
from gchain.stacks.site import Site

__all__ = ["hand_over"]


def hand_over(site: Site, *, peers_open: bool | None = None) -> str:
    """Shell lines that point plain `pulumi` at the member's backend, credentials and stack.

    The stack's file and the engine's home are made ready, so that `pulumi preview` shows what `gchain` would. A stack
    that does not exist yet is made by `pulumi stack init`.
    """
    prepare(site, peers_open=peers_open)
    variables = {**site.variables(), "PULUMI_STACK": site.stack}
    lines = [
        f"unset {name}" if value == "" else f"export {name}={shlex.quote(value)}" for name, value in variables.items()
    ]
    return "\n".join(lines)
