"""What a service's own user may put in the place of its directories and files."""

import asyncio
import os
from pathlib import Path

import pytest

from activator.errors import ActivatorError
from activator.local.services.before_exec import Identity
from activator.local.services.directories import EXIT_STATUS, OwnDirectories
from activator.local.services.fd_store import Store
from activator.local.services.pid_file import PidFile
from activator.local.units.service_model import Directories

SOMEBODY = 12345
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")


def directories(root: Path, variable: str, *names: str) -> OwnDirectories:
    """Return those of one directive."""
    paths = tuple(str(root / name) for name in names)
    return OwnDirectories({variable: Directories(paths, {}, 0o750, str(root))})


@as_root
@pytest.mark.parametrize("variable", EXIT_STATUS)
@pytest.mark.parametrize("name", ["bk/sub", "bk/sub/deep"])
def test_no_link_is_followed(variable: str, name: str, tmp_path: Path) -> None:
    """A link in the place of a directory is an error, and what it leads to is left alone."""
    target, root = tmp_path / "target", tmp_path / "root"
    (target / "deep").mkdir(parents=True, mode=0o755)
    (root / "bk").mkdir(parents=True)
    (root / "bk/sub").symlink_to(target)
    own = directories(root, variable, "bk", name)
    with pytest.raises(ActivatorError) as caught:
        own.make(Identity(SOMEBODY, SOMEBODY, (), "somebody", "/", ""))
    assert "Too many levels of symbolic links" in caught.value.message
    assert f"status={EXIT_STATUS[variable]}/{variable}" in caught.value.message
    for path in (target, target / "deep"):
        assert (0, 0o40755) == (path.stat().st_uid, path.stat().st_mode)


@as_root
@pytest.mark.parametrize("variable", EXIT_STATUS)
def test_what_is_in_them_is_given_along(variable: str, tmp_path: Path) -> None:
    """With a directory that another had, a socket of its; links are given and not followed.

    Configuration stays the administrator's.
    """
    inside, target = tmp_path / "root/bk/deep", tmp_path / "target"
    inside.mkdir(parents=True)
    target.touch()
    (inside / "link").symlink_to(target)
    (inside / "file").touch()
    own = directories(tmp_path / "root", variable, "bk")
    owner = 0 if variable == "CONFIGURATION_DIRECTORY" else SOMEBODY
    own.make(Identity(SOMEBODY, SOMEBODY, (), "somebody", "/", ""))
    for path in (inside.parent, inside, inside / "link", inside / "file"):
        assert owner == path.lstat().st_uid
    assert 0 == target.stat().st_uid
    os.chown(inside / "file", 0, 0)
    own.make(Identity(SOMEBODY, SOMEBODY, (), "somebody", "/", ""))
    assert 0 == (inside / "file").stat().st_uid  # the directory is theirs already


@as_root
def test_removal_follows_no_link(tmp_path: Path) -> None:
    """What was made is removed, but not what a link leads to that has taken its place."""
    target, root = tmp_path / "target", tmp_path / "root"
    (target / "deep").mkdir(parents=True)
    own = directories(root, "RUNTIME_DIRECTORY", "bk/sub/deep")
    own.make(None)
    assert 0o750 == (root / "bk/sub/deep").stat().st_mode & 0o777
    (root / "bk/sub").rename(root / "bk/away")
    (root / "bk/sub").symlink_to(target)
    own.remove()
    assert (target / "deep").is_dir()


def test_made_and_removed(tmp_path: Path) -> None:
    """What is missing is made, its root too, and only that goes with the service."""
    root = tmp_path / "new/root"
    own = directories(root, "RUNTIME_DIRECTORY", "one", "one/two")
    own.make(None)
    assert (root / "one/two").is_dir()
    own.remove()
    assert not (tmp_path / "new").exists()
    (root / "one").mkdir(parents=True)
    own.make(None)
    own.remove()
    assert (root / "one").is_dir()
    assert not (root / "one/two").exists()


def test_pid_file(tmp_path: Path) -> None:
    """Only a regular file is read, and only its beginning; nothing is waited for."""
    path = tmp_path / "pid"
    assert 0 == PidFile(str(path)).read()
    path.write_text("77\nmore")
    assert 77 == PidFile(str(path)).read()
    path.write_text("7" * 100_000)
    assert 0 == PidFile(str(path)).read()
    for other in ("/dev/zero", "/dev/tty", str(tmp_path)):
        path.unlink()
        path.symlink_to(other)
        assert 0 == PidFile(str(path)).read()
    path.unlink()
    os.mkfifo(path)
    assert 0 == PidFile(str(path)).read()


def test_files_in_the_fd_store(tmp_path: Path) -> None:
    """What epoll cannot watch, a memfd or a file, is stored and given up like all others."""

    async def keep() -> None:
        for name in ("memfd", "file", "pipe"):
            store = Store(4)
            fd = {
                "memfd": lambda: os.memfd_create("kept"),
                "file": lambda: os.open(tmp_path / "kept", os.O_CREAT | os.O_RDWR),
                "pipe": lambda: os.pipe()[0],
            }[name]()
            store.add([fd], name)
            store.add([os.memfd_create("other")], "other")
            store.remove(name)
            assert ["other"] == [kept for _, kept in store]
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fd)
            store.close()

    asyncio.run(keep())
