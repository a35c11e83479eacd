"""The ways an installation can go. Each is a start, what people do on the way, and how versions behave."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registry.domain.policy import POLICY
from registry.domain.stages import Stage
from registry.domain.version import Model, Version
from registry.store.filing import file_request
from registry.store.home import Home
from tests.proofs.cluster import Behaviour, Cluster
from tests.proofs.installation import OTHER, SHAPES, USER, Installation, When, Wish
from tests.proofs.keeping import (
    alter_the_second,
    await_delivery,
    back_up,
    backups_are_whole,
    bring_back,
    label,
    labelled_once,
    lose_everything,
    lose_the_cluster,
    publish,
    receive,
    send,
    sent,
)


@dataclass(frozen=True)
class Way:
    """start: name of a snapshot. wishes: what people do. behaviours: of versions, from the start on.

    traffic: answers a round. prepare: changes the copy of the start before anything runs. also: what may be in
    production in the end, besides what was and what is undisturbed, because a wish came too late, or the guard could
    not see for the whole of its window. left: what else is looked at in the end.
    """

    name: str
    start: str
    wishes: tuple[Wish, ...]
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)
    traffic: int = 100
    prepare: Callable[[Path, Cluster], None] = lambda _home, _cluster: None
    also: str | None = None
    left: Callable[[Home], object] = lambda _home: None


def ask(
    action: str,
    version: str = "",
    to: str = "",
    *,
    model: Model = SHAPES,
    when: When = lambda _: True,
    **more: object,
) -> Wish:
    """File a request. Whoever is killed while filing looks whether it was filed before filing it again."""
    name = f"{action} {version} {to} {model}"
    request = {"id": name, "action": action, "version": version or None, "to": to, "reason": "wished", **more}

    def do(place: Installation) -> None:
        file_request(place.home.journal_of(model), request, by=USER, now=place.cluster.now)

    return Wish(name, do, when=when, done=lambda place: place.has(name, model))


def promote(version: str, *, model: Model = SHAPES, when: When | None = None) -> Wish:
    return ask("promote", version, "production", model=model, when=when or published(version, model))


def compare(version: str, base: str, *, seconds: int = 12) -> Wish:
    """Both at equal shares of the live requests."""
    return ask("compare", version, when=published(version), base=base, weight=50, seconds=seconds)


def change(name: str, do: Callable[[Cluster], object], *, when: When) -> Wish:
    """Something happens to the cluster."""
    return Wish(name, lambda place: do(place.cluster), when=when)


def published(version: str, model: Model = SHAPES) -> When:
    return lambda it: Version(version) in it.state(model).versions


def stepped(step: int) -> When:
    return lambda it: it.state().rollout is not None and it.state().rollout.step >= step


def staged(version: str) -> When:
    return lambda it: it.state().staging == version


def paused(it: Installation) -> bool:
    return it.state().rollout is not None and it.state().rollout.paused is not None


def archived(version: str) -> When:
    return lambda it: it.state().versions[Version(version)].stage is Stage.ARCHIVED


def guarding(it: Installation) -> bool:
    return it.state().guarding is not None


def ended(it: Installation) -> bool:
    """The rollout and its window are over."""
    state = it.state()
    return state.production == "2" and state.rollout is None and state.guarding is None


def ended_comparison(it: Installation) -> bool:
    """Version 2 was compared, and has no requests any more."""
    return it.has("compare 2  shapes", SHAPES) and it.state().rollout is None and not it.state().requests


def rounds(count: int) -> When:
    return lambda it: it.cluster.round >= it.begun + count


def _traffic(answers: int) -> Callable[[Cluster], None]:
    return lambda cluster: setattr(cluster, "traffic", answers)


def _fails(version: str, **how: object) -> Callable[[Cluster], None]:
    return lambda cluster: cluster.behaviours.update({Version(version): Behaviour(**how)})


def _policy(found: str, wanted: str) -> Callable[[Path, Cluster], None]:
    """The policy says something else."""

    def prepare(home: Path, _cluster: Cluster) -> None:
        text = (home / POLICY).read_text().replace(found, wanted)
        (home / POLICY).unlink()  # it is a link to the start's
        (home / POLICY).write_text(text)

    return prepare


_MEASURED = _policy("required: false", "required: true")
_MIRRORED = _policy("steps: [", "steps: [{header: only, soak: 1}, {mirror: 100, soak: 1}, ")


def _forget(home: Path, _cluster: Cluster) -> None:
    """The journal volume goes back to an older state."""
    for entry in sorted((home / "journal" / SHAPES).glob("*.json"))[-3:]:
        entry.unlink()


WAYS = {
    way.name: way
    for way in (
        Way("first promotion", "empty", (publish("1"), promote("1"))),
        Way(
            "staging", "serving", (ask("promote", "2", "staging"), ask("promote", "3", "staging", when=published("3")))
        ),
        Way("promote", "serving", (promote("2"),)),
        Way("hold", "serving", (promote("2"), change("traffic", _traffic(100), when=rounds(8))), traffic=0),
        Way("expire", "serving", (promote("2"),), traffic=0),
        Way("rollback by evidence", "serving", (promote("2"),), {"2": Behaviour(errors=1.0)}),
        Way("rollback by digest", "serving", (promote("2"),), {"2": Behaviour(digest="f" * 64)}),
        Way("rollback by crash loop", "serving", (promote("2"),), {"2": Behaviour(boots=None, restarts=5)}),
        Way("withhold", "serving", (promote("2"), change("crash", lambda it: it.crash(SHAPES, "2"), when=stepped(0)))),
        Way("never ready", "serving", (promote("2"),), {"2": Behaviour(boots=None)}),
        Way("rollback of a rollout", "serving", (promote("2"), ask("rollback", when=stepped(0))), also="2"),
        Way(
            "rollback by the guard",
            "serving",
            (promote("2"), change("fail", _fails("2", errors=1.0), when=guarding)),
            also="2",
        ),
        Way("rollback in the window", "serving", (promote("2"), ask("rollback", when=guarding)), also="2"),
        Way("rollback later", "serving", (promote("2"), ask("rollback", when=ended))),
        Way("promote in the window", "serving", (promote("2"), promote("3", when=guarding)), also="2"),
        Way("refuse", "serving", (promote("2"), promote("3", when=stepped(0))), also="3"),
        Way("publish in a rollout", "serving", (promote("2"), publish("4", when=stepped(0)))),
        Way("two models", "two models", (promote("2"), promote("2", model=OTHER))),
        Way("measure", "serving", (promote("2"),), prepare=_MEASURED),
        Way("header and mirror first", "serving", (promote("2"),), prepare=_MIRRORED),
        Way("pause and resume", "serving", (promote("2"), ask("pause", when=stepped(0)), ask("resume", when=paused))),
        Way("pause until the deadline", "serving", (promote("2"), ask("pause", when=stepped(0))), also="2"),
        Way("abort", "serving", (promote("2"), ask("abort", when=stepped(0))), also="2"),
        Way(
            "abort what is measured",
            "serving",
            (promote("2"), ask("abort", when=staged("2"))),
            prepare=_MEASURED,
            also="2",
        ),
        Way("compare", "serving", (compare("2", "1"), promote("3", when=ended_comparison))),
        Way("compare with a bad one", "serving", (compare("2", "1", seconds=90),), {"2": Behaviour(errors=1.0)}),
        Way("abort a comparison", "serving", (compare("2", "1"), ask("abort", when=stepped(0)))),
        Way("label", "serving", (promote("2"), label(when=stepped(0))), left=labelled_once),
        Way("archive", "serving", (ask("archive", "3"), ask("delete", "3", when=archived("3")))),
        Way("publish", "serving", (publish("4"),)),
        Way("altered bytes", "serving", (promote("2"),), prepare=alter_the_second),
        Way("export and import", "serving", (send("3"), receive(), promote("4")), prepare=await_delivery, left=sent),
        Way(
            "backup",
            "serving",
            (promote("2"), back_up(when=stepped(0))),
            left=backups_are_whole,
        ),
        Way(
            "backup while one is deleted",
            "serving",
            (ask("archive", "3"), ask("delete", "3", when=archived("3")), back_up()),
            left=backups_are_whole,
        ),
        Way("restore", "backed up", (bring_back(), promote("3")), prepare=lose_everything, also="1"),
        Way("restore elsewhere", "backed up", (bring_back(),), prepare=lose_the_cluster, also="1"),
        Way("adopt", "second", (ask("adopt"), promote("3")), prepare=_forget),
    )
}

RACES = (
    "promote",
    "rollback of a rollout",
    "rollback in the window",
    "promote in the window",
    "refuse",
    "adopt",
    "abort what is measured",
    "pause and resume",
    "backup while one is deleted",
    "compare",
    "label",
)
"""Paths on which two controllers and a user have something to decide against each other."""

SHORT_RACE = "rollback of a rollout"
"""A request, a step and the request to go back again, on few boundaries."""
