"""Calibration as a command: rates from pairs, thresholds that can be installed, and what is refused."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data as pictures
from typer.testing import CliRunner

from verification import calibration, conditions, evaluate, evaluation_report, images, pairs, scoring
from verification.__main__ import app
from verification.calibration import CalibrationInvalid
from verification.contract import Pixels, UnusableInput
from verification.models import ModelUnavailable

DATA = Path(__file__).parent.parent / "data"
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, two pictures each, in the layout of LFW, one fold each, and a list of pairs."""
    folder = tmp_path_factory.mktemp("people")
    sources = {
        "Ann_0001.jpg": np.ascontiguousarray(pictures.astronaut()[:, :, ::-1]),  # type: ignore[no-untyped-call]
        "Bob_0001.jpg": images.decode((DATA / "obama.jpg").read_bytes()),
        "Bob_0002.jpg": images.decode((DATA / "obama2.jpg").read_bytes()),
        "Joe_0001.jpg": images.decode((DATA / "biden.jpg").read_bytes()),
    }
    for name, pixels in sources.items():
        (folder / name).write_bytes(images.encode_jpeg(_like_lfw(pixels)))
    for name in ("Ann", "Joe"):
        mirrored = _like_lfw(sources[f"{name}_0001.jpg"])[:, ::-1]
        (folder / f"{name}_0002.jpg").write_bytes(images.encode_jpeg(np.ascontiguousarray(mirrored), 60))
    people = ("Ann", "Bob", "Joe")
    rows = [(1, 1, f"{name}_0001.jpg", f"{name}_0002.jpg") for name in people]
    rows += [(1, 0, f"{one}_0001.jpg", f"{other}_0002.jpg") for one in people for other in people if one != other]
    _write(folder / "pairs.csv", rows)
    _write(folder / "folds.csv", [(fold, *row[1:]) for fold in (1, 2) for row in rows])
    return folder


def _like_lfw(pixels: Pixels) -> Pixels:
    """250 x 250, the face in the middle."""
    from verification.detector import detect

    face = detect(pixels)[0]
    side = 2.6 * face.width
    scale = 250 / side
    left, top = face.x + face.width / 2 - side / 2, face.y + face.height / 2 - side / 2
    move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    return np.asarray(cv2.warpAffine(pixels, move, (250, 250), borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def _write(
    path: Path, rows: list[tuple[int, int, str, str]], head: tuple[str, ...] = ("fold", "same", "a", "b")
) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)


@pytest.mark.timeout(300)
def test_the_command_answers_with_the_keys_that_others_rely_on(root: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", "--pairs", root / "pairs.csv", "--root", root, "--condition", "id-webcam", "--jobs", "1"]
    result = RUNNER.invoke(app, [*map(str, arguments), "--json", "--report", str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    assert answer["condition"] == "id-webcam"
    assert answer["pairs"] == 9
    assert set(answer["fnmr_at_fmr"]) == set(answer["threshold_at_fmr"]) == {"0.01", "0.001", "0.0001"}
    assert answer["fnmr_at_fmr"]["0.01"] == 0  # three easy people are told apart, printed and filmed
    assert answer["eer"] == 0
    assert answer["failure_to_acquire"] == 0
    assert answer["ms_per_frame"] > 0
    assert answer["impostor_comparisons"] == 6
    assert answer["installed"]["zones"]["genuine"]["accept"] == 1
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # nothing is loaded from anywhere


@pytest.mark.timeout(300)
def test_worker_processes_find_the_same(root: Path) -> None:
    alone = evaluate.run(root / "pairs.csv", root, "clean", jobs=1)
    shared = evaluate.run(root / "pairs.csv", root, "clean", jobs=2)
    assert np.allclose(alone.scores.genuine, shared.scores.genuine)
    assert np.allclose(alone.scores.impostor, shared.scores.impostor)


@pytest.mark.timeout(300)
def test_second_engine_and_other_ways_are_measured_on_request(root: Path) -> None:
    figures = evaluate.run(root / "folds.csv", root, "clean", cohort="folds", second=True, variants=True).figures
    assert figures["second"]["same"] <= figures["second"]["different"]
    assert len(figures["variants"]) == 8
    assert figures["cohort"] == "folds"
    assert set(figures["folds"]) == {"1", "2"}
    assert "What each step is worth" in evaluation_report._page(
        figures, evaluate.run(root / "folds.csv", root, "clean").scores, "0" * 64
    )


def test_a_picture_without_a_face_is_a_failure_to_acquire(root: Path, tmp_path: Path) -> None:
    people = tmp_path / "people"
    shutil.copytree(root, people)
    (people / "Bob_0002.jpg").write_bytes(images.encode_jpeg(np.full((250, 250, 3), 128, np.uint8)))
    figures = evaluate.run(people / "pairs.csv", people, "clean").figures
    assert figures["failure_to_acquire"] == pytest.approx(1 / 6, abs=1e-4)
    assert figures["failures"]["portrait"][0] == 0
    assert figures["fnmr_at_fmr"]["0.01"] == pytest.approx(1 / 3, abs=1e-4)  # that genuine pair is not matched


def test_groups_are_compared_where_the_list_has_them(root: Path, tmp_path: Path) -> None:
    rows = [(1, 1, "Ann_0001.jpg", "Ann_0002.jpg", "f"), (1, 1, "Bob_0001.jpg", "Bob_0002.jpg", "m")]
    rows += [(1, 0, "Joe_0001.jpg", "Bob_0002.jpg", "m"), (1, 0, "Ann_0001.jpg", "Joe_0002.jpg", "f")]
    path = tmp_path / "groups.csv"
    _write(path, rows, ("fold", "same", "a", "b", "group"))  # type: ignore[arg-type]
    table = evaluate.run(path, root, "clean").figures["groups"]["table"]
    assert set(table) == {"f", "m"}
    assert table["f"]["fnmr"] == {"rate": 0.0, "low": 0.0, "high": 1.0, "errors": 0, "of": 1}


def test_conditions_are_the_same_in_every_run(root: Path) -> None:
    pixels = images.decode((root / "Joe_0001.jpg").read_bytes())
    seed = conditions.seed_of("Joe_0001.jpg")
    assert np.array_equal(conditions.card_portrait(pixels, seed), conditions.card_portrait(pixels, seed))
    assert not np.array_equal(conditions.card_portrait(pixels, seed), conditions.card_portrait(pixels, seed + 1))
    clip = conditions.webcam_clip(pixels, seed)
    assert [frame.shape for frame in clip] == [(480, 640, 3)] * conditions.CLIP_FRAMES
    assert all(np.array_equal(one, two) for one, two in zip(clip, conditions.webcam_clip(pixels, seed), strict=True))


# lists of pairs


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("fold,same,a\n1,1,x.jpg\n", "pairs_malformed"),
        ("fold,same,a,b\n", "pairs_malformed"),
        ("fold,same,a,b\n1,yes,Ann_0001.jpg,Ann_0002.jpg\n", "pairs_malformed"),
        ("fold,same,a,b\n1,1,Ann_0001.jpg,Ann_0002.jpg\n", "pairs_malformed"),
        ("fold,same,a,b\n1,1,Ann_0001.jpg,None.jpg\n1,0,Ann_0001.jpg,Bob_0001.jpg\n", "pairs_picture_missing"),
        ("fold,same,a,b\n1,1,../pairs.csv,Ann_0002.jpg\n1,0,Ann_0001.jpg,Bob_0001.jpg\n", "pairs_outside_root"),
    ],
)
def test_lists_that_are_refused(root: Path, tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(UnusableInput) as caught:
        pairs.read(path, root)
    assert caught.value.code == code
    result = RUNNER.invoke(app, ["evaluate", "--pairs", str(path), "--root", str(root), "--json"])
    assert result.exit_code == 2
    assert json.loads(result.output)["error"]["code"] == code


def test_a_report_that_cannot_be_written_is_said_before_the_work(root: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    arguments = ["evaluate", "--pairs", tmp_path / "absent.csv", "--root", root, "--report", tmp_path / "taken"]
    result = RUNNER.invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == 2
    assert json.loads(result.output)["error"]["code"] == "folder_unusable"


def test_who_is_who_is_believed_only_when_every_pair_agrees(root: Path) -> None:
    listed = pairs.read(root / "pairs.csv", root)
    assert pairs.persons(listed) is not None
    assert pairs.persons([*listed, pairs.Pair("1", True, "a.jpg", "b.jpg", "", "", "")]) is None
    assert pairs.persons([*listed, pairs.Pair("1", False, "x", "y", "Ann", "Ann", "")]) is None


# the score


def test_a_cohorts_moments_are_the_statistics_of_its_scores() -> None:
    random = np.random.default_rng(5)
    people = random.normal(0.3, 1, (400, 16))
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    probe = people[:3]
    moments = scoring.Moments.of(people)
    direct = probe @ people.T
    assert np.allclose(moments.centre(probe), direct.mean(axis=1))
    assert np.allclose(moments.spread(probe), direct.std(axis=1, ddof=1))


def test_a_cohort_file_comes_back_as_it_was_and_nothing_else_does() -> None:
    cohort = calibration.load().cohort
    assert cohort is not None
    again = scoring.Cohort.from_bytes(cohort.to_bytes())
    assert np.allclose(again.live.covariance, cohort.live.covariance)
    for data in (b"", b"PK\x03\x04 no archive", b"\x93NUMPY"):
        with pytest.raises(ValueError, match=r"cohort|array|pickle|magic|EOF"):
            scoring.Cohort.from_bytes(data)


# calibrations


def _copy(folder: Path, **changes: object) -> Path:
    content = json.loads(calibration.BUILT_IN.read_text()) | changes
    shutil.copy(calibration.BUILT_IN.parent / "face_cohort.npz", folder)
    path = folder / "calibration.json"
    path.write_text(json.dumps(content))
    return path


_FILES = json.loads(calibration.BUILT_IN.read_text())["matcher"]["files"]


def test_the_products_own_calibration_is_complete() -> None:
    own = calibration.load()
    assert own.condition == "id-webcam"
    assert own.accept.fmr == calibration.ACCEPT_FMR
    assert own.refer.threshold < own.accept.threshold < own.thresholds[0.0001].threshold
    assert own.second.same < own.second.different
    assert own.sha256 == hashlib.sha256(calibration.BUILT_IN.read_bytes()).hexdigest()
    assert own.sha256[:12] in own.version


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": "another/1"}, "calibration_malformed"),
        ({"thresholds": {"0.01": 3.0}}, "calibration_malformed"),
        ({"thresholds": {"0.01": 4.0, "0.001": 3.0, "0.0001": 5.0}}, "calibration_malformed"),
        (
            {"second": {"same": 0.9, "same_fmr": 0.001, "different": 0.5, "different_fnmr": 0.01}},
            "calibration_malformed",
        ),
        ({"data": {"pairs_sha256": "", "impostor_comparisons": 2999}}, "calibration_insufficient"),
        (
            {"matcher": {"files": [{"name": "sface-2021dec-int8bq", "sha256": "0" * 64}], "own": None}},
            "calibration_other_model",
        ),
        ({"matcher": {"files": [], "own": None}}, "calibration_other_model"),
        (
            {"matcher": {"files": [*_FILES, {"name": "another-matcher", "sha256": "0" * 64}], "own": None}},
            "calibration_other_model",
        ),
    ],
)
def test_calibrations_that_are_refused(tmp_path: Path, changes: dict[str, object], code: str) -> None:
    with pytest.raises(CalibrationInvalid) as caught:
        calibration.load(_copy(tmp_path, **changes))
    assert caught.value.code == code


def test_a_calibration_that_is_absent_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(CalibrationInvalid) as caught:
        calibration.load(tmp_path / "absent.json")
    assert caught.value.code == "calibration_unreadable"
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(CalibrationInvalid) as caught:
        calibration.load(tmp_path / "text.json")
    assert caught.value.code == "calibration_malformed"


def test_a_cohort_that_was_exchanged_is_noticed(tmp_path: Path) -> None:
    path = _copy(tmp_path)
    cohort = scoring.Cohort(*[scoring.Moments(np.zeros(128), np.eye(128))] * 2)
    (tmp_path / "face_cohort.npz").write_bytes(cohort.to_bytes())
    with pytest.raises(CalibrationInvalid) as caught:
        calibration.load(path)
    assert caught.value.code == "calibration_malformed"


def test_a_cohort_of_another_network_is_noticed_at_the_start(tmp_path: Path) -> None:
    data = scoring.Cohort(*[scoring.Moments(np.zeros(64), np.eye(64))] * 2).to_bytes()
    path = _copy(tmp_path, cohort={"file": "face_cohort.npz", "sha256": hashlib.sha256(data).hexdigest()})
    (tmp_path / "face_cohort.npz").write_bytes(data)
    with pytest.raises(CalibrationInvalid) as caught:
        calibration.examine(path)
    assert caught.value.code == "calibration_other_model"


def test_compare_uses_the_calibration_it_is_given(tmp_path: Path) -> None:
    strict = _copy(tmp_path, thresholds={"0.01": 98.0, "0.001": 99.0, "0.0001": 100.0})
    portrait, probe = str(DATA / "obama.jpg"), str(DATA / "obama2.jpg")
    result = RUNNER.invoke(app, ["compare", portrait, probe, "--json", "--calibration", str(strict)])
    answer = json.loads(result.output)
    assert answer["threshold"] == 99
    assert answer["calibration"] == hashlib.sha256(strict.read_bytes()).hexdigest()
    assert answer["reasons"] == ["engines_disagree"]  # the second engine still sees one person
    assert result.exit_code == 3


# an organisation's own network


def _varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head, value = head + bytes([value & 127 | 128]), value >> 7
    return head + bytes([value])


def _message(number: int, content: bytes) -> bytes:
    """One field of a protocol buffer: a nested message or text."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _tensor(name: bytes, shape: tuple[int, ...]) -> bytes:
    sizes = b"".join(_message(1, _integer(1, size)) for size in shape)
    return _message(1, name) + _message(2, _message(1, _integer(1, 1) + _message(2, sizes)))


def _network() -> bytes:
    """An ONNX file that makes a face 8 x 8 pixels small and hands these out: a poor but honest embedder."""
    ints = 7  # AttributeProto.AttributeType.INTS
    steps = b"".join(
        _message(5, _message(1, name) + _integer(8, 14) * 2 + _integer(20, ints))
        for name in (b"kernel_shape", b"strides")
    )
    pool = _message(1, b"data") + _message(2, b"small") + _message(4, b"AveragePool") + steps
    flat = _message(1, b"small") + _message(2, b"vector") + _message(4, b"Flatten")
    graph = _message(1, pool) + _message(1, flat) + _message(2, b"small pictures")
    graph += _message(11, _tensor(b"data", (1, 3, 112, 112))) + _message(12, _tensor(b"vector", (1, 192)))
    return _integer(1, 8) + _message(7, graph) + _message(8, _integer(2, 13))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "small.onnx").write_bytes(_network())
    sha256 = hashlib.sha256(_network()).hexdigest()
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"file": "small.onnx", "sha256": sha256, "name": "small", "licence": "CC0-1.0"}))
    return path


@pytest.mark.timeout(300)
def test_an_own_network_by_configuration_alone(root: Path, tmp_path: Path, own: Path) -> None:
    report = tmp_path / "report"
    arguments = ["evaluate", "--pairs", root / "folds.csv", "--root", root, "--embedder", own, "--report", report]
    result = RUNNER.invoke(app, [*map(str, arguments), "--jobs", "1", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["embedder"].startswith("small@")
    card = json.loads((report / "calibration.json").read_text())
    assert card["matcher"]["own"]["licence"] == "CC0-1.0"
    assert (report / "small.onnx").read_bytes() == _network()
    card["data"]["impostor_comparisons"] = 5000  # twelve comparisons cannot support a threshold, and are refused
    (report / "calibration.json").write_text(json.dumps(card))
    same = str(DATA / "obama.jpg")
    answer = RUNNER.invoke(app, ["compare", same, same, "--json", "--calibration", str(report / "calibration.json")])
    assert json.loads(answer.output)["model"] == "yunet+small"
    used = calibration.examine(report / "calibration.json")
    assert (used.embedder.name, used.embedder.licence) == ("small", "CC0-1.0")


def test_an_own_network_that_was_exchanged_or_is_none(tmp_path: Path, own: Path) -> None:
    (tmp_path / "small.onnx").write_bytes(_network() + b"\0")
    with pytest.raises(ModelUnavailable) as caught:
        calibration.read_embedder(own)
    assert caught.value.code == "model_altered"
    nonsense = b"no network"
    (tmp_path / "small.onnx").write_bytes(nonsense)
    content = json.loads(own.read_text()) | {"sha256": hashlib.sha256(nonsense).hexdigest()}
    own.write_text(json.dumps(content))
    embedder = calibration.read_embedder(own)
    with pytest.raises(ModelUnavailable) as caught:
        embedder.embed(np.zeros((112, 112, 3), np.uint8))
    assert caught.value.code == "model_unreadable"
