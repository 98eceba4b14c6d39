"""What was sent and not answered is found out from the ledger."""

from __future__ import annotations

from roost.migrations._plan import PluginState
from roost.migrations._repeatable import RepeatedStep
from roost.migrations._sent_steps import SentSteps
from roost.migrations._telling import StepTelling


def ignored(_: object) -> None:
    """Hears an event, and does nothing."""


def test_another_text_that_the_same_run_has_run_is_no_proof() -> None:
    """A repeatable step is done when the ledger holds just the text that was sent, and not an earlier one of the same run."""
    for fingerprint, done in (("first", 0), ("second", 1)):
        telling = StepTelling(
            emit=ignored,
            plugin="p",
            step="again",
            description="Again",
            version="1.0.0",
            direction="up",
            body="SELECT 2",
            index=1,
            total=1,
            fingerprint="second",
        )
        sent = SentSteps(ignored)
        sent.note([telling])
        state = PluginState(version=None, applied=(), repeated=(RepeatedStep(step="again", fingerprint=fingerprint, run=3),))
        assert len(sent.learn(state, plugin="p", runs=[3])) == done
