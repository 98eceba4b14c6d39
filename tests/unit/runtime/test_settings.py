"""Settings classes are filled from mappings, files and the environment; each value knows where it came from, and secrets are hidden."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pydantic
import pytest

from roost import Plugin, Runtime, Service
from roost.errors import ConstructionFailed, InvalidSettings
from roost.runtime import Environment, Secret, SettingInUse, SettingsFile
from roost.runtime._settings import Settings
from roost.runtime._settings_values import Refused, convert

CANARY = "c4n4ry-p4ssw0rd"


class Color(enum.Enum):
    RED = "r"
    BLUE = 2


@dataclass(frozen=True)
class Retry:
    times: int = 3
    pause: float = 0.5


@dataclass(frozen=True)
class Mail:
    host: str
    port: int = 25
    tls: bool = False
    password: Secret | None = None
    retry: Retry = field(default_factory=Retry)
    to: Sequence[str] = ()


class Mailer(Service):
    def __init__(self, mail: Mail) -> None:
        self.mail = mail


def filled(sources: Any, cls: type = Mail) -> Any:
    return Settings(sources).fill(cls, section="mail")


def test_later_sources_go_before_earlier_ones(tmp_path: Path) -> None:
    """A mapping, a file and the environment are merged value by value, also inside nested classes."""
    (tmp_path / "app.toml").write_text('[mail]\nport = 26\ntls = true\nto = ["a", "b"]\n[mail.retry]\ntimes = 7\n[other]\nx = 1\n', "utf-8")
    environment = Environment("APP", {"APP_MAIL__PORT": "27", "APP_MAIL__RETRY__PAUSE": "2", "APP_ENV": "production", "MAIL__PORT": "1"})
    sources = [{"mail": {"host": "localhost", "port": 1}}, tmp_path / "app.toml", environment]
    assert filled(sources) == Mail(host="localhost", port=27, tls=True, retry=Retry(times=7, pause=2.0), to=("a", "b"))
    assert filled(list(reversed(sources))).port == 1


def test_a_service_gets_its_plugins_section() -> None:
    """A plugin's services read the section of its name, however it is spelt in the environment; another service reads its own."""
    variables = {"ORG_PLUGIN_MAIL__HOST": "plugin", "MAILER__HOST": "own"}
    in_plugin = Runtime(plugins=[Plugin("@org/plugin-mail", services=[Mailer])], settings=Environment(variables=variables))
    alone = Runtime(services=[Mailer], settings=Environment(variables=variables))
    assert in_plugin.get_service(Mailer).mail.host == "plugin"
    assert alone.get_service(Mailer).mail.host == "own"


def test_the_environment_is_read_at_each_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without variables of its own `Environment` reads the process's, when the settings are needed."""
    monkeypatch.setenv("ROOSTTEST_MAILER__HOST", "one")
    runtime = Runtime(services=[Mailer], settings=Environment("ROOSTTEST_"))
    monkeypatch.setenv("ROOSTTEST_MAILER__HOST", "two")
    assert runtime.get_service(Mailer).mail.host == "two"


def test_a_table_inside_a_file_may_hold_the_sections(tmp_path: Path) -> None:
    """So that pyproject.toml will do; a file that may be missing is empty."""
    (tmp_path / "pyproject.toml").write_text('[tool.app.mail]\nhost = "h"\n', "utf-8")
    found = [SettingsFile(tmp_path / "pyproject.toml", table="tool.app"), SettingsFile(tmp_path / "no.toml", optional=True)]
    assert filled(found) == Mail(host="h")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file"),
        ("[mail]\nport = ]\n", "it can't be read: .*line 2"),
        (b"\xff", "it can't be read: .*utf-8"),
        ("mail = 3", "it is no section of settings but int"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, content: str | bytes | None, reason: str) -> None:
    """A file that is missing, is no TOML or no UTF-8, or has no tables is refused by its name."""
    path = tmp_path / "app.toml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidSettings, match=reason) as caught:
        filled(path)
    assert "app.toml" in str(caught.value)


def test_all_problems_are_named_at_once_with_their_origins() -> None:
    """Missing, unknown and malformed values of one class are in one error, nested ones by their path."""
    environment = Environment("APP", {"APP_MAIL__PORT": "many", "APP_MAIL__RETRY__TMES": "1"})
    with pytest.raises(InvalidSettings) as caught:
        filled([{"mail": {"tls": "yes"}}, environment])
    assert caught.value.reason.split("; ") == [
        "tls: it is no bool but str (Runtime(settings=…))",
        "port: it is no int (environment variable APP_MAIL__PORT)",
        "there is no 'retry.tmes'",
        "did you mean 'times'? (environment variable APP_MAIL__RETRY__TMES)",
        "host is missing",
    ]


def test_a_misspelt_section_is_refused() -> None:
    """One like a plugin's or service's name, and one for a service that reads its plugin's; a stranger's is left alone."""
    plugins = [Plugin("post", services=[Mailer])]
    for section, reason in (("pots", "did you mean 'post'"), ("mailer", "reads the section of its plugin, 'post'")):
        with pytest.raises(InvalidSettings, match=reason):
            Runtime(plugins=plugins, settings={"post": {"host": "h"}, section: {}}).plan()
    Runtime(plugins=plugins, settings={"post": {"host": "h"}, "calendar": {"x": 1}}).plan()


def test_classes_of_one_section_share_it() -> None:
    """What another service of the plugin asks for is not unknown; what nobody asks for is."""

    @dataclass
    class Limit:
        size: int

    class Limiter(Service):
        def __init__(self, limit: Limit) -> None:
            self.limit = limit

    Limiter.__init__.__annotations__["limit"] = Limit
    plugin = Plugin("p", services=[Mailer, Limiter])
    runtime = Runtime(plugins=[plugin], settings={"p": {"host": "h", "size": 3}})
    assert (runtime.get_service(Mailer).mail.host, runtime.get_service(Limiter).limit.size) == ("h", 3)
    with pytest.raises(InvalidSettings, match="there is no 'sizes'"):
        Runtime(plugins=[plugin], settings={"p": {"host": "h", "size": 3, "sizes": 4}}).plan()


@pytest.mark.parametrize(
    ("hint", "text", "expected"),
    [
        (int, "7", 7),
        (float, "1.5", 1.5),
        (bool, "Off", False),
        (str, "x,y", "x,y"),
        (Path, "/tmp", Path("/tmp")),  # noqa: S108 -- only a name
        (Decimal, "0.10", Decimal("0.10")),
        (date, "2026-01-02", date(2026, 1, 2)),
        (timedelta, "1.5", timedelta(seconds=1.5)),
        (Color, "r", Color.RED),
        (Color, "BLUE", Color.BLUE),
        (Color, "2", Color.BLUE),
        (Literal["a", 3], "3", 3),
        (int | None, "", None),
        (int | str, "7", 7),
        (int | str, "x", "x"),
        (list[int], "1, 2", [1, 2]),
        (list[int], "[1, 2]", [1, 2]),
        (list[int], "", []),
        (tuple[int, str], "1,a", (1, "a")),
        (frozenset[str], "a,b", frozenset("ab")),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Any, "x", "x"),
    ],
)
def test_text_becomes_what_the_field_asks_for(hint: Any, text: str, expected: object) -> None:
    """A variable's text is read by the field's annotation."""
    found = convert(text, hint, is_text=True)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, 7, 7),
        (float, 7, 7.0),
        (Decimal, 0.1, Decimal("0.1")),
        (Path, "a", Path("a")),
        (Secret, "s", Secret("s")),
        (Color, "r", Color.RED),
        (Color, Color.RED, Color.RED),
        (timedelta, 2, timedelta(seconds=2)),
        (int | None, None, None),
        (str | int, 7, 7),
        (Sequence[int], [1, 2], (1, 2)),
        (Mapping[str, Any], {"a": [1]}, {"a": [1]}),
    ],
)
def test_values_are_taken_as_they_are(hint: Any, value: object, expected: object) -> None:
    """What a mapping or TOML holds is of the right class already, or has no form of its own there."""
    found = convert(value, hint, is_text=False)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("hint", "value", "is_text", "reason"),
    [
        (int, "7", False, "it is no int but str"),
        (int, True, False, "it is no int but bool"),
        (float, True, False, "it is no float but bool"),
        (int, 1.5, False, "it is no int but float"),
        (bool, "maybe", True, "write true or false"),
        (str, 7, False, "it is no str but int"),
        (Color, "green", True, "it is none of r, 2, RED, BLUE"),
        (Literal["a", "b"], "c", True, "it is none of a, b"),
        (list[int], "1,x", True, "it is no int"),
        (list[int], "[1,", True, "it is no JSON"),
        (list[int], 7, False, "it is no list but int"),
        (list[str], "ab", False, "it is no list but str"),
        (tuple[int, int], [1], False, "it has 1 items, not 2"),
        (dict[str, int], "x", True, "it is no JSON"),
        (dict[str, int], [1], False, "it is no table but list"),
        (date, "tomorrow", True, "it is no date"),
        (int | float, "x", True, "it is no int, and it is no float"),
    ],
)
def test_what_is_refused(hint: Any, value: object, is_text: bool, reason: str) -> None:  # noqa: FBT001 -- a parameter of the test
    """Anything else is refused in words that never show the value."""
    with pytest.raises(Refused) as caught:
        convert(value, hint, is_text=is_text)
    assert str(caught.value).endswith(reason) or reason in str(caught.value)


def test_where_each_value_comes_from() -> None:
    """All fields are told, nested ones by their path, with their origin and with secrets hidden."""
    environment = Environment("APP", {"APP_MAILER__PASSWORD": CANARY, "APP_MAILER__RETRY__TIMES": "9"})
    runtime = Runtime(services=[Mailer], settings=[{"mailer": {"host": "h"}}, environment])
    assert runtime.explain_settings() == [
        SettingInUse(section="mailer", name="host", value="h", origin="Runtime(settings=…)"),
        SettingInUse(section="mailer", name="port", value="25", origin="default"),
        SettingInUse(section="mailer", name="tls", value="False", origin="default"),
        SettingInUse(section="mailer", name="password", value="**********", origin="environment variable APP_MAILER__PASSWORD"),
        SettingInUse(section="mailer", name="retry.times", value="9", origin="environment variable APP_MAILER__RETRY__TIMES"),
        SettingInUse(section="mailer", name="retry.pause", value="0.5", origin="default"),
        SettingInUse(section="mailer", name="to", value="()", origin="default"),
    ]


def test_secrets_show_themselves_to_nobody() -> None:
    """Not in a repr, a text, a format, a dataclass, or a comparison's outcome; only `reveal` does."""
    secret = Secret(CANARY)
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r:>30}", repr(Mail(host="h", password=secret)), str([secret])):
        assert CANARY not in text
    assert secret.reveal() == CANARY
    assert (secret == Secret(CANARY), secret == Secret("x"), secret == CANARY, len({secret, Secret(CANARY)})) == (True, False, False, 1)


@dataclass
class Telltale:
    """Names what it refuses."""

    token: str
    url: str = ""
    port: int = 0

    def __post_init__(self) -> None:
        raise ValueError(f"{self.token} at {self.url} is bad")


class ModelTelltale(pydantic.BaseModel):
    token: str
    url: str = ""
    port: int = 0

    @pydantic.model_validator(mode="after")
    def refuse(self) -> ModelTelltale:
        raise ValueError(f"{self.token} at {self.url} is bad")


@pytest.mark.parametrize("cls", [Telltale, ModelTelltale])
@pytest.mark.parametrize("values", [{}, {"port": CANARY}, {"port": "x"}])
def test_no_error_shows_a_secret(cls: type, values: dict[str, str]) -> None:
    """Neither a value that is refused, nor what the class itself says, nor a cause behind it."""
    given = {"token": CANARY, "url": f"postgresql://me:{CANARY}@host/db", **values}
    with pytest.raises(InvalidSettings) as caught:
        filled({"mail": given}, cls)
    error: BaseException | None = caught.value
    while error is not None:
        assert CANARY not in repr(error) + str(error)
        error = error.__cause__


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)

    host: str
    port: int = pydantic.Field(default=25, gt=0)
    key: pydantic.SecretStr | None = None
    to: list[str] = []
    timeout: float = pydantic.Field(default=1.0, alias="timeoutSeconds")


def test_a_pydantic_model_is_filled_too() -> None:
    """From all sources, by its own rules, with the same care for unknown keys, origins and secrets."""

    class Modelled(Service):
        def __init__(self, model: Model) -> None:
            self.model = model

    environment = Environment(variables={"MODELLED__PORT": "26", "MODELLED__TO": '["a"]', "MODELLED__KEY": CANARY})
    runtime = Runtime(services=[Modelled], settings=[{"modelled": {"host": "h", "timeoutSeconds": 2}}, environment])
    model = runtime.get_service(Modelled).model
    assert (model.host, model.port, model.to, model.timeout) == ("h", 26, ["a"], 2.0)
    explained = {one.name: (one.value, one.origin) for one in runtime.explain_settings()}
    assert explained["port"] == ("26", "environment variable MODELLED__PORT")
    assert explained["key"] == ("**********", "environment variable MODELLED__KEY")
    assert explained["timeout"] == ("2.0", "Runtime(settings=…)")
    with pytest.raises(InvalidSettings, match=r"port: Input should be greater than 0 \(environment variable MODELLED__PORT\)"):
        Runtime(services=[Modelled], settings=[{"modelled": {"host": "h"}}, Environment(variables={"MODELLED__PORT": "-1"})]).plan()
    with pytest.raises(InvalidSettings, match="there is no 'prt'; did you mean 'port'"):
        Runtime(services=[Modelled], settings={"modelled": {"host": "h", "prt": 1}}).plan()


def test_settings_for_hooks_and_applications() -> None:
    """`get_settings` fills a class from any section, and constructs nothing."""
    runtime = Runtime(settings={"server": {"host": "h"}})
    assert runtime.get_settings(Mail, "server") == Mail(host="h")
    with pytest.raises(InvalidSettings, match="'sever'"):
        runtime.get_settings(Mail, "sever")


def test_a_service_is_told_from_its_settings() -> None:
    """Wrong settings fail before anything is started, by their own error and not as a constructor's."""
    with pytest.raises(InvalidSettings) as caught:
        Runtime(services=[Mailer]).plan()
    assert not isinstance(caught.value, ConstructionFailed)
    assert re.fullmatch(r"Invalid settings 'mailer' for Mail: host is missing", caught.value.message)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("APP_MIALER__HOST", "APP_MAILER__HOST"),
        ("APP_MAILER_HOST", "APP_MAILER__HOST"),
        ("APP_MAILER_RETRY__TIMES", "APP_MAILER__RETRY__TIMES"),
    ],
)
def test_a_misspelt_variable_is_refused(variable: str, meant: str) -> None:
    """One with our prefix that nobody reads and that looks like one of a section is refused, by the report as well; others are not ours."""
    fine = {"APP_MAILER__HOST": "h", "APP_ENV": "production", "APP_OTHER__X": "1", "APP_MAILE": "1", "MAILER_HOST": "x"}
    Runtime(services=[Mailer], settings=Environment("APP", fine)).plan()
    runtime = Runtime(services=[Mailer], settings=Environment("APP", {**fine, variable: "1"}))
    for look in (runtime.plan, runtime.explain_settings):
        with pytest.raises(InvalidSettings, match=f"did you mean {meant}"):
            look()
