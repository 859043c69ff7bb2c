"""Programs that are known: how each gets its sockets, and where it listens."""

import shlex

import pytest

from activator.adopt import addresses, command_line, programs
from activator.adopt.model import Adopted, Kind
from activator.adopt.proving import proven
from activator.generate import render, specfile

WAYS = {"native", "config", "words", "variable", "wsgi", "each", "proxy", "refused"}


def adopt(command: str) -> Adopted:
    """Take a command over."""
    return proven(command_line.adopt(shlex.split(command), "the command", name="x"))


def lines(found: Adopted) -> set[str]:
    """Return the lines of all units that a spec gives."""
    units = render.render(specfile.loads(found.text)).values()
    return {line for text in units for line in text.splitlines()}


@pytest.mark.parametrize("program", programs.programs().values(), ids=lambda each: each.name)
def test_table(program: programs.Program) -> None:
    """Each row has a way and a reason, and gives a spec, or is refused with its reason."""
    assert program.way in WAYS
    assert program.text
    found = adopt(f"/usr/bin/{program.name} shop:app")
    if program.way == "refused":
        assert program.text in found.notes[-1].text
    else:
        assert program.text in found.text
        assert any(program.text in note.text for note in found.notes)


@pytest.mark.parametrize(
    ("command", "listen", "start"),
    [
        ("gunicorn -b :8000 a:b", "0.0.0.0:8000", "gunicorn a:b"),
        ("gunicorn --bind=unix:/run/a.sock a:b", "/run/a.sock", "gunicorn a:b"),
        ("/v/python3 -m gunicorn a:b", "127.0.0.1:8000", "/v/python3 -m gunicorn a:b"),
        ("/v/python /v/gunicorn -b [::1]:9 a", "[::1]:9", "/v/python /v/gunicorn a"),
        ("ruby -rx -Ilib bin/puma -b tcp://[::]:9 c", "[::]:9", "ruby -rx -Ilib bin/puma c"),
        ("python3 -u -m gunicorn a", "127.0.0.1:8000", "python3 -u -m gunicorn a"),
        ("uvicorn --port 9 a:b", "127.0.0.1:9", "activator exec -- uvicorn --fd {fd:x} a:b"),
        ("uvicorn --uds=/run/u a:b", "/run/u", "activator exec -- uvicorn --fd {fd:x} a:b"),
        ("hypercorn -b a.b:1 c:d", "127.0.0.1:8000", "activator exec -- hypercorn --bind"),
        ("nginx", "0.0.0.0:80", 'activator exec --env "NGINX={fds:x:;};" -- nginx'),
        ("bundle exec puma -p 3000", "0.0.0.0:3000", "bundle exec puma"),
        ("sshd -D -p 2222", "0.0.0.0:2222", "sshd -i -D"),
        ("caddy run", "0.0.0.0:80", "caddy run"),
        ("dockerd -H fd://", "/run/docker.sock", "dockerd -H fd://"),
        ("redis-server --port 7", "127.0.0.1:7", "redis-server --port 7"),
        ("uvicorn --host 0.0.0.0 a:b", "0.0.0.0:8000", "activator exec -- uvicorn --fd {fd:x} a:b"),
        ("other --port 7", "0.0.0.0:7", "other --port 7"),
        ("other --listen 127.0.0.1:7 '$a' 5%", "127.0.0.1:7", "other --listen 127.0.0.1:7 $$a 5%%"),
    ],
)
def test_command(command: str, listen: str, start: str) -> None:
    """A command gets its socket in its own way, at the address that it had."""
    found = lines(adopt(command))
    assert f"ListenStream={listen}" in found
    assert any(line.startswith(f"ExecStart={start}") for line in found)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("postfix start", "cannot be activated"),
        ("other", "nothing says where other listens"),
        ("granian --uds /run/a a:b", "cannot be both"),
        ("waitress-serve --call a:b", "made by a function"),
        ("./relative --port 7", "relative path"),
    ],
)
def test_refused(command: str, why: str) -> None:
    """What cannot be activated is refused with the reason."""
    (note,) = [note for note in adopt(command).notes if note.kind is Kind.REFUSED]
    assert why in note.text


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8000", "0.0.0.0:8000"),
        ("*:8000", "0.0.0.0:8000"),
        ("localhost:8000", "127.0.0.1:8000"),
        ("[::]:8000", "[::]:8000"),
        ("unix:/run/a", "/run/a"),
        ("unix:///run/a", "/run/a"),
        ("tcp://0.0.0.0:9", "0.0.0.0:9"),
        ("example.org:9", ""),
        ("$HOST:9", ""),
        ("0", ""),
        ("9" * 5000, ""),
    ],
)
def test_address(text: str, address: str) -> None:
    """Addresses of programs become those of systemd.socket(5), if they can."""
    assert addresses.normal(text) == address


@pytest.mark.parametrize(
    ("line", "kind", "what"),
    [
        ("web: gunicorn -b :$PORT a:b", None, "ListenStream=0.0.0.0:5000"),
        ("worker: celery", Kind.GONE, "gets no clients"),
        ("web: a && b", Kind.REFUSED, "for a shell"),
        ("web: 'a", Kind.REFUSED, "no closing quotation"),
        ("nothing", Kind.REFUSED, "no NAME: COMMAND"),
    ],
)
def test_procfile(line: str, kind: Kind | None, what: str) -> None:
    """A line of a Procfile is a command; what is for a shell is refused."""
    (found,) = map(proven, command_line.procfile(line, "Procfile"))
    if kind is None:
        assert what in lines(found)
    else:
        assert any(note.kind is kind and what in note.text for note in found.notes)
