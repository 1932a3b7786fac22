"""Models of scaling."""
