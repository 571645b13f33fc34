"""Imports run one way (pyproject.toml has the contracts; ``make lint`` runs them too)."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPUTING = {"contract"}
"""Of verification, what anybody in the server may import: the words. The rest is for the checker alone."""


def imports(file: Path) -> set[str]:
    """Names of all modules that a file imports, at any depth of it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return found


def test_only_the_checker_imports_verifications_computing() -> None:
    for file in (ROOT / "server").rglob("*.py"):
        if file.name == "checker.py":
            continue
        for name in imports(file):
            parts = name.split(".")
            if parts[0] == "verification" and len(parts) > 1:
                assert parts[1] in COMPUTING, f"{file.relative_to(ROOT)} imports {name}"


def test_only_settings_reads_the_environment() -> None:
    for file in (ROOT / "server").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "os.getenv" not in text, file
        assert "os.environ.get" not in text, file


def test_only_the_composition_root_and_the_command_line_import_adapters() -> None:
    adapters = ("server.media", "server.store", "server.issuing", "server.bus", "server.checker", "server.vault")
    allowed = {"app.py", "__main__.py"}
    for file in (ROOT / "server").rglob("*.py"):
        relative = file.relative_to(ROOT / "server")
        for name in imports(file):
            for adapter in adapters:
                if name == adapter or name.startswith(adapter + "."):
                    own = ".".join(("server", relative.parts[0].removesuffix(".py")))
                    assert relative.name in allowed or own == adapter, f"{relative} imports {name}"
