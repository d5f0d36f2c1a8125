"""What is kept of YAML files: it is as good as the file, and whatever is wrong with it is no error."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import PATIENCE_S
from test_registry_mutations import MUTATIONS, a_few_chains, a_few_models

from orchestrator.config import load_settings, yaml_document
from orchestrator.config.yaml_files import read_document
from orchestrator.config.yaml_value import Value
from orchestrator.errors import ConfigError
from orchestrator.registry.loading import load_registry, shipped

PACKAGE = Path(yaml_document.__file__).parents[1]
DOCUMENT = "a: 1\nb: [x, '2', {c: 3.50}]\n'd e': |\n  é\n  '\nempty:\n"
posix_only = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are parsed during a test, in order."""
    sources: list[str] = []
    parse = yaml_document.parse_bytes

    def noting(data: bytes, source: str) -> Value:
        sources.append(source)
        return parse(data, source)

    monkeypatch.setattr(yaml_document, "parse_bytes", noting)
    return sources


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.yaml"
    path.write_text(DOCUMENT, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["models.yaml", "chains.yaml", "routing.yaml"])
def test_a_shipped_file_is_parsed_once_and_reads_the_same_from_then_on(
    name: str, tmp_path: Path, parsed: list[str]
) -> None:
    path = shipped(name)
    without = read_document(path)
    assert [read_document(path, tmp_path), read_document(path, tmp_path)] == [without, without]
    assert parsed == [str(path)] * 2


@pytest.mark.parametrize("document", [DOCUMENT, "", "~\n", "[]\n", "{}\n", "'~'\n", "? 'a.b'\n: 1\n"], ids=repr)
def test_a_document_reads_the_same_from_what_is_kept(document: str, file: Path, tmp_path: Path) -> None:
    file.write_text(document, encoding="utf-8")
    without = read_document(file)
    assert [read_document(file, tmp_path / "kept") for _ in range(2)] == [without, without]


@pytest.mark.parametrize("few", [a_few_models, a_few_chains])
def test_a_damaged_file_has_the_same_outcome_with_and_without_what_is_kept(
    few: Callable[[random.Random], bytes], tmp_path: Path
) -> None:
    def outcome(keep_in: Path | None) -> object:
        chains = few is a_few_chains
        try:
            return load_registry(
                models_file=None if chains else path,
                chains_file=path if chains else None,
                config_dir=tmp_path,
                keep_in=keep_in,
            )
        except ConfigError as error:
            return error.message

    path, refused = tmp_path / "damaged.yaml", 0
    for attempt in range(30):
        rng = random.Random(attempt)
        path.write_bytes(rng.choice(MUTATIONS)(few(rng), rng))
        without = outcome(None)
        assert [outcome(tmp_path / "kept"), outcome(tmp_path / "kept")] == [without, without]
        refused += isinstance(without, str)
    assert 5 < refused < 30  # or there is nothing of one of the two to compare


def test_a_file_that_changed_is_parsed_again_and_takes_the_same_place(
    file: Path, tmp_path: Path, parsed: list[str]
) -> None:
    kept = tmp_path / "kept"
    read_document(file, kept)
    stamp = file.stat()
    file.write_text(DOCUMENT.replace("1", "2"), encoding="utf-8")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert read_document(file, kept) == read_document(file)
    assert len(parsed) == 3
    assert len(list(kept.iterdir())) == 1


def test_damage_to_what_is_kept_is_no_error_and_is_repaired(file: Path, tmp_path: Path, parsed: list[str]) -> None:
    kept = tmp_path / "kept"
    without = read_document(file, kept)
    (entry,) = kept.iterdir()
    whole = entry.read_bytes()
    damages = [b"", b"\n", b"\0" * 100, b"[1]", whole[:-1], whole + b" ", whole.replace(b'"x"', b'"y"')]
    damages += [whole.partition(b"\n")[0], whole.partition(b"\n")[2], whole[:70] + b"[" * 100_000]
    for times, damage in enumerate(damages, start=2):
        entry.write_bytes(damage)
        assert read_document(file, kept) == without
        assert len(parsed) == times
        assert entry.read_bytes() == whole


def test_what_is_kept_under_another_parser_is_not_used(file: Path, tmp_path: Path, parsed: list[str]) -> None:
    copy = tmp_path / "elsewhere"
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); "
        "from orchestrator.config.yaml_files import read_document; read_document(Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    shutil.copytree(PACKAGE, copy / "orchestrator", ignore=shutil.ignore_patterns("__pycache__"))
    parser = copy / "orchestrator" / "config" / "yaml_document.py"
    text = parser.read_text(encoding="utf-8")
    assert "MAX_DEPTH = 20" in text
    parser.write_text(text.replace("MAX_DEPTH = 20", "MAX_DEPTH = 21"), encoding="utf-8")
    kept = tmp_path / "kept"
    subprocess.run([sys.executable, "-c", program, copy, file, kept], check=True, timeout=PATIENCE_S)
    (entry,) = kept.iterdir()
    theirs = entry.read_bytes()
    read_document(file, kept)
    assert len(parsed) == 1
    assert entry.read_bytes() != theirs


def test_a_folder_that_cannot_be_made_or_is_none_is_no_error(file: Path, tmp_path: Path) -> None:
    without = read_document(file)
    assert read_document(file, file) == read_document(file, file / "below") == without
    assert read_document(file, tmp_path / ("x" * 300)) == without


@posix_only
def test_what_is_kept_is_for_its_owner_alone(file: Path, tmp_path: Path) -> None:
    read_document(file, tmp_path / "cache" / "kept")
    (entry,) = (tmp_path / "cache" / "kept").iterdir()
    assert (entry.stat().st_mode & 0o777, entry.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@posix_only
def test_a_folder_that_others_can_write_to_is_left_alone(file: Path, tmp_path: Path, parsed: list[str]) -> None:
    kept = tmp_path / "kept"
    read_document(file, kept)
    kept.chmod(0o777)
    (entry,) = kept.iterdir()
    before = entry.stat()
    read_document(file, kept)
    assert (len(parsed), entry.stat()) == (2, before)


@posix_only
def test_a_link_to_a_folder_is_left_alone(file: Path, tmp_path: Path, parsed: list[str]) -> None:
    read_document(file, tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    read_document(file, tmp_path / "link")
    assert len(parsed) == 2


@posix_only
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_no_error(file: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o500)
    assert read_document(file, kept) == read_document(file)
    assert not list(kept.iterdir())


@posix_only
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root may give a folder away")
def test_a_folder_of_somebody_else_is_left_alone(file: Path, tmp_path: Path, parsed: list[str]) -> None:
    kept = tmp_path / "kept"
    read_document(file, kept)
    os.chown(kept, 1234, -1)
    read_document(file, kept)
    assert len(parsed) == 2


def test_processes_that_keep_the_same_file_do_not_disturb_each_other(file: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from orchestrator.config.yaml_files import read_document\n"
        "file, kept = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "without = read_document(file)\n"
        "for _ in range(50):\n"
        "    assert read_document(file, kept) == without\n"
        "    for entry in kept.iterdir(): entry.unlink(missing_ok=True)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, file, tmp_path / "kept"]) for _ in range(3)]
    assert [process.wait(timeout=PATIENCE_S) for process in processes] == [0, 0, 0]


def test_no_more_than_so_many_files_are_kept(file: Path, tmp_path: Path) -> None:
    for number in range(60):
        other = tmp_path / f"{number}.yaml"
        other.write_text(DOCUMENT, encoding="utf-8")
        read_document(other, tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 50


def test_a_command_that_finds_its_files_kept_does_not_load_the_parser(
    user_files: Path, orch: Callable[..., subprocess.CompletedProcess[bytes]]
) -> None:
    settings = load_settings(os.environ)
    settings.config_dir.mkdir(parents=True)
    (settings.config_dir / "config.yaml").write_text("threshold: 0.7\n")
    assert settings.parsed_dir is not None
    program = (
        "import sys; from orchestrator.cli.app import run; code = run(['models']); "
        "print(code, 'yaml' in sys.modules, file=sys.stderr)"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        ).stderr
        for _ in range(2)
    ]
    assert [text.splitlines()[-1] for text in told] == ["0 True", "0 False"]
    assert len(list(settings.parsed_dir.iterdir())) == 4
