"""What somebody did by hand, or has to wait for, as lines of `geometry status`: never silent."""

from registry.domain.documents import timestamp
from registry.domain.stages import Stage
from registry.domain.state import State


def notices(state: State) -> list[str]:
    """Lines on a pause, on forced versions, and on requests that wait; most often none."""
    found = []
    if state.rollout is not None and state.rollout.paused is not None:
        found.append(f"paused since {timestamp(state.rollout.paused)}: weights stay; `geometry resume` goes on")
    for version, known in state.versions.items():
        if known.forced and known.stage in (Stage.STAGING, Stage.PRODUCTION):
            found.append(f"version {version} was FORCED past {', '.join(known.forced)}; `geometry history` says why")
    for request in state.requests:
        asked = " ".join(filter(None, (request.action, request.version, request.to)))
        measured = ", its latency is measured" if request.staged else ""
        found.append(f"waiting: {asked}, asked for by {request.by}{measured}")
    return found
