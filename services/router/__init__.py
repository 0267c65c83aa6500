"""Owns every conversation: the one writer of what is true about it."""
