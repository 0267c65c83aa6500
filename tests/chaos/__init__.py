"""Everything is broken on purpose, under load, and then every message is counted: `python -m tests.chaos --help`."""
