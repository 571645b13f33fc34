"""The laboratory's report: one JSON file and one page that needs nothing else."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from verification import rates

JSON_NAME = "attacks.json"
PAGE_NAME = "attacks.html"

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1d2b36}
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.35rem .6rem;
border-bottom:1px solid #d5dde3;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}
.bad{color:#a3142a;font-weight:600}.good{color:#0b6b3a}small{color:#566573}
"""


def write(report: dict[str, Any], out: Path) -> dict[str, str]:
    """Write both files into ``out`` (made when missing); their paths by kind. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    (out / JSON_NAME).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / PAGE_NAME).write_text(page(report), encoding="utf-8")
    return {"json": str(out / JSON_NAME), "page": str(out / PAGE_NAME)}


def species_row(name: str, what: str, decisions: list[str], note: str) -> dict[str, Any]:
    """One species' line: counts, APCER with its 95% bounds (exact; with none accepted the upper one is 3/n)."""
    accepted = decisions.count("accepted")
    bound = rates.interval(accepted, len(decisions))
    return {
        "species": name, "what": what, "presentations": len(decisions), "accepted": accepted,
        "referred": decisions.count("referred"), "refused": decisions.count("refused"),
        "apcer": bound.rate, "low": bound.low, "high": bound.high, "note": note,
    }  # fmt: skip


def page(report: dict[str, Any]) -> str:
    """The whole page."""
    genuine = report["bona_fide"]
    beaten = ", ".join(report["not_beaten"]) or "none of those made here"
    parts = [
        "<h1>Presentation and injection attacks</h1>",
        "<p>Rates after ISO/IEC 30107-3: APCER for each species alone, BPCER for genuine presentations; no average of "
        "the two. Bounds are exact 95% (with none accepted, the rule of three). All attacks are simulated from clips; "
        "no instrument was built.</p>",
        f"<p><b>Genuine:</b> {genuine['presentations']} presentations, {genuine['accepted']} accepted at once, "
        f"{genuine['referred']} referred, {genuine['refused']} refused: BPCER {_rate(genuine, 'bpcer')}. "
        f"Steps recognised: {genuine['steps_answered']} of {genuine['steps']}.</p>",
        _cards(report["bona_fide_card"]),
        f"<p><b>Not beaten:</b> {html.escape(beaten)}.</p>",
        "<h2>Species</h2>",
        _table(
            ("species", "what", "n", "accepted", "referred", "refused", "APCER (95%)", "note"),
            [
                (
                    row["species"], row["what"], row["presentations"], row["accepted"], row["referred"],
                    row["refused"], _rate(row, "apcer"), row["note"],
                )
                for row in report["species"]
            ],
        ),
        "<h2>Passive signs</h2>",
        f"<p>Together they make a risk; from {report['referral_at_risk']} on, the session goes to a second person. "
        "None reaches that alone. EER: equal error rate against each species of this run.</p>",
        _table(
            ("sign", "model", "weight", "genuine median", "EER against"),
            [
                (
                    row["signal"], row["model"], row["weight"],
                    "not measured" if row["genuine_median"] is None else f"{row['genuine_median']:.3g}",
                    ", ".join(f"{name} {100 * value:.0f}%" for name, value in row["eer"].items()) or "not measured",
                )
                for row in report["signals"]
            ],
        ),
        "<p><small>Open networks for passive detection were tried on NUAA: the best had an equal error rate of 9 to "
        "24%, where plain blur does as well; none is used.</small></p>",
    ]  # fmt: skip
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>Attacks</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en">{head}{body}</html>\n'


def _cards(row: dict[str, Any] | None) -> str:
    if row is None:
        return "<p>Cards were not part of this run.</p>"
    turned = row["presentations"] - row["accepted"]
    return f"<p><b>Genuine cards:</b> {turned} of {row['presentations']} turned away by slip or fringe.</p>"


def as_text(report: dict[str, Any]) -> str:
    """For people at a terminal."""
    genuine = report["bona_fide"]
    lines = [f"genuine: {genuine['accepted']} of {genuine['presentations']} accepted; BPCER {_rate(genuine, 'bpcer')}"]
    lines += [
        f"{row['species']:26} {row['accepted']:3} of {row['presentations']:3} accepted; APCER {_rate(row, 'apcer')}"
        for row in report["species"]
    ]
    lines.append(f"not beaten: {', '.join(report['not_beaten']) or 'none of those made here'}")
    return "\n".join(lines)


def _rate(row: dict[str, Any], name: str) -> str:
    if row[name] is None or not row["presentations"]:
        return "not measured"
    return f"{100 * row[name]:.1f}% ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    head = "".join(f"<th>{html.escape(h)}</th>" for h in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=n' if isinstance(cell, int | float) else ''}>{html.escape(str(cell))}</td>" for cell in row
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
