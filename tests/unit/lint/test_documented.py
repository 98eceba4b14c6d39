from __future__ import annotations

import re
from pathlib import Path

from roost.lint import LEFT_OUT, OWN_RULES, SQUAWK_RULES
from roost.lint._ignores import IGNORE_RULES
from roost.lint._numbering import NUMBER_RULES

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "lint.md").read_text("utf-8")


def test_the_page_lists_every_rule() -> None:
    """Each rule stands in the page's tables with its severity, or with why it is left out; the tables hold no other."""
    severities = {
        **{name: rule.severity for name, rule in OWN_RULES.items()},
        **{name: rule.severity for name, rule in SQUAWK_RULES.items()},
        **dict.fromkeys(NUMBER_RULES, "warning"),
        **{name: severity for name, (severity, _, _) in IGNORE_RULES.items()},
        **LEFT_OUT,
    }
    listed = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    assert listed == severities
