"""One cube judged by itself: what a low-rank model of its own spaxels cannot explain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.utils.extmath import randomized_svd

from cubesift.data.embeddings import Reconstruction
from cubesift.data.samples import Samples
from cubesift.detect.settings import Detection
from cubesift.detect.trend import trend_of

FEWEST = 12  # spaxels; with fewer there is nothing to call usual
ROUNDS = 3  # of filling the bad channels by the model and fitting again
KEPT = 6  # spectra kept: the centre and the strangest


@dataclass(frozen=True)
class ByItself:
    """A cube rebuilt from its own spaxels, and how strange each spaxel is."""

    score: np.ndarray  # (y, x) spreads above what is usual at its S/N; nan = not ranked
    reconstruction: Reconstruction


def each_by_itself(samples: Samples, settings: Detection) -> Iterator[tuple[str, ByItself]]:
    """Every cube of the samples judged by its own spaxels, as (plateifu, what came of it)."""
    for name in samples.names:
        arrays, record = samples.arrays(name, "unclipped", "ivar"), samples.record(name)
        psf = record.psf_fwhm / record.spaxel
        yield (
            name,
            rebuilt_by_itself(
                arrays["unclipped"],
                arrays["ivar"],
                settings.components,
                settings.trimmed,
                settings.min_good,
                settings.min_signal_to_noise,
                apart=psf if np.isfinite(psf) else 5.0,
            ),
        )


def rebuilt_by_itself(
    flux: np.ndarray,
    ivar: np.ndarray,
    components: int = 8,
    trimmed: float = 0.05,
    min_good: float = 0.5,
    min_signal_to_noise: float = 1.0,
    apart: float = 5.0,
) -> ByItself:
    """Rank the spaxels of one cube without any other.

    A noise-weighted low-rank model is fitted to the spaxels, the strangest fraction `trimmed` left out, and
    the model fitted again, so that it does not learn what is strange. A spaxel is strange by what the
    model leaves (chi2) or by how its mixture of components differs from the others': the larger of
    the two, each in spreads above the trend with S/N within the cube.

    Args:
        flux: (y, x, wave), unclipped.
        ivar: (y, x, wave), 0 = do not judge.
        components: of the model; fewer where there are few spaxels.
        trimmed: fraction of the spaxels left out of the second fit.
        min_good: fraction of the covered channels a spaxel needs.
        min_signal_to_noise: median per channel below which a spaxel is not ranked.
        apart: spaxels between two of the spectra kept, so that they are not all of one source.
    """
    shape = flux.shape[:2]
    good = (ivar > 0).reshape(-1, flux.shape[2])
    covered = good.mean(axis=0) > 0.5 * good.mean(axis=0).max(initial=0.0)
    rows = np.flatnonzero(good[:, covered].mean(axis=1) >= min_good) if covered.any() else np.array([], int)
    spectra = flux.reshape(good.shape)[rows][:, covered].astype(np.float32)
    weight = ivar.reshape(good.shape)[rows][:, covered].astype(np.float32)
    light = _signal_to_noise(spectra, weight)
    ranked = np.flatnonzero(light >= min_signal_to_noise)

    score = np.full(len(rows), np.nan)
    model = np.zeros_like(spectra)
    if len(ranked) >= FEWEST:
        count = min(components, len(ranked) // 4)
        kept = ranked
        for _ in range(2):
            basis = _basis(spectra[kept], weight[kept], count)
            amount = _projected(spectra, weight, basis)
            model = amount @ basis
            chi2 = _mean_of(np.square(model - spectra) * weight, weight > 0)
            score[ranked] = _strangeness(chi2[ranked], amount[ranked], light[ranked])
            kept = ranked[score[ranked] <= np.quantile(score[ranked], 1 - trimmed)]
    else:
        chi2 = np.full(len(rows), np.nan)

    def as_map(values: np.ndarray) -> np.ndarray:
        full = np.full(shape[0] * shape[1], np.nan, np.float32)
        full[rows] = values
        return full.reshape(shape)

    def as_spectra(values: np.ndarray, spaxels: np.ndarray) -> np.ndarray:
        full = np.zeros((*shape, len(covered)), np.float32)
        full.reshape(good.shape)[np.ix_(rows, covered)] = values
        return np.asarray(full[spaxels[:, 0], spaxels[:, 1]])

    known = weight > 0
    scores = as_map(score)
    spaxels = _to_show(scores, apart)
    judged = as_spectra(known, spaxels) > 0  # elsewhere there is no model to lay over the spectrum
    reconstruction = Reconstruction(
        error=as_map(_mean_of(np.abs(model - spectra), known)),
        chi2=as_map(chi2),
        signal_to_noise=as_map(light),
        white=as_map(_mean_of(spectra, known)),
        white_model=as_map(_mean_of(model, known)),
        spaxels=spaxels,
        flux=flux[spaxels[:, 0], spaxels[:, 1]].astype(np.float32),
        ivar=np.where(judged, ivar[spaxels[:, 0], spaxels[:, 1]], 0).astype(np.float32),
        model=as_spectra(model, spaxels),
    )
    return ByItself(scores.astype(float), reconstruction)


def _signal_to_noise(spectra: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Median flux * sqrt(ivar) over the good channels, (spaxel,)."""
    per_channel = np.where(weight > 0, spectra * np.sqrt(weight), np.nan)
    return np.asarray(np.nanmedian(per_channel, axis=1)) if len(spectra) else np.zeros(0)


def _mean_of(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.asarray((values * known).sum(axis=1, dtype=float) / np.maximum(known.sum(axis=1), 1))


def _basis(spectra: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    """(count, wave): the first components of the spectra, not centred: the first is their mean.

    Each channel is weighed by its typical error; bad channels are filled by the model, a few times over.
    """
    known = weight > 0
    typical = _mean_of(weight.T, known.T)
    sigma = 1 / np.sqrt(np.where(typical > 0, typical, 1))
    whitened = np.where(known, spectra / sigma, 0)
    brightness = _mean_of(whitened, known)[:, None]
    shape = (whitened * brightness).sum(axis=0) / np.maximum((known * brightness**2).sum(axis=0), 1e-30)
    filled = np.where(known, whitened, brightness * shape).astype(np.float32)
    for _ in range(ROUNDS):
        # The seed only starts the iteration: the components are the same for any.
        _, _, axes = randomized_svd(filled, n_components=count, n_iter=4, random_state=0)
        if known.all():
            break
        filled = np.where(known, whitened, filled @ axes.T @ axes)
    return np.asarray(axes * sigma, dtype=np.float32)


def _projected(spectra: np.ndarray, weight: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Amount of each component in each spectrum, (spaxel, count), by weighted least squares."""
    count = len(basis)
    pairs = np.einsum("iw,jw->ijw", basis, basis).reshape(count * count, -1)
    normal = (weight @ pairs.T).reshape(-1, count, count)
    # A spaxel that lacks the channels one component lives in gets none of it, instead of any amount.
    ridge = 1e-6 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(count) / count
    right = (weight * spectra) @ basis.T
    return np.asarray(np.linalg.solve(normal + ridge, right[..., None])[..., 0], dtype=np.float32)


def _strangeness(chi2: np.ndarray, amount: np.ndarray, light: np.ndarray) -> np.ndarray:
    """The larger of the two excesses: of chi2, and of the distance between mixtures, (spaxel,)."""
    mixture = amount / np.linalg.norm(amount, axis=1, keepdims=True)
    apart = mixture - np.median(mixture, axis=0)
    spread = 1.4826 * np.median(np.abs(apart), axis=0)
    distance = np.linalg.norm(apart / np.where(spread > 0, spread, 1), axis=1)
    each = np.arange(len(light))
    excess = []
    for value, slope in ((chi2, 2.0), (distance, 0.0)):
        logs = np.log10(np.maximum(value, 1e-6))
        excess.append(trend_of(logs, np.log10(light), each, slope).excess(logs, np.log10(light)))
    return np.asarray(np.maximum(*excess))


def _to_show(score: np.ndarray, apart: float) -> np.ndarray:
    """(k, 2) int32: the centre, then the strangest spaxels that stand `apart` from each other."""
    chosen = [(score.shape[0] // 2, score.shape[1] // 2)]
    order = np.argsort(-np.nan_to_num(score, nan=-np.inf), axis=None, kind="stable")
    strangest: list[tuple[int, int]] = []
    for flat in order[: int(np.isfinite(score).sum())]:
        y, x = divmod(int(flat), score.shape[1])
        if all(np.hypot(y - other_y, x - other_x) >= apart for other_y, other_x in strangest):
            strangest.append((y, x))
        if len(strangest) == KEPT - 1:
            break
    return np.array(chosen + strangest, dtype=np.int32)
