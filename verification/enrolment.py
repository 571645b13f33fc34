"""Vectors of many pictures for an evaluation: the product's own steps, in worker processes, with the cost of each."""

from __future__ import annotations

import functools
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from verification import images, matcher_sface, quality, still_face, templates
from verification.contract import Pixels, UnusableInput
from verification.detector import detect, subject_first
from verification.matcher_sface import Embedder, Vector

CONDITIONS: Final = ("clean", "id-webcam")
SMALL_PORTRAIT: Final = 400  # longest side in pixels under which the plain variant enlarges a portrait twice


@dataclass(frozen=True, slots=True)
class Task:
    """How pictures become vectors."""

    root: Path
    condition: str
    embedder: Embedder
    second: bool = False
    """Also dlib's vectors."""
    variants: bool = False
    """Also the vectors of the simpler ways, to show what each step is worth."""


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """One picture. ``vectors`` is empty where no face could be used."""

    picture: str
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    milliseconds: tuple[float, ...] = ()
    """CPU time of each frame (live pictures) or of the portrait."""
    several: bool = False
    quality: float = 0.0


def portraits(task: Task, pictures: Sequence[str], jobs: int) -> list[Enrolled]:
    """Vectors ``product`` (and ``second``, ``plain``) of portraits, in the order given."""
    return _run(functools.partial(_portrait, task), pictures, jobs)


def live(task: Task, pictures: Sequence[str], jobs: int) -> list[Enrolled]:
    """Vectors ``product`` (and ``second``, ``last``, ``mirrored``) of live pictures, in the order given."""
    return _run(functools.partial(_live, task), pictures, jobs)


def _run(work: Callable[[str], Enrolled], pictures: Sequence[str], jobs: int) -> list[Enrolled]:
    if jobs == 1:
        with _one_thread():
            return [work(picture) for picture in pictures]
    start = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(jobs, mp_context=start, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        return list(pool.map(work, pictures, chunksize=8))


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV on one thread for the time of a block: figures of cost are per core."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _read(task: Task, picture: str) -> Pixels | None:
    try:
        return images.decode(images.read(task.root / picture))
    except UnusableInput:
        return None  # counted as a failure to acquire


def _portrait(task: Task, picture: str) -> Enrolled:
    pixels = _read(task, picture)
    if pixels is None:
        return Enrolled(picture)
    if task.condition == "id-webcam":
        from verification import conditions

        pixels = conditions.card_portrait(pixels, conditions.seed_of(Path(picture).name))
    started = time.process_time()
    framed, faces = still_face.find(pixels)
    if not faces:
        return Enrolled(picture)
    portrait = templates.of_portrait(framed, faces[0], task.embedder)
    spent = (time.process_time() - started) * 1000
    vectors = {"product": portrait.vector}
    if task.second:
        from verification import matcher_dlib

        vectors["second"] = matcher_dlib.embed(portrait.pixels, portrait.face)
    if task.variants:
        vectors |= _plain(pixels, task.embedder)
    return Enrolled(picture, vectors, (spent,), quality.several(faces))


def _plain(pixels: Pixels, embedder: Embedder) -> dict[str, Vector]:
    """The portrait looked at once, as it lies."""
    if max(pixels.shape[:2]) < SMALL_PORTRAIT:
        pixels = np.asarray(cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    faces = subject_first(detect(pixels), pixels)
    return {"plain": embedder.embed(matcher_sface.align(pixels, faces[0]))} if faces else {}


def _live(task: Task, picture: str) -> Enrolled:
    pixels = _read(task, picture)
    if pixels is None:
        return Enrolled(picture)
    frames = [pixels]
    if task.condition == "id-webcam":
        from verification import conditions

        frames = conditions.webcam_clip(pixels, conditions.seed_of(Path(picture).name))
    seen: list[templates.Live] = []
    spent: list[float] = []
    for frame in frames:
        started = time.process_time()
        seen.append(templates.of_frame(frame, task.embedder, alone=False))
        spent.append((time.process_time() - started) * 1000)
    chosen = templates.best(seen)[: templates.AVERAGED]
    several = any(quality.several(item.faces) for item in seen if item.faces)
    if not chosen:
        return Enrolled(picture, {}, tuple(spent), several)
    vectors = {"product": templates.average(list(_vectors(seen, chosen)))}
    first = seen[chosen[0]]
    if task.second:
        from verification import matcher_dlib

        vectors["second"] = matcher_dlib.embed(first.pixels, first.faces[0])
    if task.variants:
        vectors |= _variants(seen, chosen, task.embedder)
    return Enrolled(picture, vectors, tuple(spent), several, first.quality.unified)


def _variants(seen: Sequence[templates.Live], chosen: Sequence[int], embedder: Embedder) -> dict[str, Vector]:
    found = {}
    if (last := seen[-1].vector) is not None:
        found["last"] = last
    crops = [matcher_sface.align(seen[i].pixels, seen[i].faces[0]) for i in chosen]
    found["mirrored"] = templates.average([embedder.embed(crop, mirrored=True) for crop in crops])
    return found


def _vectors(seen: Sequence[templates.Live], chosen: Sequence[int]) -> Iterator[Vector]:
    for index in chosen:
        vector = seen[index].vector
        if vector is not None:
            yield vector
