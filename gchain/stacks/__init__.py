"""Pulumi stacks of one environment: their backend, the engine, and the signed facts that members exchange."""
