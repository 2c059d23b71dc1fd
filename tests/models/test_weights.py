"""Imported weights: every way of naming them, no code run, nothing half loaded."""

from __future__ import annotations

import argparse
import copy
import csv
import dataclasses
import io
import json
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import torchvision
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeps import CPU, Silent, run, small_sweep
from torch import Tensor, nn

import methods
from benchmark.cli import cli
from benchmark.engine.trainer import Trainer
from benchmark.errors import InputError, TrainingError
from benchmark.models import timm_backbone
from benchmark.models.build import build_backbone, parse_weights, weights_identity
from benchmark.models.published_files import published_as
from benchmark.models.timm_backbone import TimmBackbone
from benchmark.models.weights_file import flatten, read_weights_file
from benchmark.models.weights_names import match_names
from benchmark.store.store import Store
from benchmark.sweep.plan import Sweep, make_hyper

State = dict[str, Tensor]
CREATE = timm.create_model
NUMBERS = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}


def torchvision_resnet(depth: int, seed: int = 0) -> nn.Module:
    """A network whose batch norms differ from those of a new one."""
    torch.manual_seed(seed)
    network: nn.Module = getattr(torchvision.models, f"resnet{depth}")()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def maps_of(network: Any, images: Tensor) -> Tensor:
    """torchvision's feature map, as its own forward computes it."""
    stem = network.maxpool(network.relu(network.bn1(network.conv1(images))))
    maps: Tensor = network.layer4(network.layer3(network.layer2(network.layer1(stem))))
    return maps


def renamed(state: Mapping[str, Tensor], prefix: str) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def without_classifier(state: Mapping[str, Tensor]) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def numbered(state: Mapping[str, Tensor]) -> State:
    """As in the authors' code of EAC: nn.Sequential(*list(resnet.children())[:-2])."""
    whole = {}
    for name, tensor in without_classifier(state).items():
        child, _, rest = name.partition(".")
        whole[f"features.{NUMBERS[child]}.{rest}"] = tensor
    return whole


def other(state: Mapping[str, Tensor]) -> State:
    """What the averages are averages of, which would give other features."""
    return {name: tensor + 1 for name, tensor in state.items()}


FORMS: dict[str, Callable[[State], Any]] = {
    "torchvision": lambda state: state,
    "no classifier": without_classifier,
    "module": lambda state: renamed(state, "module."),
    "backbone": lambda state: renamed(state, "backbone."),
    "encoder": lambda state: renamed(state, "encoder."),
    "features": lambda state: renamed(state, "features."),
    "stacked": lambda state: renamed(state, "module.encoder.backbone."),
    "numbered": lambda state: {**numbered(state), "fc.weight": torch.zeros(7, 512)},
    "numbered, parallel": lambda state: renamed(numbered(state), "module."),
    "state_dict": lambda state: {"epoch": 3, "state_dict": state, "best": 0.5},
    "model_state_dict": lambda state: {"model_state_dict": state, "optimizer": {"state": {}}},
    "model": lambda state: {"model": renamed(state, "module.")},
    "state_dict_backbone": lambda state: {"state_dict_backbone": without_classifier(state)},
    "nested twice": lambda state: {"model": {"state_dict": state}},
    "ordered": lambda state: OrderedDict(state),
    "model.": lambda state: renamed(state, "model."),
    "lightning": lambda state: {
        "state_dict": renamed(state, "model.backbone."),
        "hyper_parameters": {"lr": 0.1, "args": argparse.Namespace(path=Path("x"))},
        "callbacks": {"EarlyStopping": {"best_score": torch.tensor(0.5)}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        "pytorch-lightning_version": "2.0",
    },
    "best accuracy": lambda state: {"state_dict": state, "best_acc": np.float64(0.9)},
    "averaged only": lambda state: {"ema": renamed(state, "module.")},
    "averages in a checkpoint": lambda state: {"state_dict_ema": state, "state_dict": other(state)},
    "model and averages": lambda state: {"model_ema": state, "model": other(state)},
    "averages in a network": lambda state: {
        **renamed(other(state), "net."),
        **renamed(state, "ema_model.module."),
    },
    "no counters": lambda state: {k: v for k, v in state.items() if "num_batches" not in k},
}


@pytest.fixture(scope="module")
def resnet18() -> nn.Module:
    return torchvision_resnet(18)


def small_form(tmp_path: Path, loaded: object, name: str = "w.pth") -> Path:
    path = tmp_path / name
    torch.save(loaded, path)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_naming_gives_torchvisions_features(
    form: str, resnet18: nn.Module, tmp_path: Path
) -> None:
    path = small_form(tmp_path, FORMS[form](resnet18.state_dict()))
    backbone = build_backbone("resnet18", 64, path).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            backbone.maps(images), maps_of(resnet18, images), atol=1e-5, rtol=1e-5
        )
    assert backbone.weights == weights_identity("resnet18", path)
    expected = 100 if form == "no counters" else 120
    assert f"matched {expected} of 120 backbone tensors" in backbone.weights_note
    left = {"torchvision": "2 classifier tensors left out", "no classifier": "backbone tensors"}
    assert backbone.weights_note.endswith(left.get(form, ""))


@pytest.mark.parametrize("depth", [34, 50])
def test_deeper_resnets_from_safetensors(depth: int, tmp_path: Path) -> None:
    network = torchvision_resnet(depth)
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(network.state_dict(), path)
    backbone = build_backbone(f"resnet{depth}", 64, path).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            backbone.maps(images), maps_of(network, images), atol=1e-5, rtol=1e-5
        )


def test_averages_are_said_to_be_taken(resnet18: nn.Module, tmp_path: Path) -> None:
    state = resnet18.state_dict()
    path = small_form(tmp_path, {"state_dict": other(state), "state_dict_ema": state})
    note = build_backbone("resnet18", 64, path).weights_note
    assert "averaged weights behind 'state_dict_ema.' and not those behind 'state_dict.'" in note
    more = {name: tensor + 2 for name, tensor in state.items()}
    for two in (
        {"a_ema": state, "b_ema": other(state)},
        {"a": other(state), "b": more, "c_ema": state},
    ):
        assert "two whole backbones" in refusal(small_form(tmp_path, two))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype, resnet18: nn.Module, tmp_path: Path) -> None:
    state = {
        k: v.to(dtype) if v.is_floating_point() else v for k, v in resnet18.state_dict().items()
    }
    for file in (small_form(tmp_path, state), tmp_path / "w.safetensors"):
        if file.suffix == ".safetensors":
            safetensors.torch.save_file(state, file)
        loaded = build_backbone("resnet18", 64, file).network.conv1.weight
        assert loaded.dtype == torch.float32
        assert torch.equal(loaded, state["conv1.weight"].float())


def test_arrays_of_another_classifier(tmp_path: Path) -> None:
    """As the pickles of VGGFace2's ResNet-50: 8631 faces, arrays by torchvision's names."""
    network = torchvision_resnet(50)
    network.fc = nn.Linear(2048, 8631)
    state = {k: v.numpy() for k, v in network.state_dict().items() if "num_batches" not in k}
    path = tmp_path / "resnet50.pkl"
    path.write_bytes(pickle.dumps(state, protocol=2))
    backbone = build_backbone("resnet50", 64, path).eval()
    assert backbone.weights_note.endswith("2 classifier tensors left out")
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            backbone.maps(images), maps_of(network, images), atol=1e-5, rtol=1e-5
        )


def inspected(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["weights", "inspect", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_inspect_says_what_a_file_is_and_fits(
    resnet18: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "benchmark.models.weights_report.report_on.__defaults__", (("resnet34", "resnet18"),)
    )
    whole = {"state_dict": renamed(resnet18.state_dict(), "module."), "a": argparse.Namespace(b=1)}
    path = small_form(tmp_path, whole)
    text = " ".join(inspected(str(path)).split())
    for words in (
        f"SHA-256 {weights_identity('resnet18', path)}",
        "format torch archive",
        "tensors 122 of 11699132 numbers",
        "dtypes float32 (102), int64 (20)",
        "prefixes state_dict.module.",
        "classifier state_dict.module.fc.weight 1000 x 512",
        "left out argparse.Namespace (1)",
        "resnet18 yes 100 of 100",
        "1 other backbones do not fit",
    ):
        assert words in text
    first, second = json.loads(inspected(str(path), "--format", "json"))
    assert (first["backbone"], first["fits"]) == ("resnet18", True)
    assert (second["backbone"], second["fits"], second["matched"]) == ("resnet34", False, 100)
    assert len(second["missing"]) == 80
    rows = list(csv.DictReader(io.StringIO(inspected(str(path), "--format", "csv"))))
    assert [row["backbone"] for row in rows] == ["resnet18", "resnet34"]
    assert inspected(str(path), "--format", "markdown").startswith("| what | value |")


def test_inspect_says_why_nothing_fits(
    resnet18: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "benchmark.models.weights_report.report_on.__defaults__", (("resnet34", "resnet18"),)
    )
    state = {**resnet18.state_dict(), "bn1.bias": torch.zeros(3), "layer1.0.more": torch.zeros(1)}
    del state["conv1.weight"]
    text = inspected(str(small_form(tmp_path, state)))
    assert "1 missing: conv1.weight; 1 unexpected: layer1.0.more" in text
    assert "1 of another shape: bn1.bias is 3 instead of 64" in text
    torch.save({"network": argparse.Namespace(a=1)}, tmp_path / "whole.pt")
    done = CliRunner().invoke(cli, ["weights", "inspect", str(tmp_path / "whole.pt")])
    assert isinstance(done.exception, InputError)
    assert "holds a whole argparse.Namespace" in one_line(done.exception)


def test_whole_networks_of_torchvision_and_timm(
    resnet18: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HSEmotion's files are whole EfficientNets of timm, with a classifier of eight expressions."""
    twice = {"model": resnet18, "state_dict": renamed(resnet18.state_dict(), "module.")}
    images = torch.randn(1, 3, 64, 64)
    for form in (resnet18, twice):
        backbone = build_backbone("resnet18", 64, small_form(tmp_path, form)).eval()
        with torch.no_grad():
            expected = maps_of(resnet18, images)
            torch.testing.assert_close(backbone.maps(images), expected, atol=1e-5, rtol=1e-5)
    emotions = timm.create_model("tf_efficientnet_b0", num_classes=8)
    emotions.classifier = nn.Sequential(nn.Linear(1280, 8))
    path = small_form(tmp_path, emotions)
    monkeypatch.setattr(
        "benchmark.models.weights_report.report_on.__defaults__",
        (("resnet18", "tf_efficientnet_b0"),),
    )
    text = " ".join(inspected(str(path)).split())
    assert "format torch archive, a whole timm.models.efficientnet.EfficientNet" in text
    assert "classifier classifier.0.weight 8 x 1280" in text
    assert "tf_efficientnet_b0 yes" in text
    backbone = build_backbone("tf_efficientnet_b0", 64, path).eval()
    with torch.no_grad():
        expected = emotions.eval().forward_features(images)
        torch.testing.assert_close(backbone.maps(images), expected, atol=1e-5, rtol=1e-5)


def test_published_files_are_known_by_the_digits_in_their_names(
    resnet18: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for digits, name in (
        ("f37072fd", "resnet18-f37072fd.pth"),  # torchvision's
        ("5c106cde", "resnet18-5c106cde.pth"),  # its older one
        ("c0e6a31c", "tf_efficientnet_b0_ns-c0e6a31c.pth"),  # timm's
    ):
        assert published_as(digits + 56 * "0") == f"{name} (by the 8 digits in its name)"
    assert published_as(64 * "0") is None
    monkeypatch.setattr("benchmark.models.weights_report.report_on.__defaults__", (("resnet18",),))
    path = small_form(tmp_path, resnet18.state_dict())
    assert "none that torchvision or timm publish" in " ".join(inspected(str(path)).split())
    own = weights_identity("resnet18", path)
    monkeypatch.setattr("benchmark.models.published_files._BEFORE_0_13", (f"mine-{own[:12]}.pth",))
    (row, *_) = json.loads(inspected(str(path), "--format", "json"))
    assert row["published_as"] == f"mine-{own[:12]}.pth (by the 12 digits in its name)"


def test_the_summary_names_what_is_not_used(resnet18: nn.Module, tmp_path: Path) -> None:
    loaded = {**numbered(resnet18.state_dict()), "fc.weight": torch.zeros(7, 512)}
    loaded["alpha.0.weight"] = torch.zeros(1, 512)
    backbone = build_backbone("resnet18", 64, small_form(tmp_path, loaded))
    assert backbone.weights_note == (
        "w.pth: matched 120 of 120 backbone tensors, 1 classifier tensor left out, "
        "1 other tensor not used (alpha.0.weight)"
    )


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
def test_timms_own_names(name: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    source = timm.create_model(name, num_classes=5)
    size = source.default_cfg["input_size"][-1]
    path = small_form(tmp_path, {"state_dict": renamed(source.state_dict(), "module.")})
    backbone = build_backbone(name, size, path).eval()
    assert "2 classifier tensors left out" in backbone.weights_note
    images = torch.randn(1, 3, size, size)
    plain = TimmBackbone(name, size).eval()
    plain.network.load_state_dict(source.state_dict(), strict=False)
    torch.testing.assert_close(backbone.maps(images), plain.maps(images))


def test_legacy_files_and_half_precision(resnet18: nn.Module, tmp_path: Path) -> None:
    state = resnet18.state_dict()
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    path = tmp_path / "legacy.pth"
    torch.save(half, path, _use_new_zipfile_serialization=False)
    assert path.read_bytes()[:1] == b"\x80"
    backbone = build_backbone("resnet18", 64, path)
    loaded = backbone.network.conv1.weight
    assert loaded.dtype == torch.float32
    torch.testing.assert_close(loaded.detach(), state["conv1.weight"].half().float())


# What is refused.


def one_line(error: InputError) -> str:
    text = str(error)
    assert text.isprintable()
    assert len(text) < 800
    return text


def refusal(path: Path, backbone: str = "resnet18") -> str:
    with pytest.raises(InputError) as caught:
        build_backbone(backbone, 64, path)
    text = one_line(caught.value)
    assert str(path) in text
    return text


def test_what_does_not_fit_is_named(resnet18: nn.Module, tmp_path: Path) -> None:
    state = resnet18.state_dict()

    def said(**changes: Tensor | None) -> str:
        changed = {**state, **{k.replace("__", "."): v for k, v in changes.items()}}
        loaded = {k: v for k, v in changed.items() if v is not None}
        return refusal(small_form(tmp_path, loaded))

    assert "holds 99 of the 100 tensors that this backbone needs; missing: conv1.weight" in said(
        conv1__weight=None
    )
    assert "bn1.bias is 3 instead of 64" in said(bn1__bias=torch.zeros(3))
    assert "bn1.bias is 8 x 8 instead of 64" in said(bn1__bias=torch.zeros(8, 8))
    spoilt = torch.zeros(64)
    spoilt[5] = torch.nan
    assert "bn1.bias holds values that are not finite" in said(bn1__bias=spoilt)
    assert "not finite" in said(bn1__bias=torch.full((64,), 1e300, dtype=torch.float64))
    for other in (torch.int64, torch.bool, torch.complex64):
        assert "which is no weight" in said(bn1__bias=torch.zeros(64, dtype=other))
    assert "which is no weight" in said(bn1__bias=torch.zeros(64).to_sparse())
    assert "holds a larger network" in said(layer1__0__prelu__weight=torch.zeros(64))
    other_teacher = {name: tensor + 1 for name, tensor in state.items()}
    both = {"student": state, "teacher": renamed(other_teacher, "net.")}
    assert "two whole backbones, behind 'student.' and 'teacher.net.'" in refusal(
        small_form(tmp_path, both)
    )
    odd = {"a\nb\x1b[31m": torch.zeros(1)}
    assert r"a\nb\x1b[31m" in refusal(small_form(tmp_path, odd))


@pytest.mark.parametrize(("of", "into"), [(34, 18), (18, 34), (50, 18), (18, 50)])
def test_another_resnet_is_refused(of: int, into: int, tmp_path: Path) -> None:
    """ResNet-34 holds all names and shapes of ResNet-18, and would load without a word."""
    path = small_form(tmp_path, torchvision_resnet(of).state_dict())
    text = refusal(path, f"resnet{into}")
    assert "choose the backbone that the file belongs to" in text


def test_part_of_a_backbone_beside_a_whole_one_is_not_used(
    resnet18: nn.Module, tmp_path: Path
) -> None:
    state = resnet18.state_dict()
    loaded = {"old": {"conv1.weight": torch.zeros(64, 3, 7, 7)}, "model": state}
    backbone = build_backbone("resnet18", 64, small_form(tmp_path, loaded))
    torch.testing.assert_close(backbone.network.conv1.weight.detach(), state["conv1.weight"])
    assert "1 other tensor not used (old.conv1.weight)" in backbone.weights_note


# Properties of the name matching.

WORDS = st.sampled_from(["conv1", "bn1", "layer1", "0", "1", "weight", "bias", "module", "x"])
NAMES = st.lists(WORDS, min_size=1, max_size=4).map(".".join)
PREFIXES = st.lists(
    st.sampled_from(["module", "backbone", "encoder", "features", "_orig_mod", "m-1"]), max_size=4
).map(lambda words: "".join(f"{word}." for word in words))
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
STATES = st.dictionaries(NAMES, SHAPES.map(torch.zeros), min_size=1, max_size=6)
ANY_STATES = st.dictionaries(
    st.one_of(NAMES, st.text(max_size=12)),
    st.one_of(
        SHAPES.map(torch.zeros),
        st.sampled_from(
            [
                torch.zeros(2, dtype=torch.int64),
                torch.full((1,), torch.inf),
                torch.zeros(2, 2).to_sparse(),
                torch.zeros(1, device="meta"),
                torch.zeros(1, dtype=torch.complex64),
                torch.zeros(2, dtype=torch.float8_e4m3fn),
                nn.Parameter(torch.zeros(1)),
            ]
        ),
    ),
    max_size=8,
)


def torchvision_names() -> State:
    with torch.device("meta"):
        names = torchvision.models.resnet18().state_dict()
    return {name: torch.zeros(min(t.numel(), 2), dtype=t.dtype) for name, t in names.items()}


RESNET18 = without_classifier(torchvision_names())


@settings(max_examples=100)
@given(PREFIXES, st.integers(0, 3), st.randoms(use_true_random=False))
def test_any_prefix_and_nesting_round_trips(prefix: str, depth: int, random: Any) -> None:
    target = RESNET18
    values = {name: torch.full_like(t, random.randrange(100)) for name, t in target.items()}
    loaded: dict[str, Any] = renamed(values, prefix)
    for _ in range(depth):
        loaded = {random.choice(["state_dict", "model", "net.0"]): loaded, "epoch": 1}
    matching = match_names(flatten(loaded), target)
    assert matching.tensors.keys() == target.keys()
    assert all(torch.equal(matching.tensors[name], values[name]) for name in target)
    assert matching.prefix.endswith(prefix)
    assert not matching.unused
    assert not matching.classifier


@settings(max_examples=200)
@given(ANY_STATES, STATES)
def test_any_tensors_match_wholly_or_are_refused(state: State, target: State) -> None:
    try:
        matching = match_names(state, target)
    except InputError as error:
        one_line(error)
        return
    assert matching.tensors.keys() == target.keys()
    for name, tensor in matching.tensors.items():
        assert tensor.shape == target[name].shape
        assert tensor.dtype == target[name].dtype
        assert torch.isfinite(tensor).all()
    assert len(matching.unused) + len(matching.classifier) == len(state) - len(target)
    assert matching.summary().startswith(f"matched {len(target)} of {len(target)} backbone tensor")


# Identity, and the way into a run.


def test_the_identity_is_the_files_bytes_wherever_it_lies(tmp_path: Path) -> None:
    one, two, other = tmp_path / "a.pth", tmp_path / "b.bin", tmp_path / "c.pth"
    one.write_bytes(b"abc")
    two.write_bytes(b"abc")
    other.write_bytes(b"abd")
    identity = weights_identity("resnet18", one)
    assert identity == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert weights_identity("resnet18", str(two)) == identity
    assert weights_identity("resnet18", other) != identity
    assert weights_identity("resnet18", "scratch") == weights_identity("resnet18") == "scratch"
    assert parse_weights("timm") == "timm"
    assert parse_weights("w.pth") == Path.cwd() / "w.pth"


def test_the_face_network_takes_no_weights() -> None:
    for weights in (Path("w.pth"), "timm", "scratch"):
        with pytest.raises(InputError, match="dlib-face brings its own weights"):
            weights_identity("dlib-face", weights)
        with pytest.raises(InputError, match="dlib-face brings its own weights"):
            build_backbone("dlib-face", 64, weights)


def own_weights(monkeypatch: pytest.MonkeyPatch, path: Path | None) -> None:
    """Let timm find its own weights in a file instead of on the network, or find none."""

    def patched(name: str, *, pretrained: bool = False, **values: Any) -> Any:
        if not pretrained:
            return CREATE(name, pretrained=False, **values)
        if path is None:
            raise OSError("We couldn't connect to 'https://huggingface.co'\nsecond line")
        return CREATE(name, pretrained=True, pretrained_cfg_overlay={"file": str(path)}, **values)

    monkeypatch.setattr(timm_backbone.timm, "create_model", patched)


@pytest.mark.parametrize(("name", "size"), [("test_resnet", 48), ("test_vit", 64)])
def test_timms_own_weights(
    name: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    source = timm.create_model(name)
    own_weights(monkeypatch, small_form(tmp_path, source.state_dict()))
    generator = torch.random.get_rng_state()
    identity = weights_identity(name, "timm")
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert len(identity) == 64
    backbone = build_backbone(name, size, "timm")
    assert backbone.weights == identity
    assert backbone.weights_note == f"timm's own weights of {name}"
    trained = {k: v for k, v in source.state_dict().items() if k.endswith("norm2.weight")}
    for key, tensor in trained.items():
        assert torch.equal(backbone.network.state_dict()[key], tensor)
    stem = "conv1.0.weight" if name == "test_resnet" else "patch_embed.proj.weight"
    assert torch.equal(backbone.network.state_dict()[stem], source.state_dict()[stem])
    with torch.no_grad():
        next(source.parameters()).view(-1)[0] += 1
    own_weights(monkeypatch, small_form(tmp_path, source.state_dict()))
    assert weights_identity(name, "timm") != identity


def test_timms_own_weights_offline_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    own_weights(monkeypatch, None)
    for call in (weights_identity, lambda name, source: build_backbone(name, 48, source)):
        with pytest.raises(
            InputError, match="timm's own weights of 'test_resnet' cannot be had"
        ) as c:
            call("test_resnet", "timm")
        assert "second line" not in str(c.value)
        assert "--weights PATH" in str(c.value)


@pytest.fixture(scope="module")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    state = timm.create_model("test_resnet").state_dict()
    return small_form(tmp_path_factory.mktemp("weights"), {"state_dict": state})


def weighted_sweep(path: Path, names: tuple[str, ...] = ("baseline",)) -> Sweep:
    sweep = small_sweep(names, overrides=["training.epochs=1"])
    identity = weights_identity("test_resnet", path)
    cells = [cell.model_copy(update={"weights": identity}) for cell in sweep.cells]
    return dataclasses.replace(sweep, cells=cells, weights=path)


@pytest.mark.parametrize("name", methods.names())
def test_every_method_starts_from_the_weights(name: str, small_weights: Path) -> None:
    sweep = weighted_sweep(small_weights, (name,))
    cell = sweep.cells[-1]  # a first stage stands before it
    method = methods.get(name)
    trainer = Trainer(
        cell, method, make_hyper(method, cell.hyper), sweep.dataset,
        sweep.splits[cell.factor], CPU, sweep.weights,
    )  # fmt: skip
    given = read_weights_file(small_weights).tensors["state_dict.layer2.0.conv1.weight"]
    assert torch.equal(trainer.method.backbone.network.layer2[0].conv1.weight.detach(), given)


def test_a_cell_is_never_trained_from_other_weights(small_weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(small_weights.read_bytes())
    sweep = weighted_sweep(path)
    state = copy.deepcopy(torch.load(path, weights_only=True))
    state["state_dict"]["layer1.0.conv1.weight"] += 1
    torch.save(state, path)
    listener = Silent()
    tally = run(sweep, tmp_path / "runs", listener)
    assert tally.trained == []
    assert "the backbone would start from" in listener.failures[0]
    assert TrainingError.__name__ in listener.failures[0]


TINY = [
    "run", "--methods", "baseline", "--factors", "150", "--device", "cpu", "--protocol", "smoke",
    "--set", "image.size=16", "--set", "training.epochs=1", "--set", "backbone.name=resnet18",
]  # fmt: skip


def test_a_run_from_weights(
    resnet18: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))
    first = small_form(tmp_path, {"state_dict": resnet18.state_dict()}, "resnet18.pth")
    monkeypatch.setattr("signal.signal", lambda *_: None)  # a run's handler is not for the tests
    done = CliRunner().invoke(cli, [*TINY, "--weights", "resnet18.pth"])
    assert done.exit_code == 0, done.output
    line = "resnet18.pth: matched 120 of 120 backbone tensors, 2 classifier tensors left out."
    assert done.output.count(line) == 1
    (record,) = Store(tmp_path / "results/runs").records()
    assert record.cell.weights == weights_identity("resnet18", first)
    first.rename("elsewhere.pth")
    again = CliRunner().invoke(cli, [*TINY, "--weights", "elsewhere.pth"])
    assert "1 finished, 0 to train" in again.output


def test_bad_weights_are_said_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))
    Path("empty.pth").touch()
    for arguments, words in [
        (["--weights", "empty.pth"], "empty.pth: is empty"),
        (["--weights", "none.pth"], "none.pth: cannot be read (No such file"),
        (["--weights", "w.pth", "--set", "backbone.name=dlib-face"], "brings its own weights"),
    ]:
        done = CliRunner().invoke(cli, [*TINY, *arguments])
        assert isinstance(done.exception, InputError)
        assert words in one_line(done.exception)
        assert "[1/1]" not in done.output


def test_inspect_says_which_of_two_copies_is_loaded(
    resnet18: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.models.weights_report.report_on.__defaults__", (("resnet18",),))
    state = resnet18.state_dict()
    path = small_form(tmp_path, {"state_dict": other(state), "state_dict_ema": state})
    assert "loaded what stands behind state_dict_ema." in " ".join(inspected(str(path)).split())
    (row,) = json.loads(inspected(str(path), "--format", "json"))
    assert row["loaded"] == "state_dict_ema."
