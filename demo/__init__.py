"""What `make run` plays: a town, its citizens, and stand-ins for the providers. No service imports it."""
