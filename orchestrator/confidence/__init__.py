"""How far an answer can be trusted, and which of several is best. Pure: text in, numbers and reasons out."""

from .detector import ConfidenceDetector
from .synthesis import Candidate, Weighed, agreement, capability, consensus, synthesize_responses, weigh

__all__ = [
    "Candidate",
    "ConfidenceDetector",
    "Weighed",
    "agreement",
    "capability",
    "consensus",
    "synthesize_responses",
    "weigh",
]
