"""A server on loopback for each test that wants one."""

from collections.abc import Iterator

import pytest
from servers import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server
