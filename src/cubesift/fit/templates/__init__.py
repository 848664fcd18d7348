"""What the fit draws from; see LICENSE-MASTAR.txt for where the spectra come from."""
