"""Settings: where they come from, and the class that they are filled into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import assert_type

from roost import Runtime
from roost.runtime import Environment, Secret, SettingInUse, SettingsFile
from tests.typing.letters import Postage


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    password: Secret
    host: str = "localhost"


def sources(path: Path) -> None:
    values = {"post": {"price": 0.8}, "mail": {"weight": 2.5}}
    Runtime(settings=values)
    Runtime(settings={"post": {"price": 0.8}})
    Runtime(settings={"mail": {"host": "mail.example.org", "ports": [25, 465]}, "post": {}})
    Runtime(settings=SettingsFile(path, optional=True))
    Runtime(settings=["settings.toml", path])
    Runtime(settings=[values, SettingsFile("settings.toml", table="tool.post"), Environment("POST"), Environment(variables={"A": "b"})])


def filled(runtime: Runtime, cls: type[Postage]) -> None:
    assert_type(runtime.get_settings(Postage, "post"), Postage)
    assert_type(runtime.get_settings(Mailbox, section="mail"), Mailbox)
    assert_type(runtime.get_settings(cls, "post"), Postage)
    assert_type(runtime.get_settings(Postage, "post").price, float)
    assert_type(runtime.get_settings(Mailbox, "mail").password.reveal(), str)
    assert_type(runtime.explain_settings(), list[SettingInUse])
    assert_type(runtime.explain_settings()[0].origin, str)
