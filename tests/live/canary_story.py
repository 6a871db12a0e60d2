"""A site's life with keys that may never show: people save and use them, and upstreams misbehave."""

import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

from tests.canary import CANARY, Secret
from tests.deploy.person import PASSWORD, Person
from tests.live.bad_upstream import WAYS

TEAM = CANARY
OWN = "sk-canary-Own/4Hs+Jd7Wq2Zx9Cv5Bn8Mk3La6-bob1"
DECOY = "sk-decoy-5Tg/Yh8+Nm3Kl6Pq0Sd4Fv7Bx2Cw-abcd"  # said aloud, so that the search has something to find
NOBODY = "127.0.0.1:1"
PEOPLE = f"""
import json
from accounts.models import User
from billing.services import grant
from providers.models import Deployment
User.objects.create_superuser(email="boss@example.org", password="{PASSWORD}")
for name in ("alice", "bob"):
    user = User.objects.create_user(email=f"{{name}}@example.org", password="{PASSWORD}", name=name.title())
    grant(user=user, amount=10**12, reason="To try it")
Deployment.objects.filter(upstream_model__startswith="silent").update(first_token_timeout=1, silence_timeout=1)
print(json.dumps({{name: str(pk) for name, pk in Deployment.objects.values_list("model__name", "pk")}}))
"""
MODEL = """
[[deployments]]
model = "{name}"
title = "Bad {name}"
dialect = "openai"
base_url = "http://{place}/v1"
upstream_model = "{way}"
context_window = 32768
max_output = 512
input_price = "1"
output_price = "1"
"""
SKIPPED = re.compile(r"^/static/|logout|\.(css|js|png|svg)$")
VARYING = re.compile(r"(?<=/)([0-9a-f-]{36}|\d+)(?=/)|\?.*$")  # a chat has no slash at its end: each is read
MOST_ALIKE = 2


def catalogue(place):
    """Every way to misbehave as a model, one on a host where nobody listens, and one whose key a variable holds."""
    models = [MODEL.format(name=name, place=place, way=name) for name in WAYS]
    models.append(MODEL.format(name="unreachable", place=NOBODY, way="401"))
    models.append(MODEL.format(name="declared", place=place, way="usage") + 'key_env = "DECLARED_KEY"\n')
    return "".join(models)


class Witness(Person):
    """Somebody who keeps every page and every frame."""

    def __init__(self, url, name):
        super().__init__(url)
        self.seen = []
        self.http.event_hooks["response"].append(self._keep)
        assert self.sign_in(f"{name}@example.org").status_code == 302

    def _keep(self, response):
        response.read()
        self.seen.append((f"the page {response.request.url}", str(response.headers.raw).encode() + response.content))

    def post(self, address, **answers):
        """Send a form as the page does."""
        token = {"csrfmiddlewaretoken": self.http.cookies["csrf"]}
        return self.http.post(address, data=token | answers, headers={"Referer": self.url, "Origin": self.url})

    def read(self, *starts):
        """Open these pages and all that they link to; of pages that differ in a row or a filter only, a few."""
        waiting, opened, alike = list(starts), set(), Counter()
        while waiting:
            address = waiting.pop(0)
            shape = VARYING.sub("*", address)
            if address in opened or SKIPPED.search(address) or alike[shape] >= MOST_ALIKE:
                continue
            opened.add(address)
            alike[shape] += 1
            response = self.http.get(address, follow_redirects=True)
            for link in re.findall(r'href="([^"#]+)"', response.text):
                to = urlsplit(urljoin(str(response.url), unescape(link)))
                if f"{to.scheme}://{to.netloc}" == self.url:
                    waiting.append(to.path + (f"?{to.query}" if to.query else ""))
        return opened

    def ask(self, *questions):
        """Send messages to models, as pairs of a text and a name, each when the one before has ended."""
        with self.socket() as socket:
            for text, model in questions:
                socket.send(json.dumps({"type": "send", "text": text, "model": model, "client_id": str(uuid4())}))
                mine, ended = None, None
                while not ended or ended != mine:
                    raw = socket.recv(timeout=20)
                    self.seen.append((f"a frame about {model}", raw.encode()))
                    frame = json.loads(raw)
                    assert frame["type"] not in ("turn.refused", "error"), frame
                    mine = frame["generation"] if frame["type"] == "turn.started" else mine
                    ended = frame["generation"] if frame["type"] == "turn.ended" else None


def save_keys(boss, bob, deployments):
    """The team's key by the admin and a member's own, for each deployment; and the slips that people make."""
    for name in [*WAYS, "unreachable"]:
        added = boss.post("/admin/providers/upstreamkey/add/", deployment=deployments[name], new_key=TEAM)
        saved = bob.post(f"/settings/keys/{deployments[name]}/", key=f" {OWN} ")
        assert (added.status_code, saved.status_code) == (302, 302), (name, added.text, saved.text)
    for slip in ("{0} {0}", "{0}\x00", "{0}" * 20, "{0}****", "…{0}"):
        typed = [slip.format(key) for key in (TEAM, OWN)]
        boss.post("/admin/providers/upstreamkey/add/", deployment=deployments["401"], new_key=typed[0])
        bob.post(f"/settings/keys/{deployments['401']}/", key=typed[1])


def read_pages(boss, *people):
    assert len(boss.read("/admin/", "/", "/settings/", "/settings/usage/", "/settings/keys/")) > 40
    for person in people:
        assert len(person.read("/", "/settings/", "/settings/usage/", "/settings/keys/")) > len(WAYS)


def live(url, manage, file, bad):
    """All of it on the site at `url`; `manage(*words, **environment)` runs a command and gives what it printed.

    Returns what was seen and what was printed, as pairs of a name and bytes.
    """
    file.write_text(catalogue(bad.place))
    printed = [("apply --dry-run", manage("apply", str(file), "--dry-run", DECLARED_KEY=TEAM))]
    printed += [("apply", manage("apply", str(file), DECLARED_KEY=TEAM))]
    deployments = json.loads(manage("shell", "--no-imports", "-v", "0", "-c", PEOPLE))
    with ExitStack() as stack:
        boss, alice, bob = (stack.enter_context(Witness(url, name)) for name in ("boss", "alice", "bob"))
        save_keys(boss, bob, deployments)
        for person in (bob, alice):
            person.ask(*((f"Hello, {name}", name) for name in [*WAYS, "unreachable", "declared"]))
        alice.ask((f"[[speed=0]] {DECOY}", "deepseek-ai/DeepSeek-V3"))
        read_pages(boss, alice, bob)
        printed += [(name, manage(*name.split())) for name in ("audit_ledger", "dumpdata --all")]
        return boss.seen + alice.seen + bob.seen, [(name, text.encode()) for name, text in printed]


def sightings(haystack, key):
    """Where in these pairs of a name and bytes a key stands, and how it is spelt."""
    secret = Secret(key)
    return {f"{name}: {', '.join(seen)}" for name, content in haystack if (seen := secret.seen_in(content))}


@contextmanager
def talkative():
    """A process that has DECOY in its command line and in its environment; yields its id."""
    words, environment = [sys.executable, "-c", "print(flush=True); input()", DECOY], {"KEY": DECOY}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        process.stdout.readline()
        yield process.pid
        process.stdin.write(b"\n")


def of_processes(kind, pids):
    """What the kernel says of processes: `kind` is cmdline or environ."""
    return [(f"{kind} of {pid}", Path(f"/proc/{pid}/{kind}").read_bytes()) for pid in pids]
