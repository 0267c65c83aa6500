"""Makes the calls that answer citizens, and reports what became of them."""
