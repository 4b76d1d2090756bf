"""Decide whether the NetworkPolicies of a namespace allow a connection from or to a pod of it."""

from dataclasses import dataclass
from typing import Any

Labels = dict[str, str]


@dataclass(frozen=True)
class Peer:
    """A pod: its labels, and its namespace if that is another one."""

    labels: Labels
    namespace: str = ""


def allows(policies: list[dict[str, Any]], source: Peer, target: Peer, port: str | int) -> bool:
    """Return whether `source` may connect to the port of `target`, by its name or number.

    The policies of other namespaces are not considered.
    Only what deploy/kubernetes uses is known: selectors, named ports. An `ipBlock` raises NotImplementedError.
    """
    leaves = bool(source.namespace) or _direction(policies, source, target, port, "Egress", "to")
    enters = bool(target.namespace) or _direction(policies, target, source, port, "Ingress", "from")
    return leaves and enters


def _direction(
    policies: list[dict[str, Any]], of: Peer, other: Peer, port: str | int, direction: str, peers: str
) -> bool:
    applying = [
        policy["spec"]
        for policy in policies
        if direction in policy["spec"]["policyTypes"] and _selects(policy["spec"]["podSelector"], of.labels)
    ]
    rules = [rule for spec in applying for rule in spec.get(direction.lower(), ())]
    return not applying or any(_rule_allows(rule, other, port, peers) for rule in rules)


def _rule_allows(rule: dict[str, Any], other: Peer, port: str | int, peers: str) -> bool:
    ports = {entry["port"] for entry in rule.get("ports", ())}
    if ports and port not in ports:
        return False
    return peers not in rule or any(_is_peer(peer, other) for peer in rule[peers])


def _is_peer(peer: dict[str, Any], other: Peer) -> bool:
    if "ipBlock" in peer:
        raise NotImplementedError("ipBlock")
    namespace = {"kubernetes.io/metadata.name": other.namespace}
    if "namespaceSelector" in peer:
        in_namespace = _selects(peer["namespaceSelector"], namespace)
    else:
        in_namespace = not other.namespace
    return in_namespace and _selects(peer.get("podSelector", {}), other.labels)


def _selects(selector: dict[str, Any], labels: Labels) -> bool:
    for expression in selector.get("matchExpressions", ()):
        if expression["operator"] != "In":
            raise NotImplementedError(expression["operator"])
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return bool(selector.get("matchLabels", {}).items() <= labels.items())
