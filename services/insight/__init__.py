"""Counts: views over facts, derived and rebuildable."""
