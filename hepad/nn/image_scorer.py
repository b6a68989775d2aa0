"""What all scorers of detector images share: what they see, their views in a training, and scores by name."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import IMAGE, Layout
from hepad.nn.attributions import PathAttribution, in_channel, integrated_gradients
from hepad.nn.explain import Attribution
from hepad.nn.image_card import ImageCard
from hepad.nn.image_quality import SSIM_WINDOW, ssim
from hepad.nn.images import lit, mirrored_and_turned
from hepad.nn.inference import evaluate
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Phase, Recipe, knows_the_batch
from hepad.nn.score_parts import PARTS
from hepad.nn.score_rules import RECONSTRUCTION
from hepad.nn.scorer import Scores, TrainingData, check_batch, finite_scores
from hepad.nn.sources import Noise, Rows
from hepad.nn.torch_rules import TORCH_RECONSTRUCTION

__all__ = ["ImageNetwork", "ImageScorer", "Reconstructs", "check_image"]

_TOGETHER = 32
"""Images of a validation that are in memory with all their channels."""

ImageNetwork = TypeVar("ImageNetwork", bound=nn.Module)


@runtime_checkable
class Reconstructs(Protocol):
    """A scorer that gives back the image that it sees."""

    def reconstruct(self, batch: Batch) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """What the network sees of the events and what it makes of it, each of shape (n, eta, phi), from 0 to 1.

        `CardError` for a batch that does not fit.
        """
        ...

    def scores_and_images(self, batch: Batch) -> tuple[Scores, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """What `scores` and `reconstruct` give, each image reconstructed once."""
        ...


class ImageScorer(NetworkScorer[ImageNetwork]):
    """An autoencoder of the lit pixels of one channel.

    Scores of input and reconstruction are those of `hepad.nn.score_rules`; which are given, the default first, is the
    `scores` of the settings, and what they do not need is not computed. The epoch of a training is the best that has
    the highest mean structural similarity on the validation: the loss that is reported there is 1 less that.
    """

    input_kinds: ClassVar[tuple[str, ...]] = ("detector_image", "calo_image")
    encoder_scores: tuple[str, ...] = ()
    block: ClassVar[int] = 16  # a block of 16 images is large, and a single event costs a whole block

    def __init__(self, settings: ImageCard, layout: Layout, scores: tuple[str, ...]) -> None:
        self._see = settings
        self._place = check_image(settings, layout, self.name)
        self.score_names = scores
        self._quick: ImageNetwork | None = None
        self._tried = False
        super().__init__(settings, layout)

    def reconstruct(self, batch: Batch) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """See `Reconstructs`."""
        check_batch(self, batch)
        module, block = self._evaluated()

        def both(x: Tensor) -> tuple[Tensor, ...]:
            seen = self._seen(x)
            made, _ = self._find(module, seen, True)
            return seen[:, 0], _there(made)[:, 0]

        seen, made = evaluate(module, both, self._arrays(batch), 2, block=block, device=self._device)
        return seen, made

    def scores_and_images(self, batch: Batch) -> tuple[Scores, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """See `Reconstructs`."""
        check_batch(self, batch)
        module, block = self._evaluated()

        def everything(x: Tensor) -> tuple[Tensor, ...]:
            seen = self._seen(x)
            made, latent = self._find(module, seen, True)
            return (*self._named(seen, made, latent), seen[:, 0], _there(made)[:, 0])

        outputs = len(self.score_names) + 2
        *values, seen, made = evaluate(
            module, everything, self._arrays(batch), outputs, block=block, device=self._device
        )
        return finite_scores(self.name, dict(zip(self.score_names, values, strict=True))), seen, made

    def of_score(self, score: str) -> ImageScorer[ImageNetwork]:
        """See `hepad.nn.one_score.Narrows`."""
        self._evaluated()  # so that both share what is compiled
        made = copy.copy(self)
        made.score_names = (score,)
        return made

    def score_module(self, score: str) -> nn.Module:
        """See `hepad.nn.one_score.HasScoreModule`."""
        return super(ImageScorer, self.of_score(score)).score_module(score)

    def _one(self, module: ImageNetwork, rows: tuple[Tensor, ...], score: str) -> Tensor:
        x, rule = self._seen(rows[0]), TORCH_RECONSTRUCTION.get(score)
        made, latent = self._find(module, x, rule is not None)
        return latent[score] if rule is None else rule(x, _there(made))

    def attribution(self, batch: Batch, score: str) -> Attribution:
        """See `hepad.nn.explain.Attributes`; only the channel that the network sees has parts other than 0."""
        check_batch(self, batch)
        module = copy.deepcopy(self._module).to("cpu").double().eval()
        rows = (torch.from_numpy(np.asarray(batch.x[row : row + 1])) for row in range(len(batch)))
        found = [self._explained(module, x, score) for x in rows]
        return in_channel(found, self._place, self.layout, "exact" if score in PARTS else "path")

    def _explained(self, module: ImageNetwork, x: Tensor, score: str) -> PathAttribution:
        """The parts (1, eta, phi) of a score of one event, by a network of double precision."""
        seen = self._seen(x.double())
        if score not in PARTS:
            return integrated_gradients(lambda points: self._find(module, points, False)[1][score], seen[0])
        with torch.inference_mode():
            made = _there(self._find(module, seen, True)[0])
        image, again = _numpy(seen), _numpy(made)
        parts, value = PARTS[score](image, again)[0], float(RECONSTRUCTION[score](image, again)[0])
        return PathAttribution(parts, value, value - float(parts.sum()))

    def _evaluated(self) -> tuple[ImageNetwork, int]:
        """On a processor compiled loops, one event at a time, if they know the network."""
        if self._device != "cpu":
            return self._module, self.block
        if not self._tried:
            from hepad.nn.residual_compiled import compiled  # compiles when it is first imported on a machine

            self._quick, self._tried = compiled(self._module, self.layout.shape[1:]), True
        return (self._module, self.block) if self._quick is None else (self._quick, 1)

    def _changed(self) -> None:
        self._quick, self._tried = None, False

    def _seen(self, x: Tensor) -> Tensor:
        return lit(x[:, self._place : self._place + 1], self._see.threshold)

    def _recipe(self, module: ImageNetwork, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        def view(rows: Rows, noise: Noise) -> Tensor:
            return mirrored_and_turned(self._seen(rows.tensors[0]), noise, self._see.turn)

        def loss(rows: Rows, noise: Noise) -> Tensor:
            return rows.mean(self._losses(module, view(rows, noise), noise))

        def in_parts(rows: Rows, noise: Noise, at_once: int) -> Iterator[Tensor]:
            at_once = max(at_once, 2)  # one event has no covariance: see `hepad.nn.oriented`
            views = torch.split(view(rows, noise), at_once)
            for part, x in zip(rows.parts(at_once), views, strict=True):
                yield part.total(self._losses(module, x, noise)) / len(rows)

        def validate(rows: Rows, _: Noise) -> Tensor:
            seen = torch.split(self._seen(rows.tensors[0]), _TOGETHER)
            return torch.cat([self._judge(module, x) for x in seen]).to(rows.tensors[0])

        parts = None if knows_the_batch(module) else in_parts
        return Recipe(module, (Phase("adam", module, loss, in_parts=parts),), validate)

    def _score(self, module: ImageNetwork, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = self._seen(rows[0])
        made, latent = self._find(module, x, any(name in RECONSTRUCTION for name in self.score_names))
        return self._named(x, made, latent)

    def _named(self, x: Tensor, made: Tensor | None, latent: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """The scores in their order, of what is seen, its reconstruction and what was found beside it."""
        values = dict(latent)
        for name in set(self.score_names) & RECONSTRUCTION.keys():
            values[name] = torch.from_numpy(RECONSTRUCTION[name](_numpy(x), _numpy(_there(made))))
        return tuple(values[name] for name in self.score_names)

    def _judge(self, module: ImageNetwork, x: Tensor) -> Tensor:
        """What is lowest, as a mean, of the best epoch: 1 less the structural similarity of each image."""
        made, _ = self._find(module, x, True)
        return 1 - torch.from_numpy(ssim(_numpy(x), _numpy(_there(made))))

    @abstractmethod
    def _losses(self, module: ImageNetwork, x: Tensor, noise: Noise) -> Tensor:
        """The loss of each image of what the network sees, shape (n,)."""

    @abstractmethod
    def _find(self, module: ImageNetwork, x: Tensor, decode: bool) -> tuple[Tensor | None, Mapping[str, Tensor]]:
        """The reconstruction of what is seen, from 0 to 1 and None unless asked to `decode`, and its other scores."""


def check_image(settings: ImageCard, layout: Layout, model: str) -> int:
    """The place of the channel that a network sees; `CardError` for what is no image, lacks it or is too small."""
    if layout.axes != IMAGE:
        raise CardError(f"{model} takes an image, not an input of axes {', '.join(layout.axes)}")
    if settings.channel not in layout.features:
        raise CardError(f"{model} sees channel {settings.channel!r}, the input has {', '.join(layout.features)}")
    if min(layout.shape[1:]) < SSIM_WINDOW:
        raise CardError(f"{model} takes images of at least {SSIM_WINDOW} bins of eta and phi, not {layout.summary}")
    return layout.features.index(settings.channel)


def _there(made: Tensor | None) -> Tensor:
    assert made is not None  # noqa: S101  it was asked for
    return made


def _numpy(x: Tensor) -> npt.NDArray[Any]:
    return np.asarray(x.detach().cpu().numpy())
