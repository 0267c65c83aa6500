"""The only room that touches the broker."""
