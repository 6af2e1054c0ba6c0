"""The clients that applications use, inside handlers, against real servers.

Each case is an application whose route /ask/<n> answers {"n": n, ...} after
its client was there and back.  Fifty connections ask at once, each with a
number of its own; then the server is stopped, and has nothing to say.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import backends
import pytest
from serving import Server, Servers, free_port, head_of

REQUESTS_AT_ONCE = 50

HEAD = """
import asyncio
import contextvars
import os
from rupy import Rupy

app = Rupy()
number = contextvars.ContextVar("number")
OWN = os.environ["OWN_URL"]
PG_PORT = int(os.environ.get("PG_PORT", "0"))
PG_FOLDER = os.environ.get("PG_FOLDER", "")
REDIS_PORT = int(os.environ.get("REDIS_PORT", "0"))
REDIS_FOLDER = os.environ.get("REDIS_FOLDER", "")

@app.get("/echo/<n:int>")
async def echo(request, n):
    await asyncio.sleep(0.002 * (n % 5))
    return {"echo": n, "q": request.query.get("q")}

@app.post("/echo/<n:int>")
async def echo_body(request, n):
    await asyncio.sleep(0)
    return request.body

@app.get("/ask/<n:int>")
async def ask(n):
    number.set(n)
    mine = asyncio.current_task()
    result = await talk(n)
    assert asyncio.current_task() is mine
    assert number.get() == n
    return {"n": n, **(result or {})}
"""

ASYNCPG = """
import asyncpg
pool = None

@app.lifespan
async def lifespan():
    global pool
    async with asyncpg.create_pool(
        host="127.0.0.1", port=PG_PORT, user="postgres", database="postgres",
        min_size=2, max_size=10,
    ) as pool:
        await pool.execute("create table seen (n int)")
        yield
        await pool.execute("drop table seen")

async def talk(n):
    async with pool.acquire() as db:
        async with db.transaction():
            await db.execute("insert into seen values ($1)", n)
            row = await db.fetchrow(
                "select $1::int as n, pg_sleep(0.002), repeat('x', 20000) as x",
                n)
            rows = [r["i"] async for r in db.cursor(
                "select generate_series($1::int, $1 + 99) as i", n)]
    assert row["n"] == n and len(row["x"]) == 20000
    assert rows == list(range(n, n + 100))
    if n % 5 == 0:
        try:
            async with asyncio.timeout(0.01):
                await pool.fetchval("select pg_sleep(60)")
        except TimeoutError:
            pass
    return {"sum": await pool.fetchval("select $1::int + 1000", n) - 1000}
"""

PSYCOPG = """
import psycopg

async def talk(n):
    async with await psycopg.AsyncConnection.connect(
        host=PG_FOLDER, port=PG_PORT, user="postgres", dbname="postgres",
    ) as db:
        async with db.cursor() as cursor:
            await cursor.execute(
                "select %s::int, pg_sleep(0.002), repeat('x', 20000)", (n,))
            got, _, x = await cursor.fetchone()
            assert len(x) == 20000
            if n % 5 == 0:
                try:
                    async with asyncio.timeout(0.01):
                        await cursor.execute("select pg_sleep(60)")
                except TimeoutError:
                    pass
                await db.rollback()
            await cursor.execute(
                "select generate_series(%s::int, %s::int)", (n, n + 9))
            assert [i async for i, in cursor] == list(range(n, n + 10))
    return {"got": got}
"""

SQLALCHEMY = """
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
    name: Mapped[str]

engine = None

@app.lifespan
async def lifespan():
    global engine
    engine = create_async_engine(
        f"postgresql+asyncpg://postgres@127.0.0.1:{PG_PORT}/postgres",
        pool_size=10)
    async with engine.begin() as db:
        await db.run_sync(Base.metadata.create_all)
    yield
    async with engine.begin() as db:
        await db.run_sync(Base.metadata.drop_all)
    await engine.dispose()

async def talk(n):
    async with AsyncSession(engine) as session, session.begin():
        person = Person(n=n, name=f"name-{n}")
        session.add(person)
        await session.flush()
        await session.execute(text("select pg_sleep(0.002)"))
        key = person.id
    async with AsyncSession(engine) as session:
        found = await session.scalars(select(Person).where(Person.id == key))
        name = found.one().name
        assert name == f"name-{n}", name
        # Lazy loading, from ordinary code in the greenlet.
        count = await session.run_sync(
            lambda s: s.query(Person).filter(Person.id == key).count())
    assert count == 1
"""

REDIS = """
import redis.asyncio as redis
tcp = unix = None

@app.on_startup
async def start():
    global tcp, unix
    tcp = redis.Redis(host="127.0.0.1", port=REDIS_PORT)
    unix = redis.Redis(unix_socket_path=REDIS_FOLDER + "/socket")
    await tcp.ping()

@app.on_shutdown
async def stop():
    await tcp.aclose()
    await unix.aclose()

async def talk(n):
    await tcp.set(f"key-{n}", n)
    async with unix.pipeline(transaction=True) as pipe:
        got, length = await pipe.get(f"key-{n}").strlen(f"key-{n}").execute()
    assert int(got) == n and length == len(str(n))
    waiter = asyncio.create_task(tcp.blpop(f"list-{n}", timeout=30))
    await asyncio.sleep(0.002)
    await unix.rpush(f"list-{n}", f"item-{n}")
    key, item = await waiter
    async with unix.pubsub() as channel:
        await channel.subscribe(f"channel-{n}")
        await tcp.publish(f"channel-{n}", n)
        async with asyncio.timeout(30):
            async for message in channel.listen():
                if message["type"] == "message":
                    break
    assert int(message["data"]) == n
    return {"key": key.decode(), "item": item.decode()}
"""

AIOHTTP = """
import aiohttp
session = None

@app.lifespan
async def lifespan():
    global session
    async with aiohttp.ClientSession() as session:
        yield

async def talk(n):
    async with session.get(f"{OWN}/echo/{n}", params={"q": str(n)}) as answer:
        assert answer.status == 200
        got = await answer.json()
    assert got == {"echo": n, "q": str(n)}, got
    body = str(n).encode() * 10000
    async with session.post(f"{OWN}/echo/{n}", data=body) as answer:
        assert await answer.read() == body
    async with aiohttp.ClientSession() as own:
        async with own.get(f"{OWN}/echo/{n}") as answer:
            assert (await answer.json())["echo"] == n
"""

HTTPX = """
import httpx
client = None

@app.lifespan
async def lifespan():
    global client
    async with httpx.AsyncClient(timeout=30) as client:
        yield

async def talk(n):
    answer = await client.get(f"{OWN}/echo/{n}", params={"q": n})
    assert answer.json() == {"echo": n, "q": str(n)}
    body = str(n).encode() * 10000
    async with client.stream("POST", f"{OWN}/echo/{n}", content=body) as answer:
        got = b"".join([part async for part in answer.aiter_bytes()])
    assert got == body
"""

SUBPROCESS = """
from asyncio.subprocess import PIPE

async def talk(n):
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", 'read line; echo "out $line"; echo "err $line" >&2;'
        f" exit {n % 256}", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    out, err = await child.communicate(f"{n}\\n".encode())
    assert (out, err) == (f"out {n}\\n".encode(), f"err {n}\\n".encode())
    assert child.returncode == n % 256
    sleeper = await asyncio.create_subprocess_exec("sleep", "60")
    sleeper.terminate()
    return {"signal": await sleeper.wait()}
"""

TLS = """
import ssl
CERT, KEY = os.environ["CERT"], os.environ["KEY"]

async def serve_line(reader, writer):
    if writer.get_extra_info("sslcontext") is None:
        # A protocol that begins in plain text.
        assert await reader.readline() == b"STARTTLS\\n"
        writer.write(b"go\\n")
        await writer.start_tls(offer)
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()
    await writer.wait_closed()

offer = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
offer.load_cert_chain(CERT, KEY)
trust = ssl.create_default_context(cafile=CERT)
ports = {}

@app.lifespan
async def lifespan():
    tls = await asyncio.start_server(
        serve_line, "127.0.0.1", 0, ssl=offer, limit=1 << 20)
    plain = await asyncio.start_server(
        serve_line, "127.0.0.1", 0, limit=1 << 20)
    async with tls, plain:
        ports["tls"] = tls.sockets[0].getsockname()[1]
        ports["plain"] = plain.sockets[0].getsockname()[1]
        yield

async def talk(n):
    if n % 2:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", ports["tls"], ssl=trust, limit=1 << 20,
            server_hostname="localhost")
    else:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", ports["plain"], limit=1 << 20)
        writer.write(b"STARTTLS\\n")
        assert await reader.readline() == b"go\\n"
        await writer.start_tls(trust, server_hostname="localhost")
    for size in (1, 300000):
        line = f"line {n} {'x' * size}\\n".encode()
        writer.write(line)
        await writer.drain()
        assert await reader.readline() == line.upper()
    version = writer.get_extra_info("ssl_object").version()
    writer.close()
    await writer.wait_closed()
    return {"version": version}
"""

THREADS = """
import threading
import time

def work(n):
    time.sleep(0.002)
    # asyncio.to_thread() takes the context along.
    return number.get(), threading.get_ident()

async def talk(n):
    got, ident = await asyncio.to_thread(work, n)
    assert got == n and ident != threading.get_ident()
    loop = asyncio.get_running_loop()
    results = await asyncio.gather(
        *(loop.run_in_executor(None, divmod, n, d) for d in (1, 7)))
    assert results == [divmod(n, 1), divmod(n, 7)]
    address = await loop.getaddrinfo("localhost", 80)
    assert address
"""

ANYIO = """
import anyio
import anyio.from_thread
import anyio.to_thread

async def double(n, results):
    await anyio.sleep(0.002)
    results.append(number.get() * 2)

def in_thread(n):
    assert number.get() == n
    return anyio.from_thread.run(back_on_the_loop, n)

async def back_on_the_loop(n):
    await anyio.sleep(0.001)
    return n * 3

async def talk(n):
    results = []
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(double, n, results)
    assert results == [n * 2] * 3
    with anyio.move_on_after(0.005) as scope:
        await anyio.sleep(60)
    assert scope.cancelled_caught
    try:
        with anyio.fail_after(0.005):
            await anyio.sleep(60)
    except TimeoutError:
        pass
    else:
        raise AssertionError("no timeout")
    with anyio.CancelScope() as outer:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 60)
            await anyio.sleep(0)
            group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0)
        outer.cancel()
        await anyio.sleep(60)
    assert outer.cancelled_caught
    assert asyncio.current_task().cancelling() == 0
    tripled = await anyio.to_thread.run_sync(in_thread, n)
    assert tripled == n * 3
    send, receive = anyio.create_memory_object_stream(1)
    async with anyio.create_task_group() as group, send, receive:
        group.start_soon(send.send, n)
        assert await receive.receive() == n
    done = await anyio.run_process(["echo", str(n)])
    assert int(done.stdout) == n
    assert anyio.get_current_task().id == id(asyncio.current_task())
"""

ANYIO_PORTAL = """
import anyio.from_thread

portal = None

@app.lifespan
async def lifespan():
    global portal
    # A portal into the worker's loop, for code in threads that are not ours.
    async with anyio.from_thread.BlockingPortal() as portal:
        yield

async def answer(n):
    await asyncio.sleep(0.001)
    return n + 1

def in_thread(n):
    future = portal.start_task_soon(answer, n)
    assert portal.call(answer, n) == n + 1
    return future.result()

async def talk(n):
    assert await asyncio.to_thread(in_thread, n) == n + 1
"""

CASES = {
    "asyncpg": ASYNCPG,
    "psycopg": PSYCOPG,
    "sqlalchemy": SQLALCHEMY,
    "redis": REDIS,
    "aiohttp": AIOHTTP,
    "httpx": HTTPX,
    "subprocess": SUBPROCESS,
    "tls": TLS,
    "threads": THREADS,
    "anyio": ANYIO,
    "anyio-portal": ANYIO_PORTAL,
}
PACKAGES = {
    "sqlalchemy": ["sqlalchemy", "asyncpg", "greenlet"],
    "anyio-portal": ["anyio"],
    "subprocess": [],
    "tls": [],
    "threads": [],
}
POSTGRESQL = ("asyncpg", "psycopg", "sqlalchemy")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[backends.Backend]:
    with backends.postgresql() as backend:
        yield backend


@pytest.fixture(scope="module")
def redis() -> Iterator[backends.Backend]:
    with backends.redis() as backend:
        yield backend


def start(
    serve: Servers, source: str, env: dict[str, str], *options: str
) -> Server:
    """With the packages of the tests, and every warning about resources."""
    # An address that the application knows before it starts.
    own = f"127.0.0.1:{free_port()}"
    return serve(
        HEAD + source,
        *("--workers", "1", "--log-level", "warning", *options),
        binds=(own,),
        env={
            "OWN_URL": f"http://{own}",
            "VIRTUAL_ENV": sys.prefix,
            "PYTHONWARNINGS": "always::ResourceWarning",
            **env,
        },
    )


def ask_at_once(server: Server, rounds: int) -> None:
    """Fifty connections, each with its own numbers, and no cross-talk."""
    clients = [server.connect(timeout=60) for _ in range(REQUESTS_AT_ONCE)]
    for turn in range(rounds):
        numbers = range(turn, turn + 21 * REQUESTS_AT_ONCE, 21)
        pairs = list(zip(clients, numbers, strict=True))
        for client, n in pairs:
            client.send(head_of("GET", f"/ask/{n}"))
        for client, n in pairs:
            answer = client.answer()
            assert answer.status == 200, (n, answer, server.stderr)
            got = answer.json()
            assert got.pop("n") == n
            for value in got.values():
                assert is_of(value, n), (n, value)
    for client in clients:
        client.close()


def is_of(value: object, n: int) -> bool:
    """What a client brought back names its number, or is the same for all."""
    return value in (n, f"list-{n}", f"item-{n}", -15, "TLSv1.3")


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("name", CASES)
def test_fifty_handlers_with_a_client_at_once(
    serve: Servers,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    name: str,
    debug: bool,
) -> None:
    for package in PACKAGES.get(name, [name]):
        pytest.importorskip(package)
    env = {}
    if name in POSTGRESQL:
        backend = request.getfixturevalue("postgresql")
        env["PG_PORT"] = str(backend.port)
        env["PG_FOLDER"] = str(backend.folder)
    if name == "redis":
        backend = request.getfixturevalue("redis")
        env["REDIS_PORT"] = str(backend.port)
        env["REDIS_FOLDER"] = str(backend.folder)
    if name == "tls":
        cert, key = backends.certificate(tmp_path)
        env.update(CERT=str(cert), KEY=str(key))
    if debug:
        env["PYTHONASYNCIODEBUG"] = "1"
    server = start(serve, CASES[name], env)
    ask_at_once(server, rounds=1 if debug else 4)
    assert server.stop() == 0, server.stderr
    said = [
        line
        for line in server.stderr.splitlines()
        # Debug mode tells of callbacks that a busy machine made slow.
        if not (debug and re.search(r" took \d+\.\d+ seconds$", line))
    ]
    assert not said, server.stderr
