"""What all methods share: the contract, the classifiers, and how one is trained in folds."""

from hepad.methods.base.contract import (
    MASS,
    Fitted,
    Folds,
    How,
    Method,
    Network,
    Problem,
    Sample,
    Training,
    Window,
    make_method,
    train_all,
)

__all__ = [
    "MASS",
    "Fitted",
    "Folds",
    "How",
    "Method",
    "Network",
    "Problem",
    "Sample",
    "Training",
    "Window",
    "make_method",
    "train_all",
]
