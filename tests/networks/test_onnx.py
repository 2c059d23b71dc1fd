"""ONNX files compute what the network does, or are not written."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from sweeps import kept, small_sweep

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.models.backbone import Backbone
from benchmark.networks import onnx_file
from benchmark.networks.load import network_of
from benchmark.networks.network import Network


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sweep = small_sweep(["bbn"], overrides=["training.epochs=1"])
    return kept(tmp_path_factory.mktemp("kept"), sweep).root


@pytest.fixture(scope="module")
def network(store: Path) -> Network:
    return network_of("bbn-*", store, device="cpu")


@pytest.fixture(scope="module")
def exported(network: Network) -> bytes:
    pytest.importorskip("onnxruntime")
    return onnx_file.export(network).content


def export(store: Path, *arguments: str) -> Result:
    words = ["export", "--model", "bbn-*", "--results", str(store), "--device", "cpu"]
    return CliRunner().invoke(cli, [*words, *arguments])


@pytest.mark.slow
def test_the_file_answers_as_the_network_does(
    store: Path,
    network: Network,
    exported: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnx_file, "_exported", lambda *_: exported)  # once is enough
    file = tmp_path / "out" / "bbn.onnx"
    done = export(store, str(file))
    assert done.exit_code == 0, done.output
    assert "input 'images' (N, 3, 32, 32)" in done.stdout
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    size = network.image_size
    grey = np.random.default_rng(0).integers(0, 256, (4, size, size), dtype=np.uint8)
    fed = np.repeat(grey[:, None], 3, axis=1).astype(np.float32)
    logits, shares = session.run(["logits", "probabilities"], {"images": fed})
    direct = type(network)(network.record, network.method, network.device, "fp32", None)
    np.testing.assert_allclose(logits, direct.logits(grey), atol=1e-4)
    np.testing.assert_allclose(shares, direct.predict(grey), atol=1e-4)
    said = json.loads(session.get_modelmeta().custom_metadata_map["fer_bench"])
    assert said["classes"] == list(network.classes)
    assert said["cell"] == network.record.id


@pytest.mark.slow
def test_what_computes_something_else_is_not_written(
    network: Network, exported: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnx_file, "_exported", lambda *_: exported)
    moved = copy.deepcopy(network.method)
    with torch.no_grad():
        moved.classifier.bias += 0.01
    network = replace(network, method=moved)
    with pytest.raises(InputError, match=r"differs from bbn-synthetic.*; nothing is written"):
        network.export(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_that_answers_by_another_backbone_in_bf16_is_written_in_float32(
    tmp_path: Path,
) -> None:
    """SOFT's answers are its teacher's, whose layers have a precision of their own."""
    pytest.importorskip("onnxruntime")
    store = kept(tmp_path / "kept", small_sweep(["soft"], overrides=["training.epochs=1"])).root
    network = network_of("soft-*", store, device="cpu", precision="bf16")
    assert network.export(tmp_path / "soft.onnx") < 1e-4
    backbones = [each for each in network.method.modules() if isinstance(each, Backbone)]
    assert [each.compute_dtype for each in backbones] == 2 * [torch.bfloat16]


def test_what_onnxruntime_refuses_is_one_line(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnx_file, "_exported", lambda *_: b"no network")
    with pytest.raises(InputError, match=r"onnxruntime cannot run what bbn-.* was exported to"):
        network.export(tmp_path / "x.onnx")


def test_missing_packages_are_named(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "_PACKAGES", ("onnx_that_is_not_there",))
    done = export(store, str(tmp_path / "x.onnx"))
    assert "ONNX export needs onnx_that_is_not_there: pip install" in str(done.exception)


def test_other_formats_are_refused(store: Path, tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "x.png")
    done = export(store, str(tmp_path / "x.png"))
    assert "give a name that ends in .onnx" in str(done.exception)
