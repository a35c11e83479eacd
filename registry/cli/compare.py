"""`geometry models compare`: what got better, what got worse, and what is no more than chance."""

from typing import Annotated, Any

import typer

from registry.cli.completion import ModelOption, complete_version
from registry.cli.options import (
    AS,
    BRING_BACK,
    MODEL,
    AsOption,
    ContextOption,
    Format,
    FormatOption,
    HomeOption,
    NamespaceOption,
    ReasonOption,
    advising,
    duration_of,
)
from registry.cli.places import installation
from registry.cli.printing import print_data, print_table
from registry.cli.split import compare_live
from registry.domain.comparison import compare, document
from registry.domain.split import HIGHEST
from registry.domain.version import model_name, version_name


def compare_versions(
    base: Annotated[str, typer.Argument(help="Version to compare with.", autocompletion=complete_version)],
    candidate: Annotated[str, typer.Argument(help="Version that is compared.", autocompletion=complete_version)],
    live: Annotated[
        bool, typer.Option("--live", help="Compare on live requests, at a fixed split; BASE must be in production.")
    ] = False,
    weight: Annotated[
        int | None, typer.Option(min=1, max=HIGHEST, help="Percent for CANDIDATE with --live (default: 50).")
    ] = None,
    lasting: Annotated[str | None, typer.Option("--for", help="With --live, such as 15m or 2d (default: 1h).")] = None,
    reason: ReasonOption = "",
    by: AsOption = AS,
    model: ModelOption = MODEL,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Compare two versions on the same test images: accuracy, recall, calibration, size, SLO, int8.

    Intervals are 95 % and paired; classes are significant at 5 % all together (McNemar's exact test, after Holm).

    With --live both answer requests at a fixed split, until the time is over, Ctrl-C, `geometry abort`, or evidence of
    harm, which is exit 1. It passes the checklist first, ends a rollback window, and never promotes. Intervals of each
    signal are 95 % at every look.
    """
    found, name = installation(home, context, namespace), model_name(model)
    if live:
        asked = {"version": version_name(candidate), "base": version_name(base), "weight": weight or HIGHEST}
        request = {**asked, "seconds": _seconds(lasting or "1h"), "reason": reason}
        compare_live(found, name, request, by=by, output=output)
        return
    if given := [option for option, value in (("--weight", weight), ("--for", lasting)) if value is not None]:
        raise typer.BadParameter(f"{' and '.join(given)} without --live: nothing is sent anywhere; add --live")
    sides = [found.candidate(name, version_name(version)) for version in (base, candidate)]
    with advising(BRING_BACK):
        seen = document(compare(*sides))
    revisions = found.view(name).get("revisions", {}) if found.controller_runs() else {}
    traffic = {side: (revisions.get(seen[side]) or {}).get("traffic") for side in ("base", "candidate")}
    seen["traffic"] = traffic
    if output is Format.TABLE:
        _print(seen)
    else:
        print_data(seen, output)


def _seconds(text: str) -> float:
    found = duration_of(text)
    if found is None:
        raise typer.BadParameter(f"--for {text}: wanted a number with its unit, such as 90s, 15m, 1h or 2d")
    return found.total_seconds()


def _print(seen: dict[str, Any]) -> None:
    print(f"{seen['model']}: {seen['base']} → {seen['candidate']}, on {seen['images']:,} images that both were asked")
    print_table(
        [_row("accuracy", seen["accuracy"]), *(_row(f"recall {name}", own) for name, own in seen["classes"].items())],
        ("what", "images", "base", "candidate", "difference", "interval", "lost", "won", "p", "verdict"),
    )
    print()
    print_table(_facts(seen), ("what", "base", "candidate"))


def _row(what: str, found: dict[str, Any]) -> dict[str, Any]:
    verdict = ("better" if found["difference"] > 0 else "worse") if found["significant"] else "no difference shown"
    return {
        "what": what,
        "images": found["images"],
        "base": f"{found['base']:.2%}",
        "candidate": f"{found['candidate']:.2%}",
        "difference": _points(found["difference"]),
        "interval": f"{_points(found['low'])} … {_points(found['high'])}",
        "lost": found["lost"],
        "won": found["won"],
        "p": f"{found['p']:.2g}",
        "verdict": verdict,
    }


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}".replace("-", "−")


def _facts(seen: dict[str, Any]) -> list[dict[str, Any]]:
    """What is no matter of pairs: one row a fact."""
    rows: list[dict[str, Any]] = [
        {"what": "calibration error", **{side: f"{value:.4f}" for side, value in seen["calibration"].items()}},
        {"what": "latency SLO", **{side: _slo(found) for side, found in seen["slo"].items()}},
        {"what": "p95 now", **{side: _p95(found) for side, found in seen["traffic"].items()}},
    ]
    for variant in sorted(seen["variants"]["base"].keys() | seen["variants"]["candidate"].keys()):
        sides = {side: _variant(found.get(variant)) for side, found in seen["variants"].items()}
        rows.append({"what": variant, **sides})
    return rows


def _slo(slo: dict[str, float] | None) -> str:
    return "the policy's" if slo is None else f"{slo['objective']:.4g} within {slo['seconds']:g} s"


def _p95(traffic: dict[str, Any] | None) -> str | None:
    return f"{traffic['p95']:.3g} s" if traffic and traffic.get("p95") is not None else None


def _variant(found: dict[str, Any] | None) -> str | None:
    if found is None:
        return "not offered"
    measured = [f"{name} {found[name]:.3g}" for name in ("parity", "gate", "ece") if name in found]
    size = f"{found['bytes']:,} bytes" if found["bytes"] is not None else "no file"
    return ", ".join([size, *measured])
