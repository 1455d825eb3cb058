"""What a user may type for a place, and what is said to the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from counterfoil.errors import SetupError
from counterfoil.locations import local_path, open_store
from counterfoil.store_folder import FolderStore

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "HOME": "/nowhere"}


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/some/where", "/some/where"),
        ("file:///some/where", "/some/where"),
        ("file://localhost/some/where", "/some/where"),
        ("file:///with%20space/100%25", "/with space/100%"),
        ("/with%20space", "/with%20space"),
        ("~/out", "/home/me/out"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("S3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket/a", "gs://bucket/a"),
        ("gcs://bucket/a", "gs://bucket/a"),
        ("memory://name", "memory://name"),
    ],
)
def test_a_place_is_a_path_or_a_url(location: str, url: str, monkeypatch: pytest.MonkeyPatch):
    """Nothing is asked or made when it is opened; only a file URL is decoded."""
    monkeypatch.setenv("HOME", "/home/me")
    assert open_store(location, KEYS).url == url


def test_a_relative_path_is_one_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """And stays that place if the process moves on."""
    monkeypatch.chdir(tmp_path)
    store = open_store("out")
    monkeypatch.chdir("/")
    assert store.url == str(tmp_path / "out")


@pytest.mark.parametrize("location", ["ftp://host/x", "http://host/x", "C://x", "://x", "s3n://bucket"])
def test_an_unknown_scheme_is_a_set_up_error_that_lists_the_known(location: str):
    """Raised before anything is opened."""
    with pytest.raises(SetupError, match=rf"^{location}: unknown scheme .*s3://, gs://, az:// or file://"):
        open_store(location, KEYS)


@pytest.mark.parametrize("location", ["s3://", "s3:///prefix", "gs://", "az://"])
def test_a_bucket_must_be_named(location: str):
    """The sentence shows the form."""
    with pytest.raises(SetupError, match=r"no bucket named; write .*://BUCKET/PREFIX"):
        open_store(location, KEYS)


@pytest.mark.parametrize("location", ["file://host/", "file://host/share/x", "file://some/relative"])
def test_a_file_url_of_another_machine_is_a_set_up_error(location: str):
    """`file://some/relative` names a machine called `some`: a common slip, and never what was meant."""
    with pytest.raises(SetupError, match="write file:///path"):
        open_store(location)


def test_a_file_is_no_place_for_a_folder(tmp_path: Path):
    """OUT being a file is said at once."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="is a file; a folder is needed"):
        open_store(str(tmp_path / "file"))


def test_azure_without_its_account_is_a_set_up_error():
    """The sentence names the place."""
    with pytest.raises(SetupError, match=r"^az://container: "):
        open_store("az://container", {})


def test_a_store_in_memory_is_one_by_its_name():
    """So that tasks of one process can share it as they would a bucket."""
    assert open_store("memory://one") is open_store("memory://one")
    assert open_store("memory://one") is not open_store("memory://two")


def test_only_a_url_of_another_kind_has_no_path():
    """A drive of Windows or a name with a colon is a path."""
    assert local_path("s3://bucket") is None
    assert local_path("a:b") == Path("a:b")
    assert isinstance(open_store("a:b"), FolderStore)


def test_whoever_uses_a_folder_does_not_wait_for_the_client_of_clouds():
    """obstore is imported where a bucket is opened."""
    code = (
        "import sys; from counterfoil.locations import open_store; open_store('.'); sys.exit('obstore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
