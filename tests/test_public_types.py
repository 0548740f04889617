"""mypy checks a program that embeds the gateway, using the types of the installed package."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from typing import assert_type

from starlette.types import ASGIApp

import gateway
from gateway.app import create_app
from gateway.sandbox import SANDBOX_TOKEN, Store
from gateway.settings import Settings, SettingsError, load_settings

assert_type(gateway.__version__, str)

settings = Settings(upstream_url="http://127.0.0.1:8001/v1.0", workers=2)
assert_type(load_settings(), Settings)
assert_type(settings.upstream_url, str)
assert_type(settings.upstream_timeout, float)
assert_type(settings.cors_origins, tuple[str, ...])
assert_type(create_app(settings), ASGIApp)
assert_type(create_app(settings, store=Store()), ASGIApp)
assert_type(SANDBOX_TOKEN, str)
error: Exception = SettingsError("text")

# mypy complains about each of these, or else about the comment.
create_app("settings")  # type: ignore[arg-type]
create_app(settings, None)  # type: ignore[call-arg]
settings.no_setting  # type: ignore[attr-defined]
Settings(workers=2, no_setting=1)  # type: ignore[call-arg]
"""


def test_a_program_that_embeds_the_gateway_has_types(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    words = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache", "program.py"]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
