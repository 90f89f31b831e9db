"""Custody of a member's keys: rotation. The keys themselves never leave their tokens."""
