"""Security features of documents as data, and the random few that a consultant is asked to confirm.

ETSI TS 119 461: at least three features, at least two of them optically variable, chosen at random; BaFin 3/2017:
of different kinds. A catalogue is a JSON file of ``verification/catalogue`` or of the organisation's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import cv2
import numpy as np

from verification.card_quality import Box
from verification.contract import Pixels, Side
from verification.images import encode_jpeg

FOLDER: Final = Path(__file__).with_name("catalogue")
LEAST: Final = 3
LEAST_VARIABLE: Final = 2
LANGUAGES: Final = ("kk", "ru", "en")
ASKS: Final = ("tilt", "side_light", "closer")
"""What the applicant is asked to do with the card so that the feature shows."""
_STILL_WIDTH: Final = 900


class CatalogueInvalid(ValueError):
    """A catalogue file cannot be used. ``code`` is catalogue_invalid."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = "catalogue_invalid"
        self.message = message


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature. ``region``: left, top, right, bottom as fractions of the card, None where it differs from card to
    card; ``look_for``: language -> sentence for the consultant; ``variable``: it changes with the angle."""

    id: str
    kind: str
    side: Side
    variable: bool
    region: Box | None
    ask: str
    look_for: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """``confirmed``: the places and kinds were confirmed by who issues the document."""

    document: str
    title: Mapping[str, str]
    confirmed: bool
    features: tuple[Feature, ...]

    @property
    def variable_regions(self) -> tuple[Box, ...]:
        """Where light must move when the front is tilted, as far as the places are known."""
        places = (one.region for one in self.features if one.variable and one.side is Side.FRONT)
        return tuple(place for place in places if place is not None)


def load(name: str, folder: Path = FOLDER) -> Catalogue:
    """The catalogue ``name`` (kazakhstan_id, generic, or a file of the organisation's folder).

    Raises CatalogueInvalid for a file that is missing, malformed, or too poor to pick from.
    """
    path = folder / f"{name}.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        catalogue = Catalogue(
            document=str(told["document"]),
            title=_texts(told["title"]),
            confirmed=told["confirmed"] is True,
            features=tuple(_feature(one) for one in told["features"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CatalogueInvalid(f"The catalogue {path.name} cannot be read: {error}") from error
    if len({one.id for one in catalogue.features}) != len(catalogue.features):
        raise CatalogueInvalid(f"The catalogue {path.name} names a feature twice.")
    variable = {one.kind for one in catalogue.features if one.variable}
    if len({one.kind for one in catalogue.features}) < LEAST or len(variable) < LEAST_VARIABLE:
        raise CatalogueInvalid(
            f"The catalogue {path.name} needs {LEAST} kinds of features, {LEAST_VARIABLE} of them optically variable."
        )
    return catalogue


def for_state(issuing_state: str) -> Catalogue:
    """The catalogue for a document of this state (ICAO's three letters)."""
    return load("kazakhstan_id" if issuing_state == "KAZ" else "generic")


def pick(catalogue: Catalogue, random: Random, count: int = LEAST) -> tuple[Feature, ...]:
    """``count`` (at least 3) features of different kinds in random order, at least two of them optically variable.

    Pass ``random.SystemRandom()``: who could foresee the choice could prepare the card. Raises ValueError for fewer
    than three, CatalogueInvalid where the catalogue has not so many kinds.
    """
    if count < LEAST:
        raise ValueError(f"at least {LEAST} features are confirmed")
    chosen = _of_kinds([one for one in catalogue.features if one.variable], LEAST_VARIABLE, random, ())
    rest = _of_kinds(catalogue.features, count - len(chosen), random, [one.kind for one in chosen])
    if len(chosen) + len(rest) < count:
        raise CatalogueInvalid(f"The catalogue {catalogue.document} has not {count} kinds of features.")
    every = [*chosen, *rest]
    random.shuffle(every)
    return tuple(every)


def still(card: Pixels, feature: Feature) -> bytes:
    """JPEG of the feature's place on a straightened card, enlarged; of the whole card where the place is not known."""
    height, width = card.shape[:2]
    left, top, right, bottom = feature.region or (0.0, 0.0, 1.0, 1.0)
    part = card[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    scale = _STILL_WIDTH / part.shape[1]
    interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return encode_jpeg(np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=interpolation), np.uint8))


def _of_kinds(features: Sequence[Feature], count: int, random: Random, but: Sequence[str]) -> list[Feature]:
    kinds = sorted({one.kind for one in features} - set(but))
    picked = random.sample(kinds, min(count, len(kinds)))
    return [random.choice([one for one in features if one.kind == kind]) for kind in picked]


def _feature(told: Mapping[str, Any]) -> Feature:
    region = told["region"]
    if region is not None:
        left, top, right, bottom = (float(edge) for edge in region)
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(f"{told['id']}: a region is left, top, right, bottom within 0 to 1")
        region = (left, top, right, bottom)
    if told["ask"] not in ASKS:
        raise ValueError(f"{told['id']}: ask is one of {', '.join(ASKS)}")
    return Feature(
        id=str(told["id"]),
        kind=str(told["kind"]),
        side=Side(told["side"]),
        variable=told["variable"] is True,
        region=region,
        ask=told["ask"],
        look_for=_texts(told["look_for"]),
    )


def _texts(told: Mapping[str, Any]) -> dict[str, str]:
    texts = {language: str(told[language]).strip() for language in LANGUAGES}
    if not all(texts.values()):
        raise ValueError("a text is empty")
    return texts
