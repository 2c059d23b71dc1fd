"""dlib's face-recognition ResNet: as it was released, and as a backbone to fine-tune.

Network and weights are Davis King's, CC0 1.0 (https://github.com/davisking/dlib-models), trained on
about 3 million faces. The architecture follows dlib's `examples/dnn_face_recognition_ex.cpp`: a
ResNet whose shortcuts have no weights. Where resolution falls, the shortcut is averaged 2 x 2 and
its missing channels are zero; what is smaller in height or width is padded with zeros at the bottom
and right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError
from benchmark.models.backbone import Backbone
from benchmark.models.dlib_file import Affine, Conv, FullyConnected, Layer, read_weights
from benchmark.models.grey import FirstConv
from benchmark.models.moments import Moments
from benchmark.protocols.protocol import ImageSpec

PIXEL_MEAN = (122.782, 117.001, 104.298)
"""Red, green and blue mean on 0..255 that the network was trained with.

Source: the input layer of the weight file, dlib's `input_rgb_image_sized`.
"""

PIXEL_SCALE = 256.0
"""What the difference to the mean is divided by. Source: the same layer's code in dlib."""

MIN_PIXELS = 21
"""Fewer pixels a side leave :class:`DlibFace` nothing to average in its last shortcut."""

_STEM_CHANNELS = 32
_STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
"""Channels and number of blocks of a stage; all stages but the first begin with a down block."""

_EMBEDDING = 128

_FOREIGN = (
    "the dlib file holds another network than the face-recognition ResNet; "
    "use the file of face_recognition_models 0.3.0"
)


class ConvNorm(nn.Module):
    """A convolution without bias and a batch norm; (B, in, H, W) to (B, out, h, w).

    dlib keeps its batch norms frozen, as a scale and a shift after a convolution with a bias. In
    eval mode this layer computes the same function, and in train mode it is an ordinary batch norm
    again.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.conv = self._convolution(inputs, outputs, kernel, stride, padding)
        self.norm = nn.BatchNorm2d(outputs)

    def _convolution(
        self, inputs: int, outputs: int, kernel: int, stride: int, padding: int
    ) -> nn.Conv2d:
        return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return norm(conv(images))."""
        normalised: Tensor = self.norm(self.conv(images))
        return normalised

    @torch.no_grad()
    def load(self, conv: Conv, affine: Affine) -> None:
        """Take over dlib's weights: scale * (filters * x + bias) + shift.

        Raises:
            InputError: they are of other sizes than this layer.
        """
        sizes = tuple(self.conv.weight.shape)
        if conv.filters.shape != sizes or affine.scale.size != sizes[0]:
            raise InputError(f"{_FOREIGN} (filters {conv.filters.shape} instead of {sizes})")
        self.conv.weight.copy_(torch.from_numpy(conv.filters))
        self._set_statistics(
            mean=-torch.from_numpy(conv.bias),
            variance=torch.full((conv.bias.size,), 1 - self.norm.eps),
        )
        self.norm.weight.copy_(torch.from_numpy(affine.scale))
        self.norm.bias.copy_(torch.from_numpy(affine.shift))

    @torch.no_grad()
    def move_statistics(self, mean: Tensor, variance: Tensor) -> None:
        """Change the running statistics and leave the function of eval mode as it is.

        Args:
            mean: of the convolution's output, float64, (out,).
            variance: the same output's, biased, float64, (out,).
        """
        norm = self.norm
        old_mean, old_variance = _running_statistics(norm)
        scale = norm.weight.double() / (old_variance.double() + norm.eps).sqrt()
        shift = norm.bias.double() - scale * old_mean.double()
        self._set_statistics(mean, variance)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(shift + scale * mean)

    def _set_statistics(self, mean: Tensor, variance: Tensor) -> None:
        running_mean, running_variance = _running_statistics(self.norm)
        running_mean.copy_(mean)
        running_variance.copy_(variance)


class Stem(ConvNorm):
    """The first layer, which can be told that all images are grey."""

    def _convolution(
        self, inputs: int, outputs: int, kernel: int, stride: int, padding: int
    ) -> FirstConv:
        return FirstConv(inputs, outputs, kernel, stride, padding)


def _running_statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


class Block(nn.Module):
    """A basic residual block; (B, in, H, W) to (B, channels, h, w).

    Args:
        inputs: channels that come in.
        channels: channels that go out.
        down: halve the resolution.
        padding: of the first convolution.
    """

    def __init__(self, inputs: int, channels: int, *, down: bool, padding: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, channels, 3, stride=2 if down else 1, padding=padding)
        self.second = ConvNorm(channels, channels, 3, padding=1)
        self.down = down
        self.new_channels = channels - inputs

    def forward(self, maps: Tensor) -> Tensor:
        """Return relu(branch + shortcut)."""
        branch = self.second(F.relu(self.first(maps), inplace=True))
        if not self.down:
            return F.relu(branch + maps, inplace=True)
        shortcut = F.avg_pool2d(maps, 2)
        height = max(branch.shape[2], shortcut.shape[2])
        width = max(branch.shape[3], shortcut.shape[3])
        shortcut = _fill(shortcut, self.new_channels, height, width)
        return F.relu(_fill(branch, 0, height, width) + shortcut, inplace=True)


def _fill(maps: Tensor, new_channels: int, height: int, width: int) -> Tensor:
    """Append zeros: channels at the end, rows at the bottom, columns at the right."""
    rows, columns = height - maps.shape[2], width - maps.shape[3]
    if new_channels == rows == columns == 0:
        return maps
    return F.pad(maps, (0, columns, 0, rows, 0, new_channels))


class DlibResNet(nn.Module):
    """The convolutional part of dlib's network.

    Args:
        stages: how many of its five stages to build.
        padded: pad the stem and the down blocks, which dlib does not, so that small images keep
            their border.
    """

    def __init__(self, stages: int, *, padded: bool) -> None:
        super().__init__()
        self.stem = Stem(3, _STEM_CHANNELS, 7, stride=2, padding=3 if padded else 0)
        inputs = _STEM_CHANNELS
        sequences = []
        for number, (channels, count) in enumerate(_STAGES[:stages]):
            blocks = []
            for place in range(count):
                down = number > 0 and place == 0
                padding = 0 if down and not padded else 1
                blocks.append(Block(inputs, channels, down=down, padding=padding))
                inputs = channels
            sequences.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*sequences)

    def forward(self, images: Tensor) -> Tensor:
        """Return the map after the last stage's relu, (B, C, h, w), of images (B, 3, H, W)."""
        stem = F.relu(self.stem(images), inplace=True)
        maps: Tensor = self.stages(F.max_pool2d(stem, 3, stride=2))
        return maps

    def load(self, layers: Sequence[Layer]) -> None:
        """Take over the weights of the stages that were built.

        Args:
            layers: as :func:`benchmark.models.dlib_file.read_weights` returns them.

        Raises:
            InputError: they belong to another network.
        """
        targets = [module for module in self.modules() if isinstance(module, ConvNorm)]
        convs = [layer for layer in layers if isinstance(layer, Conv)][: len(targets)]
        affines = [layer for layer in layers if isinstance(layer, Affine)][: len(targets)]
        if not len(targets) == len(convs) == len(affines):
            raise InputError(f"{_FOREIGN} (it has {len(convs)} convolutions)")
        for target, conv, affine in zip(targets, convs, affines, strict=True):
            target.load(conv, affine)


class DlibEmbedding(nn.Module):
    """The released network: an image of a face to its 128-d embedding.

    Args:
        layers: the weights, or None to read the installed file.

    Raises:
        InputError: the weight file is missing, damaged or another one.
    """

    def __init__(self, layers: Sequence[Layer] | None = None) -> None:
        super().__init__()
        layers = read_weights() if layers is None else layers
        self.network = DlibResNet(len(_STAGES), padded=False)
        self.network.load(layers)
        self.head = nn.Linear(_STAGES[-1][0], _EMBEDDING, bias=False)
        weights = [layer.weight for layer in layers if isinstance(layer, FullyConnected)]
        if [weight.shape for weight in weights] != [(_STAGES[-1][0], _EMBEDDING)]:
            raise InputError(f"{_FOREIGN} (it does not end in {_EMBEDDING} values)")
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weights[0]).T)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings (B, 128) of normalised float32 images (B, 3, 150, 150)."""
        embeddings: Tensor = self.head(self.network(images).mean(dim=(2, 3)))
        return embeddings


class DlibFace(Backbone):
    """The backbone `dlib-face`: dlib's network without its last down block, padded.

    An image of 112 x 112 pixels gives a map of 4 x 4. Images are normalised by the caller:
    (x - PIXEL_MEAN) / PIXEL_SCALE, x RGB in 0..255.

    Args:
        layers: the weights, or None to read the installed file.
        bare: take no weights at all, as others will be loaded.

    Raises:
        InputError: the weight file is missing, damaged or another one.
    """

    name = "dlib-face"
    channels = 256

    def __init__(self, layers: Sequence[Layer] | None = None, *, bare: bool = False) -> None:
        super().__init__()
        self.network = DlibResNet(len(_STAGES) - 1, padded=True)
        if not bare:
            self.network.load(read_weights() if layers is None else layers)

    def features(self, images: Tensor) -> Tensor:
        """Compute the map (B, 256, h, w) of images (B, 3, H, W).

        Raises:
            InputError: the images are too small.
        """
        if min(images.shape[2:]) < MIN_PIXELS:
            raise InputError(
                f"{self.name} needs images of at least {MIN_PIXELS} x {MIN_PIXELS} pixels, "
                f"not {images.shape[2]} x {images.shape[3]}; choose a larger size"
            )
        maps: Tensor = self.network(images)
        return maps

    def expect_grey(self, image: ImageSpec) -> None:
        """Leave out what the three channels of a grey image repeat."""
        conv = self.network.stem.conv
        assert isinstance(conv, FirstConv)
        conv.expect_grey(image.mean, image.deviation)

    def last_stage_blocks(self) -> nn.Sequential:
        """Return the down block to 256 channels and the two plain blocks after it."""
        blocks = self.network.stages[-1]
        assert isinstance(blocks, nn.Sequential)
        return blocks

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Give the batch norms the statistics of training images; eval mode computes the same.

        dlib's file has scales and shifts only. Without real statistics, train mode would normalise
        by the batch and change every layer's scale at once.

        Args:
            batches: normalised, un-augmented images, each float (B, 3, H, W) or (B, 1, H, W).

        Raises:
            InputError: there is no image, or the images lead to values that are not finite.
        """
        moments = {m: Moments() for m in self.modules() if isinstance(m, ConvNorm)}
        device = self.network.stem.conv.weight.device
        with _observed(self, moments), torch.autocast(device.type, enabled=False):
            for images in batches:
                if len(images):
                    self.features(images.to(device).float().expand(-1, 3, -1, -1))
        seen = {layer: found for layer, found in moments.items() if found.count}
        if not seen:
            raise InputError(
                f"{self.name} is calibrated on training images and got none; give it at least one"
            )
        if not all(bool(found.squares.isfinite().all()) for found in seen.values()):
            raise InputError(
                f"{self.name} computes values that are not finite on the calibration images; "
                "look for damaged images or weights"
            )
        for layer, found in seen.items():
            layer.move_statistics(found.mean, found.squares / found.count)


@contextmanager
def _observed(network: nn.Module, moments: dict[ConvNorm, Moments]) -> Iterator[None]:
    """Put a network in eval mode and feed the moments with its convolutions' outputs."""

    def watch(layer: ConvNorm, found: Moments) -> torch.utils.hooks.RemovableHandle:
        return layer.conv.register_forward_hook(lambda _module, _inputs, maps: found.add(maps))

    modes = {module: module.training for module in network.modules()}
    handles = [watch(layer, found) for layer, found in moments.items()]
    network.eval()
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
