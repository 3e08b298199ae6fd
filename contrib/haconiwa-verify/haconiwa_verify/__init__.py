"""Try from inside a container what it is to be kept from, and show what is in force."""

from haconiwa_verify.attempt import Outcome
from haconiwa_verify.containers import asked_of
from haconiwa_verify.report import Report
from haconiwa_verify.verifying import verify_running, verify_started

__all__ = ["Outcome", "Report", "asked_of", "verify_running", "verify_started"]
