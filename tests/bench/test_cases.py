from tests.bench.cases import Averaged


def test_an_error_in_one_of_many_turns_is_an_error_of_the_round() -> None:
    turns = [{"seconds": 1.0, "errors": 0.0}, {"seconds": 2.0, "errors": 1.0}, {"seconds": 3.0, "errors": 0.0}]
    assert Averaged().figures(turns) == {"seconds": 2.0, "errors": 1.0}
