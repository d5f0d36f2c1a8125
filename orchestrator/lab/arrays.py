"""numpy, imported when it is first used: it comes with the extra `orch-llm[lab]`."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..distribution import with_extra
from ..errors import ConfigError

__all__ = ["Array", "np", "numpy"]


def numpy() -> ModuleType:
    """The library. Raises ConfigError where the extra is not installed."""
    try:
        import numpy  # heavy
    except ImportError as error:
        raise ConfigError("figures need numpy, which is not installed", hint=with_extra("lab")) from error
    return numpy


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    Array = Any

    class _Numpy:
        def __getattr__(self, name: str) -> Any:
            found = getattr(numpy(), name)
            setattr(self, name, found)
            return found

    np = _Numpy()
