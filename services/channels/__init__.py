"""The outside world: one folder a channel, one contract for all (base.py)."""
