"""The body of a gateway PUT: what is read-only is dropped, what cannot work is refused, the rest is kept."""

import copy
import ipaddress
from collections.abc import Iterator
from typing import Any

from maint.rehearsal.fronts.azure.arm import LOCATION, invalid
from maint.rehearsal.fronts.azure.gateway_document import GATEWAY_ID, KIND

COLLECTIONS = (
    "gatewayIPConfigurations",
    "authenticationCertificates",
    "trustedRootCertificates",
    "trustedClientCertificates",
    "sslCertificates",
    "sslProfiles",
    "frontendIPConfigurations",
    "frontendPorts",
    "probes",
    "backendAddressPools",
    "backendHttpSettingsCollection",
    "backendSettingsCollection",
    "httpListeners",
    "listeners",
    "urlPathMaps",
    "requestRoutingRules",
    "routingRules",
    "rewriteRuleSets",
    "redirectConfigurations",
    "privateLinkConfigurations",
)
NEEDED = (
    "gatewayIPConfigurations",
    "frontendIPConfigurations",
    "frontendPorts",
    "backendAddressPools",
    "httpListeners",
    "requestRoutingRules",
)
READ_ONLY = ("etag", "type", "systemData")
READ_ONLY_PROPERTIES = ("provisioningState", "operationalState", "resourceGuid", "backendIPConfigurations")


def children(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every named part of a gateway with the collection that it is in."""
    for collection in COLLECTIONS:
        for entry in document["properties"].get(collection) or []:
            yield collection, entry


def accepted(sent: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """Return the gateway that a PUT body asks for: its own content only, read-only fields left out.

    What the body leaves out is gone, except secrets, which nobody can read back to send again.
    Raises ArmError (400) when it cannot work.
    """
    body = copy.deepcopy(sent)
    if not isinstance(body.get("properties"), dict):
        raise invalid("InvalidRequestFormat", "Cannot parse the request.")
    if str(body.get("location", "")).replace(" ", "").lower() != LOCATION:
        raise invalid("LocationRequired", "The location property is required for this definition.")
    _drop(body)
    for key in ("name", "id"):
        body.pop(key, None)
    for collection, entry in _checked_children(body):
        _drop(entry)
        entry["id"] = f"{GATEWAY_ID}/{collection}/{entry['name']}"
        entry.setdefault("properties", {})
    _restore_secrets(body, stored)
    _check_needed(body)
    _check_references(body)
    _check_values(body)
    return {"id": GATEWAY_ID, **body}


def _drop(entry: dict[str, Any]) -> None:
    for key in READ_ONLY:
        entry.pop(key, None)
    for key in READ_ONLY_PROPERTIES:
        (entry.get("properties") or {}).pop(key, None)


def _checked_children(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    for collection in COLLECTIONS:
        entries = body["properties"].get(collection)
        if entries is None:
            body["properties"].pop(collection, None)
            continue
        names = [e.get("name") if isinstance(e, dict) else None for e in entries]
        if not all(names):
            raise invalid("InvalidRequestFormat", f"A name is required for each element of {collection}.")
        lower = [str(n).lower() for n in names]
        for name in names:
            if lower.count(str(name).lower()) > 1:
                text = f"Cannot have two resources of the same name '{name}' in {collection}."
                raise invalid("DuplicateResourceName", text)
    return list(children(body))


def _restore_secrets(body: dict[str, Any], stored: dict[str, Any]) -> None:
    known = {e["name"].lower(): e["properties"] for e in stored["properties"].get("sslCertificates", [])}
    for entry in body["properties"].get("sslCertificates", []):
        properties = entry["properties"]
        before = known.get(entry["name"].lower(), {})
        fresh = properties.pop("data", None)
        properties.pop("password", None)
        if fresh is None and "keyVaultSecretId" not in properties and not before:
            text = f"Data must be specified for Certificate {entry['id']}."
            raise invalid("ApplicationGatewaySslCertificateDataMustBeSpecified", text)
        if "publicCertData" in before:
            properties["publicCertData"] = before["publicCertData"]
    identities = (body.get("identity") or {}).get("userAssignedIdentities") or {}
    were = (stored.get("identity") or {}).get("userAssignedIdentities") or {}
    for key in identities:
        identities[key] = next((v for k, v in were.items() if k.lower() == key.lower()), {})


def _check_needed(body: dict[str, Any]) -> None:
    if not body["properties"].get("sku"):
        raise invalid("ApplicationGatewaySkuNotSpecified", f"Sku of Application Gateway {GATEWAY_ID} is missing.")
    for collection in NEEDED:
        if not body["properties"].get(collection):
            text = f"Application Gateway {GATEWAY_ID} must have at least one of {collection}."
            raise invalid(f"ApplicationGatewayMissing{collection[0].upper()}{collection[1:]}", text)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"id"} and isinstance(value["id"], str):
            yield value["id"]
        else:
            for inner in value.values():
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _check_references(body: dict[str, Any]) -> None:
    known = {entry["id"].lower() for _, entry in children(body)}
    for _, entry in children(body):
        for reference in _references(entry["properties"]):
            lower = reference.lower()
            if lower.startswith(GATEWAY_ID.lower() + "/") and lower not in known and "rules/" not in lower:
                raise invalid(
                    "InvalidResourceReference",
                    f"Resource {reference} referenced by resource {entry['id']} was not found. Please make sure "
                    "that the referenced resource exists, and that both resources are in the same region.",
                )


def _check_values(body: dict[str, Any]) -> None:
    for collection, entry in children(body):
        properties = entry["properties"]
        if collection == "backendHttpSettingsCollection":
            _check_draining(entry["id"], properties.get("connectionDraining"))
        elif collection == "requestRoutingRules":
            if not properties.get("priority"):
                text = f"Priority for the request routing rule {entry['id']} cannot be empty."
                raise invalid("ApplicationGatewayRequestRoutingRulePriorityCannotBeEmpty", text)
            if not properties.get("httpListener"):
                text = f"Request routing rule {entry['id']} does not reference an http listener."
                raise invalid("ApplicationGatewayRequestRoutingRuleListenerMissing", text)
        elif collection == "backendAddressPools":
            for address in properties.get("backendAddresses") or []:
                _check_address(entry["id"], address)


def _check_draining(where: str, draining: dict[str, Any] | None) -> None:
    if draining is None:
        return
    seconds = draining.get("drainTimeoutInSec")
    if "enabled" not in draining or not isinstance(seconds, int) or not 1 <= seconds <= 3600:
        text = f"ConnectionDraining of {where} needs enabled, and drainTimeoutInSec between 1 and 3600 seconds."
        raise invalid("ApplicationGatewayConnectionDrainingTimeoutIsInvalid", text)


def _check_address(where: str, address: dict[str, Any]) -> None:
    if address.get("fqdn"):
        return
    try:
        ipaddress.ip_address(address.get("ipAddress", ""))
    except ValueError as error:
        text = f"Backend address {address} of {where} is neither an IP address nor a host name."
        raise invalid("ApplicationGatewayBackendAddressInvalid", text) from error


def rendered(stored: dict[str, Any], *, name: str, etag: str, state: str) -> dict[str, Any]:
    """Return the gateway as GET shows it: with etag, types, states and what else the service fills in."""
    shown: dict[str, Any] = {"name": name, "id": GATEWAY_ID, "etag": etag, "type": KIND}
    shown |= copy.deepcopy(stored)
    shown["properties"] = {
        "provisioningState": state,
        "resourceGuid": "0b4de7a4-0000-4000-8000-0000000000aa",
        "operationalState": "Running",
        **shown["properties"],
    }
    for collection, entry in children(shown):
        entry["etag"], entry["type"] = etag, f"{KIND}/{collection}"
        entry["properties"] = {"provisioningState": state, **entry["properties"]}
    return shown
