"""Models of throughput."""
