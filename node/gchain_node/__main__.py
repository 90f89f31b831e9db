"""`python -m gchain_node`: the same as `gchain-node`."""

from gchain_node.cli import main

main()
