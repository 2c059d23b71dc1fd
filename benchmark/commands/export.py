"""``fer-bench export``: a trained network for programs that have no torch."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.commands.kinds import FilePath
from benchmark.commands.trained import named_network, network_options
from benchmark.commands.writing import write_bytes
from benchmark.errors import InputError


@click.command("export")
@click.argument("file", type=FilePath(dir_okay=False))
@network_options
def command(file: Path, model: str, method: str | None, device: str, results: Path) -> None:
    """Write a trained network to FILE.onnx, if it computes there what it computes here.

    Its input is float32 (N, 3, S, S) on the scale 0 to 255, its outputs are logits and
    probabilities. The packages of the extra 'onnx' are needed.
    """
    if file.suffix.lower() != ".onnx":
        raise InputError(f"{file}: the format is ONNX; give a name that ends in .onnx")
    from benchmark.networks.onnx_file import export

    network = named_network(model, results, method, device)
    found = export(network)
    write_bytes(found.content, file)
    size = network.image_size
    click.echo(
        f"input 'images' (N, 3, {size}, {size}), float32 from 0 to 255; outputs 'logits' and "
        f"'probabilities' (N, {len(network.classes)}): {', '.join(network.classes)}\n"
        f"checked with onnxruntime: differs by {found.difference:.1g} of the largest value at most"
    )
