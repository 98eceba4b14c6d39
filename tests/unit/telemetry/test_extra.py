from __future__ import annotations

import builtins
import subprocess
import sys
from typing import Any

import pytest

from roost import Runtime
from roost.errors import TelemetryExtraMissing
from roost.telemetry import measure_with_opentelemetry, measure_with_prometheus, trace_with_opentelemetry
from roost.telemetry._extra import needing


@pytest.mark.parametrize(
    ("attach", "extra", "package"),
    [
        (trace_with_opentelemetry, "otel", "opentelemetry"),
        (measure_with_opentelemetry, "otel", "opentelemetry"),
        (measure_with_prometheus, "metrics", "prometheus_client"),
    ],
)
def test_a_missing_library_says_what_to_install(attach: Any, extra: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who attaches it is told the extra; importing the floor was no trouble, and nobody listens afterwards."""
    importing = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return importing(name, *rest)

    for name in [
        one for one in sys.modules if one.partition(".")[0] == package or one.startswith(("roost.telemetry._open", "roost.telemetry._prom"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    runtime = Runtime()
    with pytest.raises(TelemetryExtraMissing) as caught:
        attach(runtime)
    assert (caught.value.package, caught.value.hint) == (package, f"pip install 'roost[{extra}]'")


def test_another_import_that_fails_is_told_as_it_is() -> None:
    """What is missing inside of an installed library is no missing extra."""
    with pytest.raises(ModuleNotFoundError, match="something_else"), needing("opentelemetry", extra="otel"):
        raise ModuleNotFoundError("No module named 'something_else'", name="something_else")


def test_importing_the_floor_loads_no_extra() -> None:
    """Only the call that attaches a library loads it, and logging needs none."""
    program = (
        "import sys, roost, roost.telemetry; roost.telemetry.log_events(roost.Runtime()); "
        "print([m for m in ('opentelemetry', 'prometheus_client', 'structlog', 'asyncpg') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, text=True, stdout=subprocess.PIPE)
    assert done.stdout == "[]\n"
