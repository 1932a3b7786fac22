"""The throughput coefficients fitted to measured runs, and how well they predict runs that the fit has not seen."""
