"""Hosts: the wheelhouse they install from, their inventory and host keys, and the playbooks that configure them."""
