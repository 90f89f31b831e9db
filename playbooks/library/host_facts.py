#!/usr/bin/python
"""Collect what is so on a host, as evidence for the policies (docs/node-facts.md). Reads, and changes nothing.

A section that cannot be collected is left out: a rule that misses it stays indeterminate, never passes.
"""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gchain_host_facts import collect

DOCUMENTATION = r"""
module: host_facts
short_description: Facts of a ledger host for the policies
description:
  - Collects effective settings and what really listens, connects and runs.
options:
  program: {description: path of C(gchain-node), type: path, required: true}
  module_path: {description: the PKCS#11 module, type: path, required: true}
  role: {description: validator or observer, type: str, choices: [validator, observer], required: true}
  engine_home: {description: the engine's home, type: path, required: true}
  services: {description: units whose state is recorded, type: list, elements: str, default: []}
author: G-Chain kit
"""

EXAMPLES = r"""
- name: Look at the host
  host_facts:
    program: /opt/gchain/venv/bin/gchain-node
    module_path: /usr/lib/softhsm/libsofthsm2.so
    role: validator
    engine_home: /var/lib/gchain/engine
"""

RETURN = r"""
host:
  description: one entry of C(hosts) in node-facts.json
  type: dict
  returned: always
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "program": {"type": "path", "required": True},
            "module_path": {"type": "path", "required": True},
            "role": {"type": "str", "choices": ["validator", "observer"], "required": True},
            "engine_home": {"type": "path", "required": True},
            "services": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    found, missing = collect(module.run_command, dict(module.params))
    module.exit_json(changed=False, host=found, uncollected=missing)


if __name__ == "__main__":
    main()
