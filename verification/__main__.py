"""The command line: ``python -m verification COMMAND``.

Exit codes of every check: 0 passed, 1 failed, 3 inconclusive, 2 unusable input. With ``--json`` the answer is one
JSON object on standard output, also for unusable input: ``{"error": {"code", "message"}}``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from verification.contract import Outcome, UnusableInput

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
EXIT_CODES: Final = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.INCONCLUSIVE: 3, Outcome.NOT_RUN: 3}
UNUSABLE: Final = 2
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]


@contextmanager
def answering(as_json: bool) -> Iterator[None]:
    """Turn UnusableInput, ModelUnavailable and CalibrationInvalid into an answer with exit code 2."""
    from verification.calibration import CalibrationInvalid
    from verification.models import ModelUnavailable

    try:
        yield
    except (UnusableInput, ModelUnavailable, CalibrationInvalid) as error:
        if as_json:
            typer.echo(json.dumps({"error": {"code": error.code, "message": error.message}}, ensure_ascii=False))
        else:
            typer.echo(f"{error.message} ({error.code})", err=True)
        raise typer.Exit(UNUSABLE) from error


def usable_folder(path: Path) -> Path:
    """A folder that a report can be written to, made where it is missing: asked before the work, not after it.

    Raises UnusableInput folder_unusable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableInput("folder_unusable", f"{path.name} is no folder to write to: {error.strerror}.") from error
    if not os.access(path, os.W_OK):
        raise UnusableInput("folder_unusable", f"{path.name} is no folder to write to: Permission denied.")
    return path


def say(answer: dict[str, Any], text: str, as_json: bool) -> None:
    """Print the answer as JSON or as text for people."""
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else text)


@app.callback()
def main() -> None:
    """Compare faces, read documents, judge liveness and attacks, and measure how often all that is wrong."""


@app.command()
def compare(
    id_image: Annotated[Path, typer.Argument(help="The portrait, or a photograph of the whole card.")],
    probes: Annotated[list[Path], typer.Argument(help="Live pictures of the applicant.")],
    as_json: Json = False,
    second_opinion: Annotated[bool, typer.Option(help="Ask the second, independent engine too.")] = True,
    calibration: Annotated[Path | None, typer.Option(help="Thresholds of your own; see evaluate.")] = None,
) -> None:
    """Compare the face on an identity document with live pictures."""
    from verification import comparison_report, face, images

    with answering(as_json):
        portrait = images.read(id_image)
        pictures = [images.read(path) for path in probes]
        result = face.compare(portrait, pictures, second_opinion=second_opinion, calibration_file=calibration)
    say(comparison_report.as_json(result), comparison_report.as_text(result), as_json)
    raise typer.Exit(EXIT_CODES[result.result.outcome])


@app.command(name="document")
def read_document(
    front: Annotated[Path, typer.Argument(help="The side with the portrait, or a passport's data page.")],
    back: Annotated[Path | None, typer.Argument(help="The other side of a card.")] = None,
    as_json: Json = False,
) -> None:
    """Read an identity document and check its parts against each other."""
    from verification import document, document_report, images

    with answering(as_json):
        other = None if back is None else images.read(back)
        reading = document.read(images.read(front), other, datetime.now(UTC))
    say(document_report.as_json(reading), document_report.as_text(reading), as_json)
    raise typer.Exit(EXIT_CODES[document.overall(reading)])


@app.command()
def specimen(
    portrait: Annotated[Path, typer.Option(help="Picture with the face to print: JPEG, PNG or WEBP.")],
    out: Annotated[Path, typer.Option(help="Folder for front.png, back.png, front_photo.jpg and back_photo.jpg.")],
    surname: Annotated[str | None, typer.Option(help="As printed: Cyrillic or Latin letters.")] = None,
    given: Annotated[str | None, typer.Option(help="Given names, as printed.")] = None,
    patronymic: Annotated[str | None, typer.Option(help="As printed; empty for none.")] = None,
    iin: Annotated[str | None, typer.Option(help="Default: of somebody born in the 19th century.")] = None,
    number: Annotated[str | None, typer.Option(help="Document number, at most 9 characters.")] = None,
    expires: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of validity.")] = None,
    sex: Annotated[str | None, typer.Option(help="M or F; with --iin, what the IIN says.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same card.")] = 0,
    as_json: Json = False,
) -> None:
    """Draw the front and back of an identity card marked SPECIMEN, flat and as photographed."""
    from verification import specimen_files

    with answering(as_json):
        answer, text = specimen_files.write(
            portrait,
            out,
            surname=surname,
            given_names=given,
            patronymic=patronymic,
            iin=iin,
            document_number=number,
            expires=None if expires is None else expires.date(),
            sex=sex,
            seed=seed,
        )
    say(answer, text, as_json)


@app.command()
def liveness(
    clip: Annotated[Path | None, typer.Argument(help="The recorded answer: any video file.")] = None,
    script: Annotated[
        Path | None, typer.Option(help='JSON: {"steps": [...], "prompts": [seconds, ...]}; see --new.')
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Print a fresh random script instead of judging.")] = False,
    count: Annotated[int, typer.Option(help="With --new: how many steps at least.")] = 4,
    without: Annotated[
        list[str] | None, typer.Option(help="With --new: what the person cannot do, e.g. light_sensitive.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge whether a person in a clip does what a script asks, in time, and stays the same person."""
    from verification import liveness_report

    with answering(as_json):
        if new:
            typer.echo(json.dumps(liveness_report.new_script(count, without or []), ensure_ascii=False))
            return
        if clip is None or script is None:
            raise UnusableInput("script_invalid", "A clip and its --script are needed, or --new.")
        answer = liveness_report.judge_files(clip, script)
    say(answer, liveness_report.as_text(answer), as_json)
    raise typer.Exit(EXIT_CODES[liveness_report.outcome_of(answer)])


@app.command()
def tilt(
    portrait: Annotated[Path, typer.Option(help="Picture with the face that is printed on the cards.")],
    each: Annotated[int, typer.Option(min=1, max=1000, help="Sequences of each kind; about 15 s each.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same people, cards and scripts.")] = 0,
    actor: Annotated[
        list[str] | None, typer.Option(help="Only these: genuine, copy, overlay ...; default: all.")
    ] = None,
    known: Annotated[bool, typer.Option(help="The places of the variable devices are known.")] = True,
    as_json: Json = False,
) -> None:
    """Measure how often the judge of tilted cards is wrong, on rendered people who do, or do not, what is asked.

    Exit code 0 when no attack and nobody who did nothing passed, else 1.
    """
    from verification import images, tilt_trials
    from verification.portrait import cut_portrait

    with answering(as_json):
        actors = tilt_trials.actors(actor or [])
        rows = tilt_trials.measure(cut_portrait(images.decode(images.read(portrait))), each, seed, known, actors)
    say({"each": each, "seed": seed, "known": known, "rows": rows}, tilt_trials.as_text(rows), as_json)
    through = any(row["passed"] for row in rows if row["actor"] != tilt_trials.Actor.GENUINE)
    raise typer.Exit(EXIT_CODES[Outcome.FAILED if through else Outcome.PASSED])


@app.command()
def attacks(
    data: Annotated[Path, typer.Option(help="Folder of the clips, or with the folder video in it.")],
    out: Annotated[Path, typer.Option(help="Folder for attacks.json and attacks.html.")],
    each: Annotated[int, typer.Option(min=1, max=1000, help="Presentations of each species.")] = 5,
    genuine: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Genuine presentations of each person; default: as many.")
    ] = None,
    species: Annotated[list[str] | None, typer.Option(help="Only these; default: all.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same attacks.")] = 0,
    as_json: Json = False,
) -> None:
    """Make attacks of every species, run them against the checks, and report how many get through.

    Exit code 0 when none was accepted and under 5% of genuine presentations were turned away, else 1.
    """
    from verification import attack_report
    from verification import attacks as laboratory

    with answering(as_json):
        folder = usable_folder(out)
        report = laboratory.run(data, each, seed, species or None, genuine or each).as_json()
        answer = {**report, "files": attack_report.write(report, folder)}
    say(answer, attack_report.as_text(report), as_json)
    held = not report["not_beaten"] and (report["bona_fide"]["bpcer"] or 0.0) < laboratory.BPCER_GOAL
    raise typer.Exit(EXIT_CODES[Outcome.PASSED if held else Outcome.FAILED])


@app.command()
def evaluate(
    pairs: Annotated[Path, typer.Option(help="CSV with the columns fold, same, a, b; see docs/models.md.")],
    root: Annotated[Path, typer.Option(help="Folder that the pictures' names are relative to.")],
    condition: Annotated[str, typer.Option(help="clean, or id-webcam: printed portrait x live VP8 frames.")] = "clean",
    report: Annotated[Path | None, typer.Option(help="Folder for the page and the calibration.")] = None,
    cohort: Annotated[str, typer.Option(help="auto, installed, folds or none.")] = "auto",
    embedder: Annotated[Path | None, typer.Option(help="JSON that describes an ONNX network of your own.")] = None,
    second_opinion: Annotated[bool, typer.Option(help="Measure the second engine too (six times the cost).")] = False,
    variants: Annotated[bool, typer.Option(help="Measure simpler and other ways too.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one per core.")] = None,
    as_json: Json = False,
) -> None:
    """Measure how often the face comparison is wrong, and make a calibration from it."""
    from verification import calibration, evaluation_report
    from verification import evaluate as evaluation

    with answering(as_json):
        own = None if embedder is None else calibration.read_embedder(embedder)
        folder = None if report is None else usable_folder(report)
        found = evaluation.run(
            pairs,
            root,
            condition,
            cohort=cohort,
            embedder=own,
            second=second_opinion,
            variants=variants,
            jobs=jobs or os.cpu_count() or 1,
        )
        if folder is not None:
            evaluation_report.write(found, folder, calibration.load(), own)
    say(found.figures, evaluation_report.as_text(found.figures), as_json)


if __name__ == "__main__":
    app(prog_name="python -m verification")
