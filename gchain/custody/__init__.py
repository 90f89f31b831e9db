"""Custody of a member's keys: rotation, inventory, ceremony. The keys themselves never leave their tokens."""
