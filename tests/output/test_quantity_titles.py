"""Columns of inputs stand in figures as people write them."""

from __future__ import annotations

from hepad.output.quantity_titles import object_titles, quantity_titles


def test_columns_have_titles_with_units_and_others_none() -> None:
    names = ["n_bjets", "sum_pt_jets", "jet1_pt", "electron2_eta", "met_phi", "met", "score mse", "in region tight"]
    assert quantity_titles(names) == {
        "n_bjets": "Number of b jets",
        "sum_pt_jets": r"Sum of $p_\mathrm{T}$ of jets [GeV]",
        "jet1_pt": r"$p_\mathrm{T}$ of jet 1 [GeV]",
        "electron2_eta": r"$\eta$ of electron 2",
        "met_phi": r"$\phi$ of missing momentum",
        "met": r"$E_\mathrm{T}^\mathrm{miss}$ [GeV]",
        "score mse": "Score mse",
    }


def test_objects_are_told_by_their_places() -> None:
    assert object_titles(["jet1", "fatjet2", "bjet1", "met", "jets"]) == {
        "jet1": "jet 1",
        "fatjet2": "fat jet 2",
        "bjet1": "b jet 1",
        "met": r"$E_\mathrm{T}^\mathrm{miss}$",
    }
