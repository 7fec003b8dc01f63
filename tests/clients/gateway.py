"""One running gateway: its store, its process, and the few of its endpoints that the tests need themselves."""

import base64
import os
import random
import secrets
import socket
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg

HOST = "127.0.0.1"
ADMIN_PASSWORD = "a long enough password for tests"
USER_PASSWORD = "another long enough password for tests"
PATIENCE_S = 60


@dataclass(frozen=True)
class User:
    username: str
    token: str


@dataclass
class Gateway:
    port: int
    ops_port: int
    log: Path
    store_url: str

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def metrics(self, accept: str) -> httpx2.Response:
        return httpx2.get(f"http://{HOST}:{self.ops_port}/metrics", headers={"accept": accept})

    @cached_property
    def admin_token(self) -> str:
        return self._log_in("admin", ADMIN_PASSWORD)

    def new_user(self) -> User:
        """A user of the role `user`, with rate limits that nobody has used yet."""
        username = f"client-{secrets.token_hex(4)}"
        account = {"username": username, "password": USER_PASSWORD, "role": "user", "status": "active"}
        self.call("POST", "/admin/users", body=account, token=self.admin_token)
        return User(username, self._log_in(username, USER_PASSWORD))

    def audit_records(self, **filters: str) -> list[dict]:
        return self.call("GET", "/admin/audit", query=filters, token=self.admin_token)["items"]

    def estimated(self, user: User) -> list[bool]:
        """Whether each call of a user was billed by what nobody stated; straight from the books."""
        query = (
            "SELECT estimated FROM ledger_entries JOIN users ON users.id = user_id "
            "WHERE kind = 'settle' AND username = '{}'"
        ).format(user.username)
        if self.store_url.startswith("sqlite:"):
            with closing(sqlite3.connect(self.store_url.removeprefix("sqlite:"))) as connection:
                return [bool(row[0]) for row in connection.execute(query)]
        with psycopg.connect(self.store_url) as connection:
            return [row[0] for row in connection.execute(query)]

    def is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def call(self, method: str, path: str, *, body=None, query=None, token: str | None = None) -> dict:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx2.request(method, self.url + path, json=body, params=query, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def _log_in(self, username: str, password: str) -> str:
        return self.call("POST", "/auth/login", body={"username": username, "password": password})["access_token"]


@contextmanager
def running_gateway(store: str, folder: Path, *options: str, environment: dict[str, str] | None = None):
    """A gateway with a store of its own, stopped at the end as an operator would stop it."""
    port, ops_port = free_ports(2)
    settings = {
        "TOLLGATE__SERVER__PORT": str(port),
        "TOLLGATE__OPS__PORT": str(ops_port),
        "TOLLGATE__DATA_DIR": str(folder / "data"),
        "TOLLGATE_ADMIN_PASSWORD": ADMIN_PASSWORD,
    }
    with fresh_store(store, folder) as store_settings, (folder / "gateway.log").open("wb") as log:
        gateway = Gateway(port, ops_port, folder / "gateway.log", store_settings["TOLLGATE__STORE__URL"])
        process = subprocess.Popen(
            [os.environ["TOLLGATE_BIN"], "serve", *options],
            env={**foreign_environment(), **settings, **store_settings, **(environment or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            eventually(lambda: gateway.is_ready() or process.poll() is not None)
            assert process.poll() is None, f"the gateway did not start:\n{gateway.log.read_text()}"
            yield gateway
            process.terminate()
            assert process.wait(PATIENCE_S) == 0, f"the gateway did not stop cleanly:\n{gateway.log.read_text()}"
        finally:
            process.kill()
            process.wait()


@contextmanager
def fresh_store(store: str, folder: Path):
    """The settings that name an empty store, which is gone afterwards."""
    if store == "sqlite":
        yield {"TOLLGATE__STORE__URL": f"sqlite:{folder}/tollgate.db"}
        return
    server = os.environ["TOLLGATE_TEST_POSTGRES"]
    database = f"tollgate_clients_{secrets.token_hex(8)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")
        try:
            yield {
                "TOLLGATE__STORE__URL": urlsplit(server)._replace(path=f"/{database}").geturl(),
                "TOLLGATE_MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            }
        finally:
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)")


def foreign_environment() -> dict[str, str]:
    """The environment without what would configure the gateway."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TOLLGATE", "OTEL_"))}


def free_ports(count: int) -> list[int]:
    """Below the range of ephemeral ports, so that no outgoing connection takes one before the gateway does."""
    return [port for port in random.sample(range(20_000, 30_000), 100) if is_free(port)][:count]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


def eventually(condition):
    """Waits, but not for ever, until the condition holds. Nothing else in these tests sleeps."""
    deadline = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        assert time.monotonic() < deadline, f"still not so after {PATIENCE_S} s"
        time.sleep(0.05)
    return result
