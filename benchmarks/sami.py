"""Six real SAMI observations of three galaxies, by models that saw simulated MaNGA galaxies only.

    cubesift make runs/across --recipe recipes/across.toml
    python benchmarks/sami.py runs/across SAMI_FOLDER

Prints all 15 distances for each model (total flux divided out), as they are and with the redshift taken out:
each latent less its linear trend with redshift over the simulated galaxies. The four of 41144 must be nearer
to each other than to either other galaxy.
"""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np

from cubesift import Run, make
from cubesift.data.embeddings import Embeddings


def without_redshift(vectors: np.ndarray, redshift: np.ndarray, known: Embeddings) -> np.ndarray:
    """Latents less their straight line in redshift, fitted to the simulated galaxies."""
    usable = np.isfinite(known.redshift)
    design = np.stack([np.ones(usable.sum()), known.redshift[usable]], axis=1)
    slope = np.linalg.lstsq(design, known.vectors[usable], rcond=None)[0][1]
    return vectors - np.outer(redshift, slope)


def table(names: list[str], galaxies: list[str], vectors: np.ndarray) -> float:
    """Print the distances, nearest first; the nearest stranger's over the farthest repeat's of 41144."""
    rows = []
    for i, j in combinations(range(len(names)), 2):
        rows.append(
            (float(np.linalg.norm(vectors[i] - vectors[j])), galaxies[i] == galaxies[j], names[i], names[j])
        )
    for distance, same, one, other in sorted(rows):
        print(f"  {distance:8.3f}  {one:<10} {other:<10} {'same galaxy' if same else ''}")
    repeats = [distance for distance, same, *_ in rows if same]
    others = [distance for distance, same, one, other in rows if not same and ("41144" in one + other)]
    ratio = min(others) / max(repeats)
    print(f"  nearest other galaxy / farthest repeat: {ratio:.2f} ({'holds' if ratio > 1 else 'FAILS'})")
    return ratio


def main(across: Path, sami: Path) -> None:
    for model in Run(across).models():
        run = Run(across.parent / f"sami-{model}")
        make(run, cubes=sami, model=across / "models" / model)
        known = Embeddings.load(Run(across).embeddings(model))
        found = Embeddings.load(run.embeddings(model))
        names, galaxies = found.plateifu.tolist(), found.mangaid.tolist()
        print(f"{model}: distances")
        table(names, galaxies, found.vectors)
        print(f"{model}: distances, redshift taken out")
        table(names, galaxies, without_redshift(found.vectors, found.redshift, known))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
