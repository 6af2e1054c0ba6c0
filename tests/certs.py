"""Certificates for the stories of TLS, made by the program openssl."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from serving import DEADLINE, Client


class Pair(NamedTuple):
    cert: Path
    key: Path


def _openssl(*args: str) -> None:
    subprocess.run(["openssl", *args], check=True, capture_output=True)


EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """Signs what it is asked to."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.own = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        _openssl(
            "req", "-x509", *EC, "-keyout", str(self.own.key),
            "-out", str(self.own.cert), "-days", "30",
            "-subj", f"/CN=Test {name}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    def sign(self, stem: str, name: str, days: int = 30) -> Pair:
        """A certificate for a host, or for a client of that name."""
        pair = Pair(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        request = self.folder / f"{stem}.csr"
        extension = self.folder / f"{stem}.ext"
        extension.write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\n")
        _openssl(
            "req", *EC, "-keyout", str(pair.key), "-out", str(request),
            "-subj", f"/O=Tests/CN={name}",
        )  # fmt: skip
        _openssl(
            "x509", "-req", "-in", str(request), "-CA", str(self.own.cert),
            "-CAkey", str(self.own.key), "-CAcreateserial",
            "-days", str(days), "-extfile", str(extension),
            "-out", str(pair.cert),
        )  # fmt: skip
        return pair

    def _ca(self, *args: str) -> None:
        """openssl ca, with what it keeps in files of its own."""
        config = self.folder / "ca.cnf"
        if not config.exists():
            (self.folder / "index.txt").touch()
            config.write_text(
                "[ca]\ndefault_ca = own\n[own]\n"
                f"database = {self.folder}/index.txt\n"
                "default_md = sha256\ndefault_crl_days = 30\n"
            )
        _openssl(
            "ca", "-config", str(config), "-cert", str(self.own.cert),
            "-keyfile", str(self.own.key), *args,
        )  # fmt: skip

    def revoke(self, pair: Pair) -> None:
        self._ca("-revoke", str(pair.cert))

    def crl(self, to: Path, *args: str) -> Path:
        """The list of what was revoked; an old one stays until it is whole."""
        new = to.with_suffix(".new")
        self._ca("-gencrl", "-out", str(new), *args)
        new.replace(to)
        return to

    def context(self, client: Pair | None = None) -> ssl.SSLContext:
        """What a client that trusts it uses."""
        context = ssl.create_default_context(cafile=str(self.own.cert))
        if client:
            context.load_cert_chain(client.cert, client.key)
        return context


class TLSClient(Client):
    """The same client, over TLS."""

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext,
        name: str = "localhost",
        timeout: float = DEADLINE,
        session: Any = None,
    ) -> None:
        super().__init__(address, timeout)
        self.plain: socket.socket = self.sock
        self.tls = context.wrap_socket(
            self.sock, server_hostname=name, session=session
        )
        self.sock = self.tls

    def __enter__(self) -> TLSClient:
        return self
