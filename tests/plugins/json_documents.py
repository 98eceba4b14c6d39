"""Holds what commands print with ``--json`` against the schemas that are published."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from tools.json_schemas import FOLDER
from tools.schemas_of_types import closed


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


_FORMATS = FormatChecker(formats=())
_FORMATS.checks("date-time", raises=ValueError)(_is_moment)


def valid(printed: str, schema: str, *, is_closed: bool = True) -> Any:
    """Return the document that is all of a text, after it was held against a schema, which refuses members that it doesn't name."""
    document, published = json.loads(printed), json.loads((FOLDER / f"{schema}.schema.json").read_text("utf-8"))
    check(document, closed(published) if is_closed else published)
    return document


def check(document: object, schema: dict[str, Any]) -> None:
    """Fail where a document is not as a schema says; the message says where."""
    Draft202012Validator.check_schema(schema)
    errors = [
        f"{'.'.join(map(str, error.absolute_path)) or 'the document'}: {error.message}"
        for whole in Draft202012Validator(schema, format_checker=_FORMATS).iter_errors(document)
        for error in (whole.context or [whole])
    ]
    assert errors == [], f"{errors}\n{document}"
