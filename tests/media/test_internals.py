"""The one module that touches aiortc's insides notices when they change."""

from __future__ import annotations

import ast
import importlib.metadata
from pathlib import Path

import pylibsrtp._binding
import pytest
from aiortc import RTCRtpSender

from server.media import aiortc_internals
from server.media.aiortc_internals import InternalsChanged, check_versions

MEDIA = Path(aiortc_internals.__file__).parent


def test_the_installed_versions_are_the_known_ones():
    check_versions()


def test_another_version_is_refused(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.17.0")
    with pytest.raises(InternalsChanged, match=r"aiortc 1\.17\.0"):
        check_versions()


def test_a_missing_name_is_refused(monkeypatch):
    monkeypatch.delattr(RTCRtpSender, "send")
    with pytest.raises(InternalsChanged, match="send"):
        check_versions()


def test_a_missing_name_of_libsrtp_is_refused(monkeypatch):
    monkeypatch.delattr(pylibsrtp._binding, "ffi")
    with pytest.raises(InternalsChanged, match="ffi"):
        check_versions()


def test_no_other_module_imports_aiortc_or_aioice():
    for path in sorted(MEDIA.glob("*.py")):
        if path.name == "aiortc_internals.py":
            continue
        foreign = {"aiortc", "aioice"} if path.name == "srtp.py" else {"aiortc", "aioice", "pylibsrtp"}
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not [name for name in names if name.split(".")[0] in foreign], path.name
