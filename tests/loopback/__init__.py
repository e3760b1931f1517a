"""A small OpenAI-compatible chat endpoint on the loopback interface, for tests and benchmarks.

The endpoint is the only counter the tests believe: what a client says it sent is checked
against what arrived here.
"""

from tests.loopback.config import LoopbackConfig
from tests.loopback.endpoint import LoopbackEndpoint, LoopbackStats
from tests.loopback.responders import Responder, build_responder

__all__ = ["LoopbackConfig", "LoopbackEndpoint", "LoopbackStats", "Responder", "build_responder"]
