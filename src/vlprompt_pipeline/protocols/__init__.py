"""Protocols: what prompts are trained on, and on which classes and datasets they are scored.

Importing the package imports all modules in it, and a protocol's module registers the protocol.
"""

from importlib import import_module
from pkgutil import iter_modules

from vlprompt_pipeline.protocols.base import (
    PROTOCOLS,
    PUBLISHED_DATASETS,
    Protocol,
    ProtocolParameters,
    choose_classes,
    find_protocol,
    get_protocol,
    protocol_title,
    register,
)
from vlprompt_pipeline.protocols.targets import TransferParameters

__all__ = [
    "PROTOCOLS",
    "PUBLISHED_DATASETS",
    "Protocol",
    "ProtocolParameters",
    "TransferParameters",
    "choose_classes",
    "find_protocol",
    "get_protocol",
    "protocol_title",
    "register",
]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
