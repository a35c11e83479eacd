"""One line that says what a journal entry says, for `geometry history`, for whoever waits, and for objects."""

from collections.abc import Mapping
from typing import Any

from registry.domain.awaited import duration
from registry.domain.drift_record import sentence
from registry.domain.journal import Entry, Kind
from registry.domain.plan import StepPlan, parse_step


def summary(entry: Entry) -> str:
    """One line that says what an entry says."""
    data, kind = entry.data, entry.kind
    subject = f"{kind.value.replace('_', ' ')}"
    if data.get("version"):
        subject += f" {data['version']}"
    match kind:
        case Kind.PUBLISHED:
            detail = f"digest {data['digest'][:12]}"
        case Kind.REQUESTED:
            forced = ", forced" if data.get("force") else ""
            against = f"against {data['base']}" if data.get("base") else ""
            subject = f"requested: {data['action']} {data.get('version') or ''} {_to(data)}{against}{forced}"
            detail = data.get("reason", "")
        case Kind.APPROVED:
            detail = f"digest {data['digest'][:12]}" + (f": {data['reason']}" if data["reason"] else "")
        case Kind.STAGED:
            way = "a comparison" if data.get("comparison") else "production"
            detail = f"on the way to {way}" if data.get("promotion") else ""
            detail += _forced(data)
        case Kind.STARTED:
            steps = " → ".join(parse_step(step).name for step in data["plan"]["steps"])
            detail = f"against {data['base']}, {steps or 'at once'}" if data["base"] else "the first version"
            if data["plan"].get("comparison"):
                subject = f"started comparison of {data['version']}"
                detail += f" for {duration(data['plan']['steps'][0]['soak'])}"
            detail += _forced(data)
        case Kind.STEPPED:
            step = StepPlan(data["weight"], 0, data.get("mirror", 0))
            detail = f"{step.name} of live requests" if step.weight or step.mirror else step.name
        case Kind.VERDICT:
            subject = f"verdict on {data['version']}: {data['verdict']}"
            detail = f"{data['reason']}; {data['message']}"
        case Kind.LABELLED:
            detail = f"{data['taken']} taken, {data['unknown']} unknown, {data['repeated']} repeated"
        case Kind.DRIFT:
            detail = sentence(data)
        case Kind.EVIDENCE:
            detail = "of the judge"
        case _:
            detail = data.get("reason", "")
    return f"{' '.join(subject.split())}" + (f" ({detail})" if detail else "")


def _forced(data: Mapping[str, Any]) -> str:
    return f"; FORCED past {', '.join(data['forced'])}: {data['reason']}" if data.get("forced") else ""


def _to(data: Mapping[str, Any]) -> str:
    return f"to {data['to']}" if data.get("to") else ""
