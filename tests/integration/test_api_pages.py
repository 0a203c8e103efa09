"""The dashboard's files, as the api serves them on the frontend port."""

import gzip
import http.client
import re

import pytest

from api_client import ask, assert_problem, read_answer, send

INDEX = b"<!doctype html><title>Crypto Pulse</title>" + b" " * 2000
SCRIPT = b"console.log('pulse');" * 200
BROTLI = b"\x8b stands for what a brotli encoder would have written"
HASHED = "/assets/index-AI10DHlr.js"


@pytest.fixture(name="web_root")
def web_root_fixture(tmp_path):
    root = tmp_path / "web"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_bytes(INDEX)
    (root / "index.html.gz").write_bytes(gzip.compress(INDEX))
    (root / "index.html.br").write_bytes(BROTLI)
    (root / HASHED[1:]).write_bytes(SCRIPT)
    (root / f"{HASHED[1:]}.gz").write_bytes(gzip.compress(SCRIPT))
    (root / "assets/font-x1.woff2").write_bytes(b"\0\1\2\3")
    (root / "assets/icon-x1.svg").write_bytes(b"<svg/>")
    (root / "assets/style-x1.css").write_bytes(b"a{}")
    (root / "robots.txt").write_bytes(b"User-agent: *\n")
    (root / "empty.txt").write_bytes(b"")
    (root / ".hidden").write_bytes(b"secret")
    (tmp_path / "outside.txt").write_bytes(b"outside")
    (root / "large.json").write_bytes(b"[" + b"0," * 2_000_000 + b"0]")
    return root


@pytest.fixture(name="get")
def get_fixture(site, daemon, web_root):
    """get(TARGET, ...): an answer of the dashboard's port."""
    daemon("api", WEB_ROOT=web_root).wait_ready()
    return lambda target, *more, **options: ask(site.frontend_port, target, *more, **options)


def test_index_is_asked_for_again_each_time(get):
    for target in ("/", "/index.html", "/?coin=bitcoin"):
        answer = get(target)
        assert (answer.status, answer.body) == (200, INDEX)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_hashed_assets_are_kept_for_ever(get):
    answer = get(HASHED)
    assert (answer.status, answer.body) == (200, SCRIPT)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path, expected", [
    ("/assets/font-x1.woff2", "font/woff2"), ("/assets/icon-x1.svg", "image/svg+xml"),
    ("/assets/style-x1.css", "text/css; charset=utf-8"), ("/robots.txt", "text/plain; charset=utf-8"),
    ("/empty.txt", "text/plain; charset=utf-8")])
def test_types(get, path, expected):
    answer = get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, expected)


def test_a_large_file_comes_whole(get, web_root):
    assert get("/large.json").body == (web_root / "large.json").read_bytes()


@pytest.mark.parametrize("accepted, coding", [
    (None, None), ("", None), ("identity", None), ("gzip", "gzip"), ("br", "br"),
    ("gzip, deflate, br, zstd", "br"), ("GZIP", "gzip"), ("gzip;q=0", None), ("br;q=0, gzip", "gzip"),
    ("br;q=0.0,gzip;q=0.000", None), ("br; q=0 , gzip ; q=0.5", "gzip"), ("br;q=0.001", "br"),
    ("gzip;q=1.0", "gzip"), ("brotli, xgzip, gzipx", None), (",, ,gzip", "gzip")])
def test_content_coding(get, accepted, coding):
    answer = get("/", headers={} if accepted is None else {"Accept-Encoding": accepted})
    assert answer.status == 200
    assert answer.headers["Content-Encoding"] == coding
    assert answer.headers["Vary"].lower() == "accept-encoding"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert {None: answer.body, "br": INDEX if answer.body == BROTLI else b"",
            "gzip": gzip.decompress(answer.body) if coding == "gzip" else b""}[coding] == INDEX


def test_a_coding_that_the_file_does_not_have(get):
    answer = get("/robots.txt", headers={"Accept-Encoding": "gzip, br"})
    assert (answer.body, answer.headers["Content-Encoding"]) == (b"User-agent: *\n", None)
    answer = get(HASHED, headers={"Accept-Encoding": "br, gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"


def test_precompressed_files_have_no_address_of_their_own(get):
    assert_problem(get("/index.html.gz"), 404)
    assert_problem(get(f"{HASHED}.gz"), 404)


def test_etag(get):
    first = get("/")
    etag = first.headers["ETag"]
    assert re.fullmatch(r'"[^"]+"', etag)
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = get("/", headers={"If-None-Match": condition})
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["ETag"] == etag
        assert answer.headers["Cache-Control"] == "no-cache"
    assert get("/", headers={"If-None-Match": '"other"'}).status == 200
    assert get("/index.html").headers["ETag"] == etag
    assert get("/robots.txt").headers["ETag"] != etag


def test_each_coding_has_an_etag_of_its_own(get):
    """RFC 9110 section 8.8.3: a strong one names one representation."""
    etags = {get("/", headers={"Accept-Encoding": c}).headers["ETag"] for c in ("", "gzip", "br")}
    assert len(etags) == 3
    gzip_etag = get("/", headers={"Accept-Encoding": "gzip"}).headers["ETag"]
    assert get("/", headers={"If-None-Match": gzip_etag}).status == 200


def test_a_connection_goes_on_after_304(site, get):
    etag = get("/").headers["ETag"]
    connection = http.client.HTTPConnection("127.0.0.1", site.frontend_port, timeout=30)
    for _ in range(3):
        send(connection, "/", headers={"If-None-Match": etag})
        assert read_answer(connection).status == 304
        send(connection, "/robots.txt", "HEAD")
        assert read_answer(connection).headers["Content-Length"] == "14"
        send(connection, "/robots.txt")
        assert read_answer(connection).body == b"User-agent: *\n"
    connection.close()


@pytest.mark.parametrize("path", ["/coin/bitcoin", "/coin/1move%20token", "/settings", "/a/b/c"])
def test_views_get_the_single_page(get, path):
    answer = get(path)
    assert (answer.status, answer.body) == (200, INDEX)
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["/assets/index-old.js", "/assets/", "/assets/none", "/favicon.ico",
                                  "/assets", "/.hidden", "/none.html"])
def test_missing_files(get, path):
    if path == "/assets":  # a view, for all that is known
        assert get(path).body == INDEX
    else:
        assert_problem(get(path), 404, path)


@pytest.mark.parametrize("path", [
    "/../outside.txt", "/..%2Foutside.txt", "/%2e%2e/outside.txt", "/assets/../../outside.txt",
    "/assets/%2e%2e%2f%2e%2e%2foutside.txt", "//etc/passwd", "/..%5Coutside.txt",
    "/assets/..%00/outside.txt", "/%00", "/index.html%00.js", "/....//outside.txt"])
def test_nothing_outside_of_the_folder(get, path):
    try:
        body = get(path).body
    except (http.client.RemoteDisconnected, ConnectionResetError):
        body = b""
    assert b"outside" not in body.replace(b"outside.txt", b"") and b"root:" not in body
    assert get("/").status == 200


def test_only_reading(get):
    answer = get("/", "POST", body=b"{}")
    assert_problem(answer, 405, "/")
    assert "GET" in answer.headers["Allow"]


def test_the_api_is_there_too(site, get):
    for target in ("/api/v1/cryptos", "/api/v1/none"):
        here, there = get(target), ask(site.api_port, target)
        assert (here.status, here.body) == (there.status, there.body)
    assert get("/api/v1/health").json["status"] == "UP"
    assert_problem(ask(site.api_port, "/index.html"), 404)  # but no page on the API's port


def test_config_json(site, daemon, web_root):
    daemon("api", WEB_ROOT=web_root, DEFAULT_CURRENCY="eur,usd").wait_ready()
    answer = ask(site.frontend_port, "/config.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-cache"
    config = answer.json
    version = config.pop("version")
    assert config == {"apiUrl": "/api/v1", "websocketUrl": "", "defaultCurrency": "eur",
                      "websocketPort": str(site.websocket_port)}
    assert version == ask(site.api_port, "/api/v1/health").json["version"]


def test_config_json_names_the_stream(site, daemon, web_root):
    daemon("api", WEB_ROOT=web_root, WEBSOCKET_URL="wss://stream.example.org/").wait_ready()
    assert ask(site.frontend_port, "/config.json").json["websocketUrl"] == \
        "wss://stream.example.org/"


def test_the_folder_is_missing(daemon, tmp_path):
    api = daemon("api", WEB_ROOT=tmp_path / "none")
    assert api.wait_exit() == 1
    (line,) = [line for line in api.log.splitlines() if "error: " in line]
    assert str(tmp_path / "none") in line and "api.frontend_port = 0" in line


def test_the_page_is_missing(daemon, web_root):
    (web_root / "index.html").unlink()
    api = daemon("api", WEB_ROOT=web_root)
    assert api.wait_exit() == 1
    assert "no index.html there" in api.log


def test_the_real_dashboard(site, daemon, built_dashboard):
    """The built one: every file that the page names is there, and kept for ever."""
    daemon("api", WEB_ROOT=built_dashboard).wait_ready()
    page = ask(site.frontend_port, "/").body.decode()
    assets = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)
    assert assets
    for asset in assets:
        answer = ask(site.frontend_port, asset, headers={"Accept-Encoding": "gzip"})
        assert answer.status == 200 and "immutable" in answer.headers["Cache-Control"]
        if asset.endswith((".js", ".css")):
            assert answer.headers["Content-Encoding"] == "gzip"
