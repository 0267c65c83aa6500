"""Makes sure that what comes in is genuine and kept."""
