"""One stack: an agency's own part, or the consortium's foundation (docs/interfaces.md, "Pulumi")."""

from __future__ import annotations

import pulumi

from infra import composition, settings

_settings = settings.read()
_cloud = composition.provider(_settings)
_stack = composition.foundation_stack if _settings.foundation else composition.member_stack
for _name, _value in _stack(_settings, _cloud).items():
    pulumi.export(_name, _value)
