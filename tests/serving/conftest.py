"""One server for all tests that do it no harm."""

from collections.abc import Iterator

import pytest
from served import Running, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    """The shipped models with a queue that is soon full, no key."""
    with serving("--model", "rediff", "--model", "control", "--model", "ar") as running:
        yield running
