"""EC2 TerminateInstances: an instance's first interface goes with it; moto keeps it, in use, for ever."""

from __future__ import annotations

from typing import Any

from moto.ec2.models.instances import Instance

__all__ = ["install"]


def install() -> None:
    terminate = Instance.terminate

    def with_interface(self: Any) -> Any:
        first = self.nics.get(0)
        if first is not None:
            first.delete_on_termination = True
        return terminate(self)

    Instance.terminate = with_interface  # type: ignore[method-assign]
