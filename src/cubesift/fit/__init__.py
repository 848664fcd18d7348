"""Every spectrum as a few numbers with their covariance: a continuum, and lines that move together."""
