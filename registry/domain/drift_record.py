"""What the journal says of drift, in words and as a fold; it is a few entries an episode, and changes no release."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from registry.domain.journal import Entry
from registry.domain.state import State
from registry.domain.version import Model

ALARM, RECOVERED, REFERENCE, RELEARNING = "alarm", "recovered", "reference", "relearning"


def fold_drift(state: State, entry: Entry) -> State:
    """what: alarm or recovered, with signal, version and, of an alarm, since, ticks; reference, with dispersions and
    week; relearning, of the class mix."""
    data, record = entry.data, state.drift
    match data.get("what"):
        case "alarm":
            alarms = {**record.alarms, data["signal"]: data}
            return replace(state, drift=replace(record, alarms=MappingProxyType(alarms)))
        case "recovered":
            left = {name: alarm for name, alarm in record.alarms.items() if name != data["signal"]}
            return replace(state, drift=replace(record, alarms=MappingProxyType(left)))
        case "reference":
            return replace(state, drift=replace(record, reference=data))
        case "relearning":
            return replace(state, drift=replace(record, reference=None))
        case _:
            return state


def alarms(state: State) -> Mapping[str, Mapping[str, Any]]:
    """Episodes of the version in production, by signal: another version's ended with it."""
    return {name: data for name, data in state.drift.alarms.items() if data["version"] == state.production}


def sentence(data: Mapping[str, Any]) -> str:
    """One line that says what an entry of drift says, after its kind and version."""
    match data.get("what"):
        case "alarm":
            return f"{data['signal']} since {data['since']}{_effect(data.get('effect'))}"
        case "recovered":
            return f"{data['signal']} as ever again"
        case "reference":
            return f"{data['answers']} answers of production are what the class mix is measured against from now on"
        case "relearning":
            return f"the usual class mix is learned anew: {data['reason']}"
        case _:
            return ""


def _effect(effect: Mapping[str, Any] | None) -> str:
    if not effect:
        return ""
    named = "; ".join(moved(each) for each in effect["moved"])
    return f", PSI {effect['psi']:.3g}" + (f": {named}" if named else "")


def moved(each: Mapping[str, Any]) -> str:
    """`star 12.0 % → 31.5 %`: a class or a bin, before and now."""
    before, now = f"{each['expected']:.1%}".replace("%", " %"), f"{each['seen']:.1%}".replace("%", " %")
    return f"{each['name']} {before} → {now}"


def remedy(model: Model) -> str:
    """What to do about drift."""
    return (
        f"look at what changed; if it stays, train on newer images: `geometry train -m {model} --data DIR "
        f"--resume latest --register-model`, then `geometry promote VERSION --to production -m {model}`"
    )


def highest(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of a report: how far each signal with evidence is on its way to the alarm: 0 at none, 1 at it, logarithmic."""
    shares = {
        each["signal"]: 1.0 if each["status"] == "alarm" else _share(each["log_e"], found["bound"])
        for each in found["signals"]
        if each["status"] in ("alarm", "watched")
    }
    return {"highest": max(shares.values()), "signals": shares} if shares else {}


def _share(log: float | None, bound: float) -> float:
    return 0.0 if log is None else round(min(max(log / bound, 0.0), 1.0), 2)
