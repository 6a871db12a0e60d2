"""`python -m providers.simulator`: the simulated upstream without Django."""

import argparse
import functools

from .process import add_arguments, leave_quietly, listen, run


def main() -> None:
    leave_quietly()
    parser = argparse.ArgumentParser(prog="providers.simulator", description="A test peer that speaks four model APIs.")
    add_arguments(parser)
    options = parser.parse_args()
    try:
        listener = listen(port=options.port, fd=options.fd)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    run(listener, with_parent=options.with_parent, announce=functools.partial(print, flush=True))


if __name__ == "__main__":
    main()
