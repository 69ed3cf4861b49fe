"""What makes the encoder and its adaptation."""

from chorus.params import Params
from chorus.store import Store
from orchestration.plan import Plan


def encoder(store: Store, params: Params) -> Plan:
    raise NotImplementedError


def adapted_encoder(store: Store, params: Params) -> Plan:
    raise NotImplementedError
