import numpy as np
import pytest

from orchestrator.errors import ConfigError
from orchestrator.reading.embedding import Embedder, local_embedder


def test_the_local_model_needs_no_network_and_puts_what_means_the_same_closer_together() -> None:
    embedder: Embedder = local_embedder()
    texts = ["How do I undo the last commit?", "How can I revert my latest commit?", "Where do penguins sleep?"]
    rows = embedder.embed([*texts, "", "\ud800", "x " * 100_000])
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-3)
    alike = rows @ rows[0]
    assert alike[1] > 0.8 > 0.5 > alike[2]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.reading.embedding.find_spec", lambda _: None)
    local_embedder.cache_clear()
    with pytest.raises(ConfigError, match="not installed") as error:
        local_embedder()
    local_embedder.cache_clear()
    assert "orch-llm[embed]" in (error.value.hint or "")
