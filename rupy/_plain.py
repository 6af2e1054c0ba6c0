"""The life of a worker that serves WSGI: without asyncio, which is most of
what such a worker would keep in memory.  An application may import it."""

from __future__ import annotations

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_EXIT_OK = 0


class Loop(_core.LoopBase):
    """The C loop alone: nobody finds it as a running loop of asyncio's."""

    def stop(self) -> None:
        self._stopping = True

    def close(self) -> None:
        self._closed = True
        self._purge()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Log what could not be raised; called from C."""
        import logging

        logging.getLogger("rupy").error(
            context["message"], exc_info=context["exception"]
        )

    def _callback_failed(
        self,
        exc: BaseException,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        handle: object,
    ) -> None:
        """Report what a callback raised; called from C."""
        message = f"Exception in callback {handle or callback!r}"
        self.call_exception_handler({"message": message, "exception": exc})


def run(worker: _core.Worker) -> int:
    """Serve until the worker is told to stop; return its exit status.

    Works in any thread: no signal handler is installed.
    """
    loop = Loop()
    try:
        worker.attach(loop)
        worker.start(loop.stop)
        loop._run_plain()
    except BaseException:
        # An application that exits: one turn more, for what was answered.
        loop._stopping = True
        loop._run_plain()
        raise
    finally:
        worker.detach()
        loop.close()
    return _EXIT_OK
