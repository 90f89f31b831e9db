"""`python -m gchain.sandbox.provider`: what the installed plugin runs."""

from gchain.sandbox.provider.server import main

main()
