"""The benchmarks by name. To add one: a file here with BENCHMARK, and a line below."""
