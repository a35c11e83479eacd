"""`geometry status`: which version serves, what is in progress, what the judge says, and what is awaited.

`-o json` and `-o yaml` print one object; keys are never renamed or taken away:

    {model, production, staging, previous: version or null,
     versions: {version: {stage, digest, published, forced: [check], labelled: {right, wrong}}},
     rollout: null or {version, base, comparison, step, steps: [{name, weight, mirror, soak}], weight, mirror, withheld,
                       paused: null or time, started, deadline, by},
     rollbackWindow: null or {version, previous, since, until},
     waiting: [id of a request],
     notices: [text],
     journal: {sequence, sha256},
     seen: {} where no controller runs, else
       {time, sequence, problem: null or text, awaited: text, weights: null or {version: percent},
        revisions: {version: {ready, restarts, digest,
                              traffic: null or {requests, seconds, recent, errors, p95, confidence}}},
        verdict: null or {outcome, reason, message, numbers}}}

step counts from 0 and is -1 until the canary is ready. A comparison ends after its one step and promotes nothing. Of
traffic, requests is since the revision's process began and the rest of the last `seconds`: how many, share of server
errors, p95 in seconds, mean confidence (null: none). notices: what somebody did by hand, or has to wait for.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

import typer

from registry.cli.asking import follow
from registry.cli.completion import ModelOption
from registry.cli.drift import lines as drift_lines
from registry.cli.evidence import evidence, pairs
from registry.cli.notices import notices
from registry.cli.options import MODEL, ContextOption, Format, FormatOption, HomeOption, NamespaceOption, say
from registry.cli.places import Place, installation
from registry.cli.printing import print_data, print_table
from registry.domain.documents import timestamp
from registry.domain.errors import Unreachable
from registry.domain.fold import fold
from registry.domain.journal import check_anchor
from registry.domain.state import Guarding, Rollout, State
from registry.domain.version import Model, model_name

COLUMNS = ("version", "stage", "weight", "ready", "restarts", "requests", "recent", "errors", "p95", "confidence")


def add(app: typer.Typer) -> None:
    app.command()(status)


def status(
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Stay until nothing is in progress.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.")] = 86400.0,
    model: ModelOption = MODEL,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Show which version serves, what is in progress, what the judge says, and what is awaited.

    Exit 5 says that the journal is not the one that was acted upon.
    """
    found, name = installation(home, context, namespace), model_name(model)
    if watch:
        found.require_controller()
        _watch(found, name, seconds=timeout, output=output)
    anchor = found.acted_upon(name)
    entries = found.journal_of(name).read()
    seen = document(fold(name, entries), _seen(found, name))
    if output is Format.TABLE:
        print_status(seen)
    else:
        print_data(seen, output)
    check_anchor(entries, anchor)


def _watch(found: Place, model: Model, *, seconds: float, output: Format) -> None:
    """A live picture on a terminal, a line per change elsewhere; on stderr when stdout is for a program."""
    if output is Format.TABLE and sys.stdout.isatty():
        from registry.cli.live import watch

        watch(found, model, lambda state: document(state, found.view(model)), seconds=seconds)
        return
    tell = partial(print, flush=True) if output is Format.TABLE else say
    entries = found.journal_of(model).read()
    tell(headline(document(fold(model, entries), {})))
    follow(found, model, seconds=seconds, after=entries[-1] if entries else None, tell=tell)


def _seen(found: Place, model: Model) -> dict[str, Any]:
    """What the controller sees; nothing where none runs, because what an ended one saw is no longer so."""
    try:
        found.require_controller()
    except Unreachable as error:
        if found.exists:
            say(f"{error}; until then nothing is served")
        return {}
    return found.view(model)


def document(state: State, view: dict[str, Any]) -> dict[str, Any]:
    """The object that is printed."""
    return {
        "model": state.model,
        "production": state.production,
        "staging": state.staging,
        "previous": state.previous,
        "versions": {
            version: {
                "stage": found.stage.value,
                "digest": found.digest,
                "published": timestamp(found.published),
                "forced": list(found.forced),
                "labelled": {"right": found.right, "wrong": found.wrong},
            }
            for version, found in state.versions.items()
        },
        "rollout": _rollout(state.rollout) if state.rollout else None,
        "rollbackWindow": _window(state.guarding) if state.guarding else None,
        "waiting": [request.id for request in state.requests],
        "notices": notices(state),
        "journal": {"sequence": state.head.sequence, "sha256": state.head.sha256},
        "seen": view,
    }


def _rollout(rollout: Rollout) -> dict[str, Any]:
    return {
        "version": rollout.version,
        "base": rollout.base,
        "comparison": rollout.plan.comparison,
        "step": rollout.step,
        "steps": [
            {"name": step.name, "weight": step.weight, "mirror": step.mirror, "soak": step.soak}
            for step in rollout.plan.steps
        ],
        "weight": rollout.weight,
        "mirror": rollout.mirror,
        "withheld": rollout.withheld,
        "paused": timestamp(rollout.paused) if rollout.paused else None,
        "started": timestamp(rollout.started),
        "deadline": timestamp(rollout.started + timedelta(seconds=rollout.plan.deadline)),
        "by": rollout.by,
    }


def _window(guarding: Guarding) -> dict[str, Any]:
    return {
        "version": guarding.version,
        "previous": guarding.previous,
        "since": timestamp(guarding.since),
        "until": timestamp(guarding.since + timedelta(seconds=guarding.plan.rollback_window)),
    }


def print_status(seen: Mapping[str, Any]) -> None:
    """The same for people, without colour."""
    print(headline(seen))
    print_table(rows(seen), COLUMNS)
    for line in sentences(seen):
        print(line)


def headline(seen: Mapping[str, Any]) -> str:
    rollout = f", {what(seen['rollout'])} of {seen['rollout']['version']}" if seen["rollout"] else ""
    return f"{seen['model']}: production {seen['production'] or '-'}, staging {seen['staging'] or '-'}{rollout}"


def what(rollout: Mapping[str, Any]) -> str:
    """Its name."""
    return "comparison" if rollout["comparison"] else "rollout"


def rows(seen: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a version, oldest first; what is not running has no numbers."""
    revisions, weights = seen["seen"].get("revisions", {}), seen["seen"].get("weights") or {}
    found = []
    for version, known in seen["versions"].items():
        revision = revisions.get(version, {})
        traffic = revision.get("traffic") or {}
        found.append(
            {
                "version": version,
                "stage": known["stage"],
                "weight": f"{weights[version]} %" if version in weights else None,
                "ready": {True: "yes", False: "no"}.get(revision.get("ready")),
                "restarts": revision.get("restarts"),
                "requests": traffic.get("requests"),
                "recent": f"{traffic['recent']} in {traffic['seconds']:.0f} s" if traffic else None,
                "errors": _shown(traffic.get("errors"), "{:.2%}"),
                "p95": _shown(traffic.get("p95"), "{:.3g} s"),
                "confidence": _shown(traffic.get("confidence"), "{:.3f}"),
            }
        )
    return found


def _shown(value: float | None, form: str) -> str | None:
    return None if value is None else form.format(value).replace("%", " %")


def sentences(seen: Mapping[str, Any]) -> list[str]:
    """What is in progress and was done by hand, the evidence against its bounds, the verdict, and what is awaited."""
    rollout, window, view = seen["rollout"], seen["rollbackWindow"], seen["seen"]
    lines = []
    if rollout:
        lines.append(f"{what(rollout)} of {rollout['version']} by {rollout['by']}: {' → '.join(bar(rollout))}")
    if window:
        waits = f"{window['previous']} waits" if window["previous"] else "no version waits"
        lines.append(f"rollback window of {window['version']} until {window['until']}: {waits}")
    lines += seen["notices"]
    verdict = view.get("verdict")
    if verdict:
        lines += [*map(str, evidence(verdict["numbers"])), *pairs(verdict["numbers"])]
        lines.append(f"verdict: {verdict['outcome']}: {verdict['reason']}; {verdict['message']}")
    if view.get("problem"):
        lines.append(f"stopped: {view['problem']}")
    lines += drift_lines(seen["model"], view.get("drift") or {})
    if view.get("awaited"):
        lines.append(f"awaited: {view['awaited']}")
    return lines


def bar(rollout: Mapping[str, Any]) -> Sequence[str]:
    """The steps, the present one in brackets."""
    names = [
        f"[{step['name']}]" if index == rollout["step"] else step["name"] for index, step in enumerate(rollout["steps"])
    ]
    start = ["[0 %]"] if rollout["step"] < 0 else []
    end = "the end" if rollout["comparison"] else "100 %"
    end += " (withheld: no ready endpoint)" if rollout["withheld"] else ""
    return [*start, *names, end]
