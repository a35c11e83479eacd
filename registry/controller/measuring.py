"""Which staging revision is to be measured in a turn, and what came of it."""

from collections.abc import Mapping

from registry.adapters.latency import LatencyProbe, Subject
from registry.controller.ports import Substrate
from registry.domain.checklist import Candidate
from registry.domain.observation import Latency
from registry.domain.policy import Policy
from registry.domain.requests import measured
from registry.domain.rules import Rules
from registry.domain.state import State
from registry.domain.version import Version


def staging_latency(
    state: State,
    policy: Policy,
    candidates: Mapping[Version, Candidate],
    *,
    substrate: Substrate,
    probe: LatencyProbe,
) -> Mapping[Version, Latency]:
    """The latency that the oldest promotion waits for, once it is known; it is measured beside the turns."""
    request = measured(state)
    if request is None or request.version is None:
        return {}
    card, endpoint = candidates[request.version].card, substrate.staging(state.model)
    if card is None or endpoint is None:
        return {}
    subject = Subject(endpoint.url, state.model, card.input, Rules(policy.checklist).requests)
    latency = probe.latency(f"{request.id} {endpoint.incarnation}", subject)
    return {} if latency is None else {request.version: latency}
