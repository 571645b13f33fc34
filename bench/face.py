"""What a face comparison costs and how often it is wrong, beside face_recognition as everyone uses it, in one run.

Costs are CPU time of one core on 640x480 frames, medians of interleaved rounds: their ratio holds on a busy machine.
Error rates need the development pictures (BETPE_SHARED, default ../shared); the pictures stay there.
"""

from __future__ import annotations

import csv
import functools
import importlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from bench.rows import Row, result_row
from verification import conditions, detector, evaluate, face, images, rates, templates
from verification.contract import Frame, Pixels
from verification.matcher_sface import SFace, Vector
from verification.rates import FMRS, Scores

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("BETPE_SHARED", ROOT.parent / "shared"))
HOW = "make bench ONLY=face"
ROUNDS = 7
PAIRS_PER_FOLD = int(os.environ.get("BETPE_BENCH_PAIRS", "60"))  # genuine ones; as many of strangers
USUAL_DISTANCE = 0.6  # face_recognition's own default
GOALS = {0.001: 0.97, 0.0001: 0.95}

row = functools.partial(result_row, HOW)


def measure() -> list[Row]:
    """Costs, then error rates."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return [*_costs(), *_errors()]
    finally:
        cv2.setNumThreads(before)


def _costs() -> list[Row]:
    usual = importlib.import_module("face_recognition")
    second = importlib.import_module("verification.matcher_dlib")
    portrait = (ROOT / "tests" / "data" / "obama.jpg").read_bytes()
    clip = [frame for name in ("obama2.jpg", "biden.jpg") for frame in conditions.webcam_clip(_head(name), 7)]
    frames = [Frame(pixels, 0, 0.0) for pixels in clip[:5]]
    embedder = SFace()

    def naive(pixels: Pixels) -> object:
        rgb = np.ascontiguousarray(pixels[:, :, ::-1])
        return usual.face_encodings(rgb, usual.face_locations(rgb))

    def opinion(pixels: Pixels) -> object:
        return second.embed(pixels, detector.detect(pixels)[0])

    spent = _interleaved(
        {
            "usual": naive,
            "product": lambda pixels: templates.of_frame(pixels, embedder),
            "guidance": lambda pixels: face.guide(Frame(pixels, 0, 0.0)),
            "opinion": opinion,
        },
        clip,
    )
    whole = _interleaved({"whole": lambda _: face.compare(portrait, frames)}, clip[:1])["whole"]
    ms = {name: round(1000 * value, 2) for name, value in spent.items()}
    cheaper = ms["usual"] / ms["product"]
    goal = "at most 25 ms a frame and 8 times cheaper than face_recognition"
    return [
        row(
            "face comparison, CPU a frame", ms["product"], "ms", ms["usual"], goal, ms["product"] <= 25 and cheaper >= 8
        ),
        row(
            "face comparison, frames a second of one core",
            *(round(1 / spent["product"], 1), "1/s", round(1 / spent["usual"], 1)),
            *("8 times face_recognition", cheaper >= 8, True),
        ),
        row(
            "face guidance, frames a second of one core",
            *(round(1 / spent["guidance"], 1), "1/s", round(1 / spent["usual"], 1)),
            *("several a second", spent["guidance"] < 0.2, True),
        ),
        row("second engine, CPU a face", ms["opinion"], "ms", ms["usual"], "", None),
        row(
            "one whole comparison: portrait, five frames, both engines, CPU",
            *(round(whole, 3), "s", round(6 * spent["usual"], 3), "about a second", whole <= 1.0),
        ),
    ]


def _interleaved(ways: dict[str, Callable[[Pixels], object]], frames: Sequence[Pixels]) -> dict[str, float]:
    """Median CPU seconds of each way over the same frames."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(frames[0])
    for number in range(max(ROUNDS, len(frames))):
        for name, way in ways.items():
            started = time.process_time()
            way(frames[number % len(frames)])
            spent[name].append(time.process_time() - started)
    return {name: median(values) for name, values in spent.items()}


def _head(name: str) -> Pixels:
    """A face with its surroundings, as large in the picture as LFW's."""
    pixels = images.decode((ROOT / "tests" / "data" / name).read_bytes())
    found = detector.detect(pixels)[0]
    side = 2.6 * found.width
    scale = 250 / side
    left, top = found.x + found.width / 2 - side / 2, found.y + found.height / 2 - side / 2
    move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    return np.asarray(cv2.warpAffine(pixels, move, (250, 250), borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def _errors() -> list[Row]:
    folder = SHARED / "data" / "faces" / "lfw"
    if not (folder / "pairs.csv").is_file():
        missing = row("face error rates, printed portrait x webcam", None, "", None, "", None)
        return [{**missing, "how": f"not run: no pictures (BETPE_SHARED); {HOW}"}]
    with tempfile.TemporaryDirectory() as work:
        listed = _subset(folder / "pairs.csv", Path(work) / "pairs.csv")
        jobs = os.cpu_count() or 1
        found = evaluate.run(Path(work) / "pairs.csv", folder, "id-webcam", cohort="folds", jobs=jobs)
        genuine, strangers, unseen = _usual_scores(listed, folder, jobs)
    figures = found.figures
    told = f"{figures['genuine_pairs']} genuine pairs, {figures['impostor_comparisons']} of strangers"
    rows = []
    for fmr in FMRS:
        goal = GOALS.get(fmr)
        kept = 1 - rates.false_non_match_rate(found.scores.genuine, rates.threshold_at(found.scores.impostor, fmr))
        usual = 1 - rates.false_non_match_rate(genuine, rates.threshold_at(strangers, fmr))
        shown = goal is not None and fmr >= figures["fmr_supported"]  # fewer strangers cannot show such a rate
        rows.append(
            row(
                f"printed portrait x webcam: accepted at a false match rate of {fmr:g}",
                *(round(100 * kept, 2), "%", round(100 * usual, 2)),
                *("" if goal is None else f"at least {100 * goal:g}%", kept >= (goal or 0) if shown else None, True),
            )
        )
    eer = rates.equal_error(genuine, strangers)
    lost = figures["failures"]["portrait"][0]
    wrong = rates.false_match_rate(strangers, -USUAL_DISTANCE)
    own = figures["installed"]["accept"]["fmr"]
    rows += [
        row(
            "printed portrait x webcam: equal error rate",
            round(100 * figures["eer"], 2),
            "%",
            round(100 * eer, 2),
            "",
            None,
        ),
        row(
            "printed portraits in which no face is found",
            *(round(100 * lost, 3), "%", round(100 * unseen, 3), "under 0.1%", lost < 0.001),
        ),
        row(
            "strangers accepted at the installed threshold (baseline: distance 0.6)",
            *(round(100 * own, 4), "%", round(100 * wrong, 4), "at most 0.1%", own <= 0.001),
        ),
    ]
    return [{**one, "how": f"{HOW} ({told})"} for one in rows]


def _subset(source: Path, target: Path) -> list[dict[str, str]]:
    """The first pairs of each fold and kind."""
    with source.open(newline="") as file:
        everything = list(csv.DictReader(file))
    seen: dict[tuple[str, str], int] = {}
    chosen = []
    for line in everything:
        key = (line["fold"], line["same"])
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= PAIRS_PER_FOLD:
            chosen.append(line)
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(everything[0]))
        writer.writeheader()
        writer.writerows(chosen)
    return chosen


def _usual_scores(listed: list[dict[str, str]], folder: Path, jobs: int) -> tuple[Scores, Scores, float]:
    """face_recognition on the same pictures: genuine and impostor scores (minus distance), portraits without a face."""
    start = multiprocessing.get_context("forkserver")
    portraits, live = (sorted({line[side] for line in listed}) for side in ("a", "b"))
    with ProcessPoolExecutor(jobs, mp_context=start, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        one = dict(zip(portraits, pool.map(functools.partial(_usual, folder, True), portraits), strict=True))
        other = dict(zip(live, pool.map(functools.partial(_usual, folder, False), live), strict=True))
    genuine = [_score(one[line["a"]], other[line["b"]]) for line in listed if line["same"] == "1"]
    strangers = []
    for fold in sorted({line["fold"] for line in listed}):
        inside = [line for line in listed if line["fold"] == fold]
        for a in sorted({line["a"] for line in inside}):
            for b in sorted({line["b"] for line in inside}):
                if _person(a) != _person(b) and one[a] is not None and other[b] is not None:
                    strangers.append(_score(one[a], other[b]))
    unseen = sum(vector is None for vector in one.values()) / len(one)
    return np.array(genuine), np.array(strangers), unseen


def _usual(folder: Path, is_portrait: bool, picture: str) -> Vector | None:
    usual = importlib.import_module("face_recognition")
    pixels = images.decode((folder / picture).read_bytes())
    seed = conditions.seed_of(Path(picture).name)
    if is_portrait:
        pixels = np.asarray(cv2.resize(conditions.card_portrait(pixels, seed), None, fx=2, fy=2), dtype=np.uint8)
    else:
        pixels = conditions.webcam_clip(pixels, seed)[-1]
    rgb = np.ascontiguousarray(pixels[:, :, ::-1])
    places = usual.face_locations(rgb)
    if not places:
        return None
    largest = max(places, key=lambda place: (place[2] - place[0]) * (place[1] - place[3]))
    return np.asarray(usual.face_encodings(rgb, [largest])[0], dtype=np.float32)


def _score(one: Vector | None, other: Vector | None) -> float:
    return -np.inf if one is None or other is None else -float(np.linalg.norm(one - other))


def _person(picture: str) -> str:
    return Path(picture).stem.rsplit("_", 1)[0]
