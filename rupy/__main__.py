"""``python -m rupy``: rupy-serve in an interpreter that is there already."""

from __future__ import annotations

import sys

from rupy import _core


def main() -> None:
    """Run the command line of rupy-serve(1); ends with its exit status."""
    sys.exit(_core.main(sys.argv))


if __name__ == "__main__":
    main()
