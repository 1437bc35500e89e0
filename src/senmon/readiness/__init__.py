"""Is this pack's data ready to learn from, and if not, what should be collected next?"""

from senmon.readiness.assess import Readiness, assess
from senmon.readiness.findings import SEVERITIES, Finding, Severity

__all__ = ["SEVERITIES", "Finding", "Readiness", "Severity", "assess"]
