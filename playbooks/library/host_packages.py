#!/usr/bin/python
"""Install the Debian packages that a role needs; asks nobody when they are there."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_packages
short_description: Packages from the zone's mirror
description:
  - Looks into the host's own package database first. Where nothing is missing no mirror is asked, so that a host
    converges while the mirror is away.
options:
  names: {description: package names, type: list, elements: str, required: true}
author: G-Chain kit
"""

EXAMPLES = r"""
- name: Install chrony
  host_packages:
    names: [chrony]
"""

RETURN = r"""
missing:
  description: the packages that were (in check mode: would be) installed
  type: list
  returned: always
"""


def _missing(module: AnsibleModule, names: list[str]) -> list[str]:
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *names]
    _, out, _ = module.run_command(query)
    installed = {line.split()[0] for line in out.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def _apt_get(module: AnsibleModule, *words: str) -> None:
    command = [
        "apt-get",
        "--quiet",
        "--yes",
        "-o",
        "DPkg::Lock::Timeout=60",
        "-o",
        "Dpkg::Options::=--force-confold",
        *words,
    ]
    code, out, err = module.run_command(command, environ_update={"DEBIAN_FRONTEND": "noninteractive"})
    if code != 0:
        tail = "\n".join((err or out).strip().splitlines()[-5:])
        module.fail_json(msg=f"apt-get {' '.join(words)} failed; does the zone's mirror answer? {tail}")


def main() -> None:
    arguments = {"names": {"type": "list", "elements": "str", "required": True}}
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    missing = _missing(module, module.params["names"])
    if missing and not module.check_mode:
        _apt_get(module, "update")
        _apt_get(module, "install", "--no-install-recommends", *missing)
    module.exit_json(changed=bool(missing), missing=missing)


if __name__ == "__main__":
    main()
