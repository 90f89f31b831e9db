"""Real Debian hosts, one for each instance of the local cloud, in systemd-nspawn."""
