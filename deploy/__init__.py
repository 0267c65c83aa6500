"""How the hub is put on machines."""
