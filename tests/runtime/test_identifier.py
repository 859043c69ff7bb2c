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
