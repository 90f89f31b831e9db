"""Measurements of the kit, each beside its alternative in one run; `python -m bench` writes docs/measurements.md."""
