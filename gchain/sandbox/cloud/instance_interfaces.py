"""EC2 RunInstances: the primary network interface that comes with an instance goes with it, as AWS does by default.

moto keeps it, in use by a terminated instance, so that its address is never free again.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models.instances import Instance

from gchain.sandbox.cloud.overriding import override

__all__ = ["install"]

_PRIMARY = 0


def install() -> None:
    override(Instance, "prep_nics", _primary_goes_with_its_instance)
    override(Instance, "terminate", _once)


def _once(original: Any) -> Any:
    """To terminate a terminated instance again is no error, and there is no interface left to delete."""

    def terminate(self: Any) -> Any:
        return self._state if self._state.name == "terminated" else original(self)

    return terminate


def _primary_goes_with_its_instance(original: Any) -> Any:
    def prep_nics(self: Any, nic_spec: list[dict[str, Any]], *positional: Any, **given: Any) -> None:
        brought = {int(nic["DeviceIndex"]): nic for nic in nic_spec}
        original(self, nic_spec, *positional, **given)
        chosen = brought.get(_PRIMARY, {})
        if "NetworkInterfaceId" not in chosen and "DeleteOnTermination" not in chosen:
            self.nics[_PRIMARY].delete_on_termination = True

    return prep_nics
