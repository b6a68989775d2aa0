"""What a study that was run found: its results.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepad.errors import InputDataError
from hepad.pipeline.verify.numbers import REJECTION, Key
from hepad.pipeline.verify.report import Found

__all__ = ["TrainedStudy", "read_study"]

_RESULTS = "results.json"
_GAINS = {"limit": "limit_improvement", "discovery": "expected_discovery_improvement"}


@dataclass(frozen=True)
class TrainedStudy:
    """The content of a study's results.json; `name` is that of its card."""

    path: Path
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The study."""
        return str(self.content["study"])

    def find(self, key: Key) -> Found | None:
        """What the study found of it; None if nothing. `InputDataError` if the file is not as a study writes it."""
        try:
            return self._find(key)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            what = f"{type(error).__name__}: {error}"
            raise InputDataError(
                f"{self.path}: damaged, or of another version ({what}); run hepad study again"
            ) from error

    def _find(self, key: Key) -> Found | None:
        if "table" not in self.content:
            return self._gain(key)
        row = self.content["table"].get(key.analysis)
        if row is None:
            return None
        how = f"study {self.name}, {_trainings(len(row['trainings']))}"
        spread = self._spread(key, row)
        if spread is None:
            return None
        error = spread["std"]
        return Found(
            spread["mean"] * key.unit, None if error is None else error * key.unit, how, spread["is_lower_limit"]
        )

    def _spread(self, key: Key, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Mean and standard deviation over trainings, of one training without the latter."""
        if key.score is not None:
            rows = self.content.get("compared", ())
            compared = [one for one in rows if (one["analysis"], one["score"]) == (key.analysis, key.score)]
            by_signal = compared[0][key.metric] if compared else {}
        elif key.metric == "loss":
            by_signal = {key.signal: row["train_loss"]}
        elif key.metric == "auc":
            by_signal = row["auc"]
        elif key.metric == f"{REJECTION}{self.content['card']['rejection_at']:g}":
            by_signal = row["rejection"]
        else:
            return self._of_first(key, row)
        found: dict[str, Any] | None = by_signal.get(key.signal)
        return found

    def _of_first(self, key: Key, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Size and qualities of images, which are those of the first training."""
        first = self.content["trainings"][row["trainings"][0]]
        if key.metric in first.get("cost", {}):
            return {"mean": first["cost"][key.metric], "std": None, "is_lower_limit": False}
        if key.metric in first.get("images", {}):
            mean, std = first["images"][key.metric]
            return {"mean": mean, "std": std, "is_lower_limit": False}
        return None

    def _gain(self, key: Key) -> Found | None:
        """The best improvement of a study of sensitivity, of the methods that do not know the signal."""
        card = self.content["card"]
        rows = [
            row
            for row in self.content["sensitivity"]
            if row["signal"] == key.signal and row["method"] not in (*card["classical"], *card["knows_signal"])
        ]
        gains = [(row[_GAINS[key.metric]], row) for row in rows if row.get(_GAINS[key.metric]) is not None]
        if not gains:
            return None
        value, best = max(gains, key=lambda pair: float(pair[0]))
        bound = bool(best.get(f"{_GAINS[key.metric]}_bound"))
        return Found(value, None, f"study {self.name}, {best['method']} over the best classical method", bound)


def read_study(path: Path) -> TrainedStudy:
    """The results of a study in its folder; `InputDataError` if there are none, or they are of `--quick`."""
    file = path / _RESULTS
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "study" not in content or not {"table", "sensitivity"} & set(content):
            raise ValueError("it has no table")
    except (OSError, ValueError) as error:
        raise InputDataError(
            f"{file}: not the results of a study ({error}); give the folder that hepad study wrote"
        ) from error
    if content.get("quick"):
        raise InputDataError(f"{file}: of hepad study --quick, whose networks are not trained; run it without")
    return TrainedStudy(file, content)


def _trainings(n: int) -> str:
    return f"{n} training{'' if n == 1 else 's'}"
