"""Run the benchmarks, one after the other, each in a process of its own: `python -m bench [NAME…]`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ALL = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "__main__")


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all. Returns the exit status: 1 if one of them failed."""
    unknown = set(names) - set(ALL)
    if unknown:
        print(f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(ALL)}.", file=sys.stderr)
        return 2
    return max(min(_status_of(name), 1) for name in names or ALL)


def _status_of(name: str) -> int:
    return abs(subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=HERE.parent).returncode)  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
