"""What mends a service, by the last words of its program."""

from activator.live.doctor.exits import cure


def test_an_image_that_is_not_there() -> None:
    """What podman says of a container whose image is lost, as it stands in the journal."""
    words = "m=+0.025211754 image pull-error  localhost/none:1 localhost/none:1: image not known"
    assert cure("exited", 125, words).startswith("have the image there: podman build or podman")
