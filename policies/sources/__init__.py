"""The six sources of a graph: one module a stage."""
