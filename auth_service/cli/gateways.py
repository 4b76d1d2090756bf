"""`gateways`: upstreams, circuits and requests of the gateways."""

import click

from auth_service.api.models.administration.gateways import GatewayResponse
from auth_service.cli.output import json_option, print_list
from auth_service.services import services

_COLUMNS = ("gateway", "upstream", "circuit", "address", "is_out", "failures")


@click.command()
@json_option
def gateways(as_json: bool) -> None:
    """List the upstreams of the gateways of GATEWAY_INTERNAL_ADDRESSES. --json has requests and the feed as well."""
    found = services().gateways.read()
    if as_json:
        rows = [GatewayResponse.model_validate(each).model_dump(mode="json") for each in found]
        print_list(rows, (), as_json=True)
        return
    print_list(
        [
            {
                "gateway": gateway.address,
                "upstream": upstream.name,
                "circuit": upstream.circuit.value,
                "address": address.address,
                "is_out": "yes" if address.is_out else "no",
                "failures": address.failures,
            }
            for gateway in found
            for upstream in (gateway.state.upstreams if gateway.state else ())
            for address in upstream.addresses
        ],
        _COLUMNS,
        as_json=False,
    )
    for gateway in found:
        if gateway.state is None:
            click.echo(f"{gateway.address} does not answer: {gateway.problem}", err=True)
