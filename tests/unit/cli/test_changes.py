from __future__ import annotations

from roost.cli._changes import line_of
from roost.migrations import ChangedStep


def test_sql_is_a_warning_and_a_function_a_notice() -> None:
    """SQL surely says something else than what ran; a function may have been changed and do the same."""
    sql = line_of(ChangedStep(plugin="p", step="s", is_function=False))
    function = line_of(ChangedStep(plugin="p", step="s", is_function=True))
    assert sql.startswith("warning: step 's' of plugin p was edited after it ran, and is not run again; put its text back")
    assert function == "notice: the function of step 's' of plugin p was edited after it ran; it is not run again"
