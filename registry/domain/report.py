"""The report of a rollout: one HTML page without script, without anything from elsewhere; a pure function.

It is also well-formed XML, and the same journal and evaluations give the same bytes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from registry.domain.account import Account, Reading, Step
from registry.domain.awaited import duration
from registry.domain.chart import Line, evidence_chart, steps_chart
from registry.domain.confusion import Confusion
from registry.domain.documents import timestamp
from registry.domain.findings import findings, told
from registry.domain.journal import Entry, Kind
from registry.domain.markup import Markup, element, joined
from registry.domain.signals import SIGNALS

COVERS = "journal"
"""Name of the meta element that says which entries a report tells of: `first-last`."""

STYLE = """
:root { color-scheme: light dark; --line: #8885; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2rem; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; }
.good { color: #059669; } .bad { color: #dc2626; } .dim { opacity: .6; }
.chart { width: 100%; height: auto; font: 11px system-ui, sans-serif; fill: currentColor; }
.grid { stroke: var(--line); }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .6rem; }
"""


def report(account: Account, confusion: Confusion) -> str:
    """The page of a rollout that has ended."""
    title = f"{account.model}: {_subject(account)} {account.outcome}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name=COVERS, content=f"{account.entries[0].sequence}-{account.last}"),
        element("meta", name="viewport", content="width=device-width"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    body = element(
        "body",
        element("h1", title),
        _facts(account),
        _section("Checklist", _checklist(account.started.data.get("checks", ()))),
        _section("Weight", _weights(account)),
        *((_section("Comparison", _comparison(account)),) if account.plan.comparison else ()),
        _section("Evidence", _evidence(account)),
        _section("Counts per step", _steps(account.steps())),
        _section("Confusion", _confusion(confusion, account)),
        _section("Journal", _journal(account.entries)),
        _policy(account.started.data.get("policy", {})),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _subject(account: Account) -> str:
    if account.plan.comparison:
        return f"comparison of versions {account.base} and {account.version}"
    return f"version {account.version}"


def _comparison(account: Account) -> Markup:
    """Both rates per signal, and what is known of their ratio."""
    end = account.end
    numbers = end.data.get("numbers") if end is not None else None
    if not numbers or account.base is None:
        return element("p", "It ended before its time; what was counted is below.", class_="dim")
    rows = [told(found, base=account.base, candidate=account.version) for found in findings(numbers)]
    words = f"Ratio of {account.version} to {account.base}, difference in points; each holds with 95 % at every look."
    return joined(element("p", words), _table(tuple(rows[0]), [tuple(row.values()) for row in rows]))


def _section(title: str, *children: object) -> Markup:
    return element("section", element("h2", title), *children)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: int = 0) -> Markup:
    """numbers: so many columns from the right are numbers."""
    first = len(columns) - numbers

    def line(tag: str, cells: Sequence[object]) -> Markup:
        kinds = [None if index < first else "number" for index in range(len(cells))]
        return element("tr", *(element(tag, cell, class_=kind) for cell, kind in zip(cells, kinds, strict=True)))

    return element("table", element("thead", line("th", columns)), element("tbody", *(line("td", row) for row in rows)))


def _facts(account: Account) -> Markup:
    started, end, request = account.started, account.end, account.request
    data = started.data
    rows: list[tuple[str, object]] = [("asked by", data["requestedBy"])]
    if request is not None:
        rows.append(("asked", timestamp(request.time)))
    rows += [("reason", data.get("reason") or "none given"), ("digest", data["digest"])]
    rows.append(("against", f"version {account.base}" if account.base else "nothing: the first version"))
    rows.append(("started", timestamp(started.time)))
    if end is not None:
        took = duration((end.time - started.time).total_seconds())
        rows += [("ended", f"{timestamp(end.time)}, after {took}"), ("by", end.actor)]
        rows.append(("why", end.data.get("reason") or account.outcome))
    if data.get("forced"):
        rows.append(("forced past", element("strong", ", ".join(map(str, data["forced"])), class_="bad")))
    for approval in data.get("approvals", ()):
        rows.append(("approved by", f"{approval['by']}, {approval['time']}"))
    return _table(("", ""), rows)


def _checklist(checks: Sequence[Mapping[str, Any]]) -> Markup:
    if not checks:
        return element("p", "Nothing was asked.", class_="dim")
    colours = {"pass": "good", "fail": "bad"}
    rows = [
        (
            check["check"],
            element("span", check["outcome"], class_=colours.get(check["outcome"])),
            check["got"],
            check["want"],
        )
        for check in checks
    ]
    return _table(("check", "outcome", "got", "want"), rows)


def _coloured(told: object, colour: str | None) -> Markup:
    return element("span", told, class_=colour)


def _span(account: Account) -> tuple[datetime, datetime]:
    return account.started.time, account.entries[-1].time


def _weights(account: Account) -> Markup:
    began, ended = _span(account)
    weights = [(moment, float(weight)) for moment, weight in account.weights()]
    return steps_chart("Percent of live requests", weights, began=began, ended=ended)


def _evidence(account: Account) -> Markup:
    readings = account.readings()
    if not readings:
        return element("p", "None was gathered.", class_="dim")
    began, ended = _span(account)
    plan = account.plan
    harm = _lines(readings, lambda found: found.harm)
    health = _lines(readings, lambda found: found.health)
    return joined(
        element("p", "E: evidence of harm. At the bound the version goes back."),
        evidence_chart("E over time", harm, bound=plan.rollback_bound, began=began, ended=ended),
        element("p", "A: evidence of health since the step began. A step is passed when all signals reach the bound."),
        evidence_chart("A over time", health, bound=max(plan.advance_bound, 1.0), began=began, ended=ended),
    )


def _lines(readings: Sequence[Reading], of: Any) -> dict[str, Line]:
    names = dict.fromkeys(name for found in readings for name in of(found))
    return {name: [(found.time, of(found)[name]) for found in readings if name in of(found)] for name in names}


def _steps(steps: Sequence[Step]) -> Markup:
    rows = [
        (
            f"{step.weight} %",
            timestamp(step.began),
            duration((step.ended - step.began).total_seconds()),
            f"{name}: {SIGNALS[name].bad}",
            _share(window.canary_bad, window.canary_exposure, SIGNALS[name].unit),
            "" if SIGNALS[name].alone else _share(window.stable_bad, window.stable_exposure, SIGNALS[name].unit),
        )
        for step in steps
        for name, window in (step.counts or {}).items()
    ]
    if not rows:
        return element("p", "Nothing was counted.", class_="dim")
    return _table(("weight", "from", "for", "signal", "candidate", "production"), rows, numbers=2)


def _share(bad: int, exposure: int, unit: int) -> str:
    rate = f" ({bad / exposure:.2%})" if exposure and unit == 1 else ""
    return f"{bad:,} of {exposure / unit:,.0f}{rate}"


def _confusion(confusion: Confusion, account: Account) -> Markup:
    if confusion.candidate is None:
        return element("p", f"None: {confusion.reason}.", class_="dim")
    told = (
        f"Test images, version {account.version} − version {account.base}: rows show, columns answer."
        if confusion.base is not None
        else f"Test images of version {account.version}; {confusion.reason}."
    )
    rows = [
        (element("strong", label), *(_cell(confusion, label, answer) for answer in confusion.classes))
        for label in confusion.classes
    ]
    return joined(element("p", told), _table(("", *confusion.classes), rows, numbers=len(confusion.classes)))


def _cell(confusion: Confusion, label: str, answer: str) -> Markup:
    change = confusion.change(label, answer)
    if confusion.base is None or not change:
        return _coloured(change, None if change else "dim")
    better = (change > 0) == (label == answer)
    return _coloured(f"{change:+d}".replace("-", "−"), "good" if better else "bad")


def _journal(entries: Sequence[Entry]) -> Markup:
    rows = [
        (entry.sequence, timestamp(entry.time), entry.actor, entry.kind.value.replace("_", " "), _told(entry))
        for entry in entries
        if entry.kind is not Kind.EVIDENCE
    ]
    return _table(("entry", "time", "actor", "what", "why"), rows)


def _told(entry: Entry) -> str:
    data = entry.data
    if entry.kind is Kind.VERDICT:
        return f"{data['verdict']}: {data['reason']}; {data['message']}"
    if entry.kind is Kind.LABELLED:
        return f"{data['taken']} taken, {data['unknown']} unknown, {data['repeated']} repeated"
    if entry.kind is Kind.STEPPED:
        return f"{data['weight']} % of live requests"
    return str(data.get("reason") or "")


def _policy(policy: Mapping[str, Any]) -> Markup:
    told = f"Policy, sha256 {policy.get('sha256', 'unknown')}"
    return element("details", element("summary", told), element("pre", policy.get("text", "")))
