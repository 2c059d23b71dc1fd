"""``run --executor ray`` as far as no Ray is needed: options, dry run, refusals."""

from __future__ import annotations

import importlib.util
import socket
import sys
import types
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from processes import QUICK

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.sweep.nodes import address as asked
from benchmark.sweep.nodes.address import check_address, check_answers
from benchmark.sweep.nodes.cluster import _remembered, connected

RUN = ("run", "--factors=50", "--methods=baseline,crt,cb", "--executor=ray", "--results=the runs")


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*RUN, *QUICK, *arguments])


def _ray_is(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> object:
        return (object() if there else None) if name == "ray" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray is found, whether it is there or not, and never imported."""
    _ray_is(True, monkeypatch)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ray-storage=nfs"], "--ray-storage nfs: neither shared nor driver"),
        (["--jobs-per-gpu=auto"], "--jobs-per-gpu auto: memory of a cluster's GPUs"),
        (["--device=cuda:1"], "--device cuda:1: Ray chooses the device of a node"),
        (["--precision=auto"], "precision auto depends on the device"),
        (["--executor=local", "--ray-address=auto"], "means nothing to --executor local"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_what_nodes_cannot_be_given_is_refused(
    arguments: list[str], said: str, dry: list[str]
) -> None:
    done = _call(*arguments, *dry)
    assert isinstance(done.exception, InputError), (done.output, done.exception)
    assert said in str(done.exception)


def test_a_missing_ray_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _ray_is(False, monkeypatch)
    done = _call("--dry-run")
    assert isinstance(done.exception, InputError), (done.output, done.exception)
    assert "Ray is not installed; pip install 'fer-bench[ray]'" in str(done.exception)


def test_a_ray_that_cannot_be_loaded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('too old a libc')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    with (
        pytest.raises(InputError, match=r"Ray cannot be loaded \(.*too old a libc"),
        connected(None, 1, lambda gpus: gpus, tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device=cpu"], "2 jobs for the Ray cluster started on this machine, each 1 CPU core\n"),
        (
            ["--ray-address=10.0.0.9:6379", "--threads=2", "--jobs-per-gpu=4"],
            "cluster 10.0.0.9:6379, each 2 CPU cores, 1/4 of a GPU where there is one\n",
        ),
        (["--ray-storage=driver"], "Checkpoints and finished cells are sent to this machine\n"),
        ([], "Every node must see"),
    ],
)
def test_a_dry_run_says_what_would_be_handed_out(arguments: list[str], said: str) -> None:
    done = _call("--dry-run", *arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    assert said in done.output
    assert "cannot be known" in done.output
    assert not Path("the runs").exists()


@pytest.mark.parametrize("address", ["ray://host:10001", "host", "host:", ":6379", "http://a:1"])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="neither auto nor host:port"):
        check_address(address)


def test_an_address_where_nothing_answers_is_refused() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(InputError, match="no Ray cluster answers there"):
            check_address(f"127.0.0.1:{port}")
        with pytest.raises(InputError, match=f"auto: no Ray cluster answers at 127.0.0.1:{port}"):
            check_answers("auto", f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("import time; time.sleep(60)", "what answers there is no Ray cluster"),
        (
            "class AuthenticationError(Exception): ...\nraise AuthenticationError",
            "asks for a token",
        ),
        ("raise RuntimeError('other version')", "RuntimeError: other version"),
        ("", None),
    ],
)
def test_what_answers_must_be_a_cluster_that_takes_this_machine(
    answer: str, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "_ASK", answer)
    monkeypatch.setattr(asked, "_ANSWERS", 20.0 if said is None or "no Ray" not in said else 0.5)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        if said is None:
            check_address(address)
            return
        with pytest.raises(InputError, match=said):
            check_address(address)


def test_a_machine_that_is_no_node_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(address: str) -> str:
        raise ConnectionError(f"{address}: no running instance; use --address")

    services = types.SimpleNamespace(canonicalize_bootstrap_address=find)
    monkeypatch.setitem(sys.modules, "ray", types.ModuleType("ray"))
    monkeypatch.setitem(sys.modules, "ray._private", types.SimpleNamespace(services=services))
    with pytest.raises(InputError, match="auto: this machine is no node of a Ray cluster"):
        _remembered()
