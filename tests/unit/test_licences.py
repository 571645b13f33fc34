"""docs/licences.md names every vendored file, font, model and package, with the hash that the file has."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
from pathlib import Path

import pytest

from tests.codes import ROOT, Sources

DOCUMENT = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", DOCUMENT, re.MULTILINE))
"""File name -> SHA-256 as the page says."""
CARRIED = {
    path.name: path
    for folder in ("web/vendor", "verification/weights", "verification/fonts")
    for path in sorted((ROOT / folder).iterdir())
    if path.name not in ("README.md", "vendor.json")
}


def installed_models() -> dict[str, tuple[Path, str]]:
    """File name -> (where it is, SHA-256 that the source demands) of each ModelFile in the sources."""
    found = {}
    for _, call in Sources("verification").calls("ModelFile"):
        words = [str(argument.value) for argument in call.args if isinstance(argument, ast.Constant)]
        package, path, sha256 = words[1:4]
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        found[Path(path).name] = (Path(spec.origin).parent / path, sha256)
    return found


MODELS = installed_models()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", CARRIED)
def test_a_carried_file_is_named_with_its_hash(name: str) -> None:
    assert ROWS.get(name) == sha256(CARRIED[name])


@pytest.mark.parametrize("name", MODELS)
def test_an_installed_model_is_named_with_its_hash(name: str) -> None:
    path, demanded = MODELS[name]
    assert ROWS.get(name) == demanded == sha256(path)


def test_the_page_names_no_file_that_is_not_there() -> None:
    assert len(MODELS) >= 6
    assert ROWS.keys() == CARRIED.keys() | MODELS.keys()


def test_the_recipes_of_vendored_scripts_say_the_same() -> None:
    recipes = json.loads((ROOT / "web" / "vendor" / "vendor.json").read_text(encoding="utf-8"))
    assert set(recipes) == {name for name in CARRIED if name.endswith(".js")}
    assert {name: recipe["sha256"] for name, recipe in recipes.items()} == {name: ROWS[name] for name in recipes}


def test_every_locked_package_has_a_licence() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE))
    table = DOCUMENT.partition("## Python packages")[2].partition("\n## ")[0]
    named = [name for row in re.findall(r"^\| [^|]+ \| ([^|]+) \|$", table, re.MULTILINE) for name in row.split(", ")]
    assert sorted(named[1:]) == sorted(locked)  # the first is the head of the column
