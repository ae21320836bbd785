"""Who may ask, and what no request can do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from facerec_cli.service.settings import Limits
from tests.faces.pictures import deep_png, jpeg, png
from tests.service.conftest import Serve, Service, photos

TOKEN = "a-token-of-this-test"
PAGE_OF_ANOTHER_SITE = "https://attacker.example"
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def service(serve: Serve) -> Service:
    return serve()


@pytest.fixture(scope="module")
def guarded(serve: Serve) -> Service:
    return serve(token=TOKEN)


def problem(answer: httpx.Response, status: int, kind: str) -> str:
    """Checks that an answer is this problem; returns its sentence."""
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, told["status"], told["type"]) == (status, status, f"urn:facerec:problem:{kind}")
    assert told["detail"].endswith(".") and not re.search(r"(?<!\w)/(tmp|home|root|usr)/", told["detail"])
    return str(told["detail"])


def routes(service: Service) -> Iterator[tuple[str, str]]:
    """Method and path of all that the service's document names, parameters filled in."""
    for path, operations in service.client.get("/openapi.json").json()["paths"].items():
        filled = path.removeprefix("/api/v1").replace("{job}", "0123456789abcdef")
        for method in operations:
            yield method.upper(), re.sub(r"{\w+}", "1", filled)


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "..\\..\\windows\\system32\\a.jpg",
        "/etc/passwd",
        "<script>alert(1)</script>.jpg",
        "a\0b.jpg",
        "\u202egpj.exe",
        "..",
        "n" * 2000,
        "%2e%2e%2fa.jpg",
        "file:///etc/passwd",
    ],
)
def test_a_file_name_is_never_a_path(service: Service, samples: Path, name: str) -> None:
    before = sorted(service.database.parent.rglob("*"))
    picture = (samples / "rishi_sunak.jpg").read_bytes()
    (seen,) = service.client.post("/detect", files=[("photos", (name, picture))]).json()["photos"]
    assert len(seen["faces"]) == 1
    assert seen["photo"].isprintable() and not set(seen["photo"]) & {"/", "\\"} and 0 < len(seen["photo"]) <= 1000
    assert sorted(service.database.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["../../evil", "a/b", "a\\b", "<img src=x onerror=alert(1)>", "..", "CON", "%2e%2e"])
def test_a_person_may_have_any_name_and_stays_in_the_database(serve: Serve, samples: Path, name: str) -> None:
    service = serve()
    answer = service.client.post("/people", data={"name": name}, files=photos(samples / "rishi_sunak.jpg"))
    place = service.database.parent
    assert {path.name for path in place.iterdir()} == {"database", "log"}
    assert len(list((service.database / "faces").rglob("*.jpg"))) == (answer.status_code == 201)
    if answer.status_code != 201:
        problem(answer, 422, "name")
        return
    shown = service.client.get(f"/people/{answer.json()['person']['id']}")
    assert shown.json()["name"] == name and shown.headers["content-type"] == "application/json"
    assert name not in service.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path",
    [
        "/../app.py",
        "/..%2fapp.py",
        "/%2e%2e/app.py",
        "/page/..%2f..%2fapp.py",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/..%5capp.py",
        "/index.html%00.js",
        "/%00",
        "/" + "a" * 4000,
        "/%ff%fe",
        "/api/v1/../../app.py",
        "/api/v1/people/..%2f..%2fetc",
    ],
)
def test_no_file_but_the_page_is_served(service: Service, path: str) -> None:
    url = httpx.URL(service.url).copy_with(raw_path=path.encode())
    answer = httpx.get(url, trust_env=False)
    assert answer.status_code in (404, 422), answer.text
    assert "import" not in answer.text and "root:" not in answer.text
    secure(answer)


def test_what_is_too_large_or_too_much_is_refused(service: Service, samples: Path) -> None:
    limits, client = Limits(), service.client
    picture = (samples / "emmanuel_macron_2014.jpg").read_bytes()
    large = picture + bytes(limits.photo_bytes)
    assert "64 MB" in problem(client.post("/detect", files=[("photos", ("large.jpg", large))]), 413, "too-large")
    many = [("photos", ("a.jpg", picture))] * (limits.photos + 1)
    assert "at most 50 photos" in problem(client.post("/detect", files=many), 422, "invalid")
    fields = {f"field{number}": "x" for number in range(9)}
    problem(client.post("/verify", data=fields, files=photos(samples / "rishi_sunak.jpg")), 422, "invalid")
    field = {"name": "x" * 10_000}
    problem(client.post("/verify", data=field, files=photos(samples / "rishi_sunak.jpg")), 422, "invalid")
    too_much = [("photos", (f"{number}.jpg", bytes(limits.photo_bytes))) for number in range(5)]
    assert "256 MB" in problem(client.post("/detect", files=too_much), 413, "too-large")


def test_a_small_file_of_huge_dimensions_costs_nothing(service: Service) -> None:
    before = memory(service)
    bombs = {
        "flat.png": png(100_000, 100_000),
        "wide.png": png(2**31 - 1, 1),
        "huge.jpg": jpeg(65_000, 65_000),
        "deep.png": deep_png(20_000, 20_000),
    }
    answer = service.client.post("/detect", files=[("photos", item) for item in bombs.items()])
    for name, seen in zip(bombs, answer.json()["photos"], strict=True):
        assert name in seen["error"] and seen["faces"] == []
    assert memory(service) - before < 300e6


def memory(service: Service) -> float:
    """Bytes that the service has in memory."""
    (found,) = re.findall(r"^process_resident_memory_bytes (\S+)$", service.client.get("/metrics").text, re.MULTILINE)
    return float(found)


BROKEN = {
    "no boundary": ("multipart/form-data", b"--a--"),
    "empty boundary": ("multipart/form-data; boundary=", b"--\r\n"),
    "long boundary": (f"multipart/form-data; boundary={'b' * 3000}", b"--b--\r\n"),
    "no form": ("application/json", b"{}"),
    "no type": ("", b""),
    "another form": ("application/x-www-form-urlencoded", b"photos=1"),
    "nothing": ("multipart/form-data; boundary=a", b""),
    "end alone": ("multipart/form-data; boundary=a", b"--a--\r\n"),
    "no end": ("multipart/form-data; boundary=a", b'--a\r\nContent-Disposition: form-data; name="photos"; filename="x'),
    "no disposition": ("multipart/form-data; boundary=a", b"--a\r\nX: y\r\n\r\nbytes\r\n--a--\r\n"),
    "no name": ("multipart/form-data; boundary=a", b"--a\r\nContent-Disposition: form-data\r\n\r\nx\r\n--a--\r\n"),
    "noise": ("multipart/form-data; boundary=a", bytes(range(256)) * 20),
    "headers without end": ("multipart/form-data; boundary=a", b"--a\r\n" + b"X-A: y\r\n" * 20_000),
    "a header without end": ("multipart/form-data; boundary=a", b"--a\r\nX: " + b"y" * 100_000),
    "odd charset": (
        "multipart/form-data; boundary=a; charset=no-such",
        b'--a\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--a--\r\n',
    ),
    "a charset that is no text's": (
        "multipart/form-data; boundary=a; charset=undefined",
        b'--a\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--a--\r\n',
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_form_of_photos_is_said_to_be_none(service: Service, kind: str) -> None:
    content_type, body = BROKEN[kind]
    answer = service.client.post("/detect", content=body, headers={"Content-Type": content_type})
    status = answer.status_code
    assert status in (415, 422)
    problem(answer, status, "media-type" if status == 415 else "invalid")


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:8080",
        "localhost.attacker.example",
        "127.0.0.1.attacker.example",
        "",
        "[::1",
        "a b",
    ],
)
def test_another_name_is_not_this_services(service: Service, host: str) -> None:
    for path in ("", "api/v1/people", "api/v1/health/live"):
        answer = httpx.get(service.url + path, headers={"Host": host}, trust_env=False)
        assert answer.status_code in (400, 421)
        if answer.status_code == 421:
            problem(answer, 421, "host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8080"])
def test_this_machines_names_are_its_own(service: Service, host: str) -> None:
    assert service.client.get("/people", headers={"Host": host}).status_code == 200


def test_a_proxys_name_is_allowed_when_it_is_told(serve: Serve) -> None:
    client = serve("--allow-host", "Faces.example").client
    assert client.get("/people", headers={"Host": "faces.example"}).status_code == 200
    assert client.get("/people", headers={"Host": "other.example"}).status_code == 421
    own = {"Host": "faces.example", "Origin": "https://faces.example"}
    assert client.get("/people", headers=own).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": PAGE_OF_ANOTHER_SITE},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_can_neither_read_nor_change(
    service: Service, samples: Path, headers: dict[str, str]
) -> None:
    before = service.client.get("/people").json()
    for method, path in routes(service):
        answer = service.client.request(method, path, headers=headers)
        problem(answer, 403, "origin")
        assert "access-control-allow-origin" not in answer.headers
    form = photos(samples / "rishi_sunak.jpg")
    problem(service.client.post("/people", data={"name": "Mallory"}, files=form, headers=headers), 403, "origin")
    preflight = service.client.options("/people", headers=headers | {"Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 403
    assert service.client.get("/people").json() == before


def test_its_own_page_may_ask(service: Service) -> None:
    headers = {"Origin": service.url.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert service.client.get("/people", headers=headers).status_code == 200
    assert httpx.get(service.url, headers={"Sec-Fetch-Site": "cross-site"}, trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "shown",
    [None, "", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"],
)
def test_without_the_token_nothing_is_told(guarded: Service, shown: str | None) -> None:
    walked = list(routes(guarded))
    assert len(walked) > 20
    with httpx.Client(base_url=guarded.client.base_url, trust_env=False) as client:
        headers = httpx.Headers({} if shown is None else {"Authorization": shown}, encoding="utf-8")
        for method, path in [*walked, ("GET", "/openapi.json"), ("GET", "/nothing")]:
            answer = client.request(method, path, headers=headers)
            if path.startswith("/health/"):
                assert answer.status_code == 200
                continue
            problem(answer, 401, "token")
            assert answer.headers["www-authenticate"] == "Bearer"


def test_with_the_token_all_is_there(guarded: Service) -> None:
    for method, path in routes(guarded):
        answer = guarded.client.request(method, path)
        assert answer.status_code not in (401, 403, 405, 500), (method, path)
    shown = {"Authorization": f"bearer {TOKEN}"}
    assert httpx.get(f"{guarded.url}api/v1/people", headers=shown, trust_env=False).status_code == 200
    assert TOKEN not in guarded.log.read_text(encoding="utf-8")


def test_a_service_that_is_read_only_neither_shows_nor_changes_anybody(
    serve: Serve, service: Service, samples: Path
) -> None:
    enrolling = serve()
    enrolling.client.post("/people", data={"name": "Ada"}, files=photos(samples / "rishi_sunak.jpg"))
    enrolling.stop()
    files = {path: path.read_bytes() for path in enrolling.database.rglob("*") if path.is_file()}
    client = serve("--read-only", database=enrolling.database).client
    for method, path in routes(service):
        answer = client.request(method, path)
        if path.split("/")[1] in ("people", "jobs", "strangers"):
            problem(answer, 403, "read-only")
        else:
            assert answer.status_code != 403, path
    form = photos(samples / "rishi_sunak.jpg")
    assert client.post("/identify", files=form).json()["photos"][0]["faces"][0]["name"] == "Ada"
    problem(client.post("/people", data={"name": "Eve"}, files=form), 403, "read-only")
    assert files == {path: path.read_bytes() for path in enrolling.database.rglob("*") if path.is_file()}


def secure(answer: httpx.Response) -> None:
    """Checks what browsers are told with any answer."""
    assert HEADERS.items() <= dict(answer.headers).items()
    policy: dict[str, Any] = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == "'self'" and policy["style-src"] == "'self'"
    assert not re.search(r"unsafe|\*|https?:|data:", answer.headers["content-security-policy"])
    assert "server" not in answer.headers
    is_api = answer.request.url.path.startswith("/api/")
    assert answer.headers["cache-control"] == ("no-store" if is_api else "no-cache")


def test_every_answer_tells_browsers_what_it_may_do(service: Service, guarded: Service, samples: Path) -> None:
    client = service.client
    page = {path.name for path in (Path(__file__).parents[2] / "facerec_cli/service/page").glob("*.*")}
    for path in {"", "nothing", "texts/", *page}:
        secure(httpx.get(service.url + path, trust_env=False))
    secure(httpx.post(service.url, trust_env=False))
    secure(client.post("/detect", files=photos(samples / "rishi_sunak.jpg")))
    for method, path in routes(service):
        secure(client.request(method, path))
    secure(client.get("/nothing"))
    secure(client.put("/people"))
    secure(client.get("/people", headers={"Origin": "null"}))
    secure(client.get("/people", headers={"Host": "attacker.example"}))
    secure(httpx.get(f"{guarded.url}api/v1/people", trust_env=False))
