"""The contract: every event and every topic, declared once."""
