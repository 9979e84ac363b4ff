"""Every page against its own OpenAPI document; `make soak` does it with thousands of cases."""

from tests.soak.schema import check_schema


def test_no_request_fails_the_service_and_every_answer_matches_its_schema():
    run = check_schema(examples=4)
    assert run.failures == 0, run.report
    assert run.log == []
    assert "internal_error" not in run.outcomes
    assert run.cases >= 300
