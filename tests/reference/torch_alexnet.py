"""torchvision's AlexNet and VGG16 in torch, from their published definitions."""

import torch
from torch import nn


class AlexNet(nn.Module):
    """AlexNet, with modules in torchvision's order, so that its state dictionary has torchvision's names."""

    def __init__(self, *, fc: int = 4096) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            *(nn.Dropout(), nn.Linear(256 * 6 * 6, fc), nn.ReLU()),
            *(nn.Dropout(), nn.Linear(fc, fc), nn.ReLU()),
            nn.Linear(fc, 10),
        )

    def layers(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute activations [b, c, h, w] (fc: [b, c]) by the names of our layers."""
        names = {1: "conv1", 2: "pool1", 4: "conv2", 5: "pool2", 7: "conv3", 9: "conv4", 11: "conv5"}
        names[12] = "pool5"
        found, current = {}, images
        for i, module in enumerate(self.features):
            current = module(current)
            if i in names:
                found[names[i]] = current
        current = torch.flatten(self.avgpool(current), 1)
        for i, module in enumerate(self.classifier):
            current = module(current)
            if i in (2, 5):
                found["fc6" if i == 2 else "fc7"] = current
        return found


def vgg16_features() -> nn.Sequential:
    """Build the convolutional part of VGG16 (configuration D)."""
    modules, inputs = [], 3
    for channels, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            modules += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
            inputs = channels
        modules.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*modules)
