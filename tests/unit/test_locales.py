"""The words of the pages: the same in three languages, none empty, none missing, none left over."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"
LANGUAGES = ("kk", "ru", "en")
FILES = ("shared", "applicant", "operator", "records", "interpreter")
PAGES = {
    "applicant": ("shared", "applicant"),
    "operator": ("shared", "operator"),
    "records": ("shared", "operator", "records"),
    "interpreter": ("shared", "interpreter"),
}
PLURAL_FORMS = {"kk": {"one", "other"}, "ru": {"one", "few", "many", "other"}, "en": {"one", "other"}}
"""Intl.PluralRules asks for these (Unicode CLDR)."""

Text = str | dict[str, str]

PLACEHOLDER = re.compile(r"\{(\w+)\}")
STRING = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|`((?:[^`\\]|\\.)*)`")
WORD = re.compile(r"[a-z_][\w-]*(\.[\w-]+)+")


@cache
def texts(file: str, language: str) -> dict[str, Text]:
    def once(pairs: list[tuple[str, Text]]) -> dict[str, Text]:
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), f"{file}.{language}: a key stands twice"
        return dict(pairs)

    path = WEB / "locales" / f"{file}.{language}.json"
    found: dict[str, Text] = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
    return found


def forms(text: Text) -> list[str]:
    return [text] if isinstance(text, str) else list(text.values())


def scripts(folder: str) -> list[Path]:
    return sorted((WEB / folder).glob("*.js"))


def first_argument(source: str, start: int) -> str:
    """From just after "(" to the comma or bracket that ends the first argument; strings are skipped whole."""
    depth, at = 0, start
    while at < len(source):
        string = STRING.match(source, at)
        if string:
            at = string.end()
            continue
        char = source[at]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            if depth == 0:
                break
            depth -= 1
        elif char == "," and depth == 0:
            break
        at += 1
    return source[start:at]


def patterns(source: str) -> set[str]:
    """Regular expressions of the keys that a script asks for: of t(...), has(...) and code("family", ...)."""
    found = set()
    for call in re.finditer(r"(?<![\w.#])(t|has|words|code)\(", source):
        argument = first_argument(source, call.end())
        for double, single, template in STRING.findall(argument):
            text = template or double or single
            if call.group(1) in ("code", "words"):
                found.add(re.escape(text) + r"\..+")
            elif template:
                literal = re.split(r"\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", text)
                found.add(".+".join(re.escape(part) for part in literal))
            elif WORD.fullmatch(text):
                found.add(re.escape(text))
    return found


@cache
def asked(folder: str) -> set[str]:
    return {pattern for path in scripts(folder) for pattern in patterns(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("file", FILES)
def test_three_languages_have_the_same_keys(file: str) -> None:
    kazakh = set(texts(file, "kk"))
    for language in LANGUAGES[1:]:
        assert set(texts(file, language)) ^ kazakh == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("file", FILES)
def test_no_text_is_empty_or_unfinished(file: str, language: str) -> None:
    for key, text in texts(file, language).items():
        for form in forms(text):
            assert form.strip() == form != "", key
            assert "  " not in form, key
            assert not re.search(r"TODO|FIXME|XXX", form), key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("file", FILES)
def test_every_plural_form_is_there(file: str, language: str) -> None:
    for key, text in texts(file, language).items():
        if isinstance(text, dict):
            assert set(text) == PLURAL_FORMS[language], key


@pytest.mark.parametrize("file", FILES)
def test_placeholders_agree(file: str) -> None:
    for key, kazakh in texts(file, "kk").items():
        expected = {name for form in forms(kazakh) for name in PLACEHOLDER.findall(form)}
        for language in LANGUAGES:
            for form in forms(texts(file, language)[key]):
                assert set(PLACEHOLDER.findall(form)) <= expected, (key, language)
            said = {name for form in forms(texts(file, language)[key]) for name in PLACEHOLDER.findall(form)}
            assert said == expected, (key, language)


@pytest.mark.parametrize("file", FILES)
def test_no_cyrillic_in_english(file: str) -> None:
    for key, text in texts(file, "en").items():
        assert not any(re.search(r"[\u0400-\u04ff]", form.replace("ҮЛГІ", "")) for form in forms(text)), key


@pytest.mark.parametrize("page", PAGES)
def test_every_key_that_a_page_asks_for_exists(page: str) -> None:
    known = {key for file in PAGES[page] for key in texts(file, "kk")}
    missing = [p for p in asked(page) | asked("shared") if not any(re.fullmatch(p, key) for key in known)]
    assert missing == []


def test_no_text_of_the_citizens_page_is_left_over() -> None:
    used = asked("applicant") | asked("shared")
    tables = " ".join(path.read_text(encoding="utf-8") for path in scripts("applicant"))
    left = [
        key
        for key in texts("applicant", "kk")
        if not any(re.fullmatch(pattern, key) for pattern in used) and f'"{key}"' not in tables
    ]
    assert left == []


def test_the_search_for_keys_can_fail() -> None:
    source = 't("a.b"); t(x ? "c.d" : `e.${f}.g`, { count: h("i.j") }); code("error", name); target("k.l")'
    assert patterns(source) == {r"a\.b", r"c\.d", r"e\..+\.g", r"error\..+"}
