from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from facerec_cli.datasets.answers import Settings, new_client
from facerec_cli.datasets.download import NoWatcher, download
from facerec_cli.datasets.remote import RemoteFile
from facerec_cli.errors import NetworkSettingsError


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing about the network."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:1080/"),
        ("all_proxy", "socks4://127.0.0.1:1080"),
        ("ALL_PROXY", "socks5://"),
        ("HTTP_PROXY", "http://"),
        ("HTTP_PROXY", "http://[::1"),
        ("HTTPS_PROXY", "http://h:99999"),
        ("https_proxy", "http://h:port"),
        ("HTTP_PROXY", "ftp://h"),
        ("HTTP_PROXY", "http://secret:word@h:port"),
        ("NO_PROXY", "fe80::/10"),
        ("no_proxy", "localhost, ::1/128,10.0.0.0/8"),
        ("NO_PROXY", "[::1"),
        ("SSL_CERT_FILE", "/nowhere/certificates.pem"),
        ("SSL_CERT_FILE", "/"),
        ("SSL_CERT_FILE", __file__),
        ("SSL_CERT_DIR", "/nowhere"),
        ("SSL_CERT_DIR", __file__),
    ],
)
def test_what_cannot_be_used_names_its_variable(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(NetworkSettingsError) as caught:
        new_client(Settings())
    assert str(caught.value).startswith(f"{name} ")
    assert "\n" not in str(caught.value)
    assert "word" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080"),
        ("ALL_PROXY", "socks5h://user:word@localhost"),
        ("HTTP_PROXY", "localhost:3128"),
        ("HTTP_PROXY", ""),
        ("NO_PROXY", "localhost,127.0.0.1,::1,.example.org,*.example.org, example.org:80,10.0.0.0/8,,http://h"),
        ("NO_PROXY", "*,fe80::/10"),
        ("SSL_CERT_FILE", ssl.get_default_verify_paths().openssl_cafile),
        ("SSL_CERT_DIR", f"/nowhere:{Path(__file__).parent}"),
    ],
)
def test_what_can_be_used_is(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "SSL_CERT_FILE" and not Path(value).is_file():
        pytest.skip("this system has no certificates")
    monkeypatch.setenv(name, value)
    new_client(Settings())


def test_a_proxy_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    file = RemoteFile("file", ("http://photos.test/file",), "0" * 64)
    (error,) = download([file], tmp_path, NoWatcher(), Settings(attempts=1)).values()
    assert "no connection by the proxy that all_proxy names" in str(error)
