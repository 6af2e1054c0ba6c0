"""RFC 6455 and RFC 7692, the server's side, over a real connection; every
split and table of the frames is in tests/unit/ws."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving import Server, Servers, head_of
from wsclient import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    Deflate,
    close_data,
    frame,
    handshake,
    ws_connect,
)

HERE = Path(__file__).parent
ECHO = ("echo_native:app", "--app-dir", str(HERE.parent / "ws"))
DEFLATE = "permessage-deflate; client_max_window_bits"


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> Server:
    return serve_module(
        *ECHO,
        *("--ws-per-message-deflate", "--ws-max-size", "64k"),
        *("--ws-max-fragments", "8", "--ws-close-timeout", "1s"),
    )


def fails_with(server: Server, data: bytes) -> int:
    ws = ws_connect(server)
    ws.client.send(data)
    return ws.ends_with()


def test_r1_frames_without_a_mask(server: Server) -> None:
    assert fails_with(server, frame(TEXT, "a", masked=False)) == 1002


@pytest.mark.parametrize("bit", [0x40, 0x20, 0x10])
def test_r2_reserved_bits(server: Server, bit: int) -> None:
    assert fails_with(server, frame(TEXT, "a", FIN | bit)) == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_r3_reserved_opcodes(server: Server, opcode: int) -> None:
    assert fails_with(server, frame(opcode, "a")) == 1002


def test_r4_control_frames(server: Server) -> None:
    assert fails_with(server, frame(PING, "a", 0)) == 1002
    assert fails_with(server, frame(PING, b"a" * 126)) == 1002


def test_r5_continuations(server: Server) -> None:
    assert fails_with(server, frame(CONTINUATION, "a")) == 1002
    assert fails_with(server, frame(TEXT, "a", 0) + frame(TEXT, "b")) == 1002
    ws = ws_connect(server)
    ws.send(TEXT, "a", 0)
    ws.send(PING, "between")
    ws.send(CONTINUATION, "b", 0)
    ws.send(CONTINUATION, "c")
    assert ws.recv()[:2] == (PONG, b"between")
    assert ws.message() == "abc"


def test_r6_lengths(server: Server) -> None:
    for length in (
        b"\x7f" + b"\xff" * 8,
        b"\x7f" + b"\0" * 7 + b"\x05",
        b"\x7e\0\x05",
    ):
        assert fails_with(server, frame(TEXT, "hello", length=length)) == 1002


def test_r7_the_size_limit_before_the_content_comes(server: Server) -> None:
    ws = ws_connect(server)
    assert ws.echo("a" * 65536) == "a" * 65536
    # Of 2^62 bytes only the head is sent.
    ws.client.send(b"\x82\xff\x40" + b"\0" * 7 + b"mask")
    assert ws.ends_with() == 1009
    data = frame(BINARY, b"a" * 40000, 0) + frame(CONTINUATION, b"a" * 40000)
    assert fails_with(server, data) == 1009


def test_r8_the_number_of_fragments(server: Server) -> None:
    pieces = frame(CONTINUATION, "b", 0) * 6
    ws = ws_connect(server)
    ws.client.send(frame(TEXT, "a", 0) + pieces + frame(CONTINUATION, "c"))
    assert ws.message() == "abbbbbbc"
    pieces += frame(CONTINUATION, "b", 0)
    data = frame(TEXT, "a", 0) + pieces + frame(CONTINUATION, "c")
    assert fails_with(server, data) == 1008


def test_r9_text_across_fragments(server: Server) -> None:
    euro = "€".encode()
    ws = ws_connect(server)
    ws.send(TEXT, euro[:1], 0)
    ws.send(CONTINUATION, euro[1:])
    assert ws.message() == "€"
    # Wrong from its first byte, and told before the end of the message.
    assert fails_with(server, frame(TEXT, b"\xed\xa0", 0)) == 1007
    assert fails_with(server, frame(TEXT, euro[:2])) == 1007


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", 1005),
        (b"\x03", 1002),
        (close_data(1000), 1000),
        (close_data(1003, "ä"), 1003),
        (close_data(1004), 1002),
        (close_data(1005), 1002),
        (close_data(1006), 1002),
        (close_data(1011), 1011),
        (close_data(1015), 1002),
        (close_data(2999), 1002),
        (close_data(3000), 3000),
        (close_data(4999), 4999),
        (close_data(5000), 1002),
        (close_data(1000) + b"\xff", 1007),
    ],
)
def test_r10_close_frames(server: Server, data: bytes, code: int) -> None:
    assert fails_with(server, frame(CLOSE, data)) == code


def test_r11_close_is_answered_once_and_the_server_closes(
    server: Server,
) -> None:
    ws = ws_connect(server)
    ws.client.send(frame(CLOSE, close_data(1000)) + frame(TEXT, "late"))
    assert ws.ends_with() == 1000


def test_r11_who_does_not_answer_a_close_is_cut_off(serve: Servers) -> None:
    server = serve(
        "from rupy import Rupy\napp = Rupy()\n"
        '@app.websocket("/")\nasync def f(ws):\n    await ws.accept()\n',
        *("--ws-close-timeout", "500ms"),
    )
    ws = ws_connect(server)
    assert ws.close_code() == 1000
    assert ws.client.is_quiet(0.1), "it waits for the answer"
    assert ws.client.ends() == b""


def test_r12_pings(server: Server) -> None:
    ws = ws_connect(server)
    for data in (b"", b"a", bytes(125)):
        ws.send(PING, data)
        assert ws.recv()[:2] == (PONG, data)
    ws.send(PONG, b"nobody asked")
    assert ws.echo("a") == "a"


def test_r12_a_flood_of_pings_fills_no_memory(server: Server) -> None:
    ws = ws_connect(server)
    ws.client.sock.settimeout(0.5)
    worker = server.workers[0]
    before = rss(worker)
    sent = 0
    pings = frame(PING, bytes(125)) * 500
    try:
        for _ in range(300):
            ws.client.send(pings)
            sent += len(pings)
    except TimeoutError:
        pass
    assert rss(worker) - before < 4 << 20
    ws.client.reset()


def rss(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * 4096


def deflated(server: Server, offer: str) -> tuple[object, str]:
    ws = ws_connect(server, "/", Sec_WebSocket_Extensions=offer)
    return ws, ws.headers.get("sec-websocket-extensions", "")


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (
            "permessage-deflate",
            "permessage-deflate; server_max_window_bits=12",
        ),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=12",
        ),
        (
            "permessage-deflate; server_no_context_takeover",
            "server_no_context_takeover",
        ),
        (
            "permessage-deflate; client_no_context_takeover;"
            " client_max_window_bits=10",
            "client_max_window_bits=10",
        ),
        (
            "permessage-deflate; server_max_window_bits=9",
            "server_max_window_bits=9",
        ),
        (
            "x-none, permessage-deflate; server_max_window_bits=99,"
            " permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=12",
        ),
        ("permessage-deflate; unknown=1", ""),
        ("x-webkit-deflate-frame", ""),
    ],
)
def test_r13_g12_what_is_agreed_on(
    server: Server, offer: str, answer: str
) -> None:
    _, got = deflated(server, offer)
    if "client_max_window_bits" not in offer and "12" in answer:
        # The window of a client that says nothing is its own.
        assert got.startswith("permessage-deflate") or got == ""
    elif not answer:
        assert got == ""
    else:
        assert answer in got


def test_r13_context_takeover_both_ways(server: Server) -> None:
    ws = ws_connect(server, "/", Sec_WebSocket_Extensions=DEFLATE)
    d = Deflate(12)
    text = b"".join(b"%d, " % i for i in range(300))
    sizes = []
    for _ in range(3):
        ws.send(TEXT, d.pack(text), FIN | RSV1)
        f = ws.recv()
        assert f.first == FIN | RSV1
        assert d.unpack(f.data) == text
        sizes.append(len(f.data))
    assert sizes[1] < sizes[0] / 4, "the window is kept"


def test_r13_no_context_takeover(server: Server) -> None:
    ws = ws_connect(
        server,
        "/",
        Sec_WebSocket_Extensions=DEFLATE
        + "; server_no_context_takeover; client_no_context_takeover",
    )
    text = b"".join(b"%d, " % i for i in range(300))
    sizes = []
    d = Deflate(12, takeover=False)
    for _ in range(2):
        ws.send(TEXT, d.pack(text), FIN | RSV1)
        f = ws.recv()
        assert Deflate().unpack(f.data) == text
        sizes.append(len(f.data))
    assert sizes[0] == sizes[1]


def test_r13_a_bomb_is_1009_and_garbage_1007(server: Server) -> None:
    ws = ws_connect(server, "/", Sec_WebSocket_Extensions=DEFLATE)
    before = rss(server.workers[0])
    ws.send(BINARY, Deflate(12).pack(bytes(40 << 20)), FIN | RSV1)
    assert ws.ends_with() == 1009
    assert rss(server.workers[0]) - before < 8 << 20
    ws = ws_connect(server, "/", Sec_WebSocket_Extensions=DEFLATE)
    ws.send(BINARY, b"\xff\xff\xff\xff", FIN | RSV1)
    assert ws.ends_with() == 1007


def test_r13_only_the_first_frame_has_rsv1(server: Server) -> None:
    ws = ws_connect(server, "/", Sec_WebSocket_Extensions=DEFLATE)
    packed = Deflate(12).pack(b"hello")
    ws.send(TEXT, packed[:2], RSV1)
    ws.send(CONTINUATION, packed[2:])
    assert ws.message() == "hello"
    ws.send(TEXT, b"")
    assert ws.message() == ""
    ws.send(TEXT, packed[:2], RSV1)
    ws.send(CONTINUATION, packed[2:], FIN | RSV1)
    assert ws.ends_with() == 1002


def test_r14_the_server_does_not_mask(server: Server) -> None:
    ws = ws_connect(server)
    ws.text("a")
    assert ws.client._exactly(3) == b"\x81\x01a"


def test_r15_pings_that_nobody_answers(serve: Servers) -> None:
    server = serve(
        *ECHO,
        *("--ws-ping-interval", "200ms", "--ws-ping-timeout", "300ms"),
    )
    good, bad = ws_connect(server), ws_connect(server)
    for _ in range(3):
        assert good.recv()[:2] == (PING, b"")
        good.send(PONG)
    assert bad.recv()[:2] == (PING, b"")
    assert bad.close_code() == 1011
    assert bad.close_reason == "no pong"
    # The other goes on, whatever is asked of it meanwhile.
    good.text("still here")
    while (f := good.recv()).opcode == PING:
        good.send(PONG)
    assert f.data == b"still here"


def test_r16_any_split(server: Server) -> None:
    ws = ws_connect(server)
    data = (
        frame(TEXT, "a", 0) + frame(PING, "p") + frame(CONTINUATION, "b" * 200)
    )
    ws.client.send_in_bytes(data)
    assert ws.recv()[:2] == (PONG, b"p")
    assert ws.message() == "a" + "b" * 200
    ws.client.send_in_bytes(frame(CLOSE, close_data(1000)))
    assert ws.ends_with() == 1000


def test_r16_the_handshake_and_frames_in_one_packet(server: Server) -> None:
    client = server.connect()
    client.send(handshake("/")[0] + frame(TEXT, "a") + frame(TEXT, "b"))
    assert client.head()[0] == 101
    assert client._exactly(6) == b"\x81\x01a\x81\x01b"


def test_r17_the_101(server: Server) -> None:
    ws = ws_connect(server)
    assert set(ws.headers) == {
        "upgrade",
        "connection",
        "sec-websocket-accept",
        "date",
    }


def test_a_handshake_behind_other_requests(server: Server) -> None:
    client = server.connect()
    client.send(head_of("GET", "/nowhere") + handshake("/")[0])
    assert client.answer().status == 404
    assert client.head()[0] == 101
