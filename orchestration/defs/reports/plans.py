"""What makes the report."""

from chorus.params import Params
from chorus.store import Store
from orchestration.plan import Plan


def evaluation(store: Store, params: Params) -> Plan:
    raise NotImplementedError


