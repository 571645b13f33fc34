"""The score of two face vectors: their cosine, set against how strangers score.

Some faces are near to everybody, and then the same cosine says less. For two unit vectors x (portrait) and y (live)
the cosine is set against the scores that x would get from the live faces of a cohort of strangers, and y from the
portraits of that cohort. These have mean x.m and variance x'Cx, where m and C are the cohort's mean vector and
covariance: so only these statistics are kept, and nobody's template. The score is the mean of the two standardised
values: about 0 for strangers, in their standard deviations.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Mean vector (n,) and covariance (n, n) of a cohort's unit vectors."""

    mean: Array
    covariance: Array

    @classmethod
    def of(cls, vectors: Array) -> Moments:
        """From rows of unit vectors; at least two."""
        return cls(vectors.mean(axis=0), np.cov(vectors.T))

    def centre(self, vectors: Array) -> Array:
        """Mean score of each row against the cohort."""
        return np.asarray(vectors @ self.mean)

    def spread(self, vectors: Array) -> Array:
        """Standard deviation of each row's scores against the cohort."""
        variance = np.einsum("ij,jk,ik->i", vectors, self.covariance, vectors)
        return np.asarray(np.sqrt(np.maximum(variance, 1e-12)))


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Statistics of strangers' printed portraits and of their live faces."""

    portraits: Moments
    live: Moments

    def to_bytes(self) -> bytes:
        """As an .npz file, float32."""
        target = io.BytesIO()
        np.savez_compressed(
            target,
            portrait_mean=self.portraits.mean.astype(np.float32),
            portrait_covariance=self.portraits.covariance.astype(np.float32),
            live_mean=self.live.mean.astype(np.float32),
            live_covariance=self.live.covariance.astype(np.float32),
        )
        return target.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Cohort:
        """Raises ValueError for anything but what ``to_bytes`` writes."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                parts = {name: np.asarray(stored[name], dtype=np.float64) for name in stored.files}
            cohort = cls(
                Moments(parts["portrait_mean"], parts["portrait_covariance"]),
                Moments(parts["live_mean"], parts["live_covariance"]),
            )
        except (OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError("not a cohort file") from error
        length = cohort.portraits.mean.size
        for moments in (cohort.portraits, cohort.live):
            if moments.mean.shape != (length,) or moments.covariance.shape != (length, length):
                raise ValueError("the parts of the cohort file do not fit together")
            if not (np.isfinite(moments.mean).all() and np.isfinite(moments.covariance).all()):
                raise ValueError("the cohort file holds values that are no numbers")
        return cohort


def scores(portraits: Array, live: Array, cohort: Cohort | None) -> Array:
    """Every portrait (rows) against every live face (columns). Plain cosines without a cohort."""
    cosines = portraits @ live.T
    if cohort is None:
        return np.asarray(cosines)
    by_portrait = (cosines - cohort.live.centre(portraits)[:, None]) / cohort.live.spread(portraits)[:, None]
    by_live = (cosines - cohort.portraits.centre(live)[None]) / cohort.portraits.spread(live)[None]
    return np.asarray((by_portrait + by_live) / 2)


def score(portrait: NDArray[np.float32], live: NDArray[np.float32], cohort: Cohort | None) -> float:
    """One portrait against one live face."""
    rows = scores(portrait[None].astype(np.float64), live[None].astype(np.float64), cohort)
    return float(rows[0, 0])


def sha256_of(data: bytes) -> str:
    """Hex SHA-256, by which a calibration names its cohort."""
    return hashlib.sha256(data).hexdigest()
