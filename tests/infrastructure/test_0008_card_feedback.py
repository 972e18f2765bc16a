"""The eighth migration."""

from tests.infrastructure.migrations import check_migration


def test_it_says_what_it_said_when_it_was_released() -> None:
    check_migration(__file__, "0008_card_feedback", "0007")
