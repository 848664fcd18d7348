"""cubesift finds the galaxies and the spaxels that do not belong."""
