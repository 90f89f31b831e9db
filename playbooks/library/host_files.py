#!/usr/bin/python
"""Bring a list of files on a host to a wanted state in one step, each checked before it replaces what was there."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_files
short_description: A role's configuration files in one step
description:
  - Writes every file whose content, mode or owner differs, and nothing else. One task for a role's configuration costs
    one round trip instead of three a file.
  - systemd is told to read its units again if one of them changed.
  - A file with O(files.validate) is checked beside its place first; a file that fails leaves the old one untouched.
options:
  files:
    description: what should be there, in order
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: absolute path, type: path, required: true}
      state: {description: what is wanted, type: str, choices: [file, directory, link, absent], default: file}
      content: {description: the whole content (state=file), type: str}
      target: {description: what the link points to (state=link), type: str}
      mode: {description: octal mode; 0644 for files and 0755 for directories if left out, type: str}
      owner: {description: user, type: str, default: root}
      group: {description: group, type: str, default: root}
      validate: {description: "command that checks the file, %s being its draft", type: str}
author: G-Chain kit
"""

EXAMPLES = r"""
- name: Configure sshd
  host_files:
    files:
      - path: /etc/ssh/sshd_config
        content: "{{ lookup('ansible.builtin.template', 'sshd_config.j2') }}"
        mode: "0600"
        validate: /usr/sbin/sshd -t -f %s
"""

RETURN = r"""
changed_paths:
  description: the paths that were (in check mode: would be) changed
  type: list
  returned: always
"""

_DEFAULT_MODES = {"file": 0o644, "directory": 0o755}


class _RefusedError(Exception):
    """A wanted state that cannot be reached; the message names the path."""


def _wanted_ids(entry: dict[str, Any]) -> tuple[int, int] | None:
    """Numeric owner and group, or None while they do not exist yet (check mode before the accounts are made)."""
    try:
        return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    except KeyError:
        return None


def _wanted_mode(entry: dict[str, Any]) -> int:
    return int(entry["mode"], 8) if entry["mode"] else _DEFAULT_MODES[entry["state"]]


def _attributes_differ(entry: dict[str, Any]) -> bool:
    found = os.lstat(entry["path"])
    return stat.S_IMODE(found.st_mode) != _wanted_mode(entry) or (found.st_uid, found.st_gid) != _wanted_ids(entry)


def _differs(entry: dict[str, Any]) -> bool:
    path = Path(entry["path"])
    state = entry["state"]
    if state == "absent":
        return os.path.lexists(path)
    if state == "link":
        return not path.is_symlink() or str(path.readlink()) != entry["target"]
    if state == "directory":
        return path.is_symlink() or not path.is_dir() or _attributes_differ(entry)
    if path.is_symlink() or not path.is_file():
        return True
    return path.read_bytes() != entry["content"].encode() or _attributes_differ(entry)


def _validate(entry: dict[str, Any], draft: str) -> None:
    if not entry["validate"]:
        return
    command = [part.replace("%s", draft) for part in shlex.split(entry["validate"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise _RefusedError(f"{entry['path']}: the new file was refused by {command[0]}, the old one is kept: {said}")


def _own(path: str | Path, entry: dict[str, Any]) -> None:
    ids = _wanted_ids(entry)
    if ids is None:
        raise _RefusedError(f"{entry['path']}: no user {entry['owner']!r} or no group {entry['group']!r} on this host")
    os.chown(path, *ids)
    Path(path).chmod(_wanted_mode(entry))


def _write(entry: dict[str, Any]) -> None:
    """Write beside the place, validate, then rename: a reader sees the old file or the new one, never half of one."""
    path = Path(entry["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(entry["content"].encode())
            file.flush()
            os.fsync(file.fileno())
        _own(draft, entry)
        _validate(entry, draft)
        Path(draft).rename(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _apply(entry: dict[str, Any]) -> None:
    path = Path(entry["path"])
    if entry["state"] == "absent":
        if path.is_dir() and not path.is_symlink():
            raise _RefusedError(f"{path}: is a directory, and this module removes files only")
        path.unlink(missing_ok=True)
    elif entry["state"] == "link":
        draft = path.with_name(f".{path.name}.link")
        draft.unlink(missing_ok=True)
        draft.symlink_to(entry["target"])
        draft.rename(path)
    elif entry["state"] == "directory":
        path.mkdir(parents=True, exist_ok=True)
        _own(path, entry)
    else:
        _write(entry)


def _reload_systemd(entries: list[dict[str, Any]]) -> None:
    """systemd notices a changed unit by itself, but not a new directory of drop-ins."""
    if any(entry["path"].startswith("/etc/systemd/system/") for entry in entries):
        subprocess.run(["systemctl", "daemon-reload"], check=True)


def _diff(entry: dict[str, Any]) -> dict[str, str]:
    path = Path(entry["path"])
    before = path.read_text(errors="replace") if path.is_file() and entry["state"] in ("file", "absent") else ""
    after = entry["content"] if entry["state"] == "file" else f"({entry['state']})\n"
    return {"before_header": str(path), "after_header": str(path), "before": before, "after": after}


def main() -> None:
    suboptions = {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["file", "directory", "link", "absent"], "default": "file"},
        "content": {"type": "str"},
        "target": {"type": "str"},
        "mode": {"type": "str"},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "validate": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": suboptions,
                "required_if": [("state", "file", ["content"]), ("state", "link", ["target"])],
            }
        },
        supports_check_mode=True,
    )
    entries = [entry for entry in module.params["files"] if _differs(entry)]
    diff = [_diff(entry) for entry in entries] if module._diff else []
    try:
        for entry in [] if module.check_mode else entries:
            _apply(entry)
        _reload_systemd([] if module.check_mode else entries)
    except _RefusedError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(entries), changed_paths=[entry["path"] for entry in entries], diff=diff)


if __name__ == "__main__":
    main()
