#!/usr/bin/python
"""Bring a list of systemd units to a wanted state in one step."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_units
short_description: A role's systemd units in one step
description:
  - Enables, starts, restarts or reloads each unit that needs it, in order.
  - A unit that does not come up, or ends again at once, fails the task with the last lines of its journal.
options:
  units:
    description: the units, in the order in which they start
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: full unit name, type: str, required: true}
      state: {description: nothing is started or stopped if left out, type: str, choices: [started, stopped]}
      enabled: {description: whether it starts at boot, type: bool}
      restart: {description: restart it if it runs (a file it reads changed), type: bool, default: false}
      reload: {description: reload it if it runs, type: bool, default: false}
      skip_if_masked: {description: the machine's image masked it on purpose, type: bool, default: false}
author: G-Chain kit
"""

EXAMPLES = r"""
- name: Run chrony
  host_units:
    units:
      - {name: chrony.service, state: started, enabled: true, restart: "{{ 'chrony.conf' in changed }}"}
"""

RETURN = r"""
actions:
  description: what was (in check mode: would be) done, one `verb unit` each
  type: list
  returned: always
"""

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NeedDaemonReload", "Type", "NRestarts")
_SETTLING = 0.5  # seconds in which a program that cannot work has usually ended


def _show(module: AnsibleModule, name: str) -> dict[str, str]:
    _, out, _ = module.run_command(["systemctl", "show", f"--property={','.join(_PROPERTIES)}", name])
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def _is_on(found: dict[str, str]) -> bool:
    on = found.get("ActiveState") in ("active", "activating", "reloading")
    return on and found.get("SubState") != "auto-restart"


def _verbs(unit: dict[str, Any], found: dict[str, str]) -> list[str]:
    """What has to be done, in order, to bring one unit from `found` to what is wanted."""
    verbs: list[str] = []
    enabled = found.get("UnitFileState") in ("enabled", "enabled-runtime", "alias", "static", "indirect", "generated")
    if unit["enabled"] is not None and unit["enabled"] != enabled:
        verbs.append("enable" if unit["enabled"] else "disable")
    if unit["state"] == "stopped":
        return verbs + (["stop"] if _is_on(found) else [])
    if unit["state"] == "started" and not _is_on(found):
        return [*verbs, "start"]
    if _is_on(found) and unit["restart"]:
        return [*verbs, "restart"]
    if _is_on(found) and unit["reload"]:
        return [*verbs, "reload-or-restart"]
    return verbs


def _run(module: AnsibleModule, verb: str, name: str) -> None:
    command = ["systemctl", verb, name] if name else ["systemctl", verb]
    code, _, err = module.run_command(command)
    if code != 0:
        _fail(module, f"systemctl {verb} {name}: {err.strip()}", name)


def _fail(module: AnsibleModule, message: str, name: str) -> None:
    _, journal, _ = module.run_command(["journalctl", "-u", name, "-n", "15", "--no-pager", "-o", "cat"])
    module.fail_json(msg=f"{message}\n{journal.strip()}")


def _check_settled(module: AnsibleModule, begun: list[str]) -> None:
    """A unit that does not tell when it is ready counts as started before its program has read its settings."""
    before = {name: _show(module, name) for name in begun}
    mute = {name: found for name, found in before.items() if found.get("Type") in ("simple", "exec")}
    if mute:
        time.sleep(_SETTLING)
    for name, found in mute.items():
        after = _show(module, name)
        if not _is_on(after) or after["NRestarts"] != found["NRestarts"]:
            _fail(module, f"{name} started and ended again at once", name)


def main() -> None:
    suboptions = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["started", "stopped"]},
        "enabled": {"type": "bool"},
        "restart": {"type": "bool", "default": False},
        "reload": {"type": "bool", "default": False},
        "skip_if_masked": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={"units": {"type": "list", "elements": "dict", "required": True, "options": suboptions}},
        supports_check_mode=True,
    )
    states = [(unit, _show(module, unit["name"])) for unit in module.params["units"]]
    actions: list[tuple[str, str]] = []
    for unit, found in states:
        if unit["skip_if_masked"] and found.get("LoadState") == "masked":
            continue
        actions += [(verb, unit["name"]) for verb in _verbs(unit, found)]
    if actions and any(found.get("NeedDaemonReload") == "yes" for _, found in states):
        actions.insert(0, ("daemon-reload", ""))
    for verb, name in [] if module.check_mode else actions:
        _run(module, verb, name)
    if not module.check_mode:
        _check_settled(module, [name for verb, name in actions if verb in ("start", "restart")])
    module.exit_json(changed=bool(actions), actions=[f"{verb} {name}".strip() for verb, name in actions])


if __name__ == "__main__":
    main()
