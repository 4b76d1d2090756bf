"""The settings of tracing. Their names are those of the OpenTelemetry specification."""

from importlib.util import find_spec
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from chassis.settings import Settings
from chassis.tracing.sampling import SamplerName, Sampling

_PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def _usable_endpoint(url: str) -> str:
    if not url:
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be the http:// or https:// URL of a collector that speaks OTLP over HTTP")
    if missing := [name for name in _PACKAGES if not _is_installed(name)]:
        raise ValueError(
            f"needs packages that are not installed ({missing[0]}): "
            "pip install --require-hashes -r requirements/tracing.txt"
        )
    return url


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


class TracingSettings(Settings):
    """Where traces are sent, and which. The exporter itself reads OTEL_EXPORTER_OTLP_HEADERS and OTEL_BSP_*."""

    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(_usable_endpoint)] = ""
    """Base URL of the collector; empty: no traces."""
    otel_service_name: str = ""
    """The name of this process in traces; empty: sallyport-gateway, sallyport-auth or sallyport-resource."""
    otel_traces_sampler: SamplerName = "parentbased_always_on"
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of traces that the traceidratio samplers record."""

    @property
    def traces_url(self) -> str:
        """Return the URL to which spans are posted; empty if there is no collector."""
        base = self.otel_exporter_otlp_endpoint
        return f"{base.rstrip('/')}/v1/traces" if base else ""

    @property
    def sampling(self) -> Sampling:
        """Return the sampler."""
        return Sampling(self.otel_traces_sampler, self.otel_traces_sampler_arg)
