"""A network cut before its last stages gives what it gave whole, learns the same, and keeps what it learnt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tagging_lib.errors import TaggingError
from tagging_lib.models import zoo
from tagging_lib.models.cutting import cut
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.models.tagger import STAGES, last_stages, trainable_parameters
from tagging_lib.training import features
from tagging_lib.training.batches import FeatureBatches, PhotoBatches
from tagging_lib.training.fit import fit
from tagging_lib.training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("float32")

SIDE = 64
NETWORKS = ("resnet18", "densenet169", "timm:mobilenetv1_100", "timm:convnext_atto", "timm:mobilenetv3_small_050")


def tagger_of(name: str, trained: str = "last-stage") -> zoo.Tagger:
    tagger = zoo.build(name, 3, trained=trained, side=SIDE, seed=1)
    generator = torch.Generator().manual_seed(0)
    for module in tagger.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that tell whether a batch norm looks at them or at the batch
            module.running_mean.copy_(torch.rand(module.num_features, generator=generator) * 0.1)
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
    return tagger.to(memory_format=torch.channels_last)


def photos(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("trained", STAGES)
@pytest.mark.parametrize("name", NETWORKS)
def test_trunk_and_rest_together_are_the_whole_network(name, trained):
    tagger = tagger_of(name, trained).train()
    trunk, rest = cut(tagger, SIDE)
    assert tagger.training and rest.training
    with torch.no_grad():
        expected = tagger.eval()(photos())
        found = rest.eval()(trunk(photos()))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("trained", STAGES)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_rest_has_all_that_is_trained_and_shares_it(name, trained):
    tagger = tagger_of(name, trained)
    _, rest = cut(tagger, SIDE)
    assert list(map(id, trainable_parameters(rest))) == list(map(id, trainable_parameters(tagger)))
    assert len(list(rest.parameters())) < len(list(tagger.parameters()))
    whole = tagger.state_dict(keep_vars=True)
    assert all(whole[key] is tensor for key, tensor in rest.state_dict(keep_vars=True).items())


@pytest.mark.parametrize("name", NETWORKS)
def test_two_stages_are_more_than_one(name):
    one, two = ({id(part) for part in last_stages(tagger_of(name).backbone, count)} for count in (1, 2))
    counts = [sum(parameter.numel() for parameter in trainable_parameters(tagger_of(name, part))) for part in STAGES]
    assert len(one) < len(two) and counts[0] < counts[1]


def test_the_trunk_stays_in_evaluation_mode_and_the_rest_trains():
    tagger = tagger_of("resnet18")
    trunk, rest = cut(tagger, SIDE)
    rest.train()
    before = tagger.backbone.bn1.running_mean.clone(), tagger.backbone.layer4[0].bn1.running_mean.clone()
    rest(trunk(photos()).detach()).sum().backward()
    assert torch.equal(before[0], tagger.backbone.bn1.running_mean)
    assert not torch.equal(before[1], tagger.backbone.layer4[0].bn1.running_mean)
    assert tagger.backbone.layer4[0].conv1.weight.grad is not None


def test_a_network_that_is_no_chain_there_is_refused():
    """A vision transformer adds positions to what its first layer gives: that would happen twice."""
    tagger = zoo.build("timm:vit_tiny_patch16_224", 3, trained="last-stage", side=224)
    with pytest.raises(TaggingError, match="views to 0"):
        cut(tagger, 224)


@pytest.mark.parametrize("name", ["resnet18", "densenet169"])
def test_training_on_cached_activations_is_training_the_last_stage(name, tmp_path):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (20, SIDE, SIDE, 3), dtype=np.uint8)
    targets = (random.random((20, 3)) < 0.4).astype(np.uint8)
    recipe = Recipe(epochs=2, batch_size=5, learning_rate=0.01, augmentation="none", keep="last")
    train, validation = np.arange(15), np.arange(15, 20)

    def trained(cached: bool) -> tuple[zoo.Tagger, list]:
        tagger = tagger_of(name)
        batches = PhotoBatches(
            pixels, targets, Preprocessing((0.4,) * 3, (0.2,) * 3), side=SIDE, batch_size=5, augmentation="none"
        )
        module = tagger
        if cached:
            trunk, module = cut(tagger, SIDE)
            features.write(tmp_path / "0.npy", trunk, (x for x, _ in batches.plain(np.arange(20))), np.arange(20), 20)
            batches = FeatureBatches([np.load(tmp_path / "0.npy", mmap_mode="r")], targets, batch_size=5)
        return tagger, fit(module, batches, train, validation, recipe, pos_weight=None).epochs

    plain, plain_history = trained(False)
    fast, fast_history = trained(True)
    start = tagger_of(name).state_dict()
    names = [key for key, tensor in start.items() if tensor.is_floating_point()]

    def flat(state: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([state[key].flatten() for key in names])

    moved = flat(plain.state_dict()) - flat(start)
    apart = flat(fast.state_dict()) - flat(plain.state_dict())
    # Half precision in what enters: little beside how far training moves the tensors, batch norms' statistics included.
    assert moved.norm() > 0.5 and apart.norm() < 0.02 * moved.norm()
    for one, other in zip(plain_history, fast_history, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-2)
        assert one["validation_loss"] == pytest.approx(other["validation_loss"], rel=1e-2)
