"""What one client can make a worker hold in memory."""

from __future__ import annotations

from pathlib import Path

from serving import Servers, wait_for

MIB = 1024 * 1024


def rss_of(pid: int) -> int:
    """Bytes of resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def test_a_client_that_asks_and_never_reads_costs_one_answer(
    serve: Servers,
) -> None:
    """Pipelined requests for 1 MiB each: the next is not begun while the
    answer before it waits for a client that takes nothing."""
    server = serve("rupy.examples.conformance:app", "--workers", "1")
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.answer()
    worker = server.workers[0]
    before = rss_of(worker)
    with server.connect() as client:
        client.sock.settimeout(2)
        client.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 300)
        with server.connect() as other:  # the loop has come round
            for _ in range(20):
                other.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert other.answer().status == 200
        assert rss_of(worker) - before < 30 * MIB
        # And all of them are answered when it does read.
        for _ in range(300):
            answer = client.answer()
            assert answer.status == 200
            assert len(answer.body) == MIB
    wait_for(lambda: rss_of(worker) - before < 30 * MIB, "it is given back", 5)
