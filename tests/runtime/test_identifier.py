"""What a service's records are called in the journal."""

from pathlib import Path

import pytest

from activator.runtime.identifier import find

SHOP = "0::/system.slice/shop.service\n"
EACH = "0::/system.slice/system-shop.slice/shop@7-a.service/workers\n"


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/user.slice/user-0.slice/session-1.scope\n", {}, ""),
        ("", {}, ""),
        ("12:pids:/x\n1:name=systemd:/system.slice/shop.service\n", {}, "shop"),
        (SHOP, {}, "shop"),
        ("0::/user.slice/user@7.service/app.slice/shop.service\n", {}, "shop"),
        (EACH, {}, "shop@7-a"),
        (SHOP, {"1/shop.service": "Type=notify\n"}, "shop"),
        (SHOP, {"1/shop.service": "SyslogIdentifier=front\n"}, "front"),
        (SHOP, {"1/shop.service": " SyslogIdentifier = front \n"}, "front"),
        (SHOP, {"1/shop.service": "#SyslogIdentifier=front\n"}, "shop"),
        (SHOP, {"1/shop.service": "SyslogIdentifier=a\nSyslogIdentifier=\n"}, "shop"),
        (SHOP, {"1/shop.service": "", "2/shop.service": "SyslogIdentifier=a\n"}, "shop"),
        (SHOP, {"2/shop.service": "SyslogIdentifier=a-%N-%n-%p%%\n"}, "a-shop-shop.service-shop%"),
        (SHOP, {"1/shop.service": "SyslogIdentifier=a-%H\n"}, "shop"),
        (EACH, {"1/shop@.service": "SyslogIdentifier=%p.%i\n"}, "shop.7-a"),
        (
            EACH,
            {
                "1/shop@.service": "SyslogIdentifier=each\n",
                "1/shop@7-a.service.d/x.conf": "SyslogIdentifier=seven\n",
            },
            "seven",
        ),
        (
            SHOP,
            {
                "2/shop.service": "SyslogIdentifier=a\n",
                "2/shop.service.d/20.conf": "SyslogIdentifier=hidden\n",
                "1/shop.service.d/20.conf": "SyslogIdentifier=b\n",
                "1/service.d/10.conf": "SyslogIdentifier=c\n",
                "1/shop.service.d/30.txt": "SyslogIdentifier=d\n",
            },
            "b",
        ),
    ],
)
def test_identifier(cgroup: str, files: dict[str, str], expected: str, tmp_path: Path) -> None:
    """It is what the unit says in the place that counts, or else the unit's name."""
    (tmp_path / "cgroup").write_text(cgroup)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"[Service]\n{text}")
    paths = (f"{tmp_path}/1", f"{tmp_path}/2")
    assert expected == find(f"{tmp_path}/cgroup", paths)


@pytest.mark.parametrize(
    ("own", "links", "expected"),
    [
        ("", {"shop.service": ""}, ""),
        ("7", {}, ""),
        ("7", {"shop.service": "8"}, ""),
        ("7", {"shop.socket": "7"}, ""),
        ("7", {"web.service": "8", "shop.service": "7"}, "front"),
        ("7", {"web.service": "7", "shop.service": "8"}, "web"),
        ("7", {"each@4-a.service": "7"}, "each@4-a"),
    ],
)
def test_hidden_control_group(
    own: str,
    links: dict[str, str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the control group is hidden, the manager's links tell whose run this is."""
    monkeypatch.setenv("INVOCATION_ID", own)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "cgroup").write_text("0::/\n")
    units = tmp_path / "systemd/units"
    units.mkdir(parents=True)
    (units / "log-level-max:shop.service").symlink_to(own or "7")
    (units / "invocation:no.service").write_text("")
    for name, of in links.items():
        (units / f"invocation:{name}").symlink_to(of or "7")
    (tmp_path / "shop.service").write_text("[Service]\nSyslogIdentifier=front\n")
    # Those of a user's manager are below XDG_RUNTIME_DIR.
    for where in (str(units), f"{tmp_path}/nosuch"):
        assert expected == find(f"{tmp_path}/cgroup", (str(tmp_path),), where)
