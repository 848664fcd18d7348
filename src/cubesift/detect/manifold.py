"""Maps of the embedding in two dimensions, for the eye only: nothing is ever scored on them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, Isomap, LocallyLinearEmbedding, SpectralEmbedding, smacof
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import kneighbors_graph

from cubesift.data.embeddings import Embeddings
from cubesift.data.maps import MDS_MOST, EmbeddingMap
from cubesift.data.run import Run
from cubesift.data.store import Provenance, fingerprint, remove
from cubesift.detect.fold import latent_spread
from cubesift.detect.settings import FEW, Detection
from cubesift.errors import CubesiftError

PERPLEXITY = 30.0  # of t-SNE: scikit-learn's, van der Maaten & Hinton (2008) say 5 to 50
PACKAGES = {"umap": "umap-learn", "pacmap": "pacmap"}
ON_A_GRAPH = ("isomap", "lle", "spectral")  # of the k nearest neighbours, which may fall into pieces

Places = tuple[np.ndarray, dict[str, Any]]  # (n, 2), and the parameters that made them


def draw_maps(run: Run, settings: Detection, models: Sequence[str]) -> None:
    """Write `maps/<model>.<method>.parquet` for every model and every method of the settings, and no others.

    None where all galaxies lie in one place or are fewer than 8, and none by MDS above `MDS_MOST` galaxies.

    Raises:
        CubesiftError: a method's package is not installed.
    """
    for path in run.path.glob("maps/*.parquet"):
        model, _, method = path.stem.rpartition(".")
        if model not in models or method not in settings.maps:  # of another detection
            remove(path)
    for model in models:
        embeddings = Embeddings.load(run.embeddings(model)).comparable()
        # All in one place there is nothing to lay flat, and t-SNE would divide by zero.
        if len(embeddings) < FEW or not np.ptp(embeddings.vectors, axis=0).any():
            for method in settings.maps:
                remove(run.map(model, method))
            continue
        embeddings = embeddings.where(np.argsort(embeddings.plateifu, kind="stable"))
        vectors = embeddings.vectors.astype(np.float64)
        if settings.distance == "robust":
            vectors = vectors / latent_spread(vectors)
        for method in settings.maps:
            if method == "mds" and len(vectors) > MDS_MOST:
                remove(run.map(model, method))
                continue
            places, used = map_of(vectors, method, settings.neighbours, settings.maps_seed)
            about = {"model": model, "fold": str(embeddings.fold[0]), "method": method}
            about |= {"distance": settings.distance, **used}
            made = Provenance("detect", fingerprint(about), {"embeddings": embeddings.provenance.id})
            EmbeddingMap(embeddings.plateifu, places, about, made).save(run.map(model, method))


def maps_left_out(settings: Detection, galaxies: int) -> list[str]:
    """What `draw_maps` does without for so many galaxies, in words."""
    if "mds" not in settings.maps or galaxies <= MDS_MOST:
        return []
    return [f"no map by MDS: it looks at every pair, and {galaxies:,} galaxies are more than {MDS_MOST:,}"]


def map_of(vectors: np.ndarray, method: str, neighbours: int, seed: int) -> Places:
    """Places (n, 2) float64 of n vectors by one of `MAPS`, and the parameters that made them.

    Args:
        vectors: (n, latent), n at least 8, of one fold.
        method: a name in `MAPS`.
        neighbours: k; where there are fewer than k others, all of them count.
        seed: of the methods that draw random numbers.

    Raises:
        CubesiftError: the method's package is not installed.
    """
    k = min(neighbours, len(vectors) - 1)
    with warnings.catch_warnings():
        # How many pieces there are is kept with the map, and said beside it: more than a warning says.
        warnings.filterwarnings("ignore", "The number of connected components|Graph is not fully connected")
        warnings.filterwarnings("ignore", "Changing the sparsity structure")
        places, used = MAPS[method](vectors - np.median(vectors, axis=0), k, seed)
    if method in ON_A_GRAPH:
        used["pieces"] = int(connected_components(kneighbors_graph(vectors, k), directed=False)[0])
    return np.asarray(places, np.float64), used


def pca(vectors: np.ndarray, neighbours: int, seed: int) -> Places:
    """The first two principal components, and their shares of the variance."""
    found = PCA(n_components=2, svd_solver="full")
    return found.fit_transform(vectors), {"shares": found.explained_variance_ratio_.tolist()}


def isomap(vectors: np.ndarray, neighbours: int, seed: int) -> Places:
    """Distances along the graph of neighbours, laid flat (Tenenbaum, de Silva & Langford 2000)."""
    found = Isomap(n_neighbors=neighbours, n_components=2, eigen_solver="dense")
    return found.fit_transform(vectors), {"neighbours": neighbours}


def mds(vectors: np.ndarray, neighbours: int, seed: int) -> Places:
    """The places whose distances come nearest to those in the embedding (metric MDS, Kruskal 1964).

    By SMACOF from the principal components, so without chance. It looks at every pair: 25 s for 2,000
    galaxies on one core, which is why `draw_maps` does without it above `MDS_MOST`.
    """
    start, _ = pca(vectors, neighbours, seed)
    real = pairwise_distances(vectors)
    places, _ = smacof(real, n_components=2, init=start, n_init=1, normalized_stress=False)
    strain = np.linalg.norm(pairwise_distances(places) - real) / np.linalg.norm(real)
    return places, {"stress": float(strain)}  # Kruskal's, relative to the distances in the embedding


def lle(vectors: np.ndarray, neighbours: int, seed: int) -> Places:
    """Every galaxy from its neighbours by the same weights (locally linear, Roweis & Saul 2000)."""
    found = LocallyLinearEmbedding(
        n_neighbors=neighbours, n_components=2, random_state=seed, eigen_solver="dense"
    )
    return found.fit_transform(vectors), {"neighbours": neighbours}


def spectral(vectors: np.ndarray, neighbours: int, seed: int) -> Places:
    """The slowest ways to vary over the graph of neighbours (Laplacian eigenmaps, Belkin & Niyogi 2003)."""
    found = SpectralEmbedding(
        n_components=2, affinity="nearest_neighbors", n_neighbors=neighbours, random_state=seed
    )
    return found.fit_transform(vectors), {"neighbours": neighbours, "seed": seed}


def tsne(vectors: np.ndarray, neighbours: int, seed: int) -> Places:
    """Neighbours stay neighbours, the rest is pushed apart (van der Maaten & Hinton 2008)."""
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    found = TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=seed)
    return found.fit_transform(vectors), {"perplexity": perplexity, "seed": seed}


def umap(vectors: np.ndarray, neighbours: int, seed: int) -> Places:
    """A fuzzy graph of neighbours, laid flat (McInnes, Healy & Melville 2018)."""
    with _importing("umap"):
        from umap import UMAP
    found = UMAP(n_neighbors=neighbours, init="pca", random_state=seed, n_jobs=1)
    return found.fit_transform(vectors), {"neighbours": neighbours, "seed": seed}


def pacmap(vectors: np.ndarray, neighbours: int, seed: int) -> Places:
    """Near, middling and far pairs kept apart as they were (PaCMAP, Wang, Huang, Rudin & Shaposhnik 2021)."""
    with _importing("pacmap"):
        from pacmap import PaCMAP
    logging.getLogger("pacmap").setLevel(logging.ERROR)  # it warns of every seed, and of few galaxies
    found = PaCMAP(n_components=2, n_neighbors=neighbours, random_state=seed)
    places = found.fit_transform(vectors.astype(np.float32), init="pca")
    return places, {"neighbours": neighbours, "seed": seed}


MAPS: dict[str, Callable[[np.ndarray, int, int], Places]] = {
    "pca": pca,
    "isomap": isomap,
    "mds": mds,
    "lle": lle,
    "spectral": spectral,
    "tsne": tsne,
    "umap": umap,
    "pacmap": pacmap,
}


@contextmanager
def _importing(name: str) -> Iterator[None]:
    """Where a package of the extra "maps" is imported, once it is asked for.

    Raises:
        CubesiftError: it is not installed.
    """
    try:
        yield
    except ImportError:
        raise CubesiftError(
            f'detect: maps has "{name}", but {PACKAGES[name]} is not installed. '
            "`pip install 'cubesift[maps]'`, or take it out of maps."
        ) from None
