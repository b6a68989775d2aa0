"""From a Delphes file to a limit through the Python API: nothing but the sample is read, nothing is written."""

# %% [markdown]
# # From a Delphes file to a limit, in memory
#
# Every cell below is plain Python: run it as a script (`python examples/python_api.py`, in the folder that holds
# `examples`), or cell by cell in an editor or notebook that knows `# %%`. The only file read is the sample.

# %%
import numpy as np

import hepad

events = hepad.load_events("examples/data/w_lnu.root")
print(f"{len(events)} events with {', '.join(events.fields)}")

# %% [markdown]
# ## Scores and a region
#
# Scores are of all events, NaN where the selection of the model does not pass. A region is a mask; this one keeps 30 %
# of the background that the model was calibrated on.

# %%
model = hepad.load_model("snn_ae")
scores = model.scores(events)
region = model.region("anomalous=efficiency:0.3")
inside = region.inside(scores)
print(f"{np.isfinite(scores['mse']).sum()} selected, {inside.sum()} with {region.score} >= {region.threshold:.3g}")

record = hepad.score(events, model, regions={"anomalous": "efficiency:0.3"})
assert (record.masks["anomalous"] == inside).all()
print(record)
record.plot()

# %% [markdown]
# ## The spectrum in the region, and a smooth background

# %%
spectrum = hepad.hist(events, "jet1+jet2", edges=np.geomspace(60, 600, 13), selection=model, where=inside)
print(f"{spectrum.sum().value:.0f} events in the spectrum")

fit = hepad.fit(spectrum, "power3")
print(fit)
fit.plot()

# %% [markdown]
# ## Is there a bump?

# %%
bump = hepad.bumphunt(spectrum, function="power3", toys=500)
print(bump)
bump.plot()

# %% [markdown]
# ## A limit on a resonance at 150 GeV
#
# A Gaussian of 10 events and a width of 10 % on the background that was fitted, with 10 % uncertainty. Without
# `calculator` hepad would see that few events decide, and take pseudo-experiments, for minutes.

# %%
edges = spectrum.axes[0].edges
centres = (edges[:-1] + edges[1:]) / 2
shape = np.exp(-((centres - 150) ** 2) / (2 * (0.1 * 150) ** 2)) * np.diff(edges)
limit = hepad.limit(
    signal=10 * shape / shape.sum(),
    background=(fit.expected, edges),
    data=spectrum,
    background_error=0.1,
    calculator="asymptotic",
)
print(
    f"at most {10 * limit.observed:.1f} events at 95 % CL, {10 * limit.expected[2]:.1f} expected ({limit.calculator})"
)

# %% [markdown]
# ## All of it in one figure

# %%
from matplotlib import pyplot as plt  # noqa: E402

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(21, 6), layout="constrained")
fit.plot(left)
bump.plot(middle)
limit.plot(right)
assert limit.to_json()["observed"] == limit.observed
