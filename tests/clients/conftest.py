"""The official OpenAI and Anthropic clients, unmodified, against a running gateway.

`scripts/test clients` runs these tests. By hand they need TOLLGATE_BIN (the gateway's binary) and
TOLLGATE_TEST_POSTGRES (the URL of a server where databases may be created). Every test runs twice: on SQLite and on
PostgreSQL.
"""

import os
from pathlib import Path

import pytest

from gateway import running_gateway


def is_foreign_setting(name: str) -> bool:
    """The clients read their own variables, such as another key or base URL, and nothing here may go to a proxy."""
    return name.startswith(("OPENAI_", "ANTHROPIC_")) or name.lower().endswith("_proxy")


for name in filter(is_foreign_setting, list(os.environ)):
    del os.environ[name]


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def store(request):
    return request.param


@pytest.fixture(scope="session")
def gateway(store, tmp_path_factory):
    with running_gateway(store, tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def limited_gateway(store, tmp_path_factory):
    """As limited.toml says: two requests a minute for each user."""
    config = Path(__file__).with_name("limited.toml")
    with running_gateway(store, tmp_path_factory.mktemp("limited"), "--config", str(config)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def user(gateway):
    return gateway.new_user()


@pytest.fixture
def new_user(limited_gateway):
    """A user who has not yet used any of the limits."""
    return limited_gateway.new_user()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Shows what the gateway logged beside a failure; its folder may be gone when somebody reads the report."""
    report = yield
    if report.failed:
        for name in {"gateway", "limited_gateway"} & item.funcargs.keys():
            report.sections.append((f"{name} log", item.funcargs[name].log.read_text()))
    return report
