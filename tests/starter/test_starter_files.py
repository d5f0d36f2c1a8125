"""The files of a plain `orch init`: as they are, and with everything in them that is commented out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from test_docs import config_keys

from orchestrator.config import RetryPolicy, RunOptions, load_settings
from orchestrator.errors import UsageError
from orchestrator.registry import load_registry
from orchestrator.starter.files import check, starter_files, write


def uncommented(text: str) -> str:
    """With the lines that start with #key, where prose starts with # and a blank; and no `models: {}`."""
    return re.sub(r"^#(?=\w|  |$)", "", text, flags=re.MULTILINE).replace("models: {}", "models:")


def test_they_load_as_they_are() -> None:
    check(starter_files())


def test_they_load_with_all_that_is_commented_out(tmp_path: Path) -> None:
    files = {name: uncommented(text) for name, text in starter_files().items()}
    check(files)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    registry = load_registry(models_file=None, chains_file=None, config_dir=tmp_path)
    assert {"mine", "reviewed"} <= set(registry.chains)
    assert registry.model("my-model").provider == "openai"


def test_what_the_config_file_calls_a_default_is_one(tmp_path: Path) -> None:
    text = uncommented(starter_files()["config.yaml"])
    assert set(yaml.safe_load(text)) <= {key.partition(".")[0] for key in config_keys()}
    (tmp_path / "config.yaml").write_text(text)
    settings = load_settings({}, config=tmp_path / "config.yaml")
    defaults = RunOptions()
    for name in ("strategy", "chain", "threshold", "timeout_s"):
        assert getattr(settings.run, name) == getattr(defaults, name)
    assert settings.retry == RetryPolicy()
    assert settings.log_text


def test_a_file_that_is_there_is_kept_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("strategy: cheapest\n")
    files = {"config.yaml": "strategy: fallback\n", "chains.yaml": "{}\n"}
    with pytest.raises(UsageError, match="nothing was written"):
        write(files, tmp_path, force=False, together=True)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert write(files, tmp_path, force=False, together=False).written == ("chains.yaml",)
    assert (tmp_path / "config.yaml").read_text() == "strategy: cheapest\n"
    written = write(files, tmp_path, force=True, together=True)
    assert written.copies == ("config.yaml.old", "chains.yaml.old")
    assert (tmp_path / "config.yaml").read_text() == "strategy: fallback\n"
    assert (tmp_path / "config.yaml.old").read_text() == "strategy: cheapest\n"
