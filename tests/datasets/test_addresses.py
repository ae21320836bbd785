from __future__ import annotations

import ipaddress
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_cli.datasets.addresses import PublicAlone, is_public
from facerec_cli.datasets.answers import Settings
from facerec_cli.datasets.url_lists import ListedPhoto, fetch_listed
from facerec_cli.errors import FetchError, PrivateAddressError
from tests.datasets.server import Server, serving
from tests.datasets.socks_proxy import socks

PRIVATE = [
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.0.9", "169.254.169.254", "172.16.0.1", "192.168.1.1"),
    *("192.0.2.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1", "4000::1"),
    *("::ffff:127.0.0.1", "::ffff:a00:1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
    *("64:ff9b:1::1", "100::1", "2001::1"),
]
PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "172.32.0.1", "192.167.1.1"),
    *("2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_within_another_counts_as_itself(address: ipaddress.IPv4Address) -> None:
    as_number = int(address)
    public = is_public(str(address))
    for standing in (0xFFFF << 32 | as_number, 0x64FF9B << 96 | as_number, 0x2002 << 112 | as_number << 80):
        assert is_public(str(ipaddress.IPv6Address(standing))) == public


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.files["/photo.jpg"] = b"no picture, but bytes"
        yield server


def outcomes(folder: Path, *urls: str, trusted: str | None = None) -> list[str]:
    """What comes of photos at URLs, requests being kept to public addresses."""
    listed = [ListedPhoto("Ada", number, url, (0, 0, 9, 9), "0" * 32) for number, url in enumerate(urls)]
    found: dict[int, str] = {}

    def told(photo: ListedPhoto, outcome: str | FetchError) -> None:
        if isinstance(outcome, FetchError):
            assert isinstance(outcome, PrivateAddressError)
            assert photo.url in str(outcome)
        found[photo.number] = "refused" if isinstance(outcome, FetchError) else outcome

    settings = Settings(timeout=2, pause=0.01)
    fetch_listed(listed, folder, told, settings, PublicAlone.but_for(trusted))
    return [found[number] for number in range(len(urls))]


def test_no_spelling_of_loopback_is_asked(server: Server, tmp_path: Path) -> None:
    port = server.url.rpartition(":")[2]
    hosts = [
        *("127.0.0.1", "localhost", "LOCALHOST", "localhost.", "a.localhost", "127.1", "127.0.0.1.", "2130706433"),
        *("0x7f000001", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "user@127.0.0.1"),
        *("[64:ff9b::7f00:1]", "169.254.169.254", "[fe80::1]"),
        *("0177.0.0.1", "①②⑦.0.0.1"),  # which are no addresses
    ]
    found = outcomes(tmp_path, *(f"http://{host}:{port}/photo.jpg" for host in hosts))
    assert found == ["refused"] * (len(hosts) - 2) + ["dead"] * 2
    assert server.log == []
    assert server.connections == 0


def test_a_trusted_host_is_asked_and_where_it_leads_is_not(server: Server, tmp_path: Path) -> None:
    server.redirects["/away"] = f"{server.url.replace('127.0.0.1', 'localhost')}/photo.jpg"
    urls = [f"{server.url}/photo.jpg", f"{server.url}/away"]
    assert outcomes(tmp_path, *urls, trusted=server.url) == ["mismatched", "refused"]
    assert sorted(request.path for request in server.log) == ["/away", "/photo.jpg"]


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://h", "http://h:port", "http://h:99999"])
def test_no_url_is_trusted(url: str) -> None:
    with pytest.raises(FetchError, match="is no web address"):
        PublicAlone.but_for(url)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names that resolve to one address after the other, the last for good."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in known:
            host = known[name].pop(0) if len(known[name]) > 1 else known[name][0]
        return real(host, port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def test_a_name_that_resolves_to_loopback_is_not_asked(
    server: Server, tmp_path: Path, names: dict[str, list[str]]
) -> None:
    names["photos.test"] = ["127.0.0.1"]
    url = f"{server.url.replace('127.0.0.1', 'photos.test')}/photo.jpg"
    assert outcomes(tmp_path, url) == ["refused"]
    assert server.connections == 0
    assert outcomes(tmp_path, url, trusted="http://photos.test") == ["mismatched"]


def test_a_name_that_is_another_address_a_moment_later_is_not_asked(
    server: Server, tmp_path: Path, names: dict[str, list[str]]
) -> None:
    names["photos.test"] = ["93.184.216.34", "127.0.0.1"]
    assert outcomes(tmp_path, f"{server.url.replace('127.0.0.1', 'photos.test')}/photo.jpg") == ["refused"]
    assert len(names["photos.test"]) == 1
    server.settle()
    assert server.log == []


def test_an_http_proxy_resolves_names_and_is_not_asked_for_private_addresses(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["http://photos.test/photo.jpg"] = b"by the proxy"
    server.redirects["http://photos.test/away"] = "http://10.0.0.1/photo.jpg"
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "")
    urls = ["http://photos.test/photo.jpg", "http://photos.test/away", f"{server.url}/photo.jpg", "http://localhost/a"]
    assert outcomes(tmp_path, *urls) == ["mismatched", "refused", "refused", "refused"]
    assert sorted(request.path for request in server.log) == ["http://photos.test/away", "http://photos.test/photo.jpg"]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_resolves_names(
    scheme: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socks({"photos.test": (host, int(port))}) as (proxy, asked):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{proxy}")
        monkeypatch.setenv("NO_PROXY", "")
        urls = ["http://photos.test/photo.jpg", "http://nowhere.test/a.jpg", "http://127.0.0.1/a.jpg"]
        assert outcomes(tmp_path, *urls) == ["mismatched", "dead", "refused"]
        assert set(asked) == {"photos.test", "nowhere.test"}


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x05", b"\x05\xff", b"\x04\x00", b"\x05\x00"]
)
def test_what_is_no_socks_proxy_leaves_the_photo_dead(
    reply: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(100)
            self.request.sendall(reply)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as other:
        threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{other.server_address[1]}")
        monkeypatch.setenv("NO_PROXY", "")
        assert outcomes(tmp_path, "http://photos.test/photo.jpg") == ["dead"]
        other.shutdown()
