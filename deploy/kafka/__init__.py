"""One real Kafka on this machine, without docker: for `make run`, the tests and the benchmarks."""
