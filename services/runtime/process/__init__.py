"""Settings, logs, metrics, health, the clock and stopping."""
