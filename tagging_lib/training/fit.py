"""The training loop: one for photos and for features."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tagging_lib.models import device as devices
from tagging_lib.models import ranks, together
from tagging_lib.models.tagger import BATCH_NORMS, Tagger, trainable_parameters
from tagging_lib.training import checkpoint as checkpoints
from tagging_lib.training import losses
from tagging_lib.training.augment import sent
from tagging_lib.training.batches import Part, derived_seed
from tagging_lib.training.recipe import Recipe

logger = logging.getLogger(__name__)
DROPOUT, MONITOR, MIXUP = 11, 12, 13  # what a seed is derived for
TOLD = 25  # epochs, about, of a long training; of one with fewer than twice as many, all
CHEAP_CHECKPOINT = 1.0  # seconds; a checkpoint that takes longer is written less often,
AVERAGE = "average/"  # what names of averaged weights begin with in a checkpoint
CHECKPOINT_SHARE = 0.05  # so that no more than this share of the time goes into them


class Batches(Protocol):
    """What `fit` trains on; `PhotoBatches` and `FeatureBatches` are such."""

    batch_size: int
    evaluation_batch: int

    def train(self, indices: np.ndarray, epoch: int, part: Part = ...): ...
    def plain(self, indices: np.ndarray): ...


@dataclass
class History:
    """One entry an epoch: epoch (from 1), learning_rate, train_loss, train_f1, validation_loss, validation_f1, and what it took:
    seconds of the clock, and processor_seconds of all cores. Epochs before an interruption count."""

    epochs: list[dict[str, float]]
    best_epoch: int
    seconds: float
    processor_seconds: float = 0.0


def fit(
    module: nn.Module,
    batches: Batches,
    train: np.ndarray,
    validation: np.ndarray,
    recipe: Recipe,
    *,
    pos_weight: Tensor | None,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> History:
    """Train `module` on the photos at `train`; it ends in eval mode, with the weights of the epoch that is kept.

    Loss and micro-F1 of every epoch are those of the whole validation part, and of a fixed sample of the training part
    as it is, without augmentation. An empty validation part is not monitored, and the last epoch is kept.

    All randomness comes from (seed, epoch), so a training that continues from `checkpoint` ends in the same bits as one
    that was never interrupted; on CUDA only where `torch.use_deterministic_algorithms` is on.
    Nothing is asked of the device inside an epoch, so that it never waits for the host.

    Several ranks (`models.ranks`) share the photos of each step, and those that are monitored; gradients are those of the whole
    batch, up to rounding, batch norms included. Only dropout has draws of its own on each rank. Rank 0 alone writes.
    """
    devices.prepare(devices.kind_of(device))
    optimizer = _optimizer(module, recipe)
    steps = _steps(module, len(train), batches.batch_size)
    schedule = _schedule(optimizer, recipe, steps)
    average = copy.deepcopy(module).requires_grad_(False) if recipe.ema else None
    judged = module if average is None else average
    loss_of = losses.build(recipe.loss, None if pos_weight is None else pos_weight.to(device))
    course = _Course(module, average, recipe, loss_of, optimizer, schedule, steps)
    monitored = _monitored(train, recipe)
    history: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    best_epoch, best_f1 = 0, -1.0
    saved_at, saving = 0.0, 0.0
    same: dict[str, Any] = {"recipe": _plain_dict(recipe), "photos": len(train)}
    if ranks.world() > 1:
        same["ranks"] = ranks.world()
    if checkpoint is not None:
        with ranks.in_turn():
            restored = checkpoints.load(checkpoint, module, optimizer, schedule, same)
        if restored is not None:
            kept, facts = restored
            best = {name: tensor for name, tensor in kept.items() if not name.startswith(AVERAGE)}
            if average is not None:
                average.load_state_dict({name: kept[AVERAGE + name] for name in average.state_dict()})
            history, best_epoch, best_f1 = facts["history"], facts["best_epoch"], facts["best_f1"]
            logger.info("continuing after epoch %d of %d", len(history), recipe.epochs)

    for epoch in range(len(history) + 1, recipe.epochs + 1):
        if recipe.patience is not None and history and len(history) - best_epoch >= recipe.patience:
            logger.info("no better validation F1 for %d epochs: stopped", recipe.patience)
            break
        started, worked = time.perf_counter(), time.process_time()
        rate = optimizer.param_groups[0]["lr"]
        loss = _train_epoch(course, batches, train, epoch)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss of epoch {epoch} is {loss}")
        entry: dict[str, Any] = {"epoch": epoch, "learning_rate": rate}
        entry["train_loss"], entry["train_f1"] = _monitor(judged, batches, monitored, recipe, loss_of)
        entry["validation_loss"], entry["validation_f1"] = _monitor(judged, batches, validation, recipe, loss_of)
        entry["seconds"], entry["processor_seconds"] = time.perf_counter() - started, _of_all(time.process_time() - worked)
        history.append(entry)
        if entry["validation_f1"] > best_f1:
            best_epoch, best_f1 = epoch, entry["validation_f1"]
            if recipe.keep == "best":
                best = {name: tensor.detach().clone() for name, tensor in judged.state_dict().items()}
        if epoch % max(1, recipe.epochs // TOLD) == 0 or epoch in (1, recipe.epochs):
            logger.info(
                "epoch %d/%d: train loss %.4f F1 %.3f, validation loss %.4f F1 %.3f, %.1f s",
                epoch,
                recipe.epochs,
                *(entry[name] for name in ("train_loss", "train_f1", "validation_loss", "validation_f1", "seconds")),
            )
        now = time.perf_counter()
        due = saving < CHEAP_CHECKPOINT or saving < CHECKPOINT_SHARE * (now - saved_at)
        if checkpoint is not None and epoch < recipe.epochs and due and ranks.is_writer():
            facts = same | {"history": history, "best_epoch": best_epoch, "best_f1": best_f1}
            averaged = {} if average is None else {AVERAGE + name: tensor for name, tensor in average.state_dict().items()}
            checkpoints.save(checkpoint, module, optimizer, schedule, best | averaged, facts)
            saved_at = time.perf_counter()
            saving = saved_at - now

    if best:
        module.load_state_dict(best)
    else:
        module.load_state_dict(judged.state_dict())
        best_epoch = len(history)
    module.eval()
    spent = (sum(entry[name] for entry in history) for name in ("seconds", "processor_seconds"))
    return History(history, best_epoch, *spent)


def _plain_dict(recipe: Recipe) -> dict:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(recipe).items()}


def _optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = trainable_parameters(module)
    fused = bool(parameters)  # one pass over memory instead of one for each operation; torch refuses it for no parameters
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if recipe.backbone_rate != 1 and isinstance(module, Tagger):
        head = {id(parameter) for parameter in module.head.parameters()}
        groups = [
            {"params": [p for p in parameters if id(p) in head]},
            {"params": [p for p in parameters if id(p) not in head], "lr": recipe.learning_rate * recipe.backbone_rate},
        ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=fused)
    return torch.optim.SGD(
        groups,
        lr=recipe.learning_rate,
        momentum=recipe.momentum[1],
        nesterov=True,
        weight_decay=recipe.weight_decay,
        fused=fused,
    )


def _steps(module: nn.Module, photos: int, batch_size: int) -> int:
    """Steps of an epoch; a last batch of one photo is dropped where batch norm would fail on it."""
    full, rest = divmod(photos, batch_size)
    usable = rest > 1 or (rest == 1 and not _normalises_batches(module))
    return max(1, full + usable)


def _normalises_batches(module: nn.Module) -> bool:
    return any(
        isinstance(part, BATCH_NORMS) and (not part.affine or part.weight.requires_grad) for part in module.modules()
    )


def _schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    total = max(2, recipe.epochs * steps)
    if recipe.schedule == "one-cycle":
        base, top = recipe.momentum
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=total,
            cycle_momentum=recipe.optimizer == "sgd",
            base_momentum=base,
            max_momentum=top,
        )
    if recipe.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=1)


@dataclass(eq=False)
class _Course:
    """What the steps of a training share; `average` is the running average of the weights, where the recipe has one."""

    module: nn.Module
    average: nn.Module | None
    recipe: Recipe
    loss_of: Callable[[Tensor, Tensor], Tensor]
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    steps: int


def _train_epoch(course: _Course, batches: Batches, train: np.ndarray, epoch: int) -> float:
    """Mean loss over the epoch's photos while they train."""
    recipe = course.recipe
    torch.manual_seed(derived_seed(recipe.seed, epoch, DROPOUT, *([ranks.rank()] if ranks.world() > 1 else [])))
    course.module.train()
    network = together.wrapped(course.module)
    total: Tensor | float = 0.0
    seen = 0
    for x, y, weight in _steps_of(course, batches, train, epoch):
        course.optimizer.zero_grad(set_to_none=True)
        with together.whole_batch_norms(idle=weight == 0):
            loss = course.loss_of(network(x), y)
        (loss if weight == 1 else loss * weight).backward()
        course.optimizer.step()
        course.schedule.step()
        if course.average is not None:
            _move_towards(course.average, course.module, recipe.ema)
        # On the device, and read once an epoch: asking for each value would make the device wait for the host.
        photos = len(x) if weight else 0
        total = total + loss.detach() * photos
        seen += photos
    return _of_all(float(total)) / max(1.0, _of_all(seen))


def _steps_of(course: _Course, batches: Batches, train: np.ndarray, epoch: int) -> Iterator[tuple[Tensor, Tensor, float]]:
    """What this rank learns from in each step, and by what its loss is multiplied before gradients are averaged over ranks.

    A rank without a photo of the step gets a black one, multiplied by 0: all ranks have to take part in the sums.
    """
    recipe, part = course.recipe, ranks.Part()
    # Photos are mixed with others of the whole batch, which every rank therefore makes.
    parts = [part] if ranks.world() > 1 and not recipe.mixup else []
    for step, (x, y) in enumerate(batches.train(train, epoch, *parts)):
        if step == course.steps:
            break
        if recipe.mixup:
            x, y = _mixed(x, y, recipe, epoch, step)
            mine = part(len(x))
            x, y = x[mine], y[mine]
        whole = part.taken() or len(x)
        if len(x):
            yield x, y, len(x) * ranks.world() / whole
        else:
            yield x.new_zeros((1, *x.shape[1:])), y.new_zeros((1, *y.shape[1:])), 0.0


def _of_all(value: float) -> float:
    """The sum over all ranks."""
    return value if ranks.world() == 1 else ranks.summed(torch.tensor(value, dtype=torch.float64)).item()


def _mixed(x: Tensor, y: Tensor, recipe: Recipe, epoch: int, step: int) -> tuple[Tensor, Tensor]:
    """Each photo of a batch with a share of another one, targets alike; the draws depend on (seed, epoch, step) alone."""
    random = np.random.default_rng(derived_seed(recipe.seed, epoch, step, MIXUP))
    share, partner = float(random.beta(recipe.mixup, recipe.mixup)), sent(torch.from_numpy(random.permutation(len(x))), x.device)
    return torch.lerp(x[partner], x, share), torch.lerp(y[partner], y, share)


@torch.no_grad()
def _move_towards(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Weights and statistics of batch norms a step of 1 - decay towards the module's; what is counted is copied."""
    ours, theirs = list(average.state_dict().values()), list(module.state_dict().values())
    floats = [i for i, tensor in enumerate(ours) if tensor.is_floating_point()]
    torch._foreach_lerp_([ours[i] for i in floats], [theirs[i] for i in floats], 1 - decay)
    for mine, other in zip(ours, theirs, strict=True):
        if not mine.is_floating_point():
            mine.copy_(other)


def _monitored(train: np.ndarray, recipe: Recipe) -> np.ndarray:
    if len(train) <= recipe.monitor_photos:
        return train
    chosen = np.random.default_rng(derived_seed(recipe.seed, MONITOR)).choice(len(train), recipe.monitor_photos, False)
    return train[np.sort(chosen)]


def _monitor(module, batches: Batches, indices: np.ndarray, recipe: Recipe, loss_of) -> tuple[float, float]:
    """Loss and micro-F1 of the whole set; nan for an empty one."""
    if len(indices) == 0:
        return float("nan"), float("nan")
    module.eval()
    # The threshold is moved to the logits instead of every logit to a probability.
    boundary = math.log(recipe.monitor_threshold / (1 - recipe.monitor_threshold))
    looking = module.for_inference() if isinstance(module, Tagger) else module

    def look(batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        logits = looking(x)
        answer = (logits >= boundary).float()
        return torch.stack([loss_of(logits, y) * len(x), (answer * y).sum(), answer.sum(), y.sum()])

    # Summed on the device, and read once: asking for each batch would make the device wait for the host.
    count = len(indices)
    if ranks.world() > 1:
        indices = indices[ranks.blocks(count, batches.evaluation_batch)]
    found = list(devices.each(look, batches.plain(indices), devices.of(module)))
    sums = (torch.stack(found) if found else torch.zeros(1, 4)).sum(dim=0, dtype=torch.float64)
    loss, hits, given, true = ranks.summed(sums.cpu()).tolist()
    return loss / count, 2 * hits / (given + true) if given + true else 0.0
