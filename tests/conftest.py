"""Settings for all tests."""

from hypothesis import HealthCheck, settings

# How long an example takes says more about what else the machine does than about what is tested.
settings.register_profile("lllm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lllm")
