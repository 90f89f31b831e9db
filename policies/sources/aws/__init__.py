"""Collectors of the live sweep: cloud API answers as resources, every attribute that a rule reads stated."""
