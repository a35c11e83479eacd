"""Where policy says that git carries the release, the controller writes weights alone and waits for the rest."""

from dataclasses import replace

from registry.domain.policy import WriteMode
from registry.domain.release import Release
from registry.domain.validated import carried
from registry.manifests import read_templates
from tests.registry.cluster.driver import NAMESPACE, Driver
from tests.registry.cluster.server import KINDS


def sync(driver: Driver, found: Release) -> None:
    """What a GitOps tool does: objects of release.yaml are applied, others that it applied before are deleted."""
    made = carried(found, read_templates(namespace=NAMESPACE), driver.policy.serving, ())
    for plural, (_, kind) in KINDS.items():
        for one in (one for one in made if one["kind"] == kind):
            driver.server._apply(
                plural, one["metadata"]["name"], one, driver.server.objects[plural].get(one["metadata"]["name"])
            )


def test_steps_are_weights_alone_and_wait_for_what_git_brings(driver: Driver) -> None:
    driver.policy = replace(driver.policy, write_mode=WriteMode.GITOPS)
    driver.turn(driver.release("1:100"), 3)
    assert driver.server.writes == []
    sync(driver, driver.release("1:100"))
    driver.turn(driver.release("1:100"), 3)
    driver.server.writes.clear()
    step = driver.release("1:90", "2:10:1")
    driver.turn(step, 3)
    assert driver.server.writes == []
    sync(driver, driver.release("1:100:4", "2:0"))
    driver.server.writes.clear()
    driver.turn(step, 9)
    assert set(driver.server.writes) == {"PATCH httproutes/shapes"}
    assert driver.cluster.weights() == {"shapes-v1": 90, "shapes-v2": 10}


def test_a_rollback_moves_the_weights_and_leaves_the_pods_to_git(driver: Driver) -> None:
    driver.serve("1:50", "2:50")
    driver.policy = replace(driver.policy, write_mode=WriteMode.GITOPS)
    driver.server.writes.clear()
    driver.turn(driver.release("1:100"), 9)
    assert set(driver.server.writes) == {"PATCH httproutes/shapes"}
    assert driver.cluster.weights() == {"shapes-v1": 100}
    assert driver.cluster.of("shapes-v2")


def test_a_staging_revision_is_written_live(driver: Driver) -> None:
    sync(driver, driver.release("1:100"))
    driver.policy = replace(driver.policy, write_mode=WriteMode.GITOPS)
    driver.serve("1:100", staging="2")
    assert driver.cluster.of("shapes-staging-v2")
    driver.serve("1:100")
    assert not driver.cluster.of("shapes-staging-v2")
