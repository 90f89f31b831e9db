"""The sandbox: a local cloud whose instances are real Debian hosts, behind the network that its state describes."""
