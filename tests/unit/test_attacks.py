"""The laboratory: what it makes is what it says, its rates are counted right, its commands answer."""

from __future__ import annotations

import json
import math
import os
from datetime import date
from pathlib import Path
from random import Random

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from verification import (
    attack_report,
    attacks,
    card_attacks,
    clips,
    face,
    images,
    liveness_report,
    signals,
    species,
    specimen,
    staging,
)
from verification.__main__ import app
from verification.attacks import GENUINE, Presentation, Report
from verification.contract import Frame, Outcome, Pixels, UnusableInput
from verification.measures import FaceMeter, measure

DATA = Path(__file__).parent.parent / "data"
VIDEO = Path(os.environ.get("BETPE_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "video"
needs_clips = pytest.mark.skipif(
    bool(clips.missing(VIDEO)), reason=f"no clips of real moving faces in BETPE_SHARED's data/video: {VIDEO.name}"
)


def portrait(name: str) -> Pixels:
    pixels = cv2.imread(str(DATA / name))
    assert pixels is not None
    scale = 480 / pixels.shape[0]
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:480, :640]
    left = (640 - small.shape[1]) // 2
    wide = cv2.copyMakeBorder(small, 0, 480 - small.shape[0], left, 640 - left - small.shape[1], cv2.BORDER_REPLICATE)
    return np.asarray(wide, np.uint8)


def presentation(name: str, decision: str, risk: float = 0.1) -> Presentation:
    shown = "passed" if decision == "accepted" else "failed"
    found = (signals.signal("moire", 20.0 if name != GENUINE else 3.0),)
    return Presentation(name, "a", "b", decision, shown, (), 4, 4, risk, found)


def test_rates_are_per_species_with_bounds_and_no_average() -> None:
    shown = [presentation("print", "refused")] * 30 + [presentation("face_swap", "accepted")] * 3
    shown += [presentation("face_swap", "referred")] * 7 + [presentation(GENUINE, "accepted")] * 19
    report = Report([*shown, presentation(GENUINE, "referred")]).as_json()
    rows = {row["species"]: row for row in report["species"]}
    assert rows["print"]["apcer"] == 0
    assert rows["print"]["high"] == pytest.approx(0.1, rel=0.06)  # rule of three
    assert rows["face_swap"]["apcer"] == pytest.approx(0.3)
    assert rows["face_swap"]["low"] < 0.3 < rows["face_swap"]["high"]
    assert (report["bona_fide"]["bpcer"], report["bona_fide"]["referred"]) == (0.05, 1)
    assert report["not_beaten"] == ["face_swap"]
    assert "acer" not in {key for row in report["species"] for key in row}
    (moire,) = [row for row in report["signals"] if row["signal"] == "moire"]
    assert moire["eer"] == {"print": 0.0, "face_swap": 0.0}
    assert all(row["model"] for row in report["signals"])


def test_the_page_stands_alone_and_names_what_is_not_beaten(tmp_path: Path) -> None:
    shown = [presentation("face_swap", "accepted"), presentation(GENUINE, "accepted")]
    files = attack_report.write(Report(shown).as_json(), tmp_path / "new")
    page = Path(files["page"]).read_text(encoding="utf-8")
    assert "Not beaten:</b> face_swap" in page
    assert "http" not in page
    assert "<script" not in page
    assert json.loads(Path(files["json"]).read_text(encoding="utf-8"))["not_beaten"] == ["face_swap"]


@pytest.mark.parametrize(
    ("outcome", "risk", "said"),
    [
        (Outcome.PASSED, 0.1, "accepted"),
        (Outcome.PASSED, signals.REFER, "referred"),
        (Outcome.INCONCLUSIVE, 0.0, "referred"),
        (Outcome.FAILED, 0.0, "refused"),
        (Outcome.NOT_RUN, 0.0, "referred"),
    ],
)
def test_only_a_pass_without_signs_is_accepted(outcome: Outcome, risk: float, said: str) -> None:
    assert attacks.decision(outcome, risk) == said


def test_a_head_that_comes_nearer_shows_depth_and_a_picture_does_not() -> None:
    from verification import parallax

    still = portrait("obama.jpg")
    far = staging.enlarged(still, species.points_of(still), 0.6)
    points = species.points_of(far)
    rest = parallax.look(far, points)
    nearer, flat = staging.nearer(far, points, 60, 40), staging.enlarged(far, points, 1.5)
    solid = parallax.motion(rest, parallax.look(nearer, species.points_of(nearer))).nearing
    picture = parallax.motion(rest, parallax.look(flat, species.points_of(flat))).nearing
    assert solid > 0.003
    assert abs(picture) < 0.0015


def test_screen_light_colours_the_face_more_than_the_wall() -> None:
    plain = portrait("biden.jpg")
    seen = measure(Frame(plain, 0, 0.0))
    assert seen is not None
    blue = staging.lit(plain, "#96b4ff", 0.2, seen.box).astype(float) - plain
    x, y = int((seen.box[0] + seen.box[2] / 2) * 640), int((seen.box[1] + seen.box[3] / 2) * 480)
    face, corner = blue[y - 20 : y + 20, x - 20 : x + 20], blue[-20:, -20:]
    assert face[..., 0].mean() > face[..., 1].mean() > 0
    assert face.mean() > 2 * corner.mean()


def test_a_bent_picture_moves_the_mesh_and_a_pasted_face_keeps_it() -> None:
    one, two = portrait("obama.jpg"), portrait("biden.jpg")
    points = species.points_of(one)
    target = points.copy()
    lips = [i for i in range(468) if points[i, 1] > points[13, 1]]
    target[lips, 1] += 25
    before, after = measure(Frame(one, 0, 0.0)), measure(Frame(species.warped(one, points, target), 0, 0.0))
    assert before is not None
    assert after is not None
    assert after.mouth > before.mouth + 0.1
    swapped = species.pasted(one, points, two, species.points_of(two))
    moved = np.abs(species.points_of(swapped)[:, :2] - species.points_of(two)[:, :2]).mean()
    assert moved < 6
    assert np.abs(swapped.astype(int) - two).mean() > 0.1


def test_paper_is_duller_and_a_turned_sheet_narrower() -> None:
    still = portrait("obama.jpg")
    sheet = species.on_paper(still, Random(1))
    spread = [float(np.std(cv2.cvtColor(p, cv2.COLOR_BGR2LAB)[60:420, 60:580, 1])) for p in (still, sheet)]
    assert spread[1] < spread[0]
    desk = np.array((88, 96, 104))
    straight, turned = (species.held(sheet, yaw, 0, 1.0, Random(1)) for yaw in (0, 40))
    covers = [(np.abs(p.astype(int) - desk).sum(axis=2) > 3).mean() for p in (straight, turned)]
    assert covers[1] < 0.95 * covers[0]


def test_a_portrait_laid_over_the_card_slips_and_a_printed_one_does_not() -> None:
    faces = [(DATA / f"{name}.jpg").read_bytes() for name in ("obama", "biden")]
    card, other = (specimen.draw(f, seed=3, today=date(2026, 1, 1)).front for f in faces)
    left, top, right, bottom = specimen.PORTRAIT_BOX
    printed = card_attacks.slip(card_attacks.views(card, Random(2)))
    laid = card_attacks.slip(card_attacks.views(card, Random(2), other[top:bottom, left:right]))
    assert printed < card_attacks.SLIP < laid


def test_a_keyed_hand_has_a_fringe_and_a_hand_has_none() -> None:
    card = specimen.draw((DATA / "obama.jpg").read_bytes(), seed=4, today=date(2026, 1, 1)).front
    flat = card_attacks.views(card, Random(5))[0]
    plain, keyed = (card_attacks.under_hand(flat, Random(6), k) for k in (False, True))
    assert card_attacks.fringe(flat, flat) == 0.0
    assert card_attacks.fringe(flat, plain) < card_attacks.FRINGE < card_attacks.fringe(flat, keyed)
    with pytest.raises(ValueError, match="no portrait"):
        card_attacks.slip([np.zeros((404, 640, 3), np.uint8)] * 3)


def test_a_morph_lies_between_two_faces() -> None:
    one, two = portrait("obama.jpg"), portrait("biden.jpg")
    between = images.encode_jpeg(card_attacks.morph(one, two))
    probes = [Frame(p, 0, 0.0) for p in (one, two)]
    scores = [p.score for p in face.compare(between, probes, second_opinion=False).probes]
    apart = face.compare(images.encode_jpeg(one), [probes[1]], second_opinion=False).probes[0].score
    assert apart is not None
    assert all(score is not None and score > apart + 0.1 for score in scores)


def test_the_codec_keeps_count_and_clock() -> None:
    still = portrait("obama.jpg")
    frames = [Frame(still, n * 6000, n / 15) for n in range(12)]
    received = list(attacks.through_vp8(iter(frames)))
    assert [(f.rtp_timestamp, f.received_at) for f in received] == [(f.rtp_timestamp, f.received_at) for f in frames]
    assert 0 < np.abs(received[-1].pixels.astype(int) - still).mean() < 8


def test_unknown_species_and_absent_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput) as caught:
        attacks.run(tmp_path, 1, names=["ghost"])
    assert caught.value.code == "unknown_species"
    with pytest.raises(UnusableInput) as caught:
        attacks.run(tmp_path, 1)
    assert caught.value.code == "clips_missing"
    answer = CliRunner().invoke(app, ["attacks", "--data", str(tmp_path), "--out", str(tmp_path / "o"), "--json"])
    assert answer.exit_code == 2
    assert json.loads(answer.stdout)["error"]["code"] == "clips_missing"


def film(path: Path, frames: list[Pixels]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=15, options={"deadline": "realtime"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def test_the_liveness_command_refuses_a_still_photograph(tmp_path: Path) -> None:
    clip = film(tmp_path / "still.webm", [portrait("obama.jpg")] * 120)
    new = CliRunner().invoke(app, ["liveness", "--new", "--count", "4", "--without", "light_sensitive"])
    script = json.loads(new.stdout)
    assert script["entropy_bits"] >= 12
    steps = [{"kind": kind, "window": 2.0, "rest": 0.8} for kind in ("nod", "open_mouth")]
    (tmp_path / "script.json").write_text(json.dumps({"steps": steps, "prompts": [1.5, 4.5]}), encoding="utf-8")
    arguments = ["liveness", str(clip), "--script", str(tmp_path / "script.json"), "--json"]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 1, answer.output
    said = json.loads(answer.stdout)
    assert (said["outcome"], said["reasons"]) == ("failed", ["challenge_not_answered"])
    assert [s["reason"] for s in said["steps"]] == ["not_answered"] * 2
    assert said["injection"]["signals"]["frozen"]["value"] > 0.3


@pytest.mark.parametrize(
    "script",
    [
        "no json", "{}", '{"steps": [], "prompts": []}', '{"steps": [{"kind": "dance"}], "prompts": [1]}',
        '{"steps": [{"kind": "nod", "window": 1e9, "rest": 1}], "prompts": [1]}',
        '{"steps": [{"kind": "colour_flash", "window": 5, "rest": 1, "parameters": {"colours": ["rose", "green"], '
        '"seconds": 0.05}}], "prompts": [1]}',
        '{"steps": [{"kind": "blink", "window": 5, "rest": 1}], "prompts": ["soon"]}', "[1]",
        '{"steps": [{"kind": "nod", "window": 5, "rest": 1}]}',
        '{"steps": [{"kind": "nod", "window": 5, "rest": 1}], "prompts": []}',
        '{"steps": [{"kind": "nod", "window": 5, "rest": 1}], "prompts": [NaN]}',
        '{"steps": [{"kind": "nod", "window": 5, "rest": 1}], "prompts": [1, 2]}',
    ],
)  # fmt: skip
def test_a_bad_script_is_named(tmp_path: Path, script: str) -> None:
    (tmp_path / "s.json").write_text(script, encoding="utf-8")
    with pytest.raises(UnusableInput) as caught:
        liveness_report.judge_files(tmp_path / "none.webm", tmp_path / "s.json")
    assert caught.value.code == "script_invalid"


def test_a_bad_clip_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "clip.mp4"
    bad.write_bytes(b"not a clip" * 100)
    with pytest.raises(UnusableInput) as caught:
        liveness_report.read_clip(bad)
    assert caught.value.code == "video_unreadable"
    with pytest.raises(UnusableInput) as caught:
        liveness_report.read_clip(tmp_path / "absent.mp4")
    assert caught.value.code == "video_unreadable"


def test_scripts_come_back_as_they_went(tmp_path: Path) -> None:
    data = json.loads(json.dumps(liveness_report.new_script(5, [])))
    assert liveness_report.script_json(liveness_report.script_of(data)) == data
    with pytest.raises(UnusableInput) as caught:
        liveness_report.new_script(4, ["nonsense"])
    assert caught.value.code == "challenge_not_possible"
    assert math.isfinite(data["entropy_bits"])


@needs_clips
@pytest.mark.timeout(300)
def test_a_recording_for_another_script_is_not_accepted() -> None:
    victim = clips.load(VIDEO, "liveportrait_d13")
    shown = attacks.attack(species.ALL["injected_recording"], victim, victim, Random(4))
    assert shown.decision != "accepted"
    assert shown.answered < shown.steps
    assert shown.signals


@needs_clips
def test_every_frame_a_take_can_show_is_there() -> None:
    clip = clips.load(VIDEO, "liveportrait_d3")
    assert set(clip.pixels) == clip.cast.used
    meter = FaceMeter()
    assert meter.measure(Frame(clip.pixels[clip.cast.rest[0]], 0, 0.0)) is not None
