"""Which addresses may be reached: checked in a saved base address, in what a name resolves to, and at the socket."""

import re
import socket
import ssl
import unicodedata
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

import aiohttp
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from providers.errors import InvalidRequest

# Written out, because what `ipaddress` calls global differs between Python releases. RFC 6890 and IANA's registries.
CLOSED_V4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's metadata at a public-looking address
        "169.254.0.0/16",  # link-local, metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
# All of IPv6 is closed outside this one. That also closes what is not a destination on the public net: loopback,
# unique local, link-local, site-local, multicast, SIIT (::ffff:0:a.b.c.d), local NAT64 (64:ff9b:1::/48), ::a.b.c.d.
OPEN_V6 = IPv6Network("2000::/3")
CLOSED_V6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]
# Spellings of an IPv4 address that reach just that address: mapped, and the well-known NAT64 prefix.
CARRIES_V4 = [IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")]

# Services that would take a POST for something else.
NOT_HTTP = frozenset({21, 22, 23, 25, 53, 110, 143, 389, 465, 587, 993, 995, 3306, 5432, 6379, 11211, 27017})
DEFAULT_PORT = {"http": 80, "https": 443}
PRIVATE_ENDINGS = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".intranet")

Place = tuple[str, int]


class Blocked(OSError):
    """An address outside the policy. An OSError, so that aiohttp reports it as a failed connection."""


def is_public(text: str) -> bool:
    """Whether `text` is an IP address on the public internet, in whichever way it is written."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in CLOSED_V4)
    if any(address in network for network in CARRIES_V4):
        return is_public(str(IPv4Address(int(address) & 0xFFFFFFFF)))
    return address in OPEN_V6 and not any(address in network for network in CLOSED_V6)


class AddressPolicy:
    """Public addresses, plus `places`: private (host, port) pairs, with the host as it is written in the address."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self.places = frozenset((_plain_host(host), port) for host, port in places)
        self._resolved: set[Place] = set()

    def lists(self, host: str, port: int) -> bool:
        return (_plain_host(host), port) in self.places

    def admit(self, host: str, port: int, addresses: Iterable[str]) -> None:
        """Let a resolved name through, or raise Blocked: one closed address among several closes it."""
        found = list(addresses)
        if self.lists(host, port):
            self._resolved.update((address, port) for address in found)
        elif not all(is_public(address) for address in found):
            raise Blocked(f"{host} stands for an address that may not be reached.")

    def socket_for(self, target: AddrInfoType) -> socket.socket:
        """Make the socket for exactly the address that was checked: the last word, for literal addresses too."""
        family, kind, protocol, _, place = target
        host, port = str(place[0]), int(place[1])
        listed = self.lists(host, port) or (host, port) in self._resolved
        if not listed and (port in NOT_HTTP or not is_public(host)):
            raise Blocked(f"{host}, port {port}, may not be reached.")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


class GuardedResolver(AbstractResolver):
    """Resolves names and hands on only what the policy admits."""

    def __init__(self, policy: AddressPolicy, inner: AbstractResolver | None = None) -> None:
        self._policy = policy
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        rows = await self._inner.resolve(host, port, family)
        self._policy.admit(host, port, [row["host"] for row in rows])
        return rows

    async def close(self) -> None:
        await self._inner.close()


def guarded_session(
    policy: AddressPolicy, resolver: AbstractResolver | None, tls: ssl.SSLContext
) -> aiohttp.ClientSession:
    """A session that reaches only what the policy admits, keeps no cookie and looks at no environment."""
    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(policy, resolver),
        socket_factory=policy.socket_for,
        use_dns_cache=False,
        limit=0,  # the client counts, and refuses instead of queueing
        ssl=tls,
    )
    jar = aiohttp.DummyCookieJar()
    return aiohttp.ClientSession(connector=connector, trust_env=False, cookie_jar=jar, auto_decompress=False)


def policy_from_settings() -> AddressPolicy:
    """What the operator allows: PRIVATE_UPSTREAMS, and the simulated upstream."""
    places = [_place(entry) for entry in settings.PRIVATE_UPSTREAMS]
    if settings.SIMULATOR_URL:
        parts = urlsplit(settings.SIMULATOR_URL)
        places.append((parts.hostname or "", _port(parts)))
    return AddressPolicy(places)


def check_base_url(url: str) -> None:
    """Refuse, before it is saved, an address that could never be called. Every connection checks names again."""
    parts = _split(url)
    host, port = _plain_host(parts.hostname or ""), _port(parts)
    if policy_from_settings().lists(host, port):
        return
    if port in NOT_HTTP:
        raise _refused(f"Port {port} belongs to another service than HTTP. Write the port of the model's API.")
    literal = _literal(host)
    closed = not is_public(literal) if literal else "." not in host or host.endswith(PRIVATE_ENDINGS)
    if closed:
        raise _refused(
            "This address is inside a private network. Write a public address, or have the operator list it as "
            f"{parts.hostname}:{port} in PRIVATE_UPSTREAMS."
        )


def shown_host(url: str) -> str:
    """The host for a message to people, or "The provider" where naming it would describe a private network."""
    try:
        check_base_url(url)
        parts = urlsplit(url)
        private = policy_from_settings().lists(parts.hostname or "", _port(parts))
    except InvalidRequest:
        return "The provider"
    return "The provider" if private else str(parts.hostname)


def _split(url: str) -> SplitResult:
    """The parts of a well-formed http(s) address. `urlsplit` itself drops line ends and accepts nearly anything."""
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise _refused("The address holds a space, a control character or a backslash. Write it without.")
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError:
        raise _refused("This is not an address. Write it like https://api.example.com.") from None
    if parts.scheme not in DEFAULT_PORT or not parts.hostname:
        raise _refused("The address must begin with https:// or http:// and name a host.")
    if "@" in parts.netloc:
        raise _refused("The address holds a user name or password. Save the key in its own field instead.")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise _refused("The address must end before any ? or #.")
    if not re.fullmatch(r"[\w.:-]+", _plain_host(parts.hostname)):
        raise _refused("The host of this address holds characters that no host has.")
    return parts


def _literal(host: str) -> str:
    """The IP address that `host` spells, in decimal, octal, hexadecimal, shortened or IPv6 form; "" for a name."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return str(IPv4Address(socket.inet_aton(host)))
    except OSError:
        return ""


def _plain_host(host: str) -> str:
    """One spelling of a host: lower case, no final dot, full-width characters and IDN dots as plain ones."""
    plain = unicodedata.normalize("NFKC", host).replace("。", ".").strip("[]").rstrip(".").lower()
    try:
        return str(ip_address(plain))
    except ValueError:
        return plain


def _place(entry: str) -> Place:
    parts = urlsplit(f"//{entry.strip()}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or parts.path:
        raise ImproperlyConfigured(f"PRIVATE_UPSTREAMS holds {entry!r}: write host:port, such as 10.0.0.5:8080.")
    return host, port


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else DEFAULT_PORT.get(parts.scheme, 0)


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="base_url")
