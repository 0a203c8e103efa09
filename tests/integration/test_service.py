"""What a service manager sees of the daemons: sockets handed over, READY=1, STATUS=, WATCHDOG=1, the
exit status, and that nothing secret shows."""

import os
import socket
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest

from api_client import add_coin, add_price, ask, read_answer, send
from stack_clients import WebSocketClient, wait_until

# Hands the inherited descriptors over as systemd does: from number 3 on, to this process only.
HAND_OVER = ("bash", "-c", 'n=3; for fd in $FDS; do eval "exec $n<&$fd"; n=$((n + 1)); done; '
             'export LISTEN_FDS=$((n - 3)) LISTEN_PID=$$; exec "$@"', "hand-over")


def listening(number=1):
    """Sockets that listen on ports of their own; they are found above the numbers in use."""
    return [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]


@pytest.fixture(scope="module", autouse=True, name="rows")
def rows_fixture(site):
    add_coin(site.db, "bitcoin")
    add_price(site.db, "bitcoin", "1", "2026-11-20T00:00:00Z")


def inherit(daemon, sockets, names, name="api", **variables):
    # Their own numbers must not be among those that they are moved to.
    with ExitStack() as stack:
        high = []
        for one in sockets:
            high.append(os.dup2(one.fileno(), 100 + len(high), inheritable=True))
            stack.callback(os.close, high[-1])
        return daemon(name, pass_fds=high, wrapper=HAND_OVER, FDS=" ".join(map(str, high)),
                      LISTEN_FDNAMES=names, **variables)


def test_inherited_sockets_are_used(site, daemon, tmp_path):
    (tmp_path / "index.html").write_text("the page")
    rest, frontend = listening(2)
    api = inherit(daemon, (frontend, rest), "frontend:api", WEB_ROOT=tmp_path)
    api.wait_ready()
    assert ask(rest.getsockname()[1], "/api/v1/cryptos").json["count"] == "1"
    assert ask(frontend.getsockname()[1], "/").body == b"the page"
    for port in (site.api_port, site.frontend_port):  # the configured ports are not opened
        with pytest.raises(ConnectionRefusedError):
            ask(port, "/")


def test_inherited_websocket_is_used(site, daemon):
    (stream,) = listening()
    inherit(daemon, (stream,), "websocket", name="websocket").wait_ready()
    WebSocketClient(f"ws://127.0.0.1:{stream.getsockname()[1]}/").close()
    with pytest.raises(ConnectionError):
        site.websocket()


@pytest.mark.parametrize("name", ["api", "websocket"])
def test_all_sockets_of_one_name_are_used(daemon, name):
    """An operator has added ListenStream= lines to the .socket unit."""
    sockets = listening(3)
    inherit(daemon, sockets, ":".join([name] * 3), name=name, FRONTEND_PORT=0).wait_ready()
    for port in (one.getsockname()[1] for one in sockets):
        if name == "api":
            assert ask(port, "/api/v1/cryptos").json["count"] == "1"
        else:
            WebSocketClient(f"ws://127.0.0.1:{port}/").close()


def test_a_socket_of_another_name_is_not_used(site, daemon):
    other = listening()
    inherit(daemon, other, "other", FRONTEND_PORT=0).wait_ready()
    assert ask(site.api_port, "/api/v1/health").status == 200


def test_connections_wait_in_the_socket_while_the_service_restarts(daemon):
    (rest,) = listening()
    first = inherit(daemon, (rest,), "api", FRONTEND_PORT=0)
    first.wait_ready()
    first.terminate()
    client = socket.create_connection(rest.getsockname())
    client.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    inherit(daemon, (rest,), "api", FRONTEND_PORT=0)
    client.settimeout(30)
    assert client.recv(65536).startswith(b"HTTP/1.1 200")
    client.close()


def answers(client):
    """What comes on a plain socket until its end."""
    client.settimeout(30)
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_stop_fails_nobody(site, daemon, tmp_path):
    """Who was accepted is answered; who was not waits in the socket for the successor."""
    (tmp_path / "index.html").write_text("the page")
    rest, frontend = listening(2)
    request = b"GET /api/v1/cryptos HTTP/1.1\r\nHost: x\r\n\r\n"
    first = inherit(daemon, (rest, frontend), "api:frontend", WEB_ROOT=tmp_path)
    first.wait_ready()
    silent, kept, waiting = (socket.create_connection(rest.getsockname()) for _ in range(3))
    page = socket.create_connection(frontend.getsockname())
    idle = socket.create_connection(rest.getsockname())
    kept.sendall(request)
    assert kept.recv(65536).startswith(b"HTTP/1.1 200")
    with site.db.locked("coins"):
        waiting.sendall(request.replace(b"cryptos", b"cryptos/bitcoin/history?limit=77"))
        wait_until(lambda: site.db.value("select count(*) from pg_locks where not granted") == 1)
        first.process.terminate()
        wait_until(lambda: first.notify.messages[-1][1].get("STOPPING") == "1")
        late = socket.create_connection(rest.getsockname())
        late.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        silent.sendall(request)
        kept.sendall(request)
        page.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for client in (silent, kept, page):
            answer = answers(client)
            assert answer.startswith(b"HTTP/1.1 200") and b"connection: close" in answer.lower()
        assert first.running  # one is still to be answered
    assert answers(waiting).startswith(b"HTTP/1.1 200")
    assert answers(idle) == b""
    assert first.wait_exit() == 0
    inherit(daemon, (rest, frontend), "api:frontend", WEB_ROOT=tmp_path)
    assert answers(late).startswith(b"HTTP/1.1 200")


def test_inherited_socket_that_does_not_listen(daemon):
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        api = inherit(daemon, (plain,), "api", FRONTEND_PORT=0)
        assert api.wait_exit() == 1
    assert "not a listening stream socket" in api.log


@pytest.mark.parametrize("name, variable", [("api", "API_PORT"), ("api", "FRONTEND_PORT"),
                                            ("websocket", "WEBSOCKET_PORT")])
def test_port_is_taken(daemon, tmp_path, name, variable):
    (tmp_path / "index.html").write_text("the page")
    with listening()[0] as taken:
        port = taken.getsockname()[1]
        one = daemon(name, WEB_ROOT=tmp_path, **{variable: port})
        assert one.wait_exit() == 1
    (line,) = [line for line in one.log.splitlines() if "error: " in line]
    assert f"port {port} on 127.0.0.1 is taken by another program" in line
    wait_until(lambda: f"port {port} on 127.0.0.1 is taken" in one.status)
    assert not one.ready


def test_address_of_another_host(daemon):
    api = daemon("api", API_LISTEN="192.0.2.1", FRONTEND_PORT=0)
    assert api.wait_exit() == 1
    assert "192.0.2.1 is not an address of this host" in api.log


def start(daemon, name, **variables):
    return daemon(name, FRONTEND_PORT=0, TRACKED_COIN_IDS="bitcoin", **variables)


@pytest.mark.parametrize("name", ["api", "websocket", "fetcher"])
def test_life_as_a_service(daemon, name):
    one = start(daemon, name, WATCHDOG_USEC=1000000)
    one.wait_ready()
    first = next(fields for _, fields in one.notify.messages if fields.get("READY"))
    assert first["STATUS"], "READY=1 comes with a status"
    wait_until(lambda: sum(f.get("WATCHDOG") == "1" for _, f in one.notify.messages) >= 3)
    one.terminate()
    assert wait_until(lambda: one.notify.messages[-1][1].get("STOPPING") == "1")
    assert sum(fields.get("READY") == "1" for _, fields in one.notify.messages) == 1


@pytest.mark.parametrize("name", ["api", "websocket", "fetcher"])
def test_no_watchdog_without_being_asked(daemon, name):
    one = start(daemon, name)
    one.wait_ready()
    one.terminate()
    assert not any("WATCHDOG" in fields for _, fields in one.notify.messages)


@pytest.mark.parametrize("name", ["api", "websocket", "fetcher"])
def test_nothing_secret_shows(stack, daemon, tmp_path, name):
    """Secrets come from files here: then they are in no environment either."""
    for secret, value in (("postgres-password", stack.password), ("redis-password", stack.password),
                          ("coingecko-api-key", "CG-top-secret-key")):
        (tmp_path / secret).write_text(value + "\n")
    one = start(daemon, name, CREDENTIALS_DIRECTORY=tmp_path, POSTGRES_PASSWORD="", REDIS_PASSWORD="")
    one.wait_ready()
    if name == "api":
        one.wait_status("database up, cache up")
    for file in ("cmdline", "environ"):
        with open(f"/proc/{one.pid}/{file}", "rb") as shown:
            text = shown.read()
        assert stack.password.encode() not in text and b"CG-top-secret-key" not in text
    one.terminate()
    told = one.log + str(one.notify.messages)
    assert stack.password not in told and "CG-top-secret-key" not in told


@pytest.mark.parametrize("name", ["api", "websocket", "fetcher"])
def test_reload_does_no_harm(daemon, name):
    one = start(daemon, name)
    one.wait_ready()
    one.reload()
    one.terminate()


# ---- open files ------------------------------------------------------------------------------

FILES = 128


def start_with_files(daemon, name, hard_limit):
    one = daemon(name, FRONTEND_PORT=0, wrapper=("prlimit", f"--nofile={FILES}:{hard_limit}"))
    one.wait_ready()
    return one


@pytest.mark.parametrize("name", ["api", "websocket"])
def test_more_clients_than_the_soft_limit_of_open_files(site, daemon, name):
    start_with_files(daemon, name, 4 * FILES)
    with ExitStack() as stack:
        for _ in range(2 * FILES):
            if name == "api":
                client = stack.enter_context(closing(HTTPConnection("127.0.0.1", site.api_port,
                                                                    timeout=10)))
                send(client, "/api/v1/health")
                assert read_answer(client).status == 200
            else:
                stack.enter_context(closing(site.websocket()))


@pytest.mark.parametrize("name", ["api", "websocket"])
def test_more_clients_than_the_hard_limit_of_open_files(site, daemon, name):
    """It is told once, and when others have left, who comes is served."""
    one = start_with_files(daemon, name, FILES)
    port = site.api_port if name == "api" else site.websocket_port
    with ExitStack() as stack:
        for _ in range(FILES):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        one.wait_log(rf"warning: Clients cannot be accepted \(Too many open files; {FILES} ")
        # Some are left for the servers behind it and for the service manager.
        assert len(os.listdir(f"/proc/{one.pid}/fd")) < FILES - FILES // 8
    one.wait_log("Clients can be accepted again")
    if name == "api":
        assert ask(port, "/api/v1/health").status == 200
    else:
        site.websocket().close()
    assert one.log.count("cannot be accepted") == 1
