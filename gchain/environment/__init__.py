"""Environments: where data may be and who takes part, as data (docs/interfaces.md, "Environments")."""

from gchain.environment.choices import choose_key_type, load_for
from gchain.environment.contradictions import Finding
from gchain.environment.loading import Environment, load, names
from gchain.environment.models import Consortium, Host, Member, Region, StackSettings, Zone

__all__ = [
    "Consortium",
    "Environment",
    "Finding",
    "Host",
    "Member",
    "Region",
    "StackSettings",
    "Zone",
    "choose_key_type",
    "load",
    "load_for",
    "names",
]
