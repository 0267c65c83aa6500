"""A place on disk for records that wait for the broker. It knows SQLite and files, and no broker."""
