"""Tables of names: what exists and where its code is, without importing it.

A leaf of the import graph: cards use it to refuse a model that an input cannot feed before torch is loaded. A test
compares the tables with the modules they name. Other packages add to them by entry points of the groups `hepad.models`,
`hepad.inputs`, `hepad.methods` and `hepad.readers`, whose objects are an `Entry` each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hepad.errors import CardError

__all__ = ["GUESTS", "INPUTS", "METHODS", "READERS", "SCORERS", "Entry", "Table", "load", "load_config", "lookup"]

GUESTS: set[str] = set()
"""Other packages whose code was loaded in this process for an entry of theirs."""


@dataclass(frozen=True)
class Entry:
    """One registered class: `target` is `module:Class`; `inputs` are the input kinds that a scorer or method accepts.

    `config` names the pydantic class of its settings, in the module of the target or, for a module `network`, in the
    package around it, which loads without torch, so that a wrong card is refused before a file is opened. `trainable`
    is False for a scorer whose weights only come from elsewhere. `tree` is that of the ROOT files that a reader reads,
    `also` those of files without it; of readers of the same tree, branches that the class `tells` decide.
    """

    target: str
    title: str
    inputs: tuple[str, ...] = ()
    config: str = ""
    trainable: bool = True
    tree: str = ""
    also: tuple[str, ...] = ()


class Table(Mapping[str, Entry]):
    """Entries by name: hepad's own, and those of other packages, which are looked for when they are first needed."""

    def __init__(self, what: str, group: str, own: Mapping[str, Entry]) -> None:
        self.what, self._group, self._own = what, group, dict(own)

    @property
    def own(self) -> Mapping[str, Entry]:
        """The entries of hepad itself."""
        return dict(self._own)

    @cached_property
    def _points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self._group) if point.name not in self._own}

    def package_of(self, name: str) -> str:
        """The package that an entry is from; `KeyError` for an unknown name."""
        if name in self._own:
            return "hepad"
        point = self._points[name]
        return point.dist.name if point.dist else point.value

    def __getitem__(self, name: str) -> Entry:
        if name in self._own:
            return self._own[name]
        return _of_package(self._points[name], self.what, self.package_of(name))

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from sorted(self._points)

    def __len__(self) -> int:
        return len(self._own) + len(self._points)

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._points


def _of_package(point: EntryPoint, what: str, package: str) -> Entry:
    """The entry of another package; `CardError` that names it if it does not load or is none."""
    GUESTS.add(package)
    try:
        entry = point.load()
    except Exception as error:  # it is somebody else's code
        raise CardError(f"{what} {point.name!r} of package {package} cannot be loaded: {error}") from error
    if not isinstance(entry, Entry):
        raise CardError(f"{what} {point.name!r} of package {package}: {point.value} is no hepad.registry.Entry")
    return entry


INPUTS = Table(
    "input",
    "hepad.inputs",
    {
        "l1_vector": Entry(
            "hepad.inputs.l1_vector:L1Vector", "fixed-length vector of trigger objects", config="L1VectorCard"
        ),
        "rmm": Entry("hepad.inputs.rmm:RapidityMassMatrix", "rapidity-mass matrix", config="RmmCard"),
        "event_features": Entry(
            "hepad.inputs.event_features:EventFeatures", "quantities of an event", config="EventFeaturesCard"
        ),
        "calo_image": Entry("hepad.inputs.calo_image:CaloImage", "calorimeter image", config="CaloImageCard"),
        "detector_image": Entry(
            "hepad.inputs.detector_image:DetectorImage", "image of tracks and calorimeters", config="DetectorImageCard"
        ),
        "l1_hardware": Entry(
            "hepad.inputs.l1_hardware:L1Hardware", "trigger objects in hardware units", config="L1HardwareCard"
        ),
        "particle_set": Entry(
            "hepad.inputs.particle_set:ParticleSet", "set of the particles of a jet", config="ParticleSetCard"
        ),
        "jet_features": Entry("hepad.inputs.jet_features:JetFeatures", "quantities of a jet", config="JetFeaturesCard"),
        "table": Entry("hepad.inputs.table:TableFeatures", "columns of a table", config="TableFeaturesCard"),
        "calo_regions": Entry(
            "hepad.inputs.calo_regions:CaloRegions", "calorimeter regions in hardware units", config="CaloRegionsCard"
        ),
    },
)

_HUNTED = ("event_features", "table")
"""The inputs of methods that tell events apart by their quantities."""

_VECTORS = ("l1_vector", "l1_hardware", "rmm")
"""The inputs of models that are made of models."""

SCORERS = Table(
    "model",
    "hepad.models",
    {
        "snn_ae": Entry(
            "hepad.models.snn_ae:SpikingAutoencoder",
            "spiking autoencoder",
            ("l1_vector",),
            "SpikingConfig",
        ),
        "dnn_ae": Entry("hepad.models.dnn_ae:DenseAutoencoder", "dense autoencoder", ("l1_vector",), "DenseConfig"),
        "vae": Entry(
            "hepad.models.vae.scorer:VariationalAutoencoder",
            "variational autoencoder",
            ("l1_vector",),
            "VariationalConfig",
        ),
        "l1_vae": Entry(
            "hepad.models.l1_vae.scorer:HardwareVae",
            "variational autoencoder of hardware integers",
            ("l1_hardware",),
            "HardwareVaeConfig",
        ),
        "vae_gan": Entry(
            "hepad.models.vae_gan.scorer:VaeGan",
            "variational autoencoder against a discriminator",
            ("l1_hardware", "l1_vector"),
            "VaeGanConfig",
        ),
        "vicreg": Entry(
            "hepad.models.vicreg.scorer:VicregEmbedding",
            "embedding of hardware integers by VICReg",
            ("l1_hardware",),
            "VicregConfig",
        ),
        "dense_vae": Entry(
            "hepad.models.dense_vae.scorer:DenseVae",
            "variational autoencoder of an embedding",
            ("l1_vector",),
            "DenseVaeConfig",
        ),
        "rmm_ae": Entry(
            "hepad.models.rmm_ae:RmmAutoencoder",
            "autoencoder of rapidity-mass matrices",
            ("rmm",),
            "RmmConfig",
        ),
        "anomaly_clr": Entry(
            "hepad.models.anomaly_clr.network:ContrastiveEmbedding",
            "contrastive representation of objects",
            ("l1_vector",),
            "ContrastiveConfig",
        ),
        "nf_vae": Entry(
            "hepad.models.nf_vae.network:FlowVariationalAutoencoder",
            "variational autoencoder with a normalising flow",
            ("l1_vector",),
            "FlowVaeConfig",
        ),
        "double_ae": Entry(
            "hepad.models.double_ae.network:DoubleAutoencoder",
            "two decorrelated autoencoders",
            ("l1_vector",),
            "DoubleConfig",
        ),
        "wnae": Entry(
            "hepad.models.wnae:NormalisedAutoencoder",
            "autoencoder whose error is the energy of a density",
            ("l1_vector", "event_features", "jet_features", "rmm"),
            "NormalisedConfig",
        ),
        "particle_flow": Entry(
            "hepad.models.particle_flow.network:ParticleFlowNetwork",
            "classifier of sets of particles",
            ("particle_set",),
            "FlowNetworkConfig",
        ),
        "logistic": Entry(
            "hepad.models.logistic.network:LogisticRegression",
            "logistic regression",
            ("jet_features", "event_features"),
            "LogisticConfig",
        ),
        "conv_ae": Entry(
            "hepad.models.conv_ae.network:ConvAutoencoder",
            "convolutional autoencoder of images",
            ("calo_image", "detector_image"),
            "ConvConfig",
        ),
        "codae": Entry(
            "hepad.models.codae.network:DualAutoencoder",
            "conditional dual autoencoder of images",
            ("detector_image", "calo_image"),
            "DualConfig",
        ),
        "cae": Entry(
            "hepad.models.cae.network:ResidualAutoencoder",
            "residual convolutional autoencoder of images",
            ("detector_image", "calo_image"),
            "ResidualConfig",
        ),
        "codvae": Entry(
            "hepad.models.codvae.network:CategoricalDualAutoencoder",
            "categorical dual variational autoencoder of images",
            ("detector_image", "calo_image"),
            "CategoricalConfig",
        ),
        "dirichlet_vae": Entry(
            "hepad.models.dirichlet_vae.network:DirichletAutoencoder",
            "variational autoencoder of images as mixtures",
            ("detector_image", "calo_image"),
            "DirichletConfig",
        ),
        "cct": Entry(
            "hepad.models.cct.network:CompactTransformer",
            "supervised classifier of images, a convolutional transformer",
            ("detector_image", "calo_image"),
            "TransformerConfig",
        ),
        "image_ae": Entry(
            "hepad.models.image_ae.network:ImageAutoencoder",
            "autoencoder of images with a dense bottleneck",
            ("detector_image", "calo_image"),
            "ImageAutoencoderConfig",
        ),
        "cicada": Entry(
            "hepad.models.cicada.network:Cicada",
            "autoencoder of calorimeter regions and a student of its score",
            ("calo_regions",),
            "CicadaConfig",
        ),
        "flow": Entry(
            "hepad.models.flow.network:FlowModel",
            "density by a normalising flow",
            ("event_features", "jet_features"),
            "FlowConfig",
        ),
        "quantity": Entry(
            "hepad.models.quantity:Quantity",
            "quantity of an event",
            ("event_features", "jet_features", "l1_vector", "l1_hardware"),
            "QuantityConfig",
        ),
        "total_energy": Entry(
            "hepad.models.total_energy:TotalEnergy",
            "total energy of an image",
            ("detector_image", "calo_image"),
            "TotalEnergyConfig",
        ),
        "set_vae": Entry(
            "hepad.models.set_vae.network:SetVae",
            "variational autoencoder of sets of particles",
            ("particle_set",),
            "SetVaeConfig",
        ),
        "clip_vae": Entry(
            "hepad.models.set_vae.network:ClipVae",
            "variational autoencoder of sets that scores with its encoder",
            ("particle_set",),
            "ClipVaeConfig",
        ),
        "vrnn": Entry(
            "hepad.models.vrnn.network:Vrnn",
            "variational recurrent network of the particles of a jet in sequence",
            ("particle_set",),
            "VrnnConfig",
        ),
        "ensemble": Entry("hepad.models.compose:Ensemble", "ensemble of one model", _VECTORS, "EnsembleConfig"),
        "parallel": Entry("hepad.models.compose:Parallel", "models side by side", _VECTORS, "ParallelConfig"),
        "chain": Entry("hepad.models.compose:Chain", "model of embeddings", (*_VECTORS, "particle_set"), "ChainConfig"),
        "cascade": Entry(
            "hepad.models.compose:Cascade",
            "model of what another one lets pass",
            ("l1_vector", "l1_hardware"),
            "CascadeConfig",
        ),
        "fixed": Entry(
            "hepad.models.fixed.network:FixedNetwork",
            "network of a trigger, in its own fixed-point arithmetic",
            ("l1_hardware", "calo_regions"),
            "FixedConfig",
            trainable=False,
        ),
        "onnx": Entry(
            "hepad.models.onnx:OnnxScorer",
            "network of others, in ONNX",
            ("l1_vector", "rmm", "event_features", "jet_features", "table", "calo_image", "detector_image"),
            "OnnxConfig",
            trainable=False,
        ),
    },
)

METHODS = Table(
    "method",
    "hepad.methods",
    {
        "cwola": Entry("hepad.methods.cwola:Cwola", "classification without labels", _HUNTED, "CwolaConfig"),
        "cwola_jets": Entry("hepad.methods.cwola_jets:CwolaJets", "the same of each jet", _HUNTED, "CwolaJetsConfig"),
        "cathode": Entry(
            "hepad.methods.cathode:Cathode", "background drawn from a flow of the sidebands", _HUNTED, "CathodeConfig"
        ),
        "lacathode": Entry(
            "hepad.methods.lacathode:LaCathode", "told apart in the flow's latent space", _HUNTED, "LaCathodeConfig"
        ),
        "cuts": Entry("hepad.methods.cuts:Cuts", "cuts on quantities of an event", _HUNTED, "CutsConfig"),
        "idealised": Entry(
            "hepad.methods.idealised:Idealised", "data against perfect background", _HUNTED, "IdealisedConfig"
        ),
        "supervised": Entry(
            "hepad.methods.supervised:Supervised", "signal against background", _HUNTED, "SupervisedConfig"
        ),
        "quak": Entry("hepad.methods.quak:Quak", "losses of background and signals", _HUNTED, "QuakConfig"),
        "vae_qr": Entry("hepad.methods.vae_qr:VaeQr", "jets that look odd, whatever the mass", _HUNTED, "VaeQrConfig"),
        "tnt": Entry("hepad.methods.tnt:TagNTrain", "each jet tags what the other learns from", _HUNTED, "TntConfig"),
    },
)

READERS = Table(
    "reader",
    "hepad.readers",
    {
        "delphes": Entry("hepad.io.detector.delphes:DelphesFile", "Delphes", tree="Delphes"),
        "adfilter": Entry("hepad.io.detector.adfilter:AdfilterFile", "ADFilter", tree="Ntuple"),
        "nanoaod": Entry("hepad.io.detector.nanoaod:NanoAodFile", "NanoAOD", tree="Events"),
        "l1_nanoaod": Entry("hepad.io.detector.l1_nanoaod:L1NanoAodFile", "CMS Level-1 NanoAOD", tree="Events"),
        "l1_ntuple": Entry(
            "hepad.io.detector.l1_ntuple:L1NtupleFile",
            "CMS Level-1 ntuple",
            tree="l1UpgradeTree/L1UpgradeTree",
            also=("l1UpgradeEmuTree/L1UpgradeTree",),
        ),
        "jetclass": Entry("hepad.io.detector.jetclass:JetClassFile", "JetClass", tree="tree"),
        "physlite": Entry("hepad.io.detector.physlite:PhysliteFile", "PHYSLITE", tree="CollectionTree"),
    },
)


def lookup(table: Mapping[str, Entry], name: str, what: str) -> Entry:
    """The entry called `name`; `CardError` that lists the known names otherwise."""
    if name not in table:
        known = ", ".join(sorted(table))
        raise CardError(f"unknown {what} {name!r}: choose one of {known}")
    return table[name]


def load(entry: Entry) -> Any:
    """Import and return the class that an entry names."""
    return _named(entry.target)


def load_config(entry: Entry) -> Any:
    """Import and return the class of an entry's settings; torch is not loaded."""
    module = entry.target.partition(":")[0]
    if module.endswith(".network"):
        module = module.rpartition(".")[0]
    return _named(f"{module}:{entry.config}")


def _named(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)
