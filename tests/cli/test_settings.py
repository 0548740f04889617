"""The settings: names, defaults, limits, and the errors for invalid ones."""

import os

import pytest

from gateway.settings import Settings, SettingsError, load_settings, unknown_variables

pytestmark = pytest.mark.quick

SECRET = "5ecret"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("GATEWAY_"):
            monkeypatch.delenv(name)


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = load_settings()
    assert settings.upstream_url == "https://graph.microsoft.com/v1.0"
    assert settings.upstream_timeout == 10
    assert settings.update_path == "/linkedIn/invitations"
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.playground is settings.introspection is True
    assert settings.cors_origins == ()


ACCEPTED: list[tuple[str, str, object]] = [
    ("upstream_url", "https://graph.microsoft.com/beta", "https://graph.microsoft.com/beta"),
    ("upstream_url", "https://graph.example:8443/a/b/", "https://graph.example:8443/a/b"),
    ("upstream_url", "http://127.0.0.1:8001/v1.0", "http://127.0.0.1:8001/v1.0"),
    ("upstream_url", "http://localhost:8001", "http://localhost:8001"),
    ("upstream_url", "http://[::1]:8001/v1.0", "http://[::1]:8001/v1.0"),
    ("upstream_timeout", "0.1", 0.1),
    ("upstream_timeout", "300", 300.0),
    ("update_path", "/linkedIn/invitations/{id}", "/linkedIn/invitations/{id}"),
    ("host", "0.0.0.0", "0.0.0.0"),  # noqa: S104  (users set this)
    ("host", "::", "::"),
    ("port", "0", 0),
    ("port", "65535", 65535),
    ("workers", "1", 1),
    ("workers", "128", 128),
    ("log_level", "debug", "debug"),
    ("playground", "false", False),
    ("playground", "1", True),
    ("introspection", "no", False),
    ("cors_origins", "", ()),
    ("cors_origins", "*", ("*",)),
    ("cors_origins", "https://a.example", ("https://a.example",)),
    ("cors_origins", " https://a.example , http://localhost:3000,", ("https://a.example", "http://localhost:3000")),
]


@pytest.mark.parametrize(("name", "text", "value"), ACCEPTED)
def test_a_variable_sets_its_setting(monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object) -> None:
    monkeypatch.setenv(f"GATEWAY_{name.upper()}", text)
    assert getattr(load_settings(), name) == value


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:///keys.db",
        "sqlite:////var/a b?c#d%20/keys.db",
        "redis://127.0.0.1",
        "redis://cache.example:6379/5",
        f"rediss://user:{SECRET}@cache.example:6380/",
    ],
)
def test_a_store_for_keys_can_be_a_file_or_redis_and_its_password_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("GATEWAY_IDEMPOTENCY_STORE", url)
    settings = load_settings()
    assert settings.idempotency_store.get_secret_value() == url
    assert SECRET not in repr(settings)


def test_a_proxy_with_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_UPSTREAM_PROXY", f"http://user:{SECRET}@proxy.example:3128")
    settings = load_settings()
    assert settings.upstream_proxy.get_secret_value() == f"http://user:{SECRET}@proxy.example:3128"
    assert SECRET not in repr(settings)


def test_a_proxy_is_refused_for_an_upstream_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_UPSTREAM_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("GATEWAY_UPSTREAM_URL", "http://127.0.0.1:8001/v1.0")
    with pytest.raises(SettingsError, match=r"^GATEWAY_UPSTREAM_PROXY: must not be set if the upstream URL is http"):
        load_settings()


REFUSED: list[tuple[str, str]] = [
    ("upstream_proxy", f"https://user:{SECRET}@proxy.example:1080"),
    ("upstream_proxy", f"socks5://user:{SECRET}@proxy.example:1080"),
    ("upstream_proxy", f"user:{SECRET}@proxy.example:3128"),
    ("upstream_proxy", f"http://[{SECRET}"),
    ("upstream_proxy", "http://[::1]5ecret"),
    ("upstream_proxy", "http://us er:p@a.b:99"),
    ("upstream_proxy", "http://a..b"),
    *(
        ("upstream_url", url)
        for url in [
            "",
            "5ecret",
            "ftp://5ecret.example",
            "http://5ecret.example/v1.0",
            "http://10.0.0.5ecret",
            "http://localhost.5ecret.example",
            "http://127.0.0.1.5ecret.example",
            "https://user:5ecret@graph.example",
            "https://5ecret@graph.example",
            "https://graph.example/?key=5ecret",
            "https://graph.example/#5ecret",
            "https://graph.example:5ecret",
            "https://graph.example:99999/5ecret",
            "https://graph.example:0/5ecret",
            "https://[5ecret",
            "https://[5ecret]/",
            "https://[::1]5ecret",
            "https://5ecret..b",
            "https://5ecret%zz",
            "https://*/5ecret",
            "https://graph.example/5ecret x",
            " https://graph.example/5ecret",
            "https://gr\u00e4ph.example/5ecret",
            "https://5ecret\u2100.example",
            "https://graph.example/5ecret\nX: y",
            "https://graph.example/\t5ecret",
            "https:///5ecret",
            "//graph.example/5ecret",
            "javascript:5ecret",
        ]
    ),
    *(("upstream_timeout", seconds) for seconds in ["", "0", "0.09", "-1", "301", "nan", "inf", "5ecret", "1e9"]),
    *(("update_path", path) for path in ["", "/5ecret", "/linkedIn/invitations/{5ecret}", "/linkedin/invitations"]),
    *(
        ("idempotency_store", url)
        for url in ["5ecret", "/5ecret", "sqlite:///", "sqlite:///:memory:", "sqlite://5ecret", "sqlite:////5ecret/"]
    ),
    *(("idempotency_store", f"sqlite:///{path}") for path in ["./:memory:", "5ecret/../:memory:", ".", "./"]),
    *(
        ("idempotency_store", url)
        for url in [
            "redis://",
            "redis:///0",
            "redis://:5ecret@cache.example/zero",
            "rediss://:5ecret@cache.example/0?ssl_cert_reqs=none",
            "rediss://:5ecret@cache.example#0",
            "redis://cache.example:0",
            "unix:///5ecret",
        ]
    ),
    *(("host", host) for host in ["", "5ecret" * 50]),
    *(("port", port) for port in ["", "-1", "65536", "80.5", "5ecret", "0x50"]),
    *(("workers", workers) for workers in ["", "0", "-1", "129", "1.5", "5ecret"]),
    *(("log_level", level) for level in ["", "5ecret", "DEBUG", "10"]),
    *((name, flag) for name in ("playground", "introspection") for flag in ["", "2", "5ecret", "maybe"]),
    *(
        ("cors_origins", origins)
        for origins in [
            "5ecret",
            "https://a.example/5ecret",
            "https://a.example,5ecret",
            "https://user:5ecret@a.example",
            "ftp://5ecret.example",
            "null",
            "https://*.5ecret.example",
            "https://a.example https://5ecret.example",
        ]
    ),
]


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_an_invalid_value_is_reported_in_one_line_with_the_variable_but_not_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(f"GATEWAY_{name.upper()}", text)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    message = str(raised.value)
    assert message.startswith(f"GATEWAY_{name.upper()}: ")
    assert len(message.splitlines()) == 1
    assert SECRET not in message
    assert len(message) < 200


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("GATEWAY_UPSTREAM", "GATEWAY_UPSTREAM_URL"),
        ("GATEWAY_UPSTREAM_URI", "GATEWAY_UPSTREAM_URL"),
        ("GATEWAY_TIMEOUT", "GATEWAY_UPSTREAM_TIMEOUT"),
        ("GATEWAY_CORS_ORIGIN", "GATEWAY_CORS_ORIGINS"),
        ("GATEWAY_PORTS", "GATEWAY_PORT"),
        ("GATEWAY_WORKER", "GATEWAY_WORKERS"),
        ("GATEWAY_PLAYGROUD", "GATEWAY_PLAYGROUND"),
    ],
)
def test_the_warning_about_an_unknown_variable_suggests_a_similar_one(
    monkeypatch: pytest.MonkeyPatch, misspelt: str, meant: str
) -> None:
    monkeypatch.setenv(misspelt, SECRET)
    (line,) = unknown_variables()
    assert misspelt in line
    assert f"{meant}?" in line
    assert SECRET not in line


def test_the_warning_about_a_variable_unlike_any_setting_lists_all_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_QQQQQ", SECRET)
    (line,) = unknown_variables()
    for name in Settings.model_fields:
        assert f"GATEWAY_{name.upper()}" in line


def test_there_is_no_warning_about_the_variable_of_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"GATEWAY_{name.upper()}", "x")
    monkeypatch.setenv("OTHER_GATEWAY_PORT", "x")
    assert unknown_variables() == []
