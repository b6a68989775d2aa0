from hepad.api.abcd import abcd as abcd
from hepad.api.clusters import cluster as cluster
from hepad.api.events import load_events as load_events
from hepad.api.explanations import explain as explain
from hepad.api.histograms import hist as hist
from hepad.api.hunts import bumphunt as bumphunt
from hepad.api.hunts import fit as fit
from hepad.api.injections import inject as inject
from hepad.api.injections import spurious as spurious
from hepad.api.jets import jets as jets
from hepad.api.limits import discovery as discovery
from hepad.api.limits import limit as limit
from hepad.api.methods import hunt as hunt
from hepad.api.models import load_model as load_model
from hepad.api.models import train as train
from hepad.api.published import study as study
from hepad.api.published import verify as verify
from hepad.api.rates import rates as rates
from hepad.api.reinterpretation import reinterpret as reinterpret
from hepad.api.runs import monitor as monitor
from hepad.api.scores import evaluate as evaluate
from hepad.api.scores import score as score
from hepad.api.trigger import latency as latency
from hepad.errors import HepadError as HepadError

__version__: str
