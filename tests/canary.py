"""The key that tests save as a provider's, and the watch that finds it wherever it may not be.

As a pytest plugin it looks, in every session, at log records, captured output, responses and frames, at what is sent
to the database and what that holds at the end, and at what sites printed and left. A sighting fails the session.
"""

import base64
import logging
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from channels.testing import WebsocketCommunicator
from django.db.backends.signals import connection_created
from django.test import Client
from django.utils.html import escapejs

CANARY = "sk-canary-7Qe/Rk2+Wn9Lp4Vt8Zb3Xy6Ju1-wxyz"
TELLING = 20  # characters of a beginning or an end that give a key away


def spellings(part):
    """How a piece of a key may be written: by its name, as text."""
    raw = part.encode()
    found = {
        "plain": part,
        "URL-encoded": quote(part, safe=""),
        "in JSON": part.replace("/", "\\/"),
        "in JavaScript": str(escapejs(part)),
        "in hex": raw.hex(),
        "in upper-case hex": raw.hex().upper(),
    }
    for before in range(3):
        # Without the characters that hold bits of what stands before and after it.
        whole = base64.b64encode(bytes(before) + raw).decode()
        inner = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        found[f"in base64, {before} bytes in"] = inner
        found[f"in URL-safe base64, {before} bytes in"] = inner.replace("+", "-").replace("/", "_")
    return {name: text for name, text in found.items() if name == "plain" or text != part}


class Secret:
    """A key to look for: its beginning and its end, in every spelling."""

    def __init__(self, key):
        assert len(key) >= 2 * TELLING
        parts = {"beginning": key[:TELLING], "end": key[-TELLING:]}
        named = {f"its {part} {how}": text for part, whole in parts.items() for how, text in spellings(whole).items()}
        by_text = {text: name for name, text in reversed(named.items())}
        self.texts = list(by_text.items())
        self.bytes = [(text.encode(), name) for text, name in by_text.items()]

    def seen_in(self, content):
        """What of it stands in this text or these bytes, in words."""
        needles = self.texts if isinstance(content, str) else self.bytes
        return [name for needle, name in needles if needle in content]


class Watch:
    """What was seen of a key in this session, and where; `folders` are looked at when it ends."""

    def __init__(self, key=CANARY):
        self.secret = Secret(key)
        self.sightings = []
        self.folders = []

    def look(self, content, place):
        if names := self.secret.seen_in(content):
            test = os.environ.get("PYTEST_CURRENT_TEST", "no test")
            self.sightings.append(f"{place}: {', '.join(names)} ({test})")

    def look_at_files(self, folder):
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                self.look(path.read_bytes(), f"the file {path}")

    def look_at_rows(self, connection):
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                values = [value for row in cursor.fetchall() for value in row]
                self.look(readable(values), f"the table {table}")


def readable(values):
    """All of them as bytes, binary ones as they are."""
    return b"\n".join(
        v if isinstance(v, bytes) else bytes(v) if isinstance(v, memoryview) else str(v).encode() for v in values
    )


watch = Watch()


def watched_record(*arguments, **named):
    record = logging.LogRecord(*arguments, **named)
    watch.look(record.getMessage(), f"the log of {record.name}")
    if record.exc_info and record.exc_info[0]:
        watch.look(logging.Formatter().formatException(record.exc_info), f"a traceback in the log of {record.name}")
    return record


def watched_statement(execute, sql, params, many, context):
    for values in params if many else [params]:
        given = values.values() if isinstance(values, dict) else values or ()
        for value in given:
            if isinstance(value, (str, bytes, memoryview)):
                watch.look(bytes(value) if isinstance(value, memoryview) else value, f"a value for {sql[:80]}")
            elif hasattr(value, "obj"):  # psycopg's wrapper around what becomes JSON
                watch.look(str(value.obj), f"a value for {sql[:80]}")
    return execute(sql, params, many, context)


def watch_connection(connection, **_):
    if watched_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(watched_statement)


def watched_request(request):
    def watched(self, **environment):
        response = request(self, **environment)
        head = "\n".join(f"{name}: {value}" for name, value in response.items())
        watch.look(head, f"the headers of {environment.get('PATH_INFO')}")
        if not response.streaming:
            watch.look(response.content, f"the page {environment.get('PATH_INFO')}")
        return response

    return watched


def watched_output(receive_output):
    async def watched(self, *arguments, **named):
        event = await receive_output(self, *arguments, **named)
        watch.look(event.get("text") or event.get("bytes") or "", "a frame of a socket")
        return event

    return watched


def pytest_configure(config):
    logging.setLogRecordFactory(watched_record)
    connection_created.connect(watch_connection)
    Client.request = watched_request(Client.request)
    WebsocketCommunicator.receive_output = watched_output(WebsocketCommunicator.receive_output)


def pytest_runtest_logreport(report):
    for name, content in report.sections:
        watch.look(content, f"{name} of {report.nodeid}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    for folder in watch.folders:
        watch.look_at_files(folder)
    if watch.sightings:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    for sighting in dict.fromkeys(watch.sightings):
        terminalreporter.write_line(f"CANARY SEEN in {sighting}", red=True)
