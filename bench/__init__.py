"""The benchmarks of the project: Ratios count, since machines differ: each rate has a reference beside it."""
