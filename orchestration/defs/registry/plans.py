"""What makes the registered model."""

from chorus.params import Params
from chorus.store import Store
from orchestration.plan import Plan


def chorus_encoder(store: Store, params: Params) -> Plan:
    raise NotImplementedError


