"""Whether the cluster can do what is asked of it; asked once, before anything is done."""

from registry.adapters.cluster.api import HTTP_ROUTES, INFERENCE_SERVICES, PROMOTIONS, Api
from registry.adapters.cluster.writing import is_ours
from registry.domain.errors import NotFound, Refused, Unreachable
from registry.domain.journal import NO_ANCHOR
from registry.domain.objects import Object, Templates, render
from registry.domain.policy import Serving
from registry.domain.release import Release, RevisionRelease
from registry.domain.version import Model, Version

MODE = "serving.kserve.io/deploymentMode"
STANDARD = "Standard"


def check_platform(api: Api, templates: Templates) -> None:
    """Raise Refused, with what was found and what to do, for a cluster without KServe ≥ 0.20, Standard mode, Gateway
    API or our own kinds; Unreachable while it cannot be told and nothing of ours serves yet."""
    if HTTP_ROUTES.plural not in api.discovered(HTTP_ROUTES.group):
        raise Refused(f"the cluster has no HTTPRoute ({HTTP_ROUTES.group}); install Gateway API and a gateway")
    if INFERENCE_SERVICES.plural not in api.discovered(INFERENCE_SERVICES.group):
        raise Refused("the cluster has no InferenceService; install KServe 0.20 or later in Standard mode")
    if PROMOTIONS.plural not in api.discovered(PROMOTIONS.group):
        raise Refused("the cluster has no Promotion; apply manifests/registry/crds (an overlay does)")
    try:
        answered = api.create(INFERENCE_SERVICES, _trial(templates), dry_run=True)
    except NotFound as error:
        raise Refused(f"KServe: {error}") from error
    except Unreachable:
        # KServe's webhook is down. What serves was let through when it was written, and its weights do not wait.
        if not any(is_ours(found) for found in api.list(INFERENCE_SERVICES)):
            raise
        return
    check_trial(answered)


def check_trial(answered: Object) -> None:
    """Judge what the API server would have stored of an InferenceService with a canary."""
    mode = (answered["metadata"].get("annotations") or {}).get(MODE)
    if mode != STANDARD:
        raise Refused(f"KServe: deployment mode {mode}, wanted {STANDARD}; install it in Standard mode")
    if not answered["spec"].get("canary"):
        raise Refused("KServe knows no spec.canary, so it is older than 0.20; install 0.20 or later")


def _trial(templates: Templates) -> Object:
    """An InferenceService with a canary, which is never stored."""
    digest, model = "0" * 64, Model("geometry-trial")
    stable = RevisionRelease(Version("1"), digest, 100, 1)
    canary = RevisionRelease(Version("2"), digest, 0, 1)
    release = Release(model, stable, (canary,), None, NO_ANCHOR)
    made = render(release, templates, Serving())
    return next(found for found in made if found["kind"] == "InferenceService")
