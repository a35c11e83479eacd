"""`geometry drift`: whether live answers and inputs are still what they were, signal by signal.

`-o json` and `-o yaml` print one object, as `registry.domain.drift_report` describes it; {} while nothing is watched.
"""

from collections.abc import Mapping
from typing import Any

import typer

from registry.cli.completion import ModelOption
from registry.cli.evidence import bar
from registry.cli.options import MODEL, ContextOption, Format, FormatOption, HomeOption, NamespaceOption, say
from registry.cli.places import installation
from registry.cli.printing import print_data, print_table
from registry.domain.drift_record import moved, remedy
from registry.domain.version import Model, model_name

COLUMNS = ("signal", "status", "since", "evidence", "psi", "js", "answers", "reference", "phi", "moved")


def add(app: typer.Typer) -> None:
    app.command()(drift)


def drift(
    model: ModelOption = MODEL,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Show whether classes, confidence and inputs of live traffic are what they were, since when not, and what moved.

    Evidence alarms when it is full; PSI and JS say how large a move is. The class mix is measured against production's
    own, once there is enough of it; the rest against the held-out images of the version's card.
    """
    found, name = installation(home, context, namespace), model_name(model)
    seen = found.view(name).get("drift") or {}
    if output is not Format.TABLE:
        print_data(seen, output)
    elif not seen:
        say(f"{name}: nothing is watched yet; drift is of the live answers of the version in production")
    else:
        _print(name, seen)


def _print(model: Model, seen: Mapping[str, Any]) -> None:
    evaluated = seen["evaluated"] or "not yet"
    print(f"{model} {seen['version']}: evaluated {evaluated}, {seen['ticks']} ticks")
    print_table([_row(each, seen["bound"]) for each in seen["signals"]], COLUMNS)
    if seen["problem"]:
        print(f"problem: {seen['problem']}")
    for line in lines(model, seen):
        print(line)


def _row(each: Mapping[str, Any], bound: float) -> dict[str, Any]:
    full = each["status"] == "alarm"  # its evidence began anew then
    share = 1.0 if full else (each["log_e"] or 0.0) / bound
    return {
        **each,
        "evidence": bar(share) if full or each["status"] == "watched" else None,
        "reference": f"{each['reference']} ({each['against']})" if each["reference"] else each["against"],
        "phi": each["dispersion"],
        "moved": "; ".join(moved(one) for one in each["moved"]) if each["status"] == "alarm" else each["reason"],
    }


def lines(model: Model, seen: Mapping[str, Any]) -> list[str]:
    """What `geometry status` says of drift: nothing while there is none."""
    alarms = [each for each in seen.get("signals", ()) if each["status"] == "alarm"]
    told = [f"drift of {each['signal']} since {each['since']}{_effect(each)}" for each in alarms]
    return [*told, remedy(model)] if told else []


def _effect(each: Mapping[str, Any]) -> str:
    if each["psi"] is None:
        return ""
    named = "; ".join(moved(one) for one in each["moved"])
    return f": PSI {each['psi']:.3g}" + (f", {named}" if named else "")
