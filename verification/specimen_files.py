"""The ``specimen`` command: draw a card and write its pictures."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import cv2

from verification import images, specimen
from verification.contract import Pixels, UnusableInput


def write(
    portrait: Path,
    out: Path,
    *,
    surname: str | None,
    given_names: str | None,
    patronymic: str | None,
    iin: str | None,
    document_number: str | None,
    expires: date | None,
    sex: str | None,
    seed: int,
) -> tuple[dict[str, Any], str]:
    """Write the four pictures; answer as JSON-able values and as text.

    Raises UnusableInput: the codes of ``images.read`` and ``specimen.draw``, specimen_not_written.
    """
    drawn = specimen.draw(
        images.read(portrait),
        surname=surname,
        given_names=given_names,
        patronymic=patronymic,
        iin=iin,
        document_number=document_number,
        expires=expires,
        sex=sex,
        seed=seed,
        today=datetime.now(UTC).date(),
    )
    files = {
        "front": (out / "front.png", _png(drawn.front)),
        "back": (out / "back.png", _png(drawn.back)),
        "front_photo": (out / "front_photo.jpg", drawn.front_photo_jpeg),
        "back_photo": (out / "back_photo.jpg", drawn.back_photo_jpeg),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, data in files.values():
            path.write_bytes(data)
    except OSError as error:
        raise UnusableInput("specimen_not_written", f"The pictures cannot be written: {error.strerror}.") from error
    holder = drawn.holder
    answer = {
        "files": {name: str(path) for name, (path, _) in files.items()},
        "attributes": {
            "surname": holder.surname,
            "given_names": holder.given_names,
            "patronymic": holder.patronymic,
            "iin": holder.iin,
            "document_number": holder.document_number,
            "birth_date": holder.birth_date.isoformat(),
            "sex": holder.sex,
            "expiry_date": holder.expires.isoformat(),
            "issuing_state": "KAZ",
        },
        "mrz_lines": list(drawn.mrz_lines),
    }
    return answer, "\n".join([*(str(path) for path, _ in files.values()), *drawn.mrz_lines])


def _png(pixels: Pixels) -> bytes:
    done, encoded = cv2.imencode(".png", pixels)
    if not done:
        raise ValueError("the PNG encoder refused the pixels")
    return encoded.tobytes()
