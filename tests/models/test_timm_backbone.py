"""Networks of timm that are not known, or refuse a size of pictures, are one line each."""

from __future__ import annotations

import pytest

from benchmark.errors import InputError
from benchmark.models.timm_backbone import TimmBackbone


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("resnet18.imagenet1k", 64, "unknown backbone 'resnet18.imagenet1k': "),
        ("mvitv2_tiny", 112, "gives no feature map at 112 px"),
        ("test_vit", 100, "100 px"),
    ],
)
def test_what_timm_refuses_is_one_line(name: str, size: int, said: str) -> None:
    with pytest.raises(InputError) as refused:
        TimmBackbone(name, size)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
