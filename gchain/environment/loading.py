"""Read an environment's three files, refuse what contradicts, and hand out one immutable value."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import rfc8785

from gchain.environment import contradictions as rules
from gchain.environment.documents import Document, read
from gchain.environment.models import Consortium, Member, StackSettings, Zone
from gchain.environment.validation import validate
from gchain.errors import ConfigurationError
from gchain.workspace import REPOSITORY

__all__ = ["Environment", "directory", "load", "names"]

_CONFIG_PREFIX = "gchain:"


@dataclass(frozen=True)
class Environment:
    """One environment: immutable, checked."""

    name: str
    directory: Path
    zone: Zone
    consortium: Consortium
    stack_settings: StackSettings

    @property
    def zone_digest(self) -> str:
        """SHA-256 over RFC 8785 canonical JSON of the zone, `sha256:<hex>`."""
        canonical = rfc8785.dumps(self.zone.model_dump(mode="json"))
        return f"sha256:{hashlib.sha256(canonical).hexdigest()}"

    def member(self, name: str) -> Member:
        """The member `name`.

        Raises:
            ConfigurationError: there is none.
        """
        found = self.consortium.member(name)
        if found is None:
            known = [member.name for member in self.consortium.members]
            raise ConfigurationError(
                f"{self.directory / 'consortium.yaml'}: no member {name!r}", remedy=f"members are {', '.join(known)}"
            )
        return found

    @property
    def convenor(self) -> Member:
        return self.member(self.consortium.convenor)

    def site(self, availability_zone: str) -> str:
        """The availability-zone id of a zone's name."""
        every = (az for region in self.zone.regions for az in region.availability_zones)
        return next(az.id for az in every if az.name == availability_zone)

    def image(self, region: str) -> str:
        """The id of the approved machine image in `region`."""
        return next(i.id for i in self.zone.images if (i.region, i.name) == (region, self.stack_settings.image))

    def choosing(self, terms: Mapping[str, object]) -> Environment:
        """The same with these keys of `consortium.yaml` replaced, validated as the file is."""
        chosen = Consortium.model_validate({**self.consortium.model_dump(), **terms})
        return replace(self, consortium=chosen)

    def warnings(self) -> list[str]:
        """What the environment cannot survive, one sentence each."""
        found = rules.warnings(self.consortium, self.zone)
        return [f"{self.directory / finding.file}: {finding.message}" for finding in found]


def directory() -> Path:
    """Where environments lie: `$GCHAIN_ENVIRONMENTS`, else `environments/` of the checkout."""
    configured = os.environ.get("GCHAIN_ENVIRONMENTS")
    return Path(configured) if configured else REPOSITORY / "environments"


def names() -> list[str]:
    """The environments there are."""
    return sorted(path.parent.name for path in directory().glob("*/zone.yaml"))


def load(name: str) -> Environment:
    """Read and check environment `name`.

    Raises:
        ConfigurationError: a file is missing, says something unknown, or contradicts another.
    """
    root = directory() / name
    if not (root / "zone.yaml").is_file():
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names()) or 'none'}"
        raise ConfigurationError(f"no environment {name!r} under {directory()}", remedy=hint)
    zone_file, consortium_file = read(root / "zone.yaml"), read(root / "consortium.yaml")
    stack_file = read(root / f"Pulumi.{name}.yaml")
    zone = validate(zone_file, Zone, zone_file.content)
    consortium = validate(consortium_file, Consortium, consortium_file.content)
    settings = validate(stack_file, StackSettings, _settings(stack_file), _CONFIG_PREFIX)
    found = rules.contradictions(zone, consortium, settings)
    if found:
        files = {"zone.yaml": zone_file, "consortium.yaml": consortium_file, "stack": stack_file}
        raise ConfigurationError("\n".join(f"{_where(files, finding)}: {finding.message}" for finding in found))
    return Environment(name, root, zone, consortium, settings)


def _where(files: dict[str, Document], finding: rules.Finding) -> str:
    document = files[finding.file]
    if finding.file == "stack":
        return document.where(("config", f"{_CONFIG_PREFIX}{finding.key[0]}"))
    return document.where(finding.key)


def _settings(document: Document) -> dict[str, object]:
    """The `gchain:` keys of a Pulumi stack file, without their prefix."""
    content = document.content
    config = content.get("config") if isinstance(content, dict) else None
    if not isinstance(config, dict):
        raise ConfigurationError(f"{document.path}: expected a mapping 'config' of keys such as gchain:instance_type")
    foreign = [key for key in config if not str(key).startswith(_CONFIG_PREFIX)]
    if foreign:
        raise ConfigurationError(
            f"{document.where(('config', str(foreign[0])))}: unknown key",
            remedy="only keys of namespace gchain are data of an environment; the kit writes the others itself",
        )
    return {str(key).removeprefix(_CONFIG_PREFIX): value for key, value in config.items()}
