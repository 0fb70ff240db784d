import hashlib
import json
import os

import pytest

from rlhpc.training import container

TOLD = {"version": "1.2", "source_sha256": "abc", "built_at": "2026-01-02T03:04:05Z"}


@pytest.fixture
def image(monkeypatch, tmp_path):
    """A file that we seem to run in."""
    path, about = tmp_path / "rlhpc.sif", tmp_path / "image.json"
    path.write_text("an image")
    about.write_text(json.dumps(TOLD))
    monkeypatch.setattr(container, "_IMAGE", about)
    monkeypatch.setenv("APPTAINER_CONTAINER", str(path))
    monkeypatch.setenv(container.ABOUT, "")
    return path


def test_on_the_host_there_is_no_image(monkeypatch):
    monkeypatch.delenv(container.ABOUT, raising=False)
    container.identify()
    assert container.describe() == {}
    assert container.ABOUT not in os.environ


def test_an_image_is_told_by_its_path_its_checksum_and_what_it_says_itself(image, monkeypatch):
    assert container.describe() == {"image": str(image), "sha256": "", **TOLD}
    monkeypatch.setenv(container.ABOUT, f"def {TOLD['built_at']}")
    assert container.describe() == {"image": str(image), "sha256": "def", **TOLD}


def test_an_image_in_the_place_of_the_one_that_was_submitted_does_not_take_its_checksum(image, monkeypatch):
    monkeypatch.setenv(container.ABOUT, "def 2025-01-01T00:00:00Z")
    assert container.describe()["sha256"] == ""


def test_an_image_that_nobody_has_looked_at_is_identified_once(image, monkeypatch):
    container.identify()
    sha256 = hashlib.sha256(b"an image").hexdigest()
    assert container.describe()["sha256"] == sha256
    image.unlink()
    container.identify()
    assert container.describe()["sha256"] == sha256


def test_a_folder_and_an_image_that_is_not_seen_from_inside_have_no_checksum(image, monkeypatch, tmp_path):
    for path in (tmp_path, tmp_path / "absent", ""):
        monkeypatch.setenv("APPTAINER_CONTAINER", str(path))
        container.identify()
        assert container.describe() == {"image": str(path), "sha256": "", **TOLD}
