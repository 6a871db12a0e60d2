"""CPU of one streamed chunk through the client and its dialect, beside bare aiohttp reading the same streams."""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import aiohttp
import uvloop
from django.conf import settings

from bench.support import report
from bench.support.upstream import Pace, serving
from providers.addresses import AddressPolicy
from providers.client import Client, Target
from providers.types import ChatMessage, ChatRequest, ContentDelta

REQUEST = ChatRequest(model="deepseek-ai/DeepSeek-V3", messages=(ChatMessage("user", "Say something."),))
Row = dict[str, object]
MARK = b'"content": " '


@dataclass
class Meter:
    """Chunks and CPU between the moment when every stream runs and the moment when the first one ends."""

    streams: int
    running: int = 0
    chunks: int = 0
    cpu: float = 0
    wall: float = 0
    measured: int = 0
    first: list[float] = field(default_factory=list)  # seconds from the request to the first text
    on_the_way: list[int] = field(default_factory=list)  # nanoseconds from the upstream's sending to our reading

    def began(self, seconds: float) -> None:
        self.first.append(seconds)
        self.running += 1
        if self.running == self.streams:
            self.chunks, self.cpu, self.wall = 0, -time.process_time(), -time.perf_counter()
            self.on_the_way.clear()

    def ended(self) -> None:
        if self.running == self.streams:
            self.cpu += time.process_time()
            self.wall += time.perf_counter()
            self.measured = self.chunks
        self.running = -1

    def chunk(self, sent: int) -> None:
        self.chunks += 1
        self.on_the_way.append(time.monotonic_ns() - sent)

    def row(self, path: str) -> Row:
        on_the_way, first = sorted(self.on_the_way), sorted(self.first)
        return {
            "path": path,
            "chunks": self.measured,
            "chunks/s": round(self.measured / self.wall),
            "CPU µs a chunk": self.cpu / self.measured * 1e6,
            "sent to read p50 ms": _at(on_the_way, 0.5) / 1e6,
            "sent to read p99 ms": _at(on_the_way, 0.99) / 1e6,
            "first text p50 ms": _at(first, 0.5) * 1e3,
        }


def _at(values: list[float] | list[int], part: float) -> float:
    return values[min(int(len(values) * part), len(values) - 1)]


async def through_the_client(ports: list[int], meter: Meter, dialect: str, gap: float) -> None:
    client = Client(AddressPolicy([("127.0.0.1", port) for port in ports]))

    async def read(port: int) -> None:
        target = Target(dialect, f"http://127.0.0.1:{port}", "deepseek-ai/DeepSeek-V3", key="bench")
        started, begun = time.perf_counter(), False
        async for event in client.stream(target, REQUEST):
            if isinstance(event, ContentDelta):
                meter.chunk(int(event.text))
                if not begun:
                    begun = True
                    meter.began(time.perf_counter() - started)
        meter.ended()

    await _all_at_once(read, ports, meter.streams, gap)
    await client.aclose()


async def directly(ports: list[int], meter: Meter, gap: float) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def read(port: int) -> None:
            started, begun = time.perf_counter(), False
            async with session.post(f"http://127.0.0.1:{port}/", data=b"{}") as response:
                async for piece in response.content.iter_any():
                    for sent in _stamps(piece):
                        meter.chunk(sent)
                        if not begun:
                            begun = True
                            meter.began(time.perf_counter() - started)
            meter.ended()

        await _all_at_once(read, ports, meter.streams, gap)


def _stamps(piece: bytes) -> Iterator[int]:
    for part in piece.split(MARK)[1:]:
        yield int(part.partition(b'"')[0])


async def _all_at_once(read: Callable[[int], Awaitable[None]], ports: list[int], streams: int, gap: float) -> None:
    """Begin the streams evenly over one gap, so that their chunks do not come in one lump."""

    async def later(number: int) -> None:
        await asyncio.sleep(gap * number / streams)
        await read(ports[number % len(ports)])

    await asyncio.gather(*(later(number) for number in range(streams)))


def measured(options: argparse.Namespace, ports: list[int], round_: int) -> list[Row]:
    gap, rows = 1 / options.rate, list[Row]()
    for path in ("direct", "client"):
        meter = Meter(options.streams)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop if options.loop == "uvloop" else None) as runner:
            if path == "direct":
                runner.run(directly(ports, meter, gap))
            else:
                runner.run(through_the_client(ports, meter, options.dialect, gap))
        rows.append({"round": round_, **meter.row(path)})
    return rows


def _least(rows: list[Row], path: str) -> float:
    return min(float(str(row["CPU µs a chunk"])) for row in rows if row["path"] == path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50, help="chunks a second of each stream")
    parser.add_argument("--seconds", type=float, default=8, help="of each of the paths in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dialect", default="deepinfra")
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop", help="the site runs on uvloop")
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    settings.configure(PRIVATE_UPSTREAMS=[], SIMULATOR_URL="")
    rows: list[Row] = []
    with serving(Pace(round(options.seconds * options.rate), 1 / options.rate)) as ports:
        for number in range(options.rounds):
            rows += measured(options, ports, number + 1)
    report.show(f"{options.streams} streams of {options.rate:g} chunks/s on {options.loop}", rows)
    direct, client = (_least(rows, path) for path in ("direct", "client"))
    print(f"least of {options.rounds}: client {client:.1f} µs, direct {direct:.1f} µs, ratio {client / direct:.2f}")
    if not options.dry:
        chosen = {name: value for name, value in vars(options).items() if name != "dry"}
        print("written:", report.write("client_streams", rows, chosen).relative_to(report.ROOT))


if __name__ == "__main__":
    main()
