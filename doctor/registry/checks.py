"""All checks, in the order in which they are listed."""

from doctor.registry.agreement import AGREEMENT_CHECKS
from doctor.registry.check import Check
from doctor.registry.machine import MACHINE_CHECKS
from doctor.registry.servers import SERVER_CHECKS
from doctor.registry.settings import SETTINGS_CHECKS

CHECKS: tuple[Check, ...] = (*SETTINGS_CHECKS, *SERVER_CHECKS, *AGREEMENT_CHECKS, *MACHINE_CHECKS)
