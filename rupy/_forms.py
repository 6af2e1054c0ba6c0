"""Forms: fields and uploaded files."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from types import TracebackType

from . import _core
from ._errors import HTTPError

PIECE = 64 * 1024

# Of a charset parameter, what is looked up; others are refused.
_CHARSETS = frozenset(
    ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "windows-1252")
)


class UploadFile:
    """A file that came with a form.

    Small ones are in memory, others in a file without a name that is gone
    with this object.  Reading starts at the first byte.  ``aread`` and
    ``asave_to`` leave the event loop free; ``async for`` and ``for`` go over
    pieces of 64 KiB.
    """

    __slots__ = (
        "_file",
        "content_type",
        "filename",
        "headers",
        "name",
        "size",
    )

    name: str
    """The name of the field."""
    filename: str
    """As the client sent it: never to be used as a path.  See safe_name."""
    content_type: str | None
    headers: _core.Headers
    """The header of the part."""
    size: int

    def __init__(
        self,
        name: str,
        filename: str,
        content_type: str | None,
        headers: _core.Headers,
        file: _Spool,
    ) -> None:
        self.name = name
        self.filename = filename
        self.content_type = content_type
        self.headers = headers
        self.size = file.size
        self._file = file

    def __repr__(self) -> str:
        return (
            f"<UploadFile {self.name!r} {self.filename!r}, {self.size} bytes>"
        )

    @property
    def safe_name(self) -> str:
        """The last component of filename, fit to be one in a directory.

        Without control characters and leading dots, at most 200 bytes;
        ``"upload"`` when nothing is left.
        """
        last = self.filename.replace("\\", "/").rpartition("/")[2]
        last = "".join(c for c in last if c.isprintable()).lstrip(". ")
        cut = last.encode("utf-8", "ignore")[:200].decode("utf-8", "ignore")
        return cut.rstrip() or "upload"

    @property
    def in_memory(self) -> bool:
        return self._file.fd < 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most size of them; all that is left if < 0."""
        return self._file.read(size)

    async def aread(self, size: int = -1) -> bytes:
        """The same, without blocking the event loop."""
        if self._file.fd < 0:
            return self._file.read(size)
        return await asyncio.to_thread(self._file.read, size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of files; the new position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.seek(0, os.SEEK_CUR)

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(PIECE):
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.aread(PIECE):
            yield piece

    def save_to(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        mode: int | None = None,
    ) -> str:
        """Give it a name, and return that.

        In a directory it is called safe_name.  Where the file lies on the
        same file system it gets its name without being copied; anyhow it
        appears there whole or not at all.  ``mode`` is by default what the
        umask leaves of 0o666.

        Raises FileExistsError for a name that is taken, unless ``overwrite``
        is true.
        """
        path = os.fspath(path)
        if os.path.isdir(path):
            path = os.path.join(path, self.safe_name)
        if mode is None:
            mode = 0o666 & ~_umask()
        self._file.save(path, overwrite, mode)
        return path

    async def asave_to(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        mode: int | None = None,
    ) -> str:
        """The same, without blocking the event loop."""
        return await asyncio.to_thread(
            self.save_to, path, overwrite=overwrite, mode=mode
        )

    def close(self) -> None:
        """Give up the content now; it is given up with the object anyway."""
        self._file.close()


class Form(_core.MultiDict[str]):
    """The fields of a form, a MultiDict of str, and its files.

    ``form["name"]`` is a field's first value, ``form.files["name"]`` the
    first file of that name.  A file input that was left empty is no file.
    """

    files: _core.MultiDict[UploadFile] = _core.MultiDict()

    def close(self) -> None:
        """Give up all files now."""
        for file in self.files.values():
            file.close()


class FormReader:
    """Collects a form while its bytes come."""

    def __init__(
        self,
        request: _core.Request,
        *,
        parts: int = 1000,
        files: int = 100,
        field_size: int = 1 << 20,
        fields_size: int = 8 << 20,
        file_size: int | None = None,
        total_size: int | None = None,
        header_size: int = 8192,
        name_size: int = 1024,
        memory: int = 256 * 1024,
        directory: str | None = None,
    ) -> None:
        self._parser = _core.FormParser(
            request.content_type or "",
            parts,
            header_size,
            name_size,
            min(field_size, fields_size),
        )
        expected = request.content_length
        if total_size is not None and (expected or 0) > total_size:
            raise HTTPError(413, "the form is too large")
        self._left = total_size
        self._left_of_fields = fields_size
        self._files_max = files
        self._field_size = field_size
        self._file_size = file_size
        self._memory = memory
        self._directory = directory
        self._fields: list[tuple[str, str]] = []
        self._files: list[tuple[str, UploadFile]] = []
        self._part: (
            tuple[bytes, bytes | None, str | None, list[tuple[str, str]]] | None
        ) = None
        self._field = bytearray()
        self._spool: _Spool | None = None

    def __enter__(self) -> FormReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            if self._spool is not None:
                self._spool.close()
            for _, file in self._files:
                file.close()

    def feed(self, data: bytes) -> None:
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise HTTPError(413, "the form is too large")
        self._take(self._parser.feed(data))

    def end(self) -> Form:
        self._take(self._parser.finish())
        form = Form(self._fields)
        form.files = _core.MultiDict(self._files)
        return form

    def _take(self, events: list[_core._FormEvent]) -> None:
        for event in events:
            if isinstance(event, bytes):
                self._on_data(event)
            elif event is None:
                self._on_end()
            else:
                self._on_part(event)

    def _on_part(
        self,
        part: tuple[bytes, bytes | None, str | None, list[tuple[str, str]]],
    ) -> None:
        self._part = part
        if part[1] is None:
            self._field = bytearray()
        elif len(self._files) >= self._files_max:
            raise HTTPError(413, "the form has too many files")
        else:
            self._spool = _Spool(self._memory, self._directory)

    def _on_data(self, data: bytes) -> None:
        if self._spool is not None:
            if (
                self._file_size is not None
                and self._spool.size + len(data) > self._file_size
            ):
                raise HTTPError(413, "a file of the form is too large")
            self._spool.write(data)
            return
        self._left_of_fields -= len(data)
        if len(self._field) + len(data) > self._field_size:
            raise HTTPError(413, "a field of the form is too large")
        if self._left_of_fields < 0:
            raise HTTPError(413, "the fields of the form are too large")
        self._field += data

    def _on_end(self) -> None:
        assert self._part is not None
        raw_name, raw_filename, content_type, headers = self._part
        name = _text(raw_name, "utf-8")
        spool, self._spool = self._spool, None
        if spool is None:
            charset = _charset(content_type)
            self._fields.append((name, _text(self._field, charset)))
            return
        filename = _text(raw_filename or b"", "utf-8")
        if not filename and not spool.size:
            spool.close()
            return
        spool.seek(0, os.SEEK_SET)
        self._files.append(
            (
                name,
                UploadFile(
                    name, filename, content_type, _core.Headers(headers), spool
                ),
            )
        )


def _text(raw: bytes | bytearray, charset: str) -> str:
    try:
        return raw.decode(charset)
    except UnicodeError:
        raise HTTPError(400, f"a text in the form is not {charset}") from None


def _charset(content_type: str | None) -> str:
    """Of a field's own Content-Type (RFC 7578 4.4), else UTF-8."""
    for parameter in (content_type or "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
            if charset not in _CHARSETS:
                raise HTTPError(400, "unknown charset in the form")
            return charset
    return "utf-8"


def _umask() -> int:
    # os.umask() would change that of other threads for a moment.
    with (
        contextlib.suppress(OSError, ValueError),
        open("/proc/self/status", encoding="ascii", errors="replace") as status,
    ):
        for line in status:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o077


def _nameless(directory: str) -> int:
    """A new file in directory that has no name: its descriptor."""
    with contextlib.suppress(OSError):
        return os.open(
            directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600
        )
    fd, path = tempfile.mkstemp(dir=directory)
    os.unlink(path)
    return fd


def _write_all(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class _Spool:
    """Bytes in memory, and from a size on in a file without a name."""

    __slots__ = ("_buffer", "_directory", "_memory", "fd", "size")

    def __init__(self, memory: int, directory: str | None) -> None:
        self.fd = -1
        self.size = 0
        self._memory = memory
        self._directory = directory
        self._buffer = io.BytesIO()

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.fd >= 0:
            _write_all(self.fd, data)
        elif self.size <= self._memory:
            self._buffer.write(data)
        else:
            self.fd = _nameless(self._directory or tempfile.gettempdir())
            _write_all(self.fd, self._buffer.getbuffer())
            _write_all(self.fd, data)
            self._buffer = io.BytesIO()

    def read(self, size: int) -> bytes:
        if self.fd < 0:
            return self._buffer.read(size)
        if size >= 0:
            return os.read(self.fd, size)
        left = self.size - os.lseek(self.fd, 0, os.SEEK_CUR)
        pieces = []
        while left > 0 and (piece := os.read(self.fd, left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def seek(self, offset: int, whence: int) -> int:
        if self.fd < 0:
            return self._buffer.seek(offset, whence)
        return os.lseek(self.fd, offset, whence)

    def save(self, path: str, overwrite: bool, mode: int) -> None:
        if self.fd >= 0:
            os.fchmod(self.fd, mode)
            try:
                _link(self.fd, path, overwrite)
            except FileExistsError:
                raise
            except OSError:  # another file system, or a file that had a name
                pass
            else:
                return
        name = _name_beside(path)
        fd = os.open(
            name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600
        )
        try:
            try:
                self._copy(fd)
                os.fchmod(fd, mode)
            finally:
                os.close(fd)
            if not overwrite:
                os.link(name, path)
        except BaseException:
            os.unlink(name)
            raise
        if overwrite:
            _replace(name, path)
        else:
            os.unlink(name)

    def _copy(self, to: int) -> None:
        if self.fd < 0:
            _write_all(to, self._buffer.getbuffer())
            return
        at = 0
        while at < self.size:
            n = os.sendfile(to, self.fd, at, min(self.size - at, 1 << 30))
            if n == 0:
                raise OSError("the uploaded file is shorter than it was")
            at += n

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        self._buffer = io.BytesIO()
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


def _link(fd: int, path: str, overwrite: bool) -> None:
    """Give a file without a name one (open(2), O_TMPFILE)."""
    name = _name_beside(path) if overwrite else path
    # With a folder's descriptor os.link() is linkat(2), which follows.
    folder = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.link(str(fd), name, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)
    if overwrite:
        _replace(name, path)


def _replace(name: str, path: str) -> None:
    try:
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _name_beside(path: str) -> str:
    return os.path.join(
        os.path.dirname(path) or ".", f".upload-{os.urandom(8).hex()}"
    )
