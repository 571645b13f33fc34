"""Documents: zones read on published specimens and on photographed specimen cards, wrong reads, cost.

Needs ``BETPE_SHARED``'s data/iddoc (default ../shared) for the published specimens; without it that row says so.
``BETPE_BENCH_CARDS`` (default 6) is how many cards each kind of damage is tried on.
"""

from __future__ import annotations

import functools
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import cv2
import numpy as np

from bench.rows import Row, result_row
from verification import back, card, document, mrz, ocr, specimen, tesseract, tilt, zone
from verification.contract import Outcome, Pixels, Side
from verification.images import decode
from verification.photograph import Photograph, Shot, photograph
from verification.portrait import cut_portrait
from verification.tilt_sequence import Kind, render

SHARED = Path(os.environ.get("BETPE_SHARED", Path(__file__).parents[2] / "shared"))
SPECIMENS = SHARED / "data" / "iddoc"
CARDS = int(os.environ.get("BETPE_BENCH_CARDS", "6"))
BASELINE_CARDS = 3
"""The other readers are tried on so many cards of each kind: they take three times as long."""
LOWEST_LINES = 4
"""Of the lines found, where a zone lies: tesseract is not asked for the others."""
LINE_SECONDS = 20
FACE = Path(__file__).parents[1] / "tests" / "data" / "biden.jpg"
TODAY = date(2026, 11, 22)
HOW = "make bench ONLY=document"

TRUTH = {
    "100_id-rou": ("IDROUSAVA<<SUPERMAN<<<<<<<<<<<<<<<<<", "HD198025<51328505095M130509012049941"),
    "100_pass-bdr": ("P<BDRMUSTERMANN<<ERIKA<<<<<<<<<<<<<<<<<<<<<<", "CA000000<4D<<6408125F1802212<<<<<<<<<<<<<<<6"),
    "100_pass-chn": ("P<TWNLIN<<MEI<HUA<<<<<<<<<<<<<<<<<<<<<<<<<<<", "0000000000TWN7601015F1404018A234567893<<<<18"),
    "100_pass-cze2": ("P<CZESPECIMEN<<VZOR<<<<<<<<<<<<<<<<<<<<<<<<<", "99009054<4CZE6906229F16072996956220612<<<<74"),
    "100_pass-fin": ("P<FINVIRTANEN<<MARIA<OLIVIA<<<<<<<<<<<<<<<<<", "XP82716024FIN7112214F1108213211271<426U<<<04"),
    "100_pass-hrv": ("P<HRVSPECIMEN<<SPECIMEN<<<<<<<<<<<<<<<<<<<<<", "0070070071HRV8212258F1407019<<<<<<<<<<<<<<06"),
    "100_pass-isl": ("P<ISLAEVARSDOTTIR<<THURIDUR<OESP<<<<<<<<<<<<", "A0000000<0ISL6612315F0905264311266<9539<<<32"),
    "100_pass-ltu": ("P<LTUBASANAVICIENE<<BIRUTE<<<<<<<<<<<<<<<<<<", "00000000<0LTU5911239F120101145911231023<<<16"),
    "100_pass-lux": ("P<LUXMAUS<<KETTY<<<<<<<<<<<<<<<<<<<<<<<<<<<<", "S998527<<4LUX7806201F110808403060021041<<<96"),
    "100_pass-polx": ("P<POLKOWALSKA<KWIATKOWSKA<<JOANNA<<<<<<<<<<<", "AA00000000POL6002084F1412314<<<<<<<<<<<<<<<4"),
    "100_pass-uto": ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"),
    "100_pass2-uto": ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"),
    "100_visa-polx": ("VCPOLKOWALSKA<KWIATKOWSKA<<BEATA<<<<", "PL00000008POL6002084F0505011<<<<<<<0"),
    "100_visa-usa": ("VIUSATRAVELER<<HAPPYPERSON<<<<<<<<<<<<<<<<<<", "555123ABC6GBR6502056F0412236IFLND00AMS803085"),
    "62_pass-pol": ("P<POLKOWALSKA<<ANNA<<<<<<<<<<<<<<<<<<<<<<<<<", "ZS00001774POL7203305F1607130<<<<<<<<<<<<<<08"),
    "79_pass-can": ("P<CANMARTIN<<SARAH<<<<<<<<<<<<<<<<<<<<<<<<<<", "ZE000509<9CAN8501019F2301147<<<<<<<<<<<<<<08"),
    "79_pass-hun": ("P<HUNHANDRA<<ROZALIA<IRMA<<<<<<<<<<<<<<<<<<<", "BD00020282HUN7802225F2203012<<<<<<<<<<<<<<06"),
}
"""What the zones of the published specimens say, read by eye. The Romanian one has 132 where a state must stand."""

Damage = Callable[[Shot, np.random.Generator], Shot]
DAMAGES: dict[str, Damage] = {
    "defocus": lambda shot, _: replace(shot, blur=2.4),
    "shake": lambda shot, _: replace(shot, motion=12),
    "glare": lambda shot, random: replace(
        shot, glare=0.5, glare_size=0.08, glare_at=(float(random.uniform(0, 1)), float(random.uniform(0, 1)))
    ),
    "dim and noisy": lambda shot, _: replace(shot, exposure=0.2, noise=6),
    "tilted": lambda shot, random: replace(
        shot, tilt_x=float(random.choice([-1, 1])) * 28, tilt_y=float(random.choice([-1, 1])) * 20
    ),
    "any way up": lambda shot, random: replace(shot, turn=float(random.uniform(0, 360)), fill=0.6),
    "far away": lambda shot, _: replace(shot, fill=0.32),
    "compressed": lambda shot, _: replace(shot, quality=12),
}


row = functools.partial(result_row, HOW)


# --- other readers, as everyone uses them ------------------------------------------------------------


def _zone_of(lines: Sequence[str]) -> tuple[str, ...] | None:
    """The first consecutive lines that parse with all check digits right."""
    texts = [line.replace(" ", "").upper() for line in lines]
    for count in (3, 2):
        for start in range(len(texts) - count + 1):
            chosen = tuple(texts[start : start + count])
            try:
                if mrz.parse(chosen).valid:
                    return chosen
            except mrz.MrzError:
                continue
    return None


class RapidOcr:
    """rapidocr's own pipeline with its default settings."""

    name = "rapidocr"

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._engine = RapidOCR(
            params={
                "Global.use_cls": False,
                "Global.log_level": "critical",
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def __call__(self, pixels: Pixels) -> tuple[str, ...] | None:
        found = self._engine(pixels)
        return _zone_of(list(getattr(found, "txts", None) or ()))


class Tesseract:
    """Tesseract's English model with the zone's alphabet, on the lines that this product finds (on whole pictures it
    reads none of the published specimens)."""

    def __call__(self, pixels: Pixels) -> tuple[str, ...] | None:
        quads = [quad for quad in ocr.find_lines(pixels, zone.SEARCH_SIDE) if _slender(quad)]
        quads.sort(key=lambda quad: float(quad[:, 1].mean()))
        return _zone_of([self._line(ocr.cut_line(pixels, quad, margin=0.25)) for quad in quads[-LOWEST_LINES:]])

    def _line(self, line: Pixels) -> str:
        """What it reads in one line; nothing where it takes longer than anybody would wait."""
        _, encoded = cv2.imencode(".png", line)
        try:
            ran = subprocess.run(
                ["tesseract", "stdin", "stdout", "-l", "eng", "--psm", "7", "-c",
                 "tessedit_char_whitelist=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<"],
                input=encoded.tobytes(), capture_output=True, timeout=LINE_SECONDS, check=False,
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return ""
        return ran.stdout.decode().strip()


def _slender(quad: ocr.Quad) -> bool:
    return bool(np.linalg.norm(quad[1] - quad[0]) > 11 * np.linalg.norm(quad[3] - quad[0]))


def _proven(pixels: Pixels) -> tuple[str, ...] | None:
    reading = zone.read_zone(pixels)
    return reading.mrz.lines if reading is not None and reading.proven else None


def published() -> list[Row]:
    files = {path.stem: path for path in sorted(SPECIMENS.glob("*"))} if SPECIMENS.is_dir() else {}
    if not set(TRUTH) <= set(files):
        missing = row("document.published_zones_read", None, "of 17", None, ">= 15", None)
        return [{**missing, "how": f"not run: no data/iddoc (BETPE_SHARED); {HOW}"}]
    pictures = {name: decode(files[name].read_bytes()) for name in TRUTH}
    right = {name: _proven(pictures[name]) for name in TRUTH}
    count = sum(right[name] == TRUTH[name] for name in TRUTH)
    wrong = sum(right[name] not in {None, TRUTH[name]} for name in TRUTH)
    rapid = RapidOcr()
    with_rapid = sum(rapid(pictures[name]) == TRUTH[name] for name in TRUTH)
    rows = [
        row(
            "document.published_zones_read",
            count,
            "of 17",
            with_rapid,
            ">= 15 (baseline: rapidocr as it comes)",
            count >= 15,
            more=True,
        ),
        row("document.published_zones_wrong", wrong, "of 17", None, "0", wrong == 0),
    ]
    if tesseract.language() is not None:
        with_tesseract = sum(Tesseract()(pictures[name]) == TRUTH[name] for name in TRUTH)
        rows.append(row("document.published_zones_read_by_tesseract", with_tesseract, "of 17", None, "", None))
    return rows


# --- photographed specimen cards ---------------------------------------------------------------------


def shot(kind: str, number: int) -> tuple[Shot, np.random.Generator]:
    """An ordinary photograph of random pose, then its damage."""
    random = np.random.default_rng([number, sorted(DAMAGES).index(kind)])
    pose = Shot(
        turn=float(random.uniform(-6, 6)),
        tilt_x=float(random.uniform(-10, 10)),
        tilt_y=float(random.uniform(-10, 10)),
        offset=(float(random.uniform(-0.05, 0.05)), float(random.uniform(-0.05, 0.05))),
    )
    return DAMAGES[kind](pose, random), random


def take(kind: str, number: int, wrong_digit: bool = False) -> tuple[Photograph, tuple[str, ...]]:
    """Photograph of the back of card ``number``, and the lines printed on it."""
    holder = specimen.make_holder(seed=100 + number, today=TODAY)
    lines = holder.mrz_lines()
    settings, random = shot(kind, number)
    if wrong_digit:
        places = [(0, place) for place in range(5, 27)] + [(1, place) for place in (*range(7), *range(8, 15), 29)]
        line, place = places[int(random.integers(len(places)))]
        digit = str((int(lines[line][place]) + int(random.integers(1, 10))) % 10)
        changed = lines[line][:place] + digit + lines[line][place + 1 :]
        lines = tuple(changed if index == line else text for index, text in enumerate(lines))
    return photograph(specimen.draw_back(holder, lines, 100 + number), settings, number), lines


def photographed() -> list[Row]:
    rapid = RapidOcr()
    rows = []
    read_all = wrong_all = rapid_all = rapid_wrong = found_all = 0
    for kind in DAMAGES:
        read = wrong = 0
        for number in range(CARDS):
            taken, lines = take(kind, number)
            seen = back.look(taken.pixels)
            if seen.zone is not None and seen.zone.proven:
                read += seen.zone.mrz.lines == lines
                wrong += seen.zone.mrz.lines != lines
            if seen.found is not None:
                orders = [np.roll(seen.found.corners, turn, axis=0) for turn in range(4)]
                error = min(np.abs(order - taken.corners).max() for order in orders) / taken.pixels.shape[1]
                found_all += bool(error < 0.02)
            if number < BASELINE_CARDS:
                answer = rapid(taken.pixels)
                rapid_all += answer == lines
                rapid_wrong += answer is not None and answer != lines
        rows.append(row(f"document.photographed_zones_read: {kind}", round(read / CARDS, 3), "share", None, "", None))
        read_all, wrong_all = read_all + read, wrong_all + wrong
    cards = CARDS * len(DAMAGES)
    baseline = rapid_all / (BASELINE_CARDS * len(DAMAGES))
    return [
        row("document.photographed_zones_read", round(read_all / cards, 3), "share", round(baseline, 3),
            ">= 0.95 (baseline: rapidocr as it comes)", read_all / cards >= 0.95, more=True),
        row("document.photographed_zones_wrong", wrong_all, f"of {cards}", rapid_wrong, "0", wrong_all == 0),
        row("document.cards_found", round(found_all / cards, 3), "share", None, "", None),
        *rows,
    ]  # fmt: skip


def altered() -> list[Row]:
    """Cards with one wrong digit in the zone, printed clearly and photographed with the same damages."""
    accepted = named = tried = 0
    for kind in DAMAGES:
        for number in range(max(1, CARDS // 2)):
            taken, _ = take(kind, number, wrong_digit=True)
            reading = zone.read_zone(taken.pixels)
            tried += 1
            accepted += reading is not None and reading.proven
            named += reading is not None and reading.wrong
    return [
        row("document.wrong_digit_accepted", accepted, f"of {tried}", None, "0", accepted == 0),
        row("document.wrong_digit_named", round(named / tried, 3), "share", None, "", None),
    ]


def fronts() -> list[Row]:
    """The other side: is the picture taken, is the IIN read, and are the printed names, with the same damages."""
    face = cut_portrait(decode(FACE.read_bytes()))
    tried = usable = right = wrong = names = 0
    for kind in DAMAGES:
        for number in range(max(2, CARDS // 3)):
            holder = specimen.make_holder(seed=300 + number, today=TODAY)
            taken = photograph(specimen.draw_front(holder, face, 300 + number), shot(kind, number)[0], number)
            seen = document.assess(taken.jpeg, Side.FRONT)
            tried += 1
            usable += seen.usable
            right += seen.attributes.get("iin") == holder.iin
            wrong += seen.attributes.get("iin", holder.iin) != holder.iin
            names += seen.attributes.get("surname") == holder.surname
    rows = [
        row("document.fronts_taken", round(usable / tried, 3), f"share of {tried}", None, "", None),
        row("document.fronts_iin_read", round(right / tried, 3), f"share of {tried}", None, "", None),
        row("document.fronts_iin_wrong", wrong, f"of {tried}", None, "0", wrong == 0),
    ]
    if tesseract.language() is not None:
        rows.append(row("document.fronts_surname_read", round(names / tried, 3), f"share of {tried}", None, "", None))
    return rows


def tilted() -> list[Row]:
    """Rendered sequences of a tilted card: genuine ones that pass, and copies, overlays and still cards that do."""
    face = cut_portrait(decode(FACE.read_bytes()))
    left, top, right, bottom = specimen.VARIABLE_BOX
    device = (left / specimen.WIDTH, top / specimen.HEIGHT, right / specimen.WIDTH, bottom / specimen.HEIGHT)
    tried = max(3, CARDS // 2)
    rows = []
    for kind in Kind:
        passed = 0
        for seed in range(tried):
            holder = specimen.make_holder(seed=seed, today=TODAY)
            passed += tilt.judge(render(holder, face, kind, seed), [device]).outcome is Outcome.PASSED
        goal = ">= 0.95" if kind is Kind.GENUINE else "0"
        met = passed / tried >= 0.95 if kind is Kind.GENUINE else passed == 0
        rows.append(
            row(f"document.tilt_passed: {kind.value}", round(passed / tried, 3), f"share of {tried}", None, goal, met)
        )
    return rows


def cost() -> list[Row]:
    drawn = specimen.draw(FACE.read_bytes(), seed=1, today=TODAY)
    rows = []
    for side, picture in ((Side.FRONT, drawn.front_photo_jpeg), (Side.BACK, drawn.back_photo_jpeg)):
        document.assess(picture, side)  # loads the models
        seconds = cpu_seconds(lambda picture=picture, side=side: document.assess(picture, side))  # type: ignore[misc]
        rows.append(row(f"document.assess_{side.value}", round(seconds, 3), "CPU seconds", None, "<= 2", seconds <= 2))
    document.read(drawn.front_photo_jpeg, drawn.back_photo_jpeg, TODAY)
    seconds = cpu_seconds(lambda: document.read(drawn.front_photo_jpeg, drawn.back_photo_jpeg, TODAY))
    rows.append(row("document.read", round(seconds, 3), "CPU seconds", None, "", None))
    pixels = decode(drawn.back_photo_jpeg)
    finding = round(cpu_seconds(lambda: card.find(pixels)), 3)
    rows.append(row("document.find_card", finding, "CPU seconds", None, "", None))
    rapid = RapidOcr()
    rapid(pixels)
    whole, ours = cpu_seconds(lambda: rapid(pixels)), cpu_seconds(lambda: zone.read_zone(pixels))
    rows.append(row("document.read_zone", round(ours, 3), "CPU seconds", round(whole, 3), "", None))
    return rows


def cpu_seconds(call: Callable[[], object], times: int = 3) -> float:
    """Mean CPU time of this process and its children: a wall clock would measure what else the machine does."""

    def spent() -> float:
        used = os.times()
        return used.user + used.system + used.children_user + used.children_system

    began = spent()
    for _ in range(times):
        call()
    return (spent() - began) / times


def measure() -> list[Row]:
    """All rows. About seven minutes of one core."""
    cv2.setNumThreads(1)
    began = time.monotonic()
    rows = [*published(), *photographed(), *altered(), *fronts(), *tilted(), *cost()]
    rows.append(row("document.bench_took", round(time.monotonic() - began), "seconds", None, "", None))
    return rows
