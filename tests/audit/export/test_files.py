from __future__ import annotations

from pathlib import Path

import pytest

from ipadmin.audit.export.files import new_file, part_of


def test_a_file_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with new_file(path) as file:
        file.write(b"text")
        assert not path.exists()
    assert path.read_bytes() == b"text"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError), new_file(tmp_path / "new") as file:
        file.writelines([b"half", "no bytes"])  # type: ignore[list-item]
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match="Choose another name"), new_file(path):
        pass
    assert path.is_symlink()


def test_a_file_made_in_the_meantime_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with pytest.raises(FileExistsError), new_file(path):
        path.write_bytes(b"quicker")
    assert path.read_bytes() == b"quicker"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unfinished_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "new"
    part_of(path).write_bytes(b"half")
    with pytest.raises(FileExistsError, match="delete it"), new_file(path):
        pass
    assert part_of(path).read_bytes() == b"half"


def test_the_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_file(tmp_path / "none" / "new"):
        pass
