"""Samples, embeddings and reconstructions go in; a ranking of strange galaxies and spaxels comes out."""
