"""Which addresses may be reached (SS-1)."""

import socket

import pytest
from aiohttp.abc import AbstractResolver
from django.core.exceptions import ImproperlyConfigured

from providers.addresses import (
    AddressPolicy,
    Blocked,
    GuardedResolver,
    check_base_url,
    is_public,
    policy_from_settings,
    shown_host,
)
from providers.errors import InvalidRequest

CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:10.0.0.1",
    "::ffff:0:a9fe:a9fe",
    "::ffff:0:8.8.8.8",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "not an address",
    "",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2606:4700:4700::1111",
    "2a00:1450:4001:800::200e",
]
REFUSED_URLS = [
    "http://127.0.0.1",
    "http://127.0.0.1:8080/v1",
    "http://localhost",
    "https://localhost.",
    "http://LOCALHOST:9",
    "http://api.localhost",
    "http://0",
    "http://0.0.0.0",
    "http://127.1",
    "http://2130706433",
    "http://017700000001",
    "http://0x7f000001",
    "http://0x7f.0.0.0x1",
    "http://0177.0.0.1",
    "http://127.0.0.1.",
    "http://127。0。0。1",
    "http://１２７.0.0.1",
    "http://127．0｡0.1",
    "http://169.254.169.254/latest",
    "http://[::1]",
    "http://[::ffff:a9fe:a9fe]",
    "http://[::ffff:169.254.169.254]",
    "http://[::ffff:0:a9fe:a9fe]",
    "http://[64:ff9b::a9fe:a9fe]",
    "http://[64:ff9b:1::a9fe:a9fe]",
    "http://[fe80::1%25eth0]",
    "http://10.1.2.3",
    "http://100.64.0.1",
    "http://redis",
    "http://db:80",
    "http://metadata.google.internal",
    "http://printer.local",
    "https://api.example.com:6379",
    "https://api.example.com:5432",
    "https://api.example.com:99999",
    "https://user:secret@api.example.com",
    "https://api.example.com@10.0.0.1",
    "https://api.example.com\\@10.0.0.1",
    "https://api.example.com?x=",
    "https://api.example.com#",
    "https://api.example.com/v1 ",
    "https://api.exa\nmple.com",
    "https://%31%32%37.0.0.1",
    "file:///etc/passwd",
    "gopher://api.example.com",
    "ftp://api.example.com",
    "//api.example.com",
    "api.example.com",
    "https://",
    "https:///v1",
    "https://[::1",
    "",
]


@pytest.mark.parametrize("address", CLOSED)
def test_a_closed_address_is_not_public(address):
    assert is_public(address) is False


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address):
    assert is_public(address) is True


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_hostile_base_address_is_refused_by_name(url):
    with pytest.raises(InvalidRequest) as refusal:
        check_base_url(url)
    assert refusal.value.param == "base_url"


@pytest.mark.parametrize(
    "url",
    ["https://api.deepinfra.com", "http://app.eigenai.com:8443/v1", "https://8.8.8.8", "https://[2606:4700::1]/v1"],
)
def test_a_public_base_address_is_taken(url):
    assert check_base_url(url) is None


def test_the_operator_lets_single_private_places_through(settings):
    settings.PRIVATE_UPSTREAMS = ["10.0.0.5:8080", "ollama:11434", "[::1]:9000"]
    settings.SIMULATOR_URL = "http://127.0.0.1:8002"

    for url in (
        "http://10.0.0.5:8080",
        "http://ollama:11434/v1",
        "http://OLLAMA.:11434",
        "http://[::1]:9000",
        "http://127.0.0.1:8002",
    ):
        assert check_base_url(url) is None
    for url in ("http://10.0.0.5:8081", "http://10.0.0.6:8080", "http://ollama", "http://127.0.0.1:8003"):
        with pytest.raises(InvalidRequest):
            check_base_url(url)


@pytest.mark.parametrize("entry", ["10.0.0.5", "http://10.0.0.5:80", "10.0.0.5:http", "10.0.0.5:8080/v1", ":80", ""])
def test_a_private_upstream_without_a_port_is_named_to_the_operator(settings, entry):
    settings.PRIVATE_UPSTREAMS = [entry]

    with pytest.raises(ImproperlyConfigured, match="PRIVATE_UPSTREAMS holds .*: write host:port"):
        policy_from_settings()


def test_only_a_public_host_is_shown_to_people(settings):
    settings.PRIVATE_UPSTREAMS = ["models.example.com:8000"]

    assert shown_host("https://api.deepinfra.com/v1") == "api.deepinfra.com"
    assert shown_host("http://10.0.0.5") == "The provider"
    assert shown_host("http://redis") == "The provider"
    assert shown_host("http://models.example.com:8000") == "The provider"


class Names(AbstractResolver):
    """Answers from a table, and counts the questions."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked += 1
        addresses = self.answers.pop(0)
        return [{"hostname": host, "host": a, "port": port, "family": 2, "proto": 6, "flags": 0} for a in addresses]

    async def close(self):
        pass


async def test_a_name_that_stands_for_any_private_address_is_blocked():
    resolver = GuardedResolver(AddressPolicy(), Names(["8.8.8.8", "10.0.0.1"]))

    with pytest.raises(Blocked):
        await resolver.resolve("rebind.example.com", 443)


async def test_a_name_that_stands_for_public_addresses_is_handed_on():
    resolver = GuardedResolver(AddressPolicy(), Names(["8.8.8.8", "1.1.1.1"]))

    rows = await resolver.resolve("api.example.com", 443)

    assert [row["host"] for row in rows] == ["8.8.8.8", "1.1.1.1"]


async def test_a_listed_name_opens_its_own_port_only():
    policy = AddressPolicy([("gw.example.com", 8080)])
    resolver = GuardedResolver(policy, Names(["127.0.0.9"], ["127.0.0.9"]))

    await resolver.resolve("gw.example.com", 8080)
    policy.socket_for((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.9", 8080))).close()
    with pytest.raises(Blocked):
        await resolver.resolve("gw.example.com", 6379)
    with pytest.raises(Blocked):
        policy.socket_for((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.9", 6379)))


@pytest.mark.parametrize("address", [address for address in CLOSED if address and " " not in address])
def test_no_socket_is_made_for_a_closed_address(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    with pytest.raises(Blocked):
        AddressPolicy().socket_for((family, socket.SOCK_STREAM, 6, "", (address, 80)))


@pytest.mark.parametrize("port", [22, 25, 6379, 5432, 11211])
@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_no_socket_is_made_for_the_port_of_another_service(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    with pytest.raises(Blocked):
        AddressPolicy().socket_for((family, socket.SOCK_STREAM, 6, "", (address, port)))


def test_the_operator_may_list_the_port_of_another_service():
    policy = AddressPolicy([("8.8.8.8", 6379)])

    policy.socket_for((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 6379))).close()
    with pytest.raises(Blocked):
        policy.socket_for((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 5432)))


def test_a_public_address_with_the_port_of_a_web_server_gets_its_socket():
    AddressPolicy().socket_for((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))).close()


def test_a_socket_for_a_listed_literal_does_not_block():
    policy = AddressPolicy([("127.0.0.1", 8080)])

    made = policy.socket_for((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 8080)))

    assert made.getblocking() is False
    made.close()
