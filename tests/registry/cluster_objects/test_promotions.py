"""Promotions and Approvals as somebody with kubectl sees them: taken once, told how far they are, refused in words."""

from registry.domain.journal import NO_ANCHOR, restoration


def test_a_promotion_ends_in_production_and_tells_each_phase(served):
    name, phases = served.promote("2"), []
    served.until(lambda: phases.append(served.phase(name)) or served.phase(name) == "Succeeded")
    assert list(dict.fromkeys(filter(None, phases))) == ["Progressing", "Guarding", "Succeeded"]
    assert served.state().production == "2"


def test_its_status_says_step_weights_verdict_and_who_took_it(served):
    name = served.promote("2")
    served.until(lambda: served.status(name).get("verdict"))
    status = served.status(name)
    assert (status["step"], status["weight"], status["weights"]) == ("1/2", 10, {"v1": 90, "v2": 10})
    assert status["verdict"]["kind"] in ("hold", "promote")
    assert "errors" in status["verdict"]["signals"]
    assert served.entries()[status["sequence"] - 1].data["object"] == f"Promotion {name}"


def test_it_is_accepted_at_once_complete_in_production_and_succeeded_after_its_window(served):
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Progressing")
    assert served.condition(name, "Accepted") == "True"
    served.until(lambda: served.phase(name) == "Guarding")
    assert [served.condition(name, kind) for kind in ("Complete", "Succeeded")] == ["True", "Unknown"]
    served.until(lambda: served.phase(name) == "Succeeded")
    assert served.condition(name, "Succeeded") == "True"


def test_it_is_taken_once_whatever_controllers_come_and_go(served):
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Progressing")
    for _ in range(5):
        served.start()
        served.turn()
    uid = served.api.get("promotions", name)["metadata"]["uid"]
    assert [entry.data["id"] for entry in served.entries() if entry.kind == "requested"].count(uid) == 1


def test_an_unknown_version_is_refused_with_what_there_is(served):
    name = served.promote("7")
    served.until(lambda: served.phase(name) == "Refused")
    assert "has no version 7" in served.status(name)["message"]
    assert [served.condition(name, kind) for kind in ("Accepted", "Complete")] == ["False", "True"]


def test_an_unknown_model_is_refused_and_gets_no_journal(served):
    name = served.promote("1", model="squares")
    served.turn()
    assert served.phase(name) == "Refused"
    assert "models here: shapes" in served.status(name)["message"]
    assert served.home.journals() == ("shapes",)


def test_one_that_is_serving_already_is_refused(served):
    name = served.promote("1")
    served.until(lambda: served.phase(name) == "Refused")


def test_steps_that_no_schema_let_through_are_refused(served, fake):
    name = served.promote("2", steps=[{"weight": 50}, {"weight": 10}])
    served.turn()
    assert served.phase(name) == "Refused"
    assert "weights" in served.status(name)["message"]


def test_steps_of_its_own_take_the_place_of_the_policys(served):
    name = served.promote("2", steps=[{"weight": 30, "soak": 1}])
    served.until(lambda: served.phase(name) == "Progressing")
    assert [step.weight for step in served.state().rollout.plan.steps] == [30]


def test_two_at_once_go_one_after_the_other(served):
    first = served.promote("2")
    served.until(lambda: served.phase(first) == "Progressing")
    second = served.promote("2", by="bob")
    served.turn()
    assert served.phase(second) == "Pending"


def test_pause_and_resume_are_said_by_its_control(served):
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Progressing")
    served.control(name, "pause", by="bob", reason="lunch")
    served.until(lambda: served.phase(name) == "Paused")
    paused = next(entry for entry in reversed(served.entries()) if entry.kind == "paused")
    assert (paused.actor, paused.data["reason"]) == ("bob", "lunch")
    served.control(name, "resume")
    served.until(lambda: served.phase(name) == "Progressing")


def test_a_control_that_is_refused_is_told_once_as_an_event(served):
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Progressing")
    served.control(name, "resume")
    for _ in range(3):
        served.turn()
    assert served.notes().count(("ControlRefused", "Warning")) == 1
    assert served.phase(name) == "Progressing"


def test_a_control_of_one_that_ended_does_nothing_to_another(served):
    first = served.promote("2")
    served.until(lambda: served.phase(first) == "Succeeded")
    second = served.promote("1")
    served.until(lambda: served.phase(second) == "Progressing")
    served.control(first, "abort")
    for _ in range(3):
        served.turn()
    assert served.phase(second) == "Progressing"


def test_deleting_one_in_progress_aborts_it(served):
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Progressing")
    served.api.delete("promotions", name)
    served.until(lambda: served.state().rollout is None)
    assert served.kinds().count("aborted") == 1
    assert f"{name} was deleted" in served.entries()[-1].data["reason"]
    assert served.state().production == "1"


def test_deleting_one_that_ended_changes_nothing(served):
    name, before = served.api.of("promotions")[0]["metadata"]["name"], served.kinds()
    served.api.delete("promotions", name)
    served.turn()
    assert served.kinds() == before


def test_a_list_that_fails_is_no_deletion(served, fake):
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Progressing")
    fake.fails = [500]
    served.turn()
    assert served.state().rollout is not None


def test_a_rollback_returns_to_the_version_before(served):
    first = served.promote("2")
    served.until(lambda: served.phase(first) == "Guarding")
    name = served.promote(None, action="rollback", to=None)
    served.until(lambda: served.phase(name) == "Succeeded")
    assert (served.phase(first), served.state().production) == ("RolledBack", "1")


def test_what_was_created_before_a_restore_is_never_taken(served):
    name = served.promote("2")
    journal = served.home.journal_of("shapes")
    entries = journal.read()
    draft = restoration(entries, NO_ANCHOR, backup="b", by="ann", reason="lost")
    journal.append([draft], head=entries[-1], now=served.time)
    served.turn()
    assert served.phase(name) == "Refused"
    assert "restored" in served.status(name)["message"]


def test_a_status_that_says_it_is_over_is_believed_and_not_taken(served):
    name = served.promote("2")
    served.api.change("promotions", name, "status", lambda made: {**made, "status": {"phase": "Aborted"}}, "root")
    served.turn()
    assert served.kinds().count("requested") == 1


def test_a_status_that_somebody_edited_is_written_again(served):
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Progressing")
    served.api.change("promotions", name, "status", lambda made: {**made, "status": {"weight": 99}}, "root")
    served.turn()
    assert served.phase(name) == "Progressing"
    assert served.status(name)["weight"] == 10


def test_nothing_is_written_while_nothing_changes(served, fake):
    served.turn()
    fake.asked.clear()
    for _ in range(5):
        served.turn()
    assert {method for method, _, _ in fake.asked} == {"GET"}


def test_events_tell_the_story_and_warn_of_what_went_wrong(served):
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Succeeded")
    served.until(lambda: served.phase(served.promote("7")) is None)
    served.turn()
    assert {("Progressing", "Normal"), ("Guarding", "Normal"), ("Succeeded", "Normal")} <= set(served.notes())
    assert ("Refused", "Warning") in served.notes()


def test_an_approval_counts_once_and_says_so(served):
    digest = served.state().versions["2"].digest
    name = served.approve("2", digest)
    served.until(lambda: served.status(name, "approvals").get("phase") == "Recorded")
    assert [(found.by, found.digest) for found in served.state().approvals] == [("bob", digest)]
    assert next(entry for entry in served.entries() if entry.kind == "approved").data["authenticated"] is True


def test_an_approval_of_other_bytes_is_refused(served):
    name = served.approve("2", "0" * 64)
    served.until(lambda: served.status(name, "approvals").get("phase") == "Refused")
    assert served.state().approvals == ()


def test_the_model_shows_production_canary_weight_decision_and_anchor(served):
    served.promote("2")
    served.until(lambda: served.state().rollout is not None and served.state().rollout.step == 0)
    served.turn()
    status = served.status("shapes", "models")
    assert (status["production"]["version"], status["production"]["weight"]) == ("1", 90)
    assert (status["canary"]["version"], status["canary"]["weight"], status["canary"]["ready"]) == ("2", 10, 1)
    assert status["decision"]["kind"] in ("stepped", "verdict")
    assert status["anchor"].partition(":")[0].isdecimal()


def test_the_model_shows_no_canary_when_there_is_none_any_more(served):
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Succeeded")
    served.turn()
    assert "canary" not in served.status("shapes", "models")


def test_a_comparison_ends_when_its_time_is_over_and_succeeded(served):
    name = served.promote("2", action="compare", to=None, base="1", weight=40, seconds=30)
    served.until(lambda: served.phase(name) == "Progressing" and served.status(name)["weight"] == 40)
    assert served.substrate.releases["shapes"].weights == {"1": 60, "2": 40}
    served.until(lambda: served.phase(name) == "Succeeded")
    assert served.status(name)["message"].startswith("expired 2 (comparison over")
    assert (served.condition(name, "Complete"), served.condition(name, "Succeeded")) == ("True", "True")
    assert served.state().production == "1"
    assert ("Expired", "Warning") not in served.notes()


def test_a_comparison_that_was_aborted_before_it_was_taken_ends_without_a_step(served):
    name = served.promote("2", action="compare", to=None, base="1", weight=40, seconds=30)
    served.control(name, "abort")
    served.until(lambda: served.phase(name) == "Aborted")
    assert (served.state().rollout, "stepped" in served.kinds()) == (None, False)
