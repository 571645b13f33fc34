"""Specimen identity cards: ID-1 size, a design of their own, marked ҮЛГІ / ОБРАЗЕЦ / SPECIMEN, for demos and tests.

The portrait comes from a given picture; everything else is made up. Unless told otherwise the holder was born in the
19th century: the IIN keeps every rule and belongs to nobody alive.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from verification import iin as iin_rules
from verification import mrz
from verification.contract import Pixels, UnusableInput
from verification.images import decode, encode_jpeg
from verification.photograph import Shot, photograph
from verification.portrait import cut_portrait
from verification.romanise import latin

WIDTH: Final = 1270
HEIGHT: Final = 801
"""ID-1 (ISO/IEC 7810) is 85.60 x 53.98 mm: 14.84 pixels a millimetre, 377 dpi."""
_MM: Final = WIDTH / 85.6

PORTRAIT_BOX: Final = (52, 176, 352, 562)
"""left, top, right, bottom of the printed portrait, pixels of the flat front (7:9 as in ISO/IEC 19794-5)."""
VARIABLE_BOX: Final = (1010, 500, 1230, 720)
"""left, top, right, bottom of the optically variable device, pixels of the flat front."""

_SURNAMES: Final = ("ҮЛГІБАЕВ", "МЫСАЛОВ", "СЫНАҚОВ", "ТӘЖІРИБЕКОВ", "ҒЫЛЫМБАЕВ", "ӨЗГЕРИСОВ")
_GIVEN: Final = {
    "M": ("ЕРЛАН", "НҰРЛАН", "ДӘУРЕН", "АЙДОС", "ҚАЙРАТ", "БЕЙБІТ"),
    "F": ("АЙГҮЛ", "МӘДИНА", "ӘСЕЛ", "ҚЫМБАТ", "ЖҰЛДЫЗ", "ГҮЛНӘР"),
}
_FATHERS: Final = ("ҮЛГІ", "САРЫНША", "ӘБДІ", "ҚАБДОЛ")
_SUFFIX: Final = {"M": "ҰЛЫ", "F": "ҚЫЗЫ"}
_LIFE: Final = timedelta(days=3652)
"""An identity card is valid for ten years."""


@dataclass(frozen=True, slots=True)
class Holder:
    """What is printed on the card. Names as printed; the zone holds them in Latin letters."""

    surname: str
    given_names: str
    patronymic: str
    iin: str
    birth_date: date
    sex: str
    document_number: str
    issued: date
    expires: date

    def mrz_lines(self) -> tuple[str, ...]:
        return mrz.compose_td1(
            document_code="ID",
            issuing_state="KAZ",
            document_number=self.document_number,
            birth_date=self.birth_date,
            sex=self.sex,
            expiry_date=self.expires,
            nationality="KAZ",
            surname=latin(self.surname),
            given_names=latin(self.given_names),
            optional=self.iin,
        )


@dataclass(frozen=True, slots=True)
class Specimen:
    """A drawn card: flat pixels (801x1270x3 BGR), flat JPEGs, and JPEGs as a phone would photograph them."""

    holder: Holder
    mrz_lines: tuple[str, ...]
    front: Pixels
    back: Pixels
    front_jpeg: bytes
    back_jpeg: bytes
    front_photo_jpeg: bytes
    back_photo_jpeg: bytes


def draw(
    portrait: bytes,
    *,
    surname: str | None = None,
    given_names: str | None = None,
    patronymic: str | None = None,
    iin: str | None = None,
    document_number: str | None = None,
    expires: date | None = None,
    sex: str | None = None,
    seed: int,
    today: date,
) -> Specimen:
    """Draw both sides with the face found in ``portrait`` (JPEG, PNG or WEBP).

    What is not given is made up from ``seed``; the same arguments give the same pixels. Raises UnusableInput: the codes
    of ``images.decode``, no_face, several_faces, iin_malformed and the other codes of ``iin.InvalidIin``,
    specimen_field_invalid.
    """
    face = cut_portrait(decode(portrait))
    holder = make_holder(
        surname=surname,
        given_names=given_names,
        patronymic=patronymic,
        iin=iin,
        document_number=document_number,
        expires=expires,
        sex=sex,
        seed=seed,
        today=today,
    )
    lines = holder.mrz_lines()
    front, back = draw_front(holder, face, seed), draw_back(holder, lines, seed)
    random = np.random.default_rng(seed)
    shots = [
        Shot(
            turn=float(random.uniform(-5, 5)),
            tilt_x=float(random.uniform(-9, 9)),
            tilt_y=float(random.uniform(-9, 9)),
            offset=(float(random.uniform(-0.04, 0.04)), float(random.uniform(-0.04, 0.04))),
        )
        for _ in range(2)
    ]
    return Specimen(
        holder=holder,
        mrz_lines=lines,
        front=front,
        back=back,
        front_jpeg=encode_jpeg(front, 92),
        back_jpeg=encode_jpeg(back, 92),
        front_photo_jpeg=photograph(front, shots[0], seed).jpeg,
        back_photo_jpeg=photograph(back, replace(shots[1], quality=90), seed + 1).jpeg,
    )


def make_holder(
    *,
    surname: str | None = None,
    given_names: str | None = None,
    patronymic: str | None = None,
    iin: str | None = None,
    document_number: str | None = None,
    expires: date | None = None,
    sex: str | None = None,
    seed: int,
    today: date,
) -> Holder:
    """The made-up person. Raises UnusableInput as ``draw`` does."""
    random = np.random.default_rng(seed)
    number = _valid_iin(iin) if iin is not None else _nobodys_iin(random, sex)
    sex = number.sex
    ending = "А" if sex == "F" else ""
    made_up = {
        "surname": str(random.choice(_SURNAMES)) + ending,
        "given_names": str(random.choice(_GIVEN[sex])),
        "patronymic": str(random.choice(_FATHERS)) + _SUFFIX[sex],
        "document_number": f"0{random.integers(10**7, 10**8)}",
    }
    expires = expires or today + timedelta(days=int(random.integers(400, 3200)))
    holder = Holder(
        surname=(surname or made_up["surname"]).upper(),
        given_names=(given_names or made_up["given_names"]).upper(),
        patronymic=(made_up["patronymic"] if patronymic is None else patronymic).upper(),
        iin=number.number,
        birth_date=number.birth_date,
        sex=sex,
        document_number=document_number or made_up["document_number"],
        issued=expires - _LIFE,
        expires=expires,
    )
    try:
        holder.mrz_lines()
    except mrz.MrzError as error:
        raise UnusableInput("specimen_field_invalid", f"A field does not fit a card: {error.message}") from error
    return holder


def _valid_iin(text: str) -> iin_rules.Iin:
    try:
        return iin_rules.parse(text)
    except iin_rules.InvalidIin as error:
        raise UnusableInput(error.code, error.message) from error


def _nobodys_iin(random: np.random.Generator, sex: str | None) -> iin_rules.Iin:
    """Of a person born between 1830 and 1899: valid, and nobody's."""
    sex = sex or str(random.choice(["M", "F"]))
    if sex not in {"M", "F"}:
        raise UnusableInput("specimen_field_invalid", "The sex on a specimen card is M or F.")
    while True:
        born = date(1830, 1, 1) + timedelta(days=int(random.integers(0, 25_000)))
        number = iin_rules.compose(born, sex, int(random.integers(0, 10_000)))
        if number is not None:
            return iin_rules.parse(number)


# --- drawing ---------------------------------------------------------------------------------------

_INK: Final = (38, 40, 52)
_LABEL: Final = (84, 96, 120)
_MARK: Final = (176, 32, 48)


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(__file__).with_name("fonts") / name), size)


def _sans(size: int) -> ImageFont.FreeTypeFont:
    return _font("DejaVuSans.ttf", size)


def _bold(size: int) -> ImageFont.FreeTypeFont:
    return _font("DejaVuSans-Bold.ttf", size)


def _ground(seed: int, side: int) -> Image.Image:
    """A pale two-colour ground with fine interlaced waves, as security print has, of no issuer's design."""
    random = np.random.default_rng([seed, side])
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    along = (x / WIDTH + y / HEIGHT) / 2
    left, right = np.array([226, 238, 236], np.float32), np.array([246, 236, 218], np.float32)
    ground = left + (right - left) * along[..., None]
    for _ in range(4):
        period, phase = random.uniform(9, 16), random.uniform(0, 6.28)
        swing, wave = random.uniform(12, 40), random.uniform(180, 420)
        line = np.sin(2 * np.pi * (y + swing * np.sin(2 * np.pi * x / wave + phase)) / period)
        ground -= (np.clip(line - 0.72, 0, 1) * random.uniform(28, 46))[..., None] * np.array(
            [1.0, 0.7, 0.5], np.float32
        )
    return Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))


def _mark(card: Image.Image, x: int, y: int) -> Image.Image:
    """The word that keeps a specimen from passing for a document, across the card, over the print."""
    layer = Image.new("RGBA", card.size, (0, 0, 0, 0))
    ImageDraw.Draw(layer).text(
        (x, y), "ҮЛГІ · SPECIMEN", font=_bold(88), fill=(*_MARK, 34), anchor="mm", stroke_width=1
    )
    layer = layer.rotate(9, center=(x, y), resample=Image.Resampling.BICUBIC)
    return Image.alpha_composite(card.convert("RGBA"), layer).convert("RGB")


def _header(pen: ImageDraw.ImageDraw, title: str, second: str) -> None:
    pen.rectangle((0, 0, WIDTH, 22), fill=_MARK)
    pen.text((52, 40), title, font=_bold(33), fill=(30, 70, 96))
    pen.text((52, 84), second, font=_sans(25), fill=(30, 70, 96))
    pen.text((WIDTH - 40, 40), "ҮЛГІ", font=_bold(40), fill=_MARK, anchor="ra")
    pen.text((WIDTH - 40, 90), "SPECIMEN", font=_bold(24), fill=_MARK, anchor="ra")


def _field(pen: ImageDraw.ImageDraw, at: tuple[int, int], label: str, value: str, size: int = 36) -> None:
    pen.text(at, label, font=_sans(19), fill=_LABEL)
    pen.text((at[0], at[1] + 25), value, font=_bold(size), fill=_INK)


def draw_front(holder: Holder, face: Pixels, seed: int, sheen: float = 0.25) -> Pixels:
    """The flat front. ``sheen`` (any number, period 1) is the angle at which light meets the variable device."""
    card = _ground(seed, 0)
    pen = ImageDraw.Draw(card)
    _header(pen, "ЖЕКЕ КУӘЛІК ҮЛГІСІ", "ОБРАЗЕЦ УДОСТОВЕРЕНИЯ ЛИЧНОСТИ")
    left, top, right, bottom = PORTRAIT_BOX
    printed = cv2.resize(face, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    card.paste(Image.fromarray(np.ascontiguousarray(printed[:, :, ::-1])), (left, top))
    pen.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=(120, 130, 150), width=2)
    _field(pen, (400, 150), "ТЕГІ / ФАМИЛИЯ", holder.surname, 42)
    _field(pen, (400, 258), "АТЫ / ИМЯ", holder.given_names, 42)
    _field(pen, (400, 366), "ӘКЕСІНІҢ АТЫ / ОТЧЕСТВО", holder.patronymic, 42)
    _field(pen, (400, 474), "ТУҒАН КҮНІ / ДАТА РОЖДЕНИЯ", f"{holder.birth_date:%d.%m}.{holder.birth_date.year}")
    _field(pen, (760, 474), "ЖЫНЫСЫ / ПОЛ", {"M": "Е / М", "F": "Ә / Ж"}[holder.sex])
    pen.text((52, 600), "ЖСН / ИИН", font=_sans(19), fill=_LABEL)
    pen.text((52, 626), holder.iin, font=_bold(54), fill=_INK)
    pen.text((52, 730), "Бұл құжат емес. Не является документом.", font=_sans(22), fill=_MARK)
    _variable_device(card, sheen)
    return _bgr(_mark(card, 830, 420))


def draw_back(holder: Holder, lines: tuple[str, ...], seed: int) -> Pixels:
    """The flat back: the other fields, the IIN as Code 128, the machine readable zone in OCR-B size 1."""
    card = _ground(seed, 1)
    pen = ImageDraw.Draw(card)
    _header(pen, "ЖЕКЕ КУӘЛІК ҮЛГІСІ", "ОБРАЗЕЦ УДОСТОВЕРЕНИЯ ЛИЧНОСТИ")
    _field(pen, (52, 136), "НӨМІРІ / НОМЕР", holder.document_number, 44)
    _field(pen, (52, 240), "БЕРІЛГЕН КҮНІ / ДАТА ВЫДАЧИ", f"{holder.issued:%d.%m.%Y}")
    _field(pen, (52, 336), "ҚОЛДАНЫЛУ МЕРЗІМІ / СРОК ДЕЙСТВИЯ", f"{holder.expires:%d.%m.%Y}")
    _field(pen, (700, 136), "БЕРГЕН ОРГАН / ОРГАН ВЫДАЧИ", "ҮЛГІ МЕКЕМЕСІ", 32)
    _field(pen, (700, 226), "АЗАМАТТЫҒЫ / ГРАЖДАНСТВО", "ҮЛГІ / KAZ", 32)
    code = np.asarray(
        zxingcpp.create_barcode(holder.iin, zxingcpp.BarcodeFormat.Code128).to_image(scale=4, add_quiet_zones=True)
    )
    bars = Image.fromarray(code[code.shape[0] // 2][None, :].repeat(116, 0)).convert("RGB")
    card.paste(bars, (700, 300))
    pen.text((700 + bars.width // 2, 420), holder.iin, font=_sans(22), fill=_INK, anchor="ma")
    card = _mark(card, 640, 300)
    _zone(card, lines)
    return _bgr(card)


def _zone(card: Image.Image, lines: tuple[str, ...]) -> None:
    """Doc 9303 part 5: a clear band of 23.2 mm, OCR-B size 1 at ten characters an inch, six lines an inch."""
    pen = ImageDraw.Draw(card)
    top = HEIGHT - round(23.2 * _MM)
    pen.rectangle((0, top, WIDTH, HEIGHT), fill=(247, 246, 240))
    font = _font("OCRB.otf", _ocr_b_size())
    pitch, spacing = 2.54 * _MM, 25.4 / 6 * _MM
    left = (WIDTH - 30 * pitch) / 2
    for row, line in enumerate(lines):
        baseline = top + round(8 * _MM + row * spacing)
        for column, character in enumerate(line):
            pen.text((left + (column + 0.5) * pitch, baseline), character, font=font, fill=(24, 24, 24), anchor="ms")


@cache
def _ocr_b_size() -> int:
    """The font size at which its own pitch is the 2.54 mm of OCR-B size 1."""
    probe = 200
    return round(probe * 2.54 * _MM / _font("OCRB.otf", probe).getlength("H"))


def _variable_device(card: Image.Image, sheen: float) -> None:
    """Rings whose colour runs through the spectrum, and whose bright ray turns, with the angle of the light."""
    left, top, right, bottom = VARIABLE_BOX
    size = right - left
    y, x = (np.mgrid[0 : bottom - top, 0:size].astype(np.float32) - size / 2) / (size / 2)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    hue = (radius * 1.2 + sheen) % 1.0
    ray = np.clip(np.cos(angle - 2 * np.pi * sheen), 0, 1) ** 3
    ring = 0.5 + 0.5 * np.cos(radius * 42)
    colours = cv2.cvtColor(
        np.dstack([hue * 179, 70 + 90 * ring, 190 + 60 * ray]).clip(0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB
    ).astype(np.float32)
    cover = (np.clip((1 - radius) * 12, 0, 1) * (0.28 + 0.5 * ray * ring))[..., None]
    under = np.asarray(card.crop(VARIABLE_BOX), dtype=np.float32)
    card.paste(Image.fromarray((under * (1 - cover) + colours * cover).astype(np.uint8)), (left, top))


def _bgr(card: Image.Image) -> Pixels:
    return np.ascontiguousarray(np.asarray(card, dtype=np.uint8)[:, :, ::-1])
