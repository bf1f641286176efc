"""A server on loopback, for tests of whatever asks one."""

from collections.abc import Iterator

import pytest
from servers import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running
