"""What the environment says about proxies and certificates, and which variable is wrong where something is."""

from __future__ import annotations

import ipaddress
import os
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from facerec_cli.errors import NetworkSettingsError

_SCHEMES = ("http", "https", "socks5", "socks5h")


@contextmanager
def heeding_environment() -> Iterator[None]:
    """Make an httpx client, which heeds the environment's proxies and certificates.

    Raises:
        NetworkSettingsError: one of them cannot be used; it names the variable, and not the value, which may hold a
            password.
    """
    _check_environment()
    try:
        yield
    except (httpx.InvalidURL, ValueError, OSError) as error:
        raise NetworkSettingsError(
            f"What this system says about proxies or certificates cannot be used ({error})", "correct it"
        ) from error


def proxy_variable(url: httpx.URL) -> str | None:
    """The variable that names the proxy for a URL, if one does."""
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(url.host):
        return None
    return next((_variable(f"{key}_proxy") for key in (url.scheme, "all") if proxies.get(key)), None)


def _check_environment() -> None:
    proxies = urllib.request.getproxies()
    exceptions = [entry.strip() for entry in proxies.get("no", "").split(",")]
    if "*" not in exceptions:
        for key in ("http", "https", "all"):
            if proxies.get(key):
                _check_proxy(_variable(f"{key}_proxy"), proxies[key])
        for entry in filter(None, exceptions):
            _check_exception(_variable("no_proxy"), entry)
    # Where both are set, the file alone is read.
    if file := os.environ.get("SSL_CERT_FILE"):
        _check_certificates("SSL_CERT_FILE", Path(file))
    elif folders := os.environ.get("SSL_CERT_DIR"):
        _check_folders("SSL_CERT_DIR", folders)


def _variable(name: str) -> str:
    """A variable's name in the case in which it is set; the lower one is in force where both are."""
    return name if name in os.environ else name.upper()


def _check_proxy(variable: str, value: str) -> None:
    try:
        url = httpx.URL(value if "://" in value else f"http://{value}")
    except httpx.InvalidURL as error:
        raise NetworkSettingsError(f"{variable} is no URL ({error})", "correct it, or unset it") from error
    if url.scheme not in _SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        raise NetworkSettingsError(
            f"{variable} begins with {url.scheme}://, and proxies that facerec can use with {known}",
            "write socks5:// if it is a SOCKS 5 proxy, or unset it",
        )
    if not url.host or not 0 < (url.port or 80) < 1 << 16:
        raise NetworkSettingsError(f"{variable} names no host, or no port", "correct it, or unset it")


def _check_exception(variable: str, entry: str) -> None:
    """Hold an entry of NO_PROXY against the pattern that httpx makes of it."""
    try:
        ipaddress.IPv6Address(entry.partition("/")[0])
        pattern = f"all://[{entry}]"
    except ValueError:
        pattern = entry if "://" in entry else f"all://*{entry}"
    try:
        httpx.URL(pattern)
    except httpx.InvalidURL as error:
        raise NetworkSettingsError(
            f"{variable} has the entry {entry}, which is no host and no single address", "correct it, or unset it"
        ) from error


def _check_certificates(variable: str, path: Path) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror or str(error)
        raise NetworkSettingsError(
            f"{variable} is {path}, which cannot be used ({reason})", "correct it, or unset it"
        ) from error


def _check_folders(variable: str, folders: str) -> None:
    if not any(Path(folder).is_dir() for folder in folders.split(os.pathsep)):
        raise NetworkSettingsError(f"{variable} is {folders}, which is no folder", "correct it, or unset it")
