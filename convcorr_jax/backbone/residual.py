"""Layer tables of residual networks: ResNet, ConvNeXt and MobileNetV2, as torchvision has them.

Layers are the units, whose output is what a chain of convolutions adds to their input. In a ResNet
``layer3_5`` is the sixth unit of torchvision's ``layer3``, and ``layer3`` an alias of its last one; likewise
``stage3`` in a ConvNeXt. MobileNetV2's ``features7`` is torchvision's ``features.7``.

    ResNet       relu(x + chain(x)), the chain 3x3, 3x3 or 1x1, 3x3, 1x1; its 3x3 convolution has the stride,
                 and the first unit of a stage projects x
    ConvNeXt     x + 1x1(gelu(1x1(standardized(7x7(x))))), the 7x7 convolution for each channel alone
    MobileNetV2  x + 1x1(relu6(3x3(relu6(1x1(x))))), the 3x3 convolution for each channel alone; without x where
                 stride or channels change

Batch normalisations, scales of normalised columns and of branches are multiplied into the convolutions when
files are read, so that the tables have none. One is left: the scale of ConvNeXt's stem, a 1x1 convolution for
each channel alone.

torch pads by the same number of zeros on both sides: the cells of ResNets and MobileNetV2 stand at pixels 0, s,
2 s, ..., where TensorFlow's "SAME" has them elsewhere for even sizes. ConvNeXt's stand at (s - 1) / 2.

Sources: He et al. 2016, with the stride of torchvision; Liu et al. 2022; Sandler et al. 2018.
"""

from collections.abc import Iterator, Sequence

from convcorr_jax.backbone.layers import Conv, Layer, MaxPool, Unit

_RESNET_CHANNELS = (64, 128, 256, 512)
# A bottleneck's output has this many times the channels of its 3x3 convolution.
_EXPANSION = 4
# MobileNetV2: how often the first convolution of a unit multiplies the channels; then the channels, units and
# the stride of the first unit.
_MOBILENET_STAGES = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)


def resnet_layers(units: Sequence[int], *, bottleneck: bool) -> tuple[Layer, ...]:
    """Return the layers of a ResNet by the number of units of each stage."""
    return (
        Conv("conv1", 64, window=7, stride=2, padding=3),
        MaxPool("maxpool", window=3, stride=2, ceil=False, padding=1),
        *_resnet_units(units, bottleneck=bottleneck),
    )


def _resnet_units(units: Sequence[int], *, bottleneck: bool) -> Iterator[Unit]:
    before = 64
    for stage, (width, count) in enumerate(zip(_RESNET_CHANNELS, units, strict=True), start=1):
        after = _EXPANSION * width if bottleneck else width
        for i in range(count):
            name, stride = f"layer{stage}_{i}", 2 if stage > 1 and i == 0 else 1
            if bottleneck:
                chain = (
                    Conv(f"{name}_conv1", width, window=1),
                    Conv(f"{name}_conv2", width, window=3, stride=stride, padding=1),
                    Conv(f"{name}_conv3", after, window=1, activation="none"),
                )
            else:
                chain = (
                    Conv(f"{name}_conv1", width, window=3, stride=stride, padding=1),
                    Conv(f"{name}_conv2", width, window=3, padding=1, activation="none"),
                )
            projection = Conv(f"{name}_projection", after, window=1, stride=stride, activation="none")
            same = stride == 1 and before == after
            yield Unit(name, chain, "identity" if same else projection, activation="relu")
            before = after


def convnext_layers(units: Sequence[int], width: int) -> tuple[Layer, ...]:
    """Return the layers of a ConvNeXt by the number of units of each stage, and the width of the first."""
    patches = Conv("stem_patches", width, window=4, stride=4, activation="none")
    scale = Conv("stem_scale", width, window=1, groups=width, activation="none", standardized=True)
    layers: list[Layer] = [Unit("stem", (patches, scale), shortcut="none")]
    for stage, count in enumerate(units, start=1):
        if stage > 1:
            width *= 2
            down = Conv(f"down{stage}", width, window=2, stride=2, activation="none", standardized=True)
            layers.append(down)
        for i in range(count):
            name = f"stage{stage}_{i}"
            chain = (
                Conv(f"{name}_depthwise", width, window=7, padding=3, groups=width, activation="none"),
                Conv(f"{name}_up", 4 * width, window=1, activation="gelu", standardized=True),
                Conv(f"{name}_down", width, window=1, activation="none"),
            )
            layers.append(Unit(name, chain))
    return tuple(layers)


def mobilenet_layers() -> tuple[Layer, ...]:
    """Return the layers of MobileNetV2."""
    first = Conv("features0", 32, window=3, stride=2, padding=1, activation="relu6")
    layers: list[Layer] = [first]
    before = 32
    for factor, after, count, first_stride in _MOBILENET_STAGES:
        for i in range(count):
            name, stride, inner = f"features{len(layers)}", first_stride if i == 0 else 1, factor * before
            chain = (
                Conv(f"{name}_expand", inner, window=1, activation="relu6"),
                Conv(f"{name}_depthwise", inner, 3, stride, padding=1, groups=inner, activation="relu6"),
                Conv(f"{name}_project", after, window=1, activation="none"),
            )
            same = stride == 1 and before == after
            layers.append(Unit(name, chain[factor == 1 :], "identity" if same else "none"))
            before = after
    layers.append(Conv(f"features{len(layers)}", 1280, window=1, activation="relu6"))
    return tuple(layers)
