"""The application gateway as the world begins with it, in Resource Manager's own JSON."""

from typing import Any

from maint.rehearsal.fronts.azure.arm import GROUP_ID, LOCATION

NAME = "agw-pri-appgateway0-prd"
KIND = "Microsoft.Network/applicationGateways"
GATEWAY_ID = f"{GROUP_ID}/providers/{KIND}/{NAME}"
NETWORK = f"{GROUP_ID}/providers/Microsoft.Network"
API_ADDRESS = "10.0.2.30"


def _ref(collection: str, name: str) -> dict[str, str]:
    return {"id": f"{GATEWAY_ID}/{collection}/{name}"}


def _named(name: str, **properties: Any) -> dict[str, Any]:
    return {"name": name, "properties": properties}


def first_gateway(addresses: list[str]) -> dict[str, Any]:
    """Return the gateway with these servers in its pool, without what the service itself fills in."""
    return {
        "id": GATEWAY_ID,
        "location": LOCATION,
        "tags": {"environment": "production", "service": "payments", "owner": "platform"},
        "zones": ["1", "2", "3"],
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": {
                f"{GROUP_ID}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-appgateway0-prd": {
                    "principalId": "6f1f2f3a-0000-4000-8000-0000000000d1",
                    "clientId": "6f1f2f3a-0000-4000-8000-0000000000c1",
                }
            },
        },
        "properties": {
            "sku": {"name": "WAF_v2", "tier": "WAF_v2", "family": "Generation_1"},
            "autoscaleConfiguration": {"minCapacity": 2, "maxCapacity": 10},
            "enableHttp2": False,
            "sslPolicy": {"policyType": "Predefined", "policyName": "AppGwSslPolicy20220101"},
            "firewallPolicy": {"id": f"{NETWORK}/ApplicationGatewayWebApplicationFirewallPolicies/waf-payments-prd"},
            # Newer than any client of ours knows: it must survive every edit all the same.
            "edgeRouting": {"preference": "Regional", "hopLimit": 3},
            **_frontends(),
            **_backends(addresses),
            **_rules(),
        },
    }


def _frontends() -> dict[str, Any]:
    return {
        "gatewayIPConfigurations": [
            _named(
                "appGatewayIpConfig",
                subnet={"id": f"{NETWORK}/virtualNetworks/vnet-payments-prd/subnets/snet-appgateway"},
            )
        ],
        "sslCertificates": [
            _named(
                "cert-invoicecloud",
                keyVaultSecretId="https://kv-payments-prd.vault.azure.net/secrets/invoicecloud",
                publicCertData="MIIBszCCAVmgAwIBAgIUTWFkZSB1cCBmb3IgcmVoZWFyc2Fscw==",
            )
        ],
        "frontendIPConfigurations": [
            _named(
                "frontend-public",
                privateIPAllocationMethod="Dynamic",
                publicIPAddress={"id": f"{NETWORK}/publicIPAddresses/pip-appgateway0-prd"},
            ),
            _named(
                "frontend-private",
                privateIPAddress="10.0.0.10",
                privateIPAllocationMethod="Static",
                subnet={"id": f"{NETWORK}/virtualNetworks/vnet-payments-prd/subnets/snet-appgateway"},
            ),
        ],
        "frontendPorts": [_named("port-443", port=443)],
    }


def _backends(addresses: list[str]) -> dict[str, Any]:
    return {
        "probes": [_probe("probe-www"), _probe("probe-api")],
        "backendAddressPools": [
            _named("pool-www", backendAddresses=[{"ipAddress": a} for a in addresses]),
            _named("pool-api", backendAddresses=[{"ipAddress": API_ADDRESS}]),
        ],
        "backendHttpSettingsCollection": [
            _named(
                "https-www",
                port=443,
                protocol="Https",
                cookieBasedAffinity="Enabled",
                affinityCookieName="ApplicationGatewayAffinity",
                connectionDraining={"enabled": True, "drainTimeoutInSec": 60},
                pickHostNameFromBackendAddress=False,
                requestTimeout=30,
                probe=_ref("probes", "probe-www"),
                dedicatedBackendConnection=False,
                warmUp={"enabled": True, "seconds": 15},
            ),
            _named(
                "https-api",
                port=443,
                protocol="Https",
                cookieBasedAffinity="Disabled",
                connectionDraining={"enabled": False, "drainTimeoutInSec": 1},
                pickHostNameFromBackendAddress=False,
                requestTimeout=30,
                probe=_ref("probes", "probe-api"),
            ),
        ],
    }


def _probe(name: str) -> dict[str, Any]:
    return _named(
        name,
        protocol="Https",
        path="/healthz",
        host="www.invoicecloud.com",
        interval=5,
        timeout=5,
        unhealthyThreshold=3,
        pickHostNameFromBackendHttpSettings=False,
        minServers=0,
        match={"statusCodes": ["200-399"]},
    )


def _rules() -> dict[str, Any]:
    return {
        "httpListeners": [
            listener("listener-www", ["www.invoicecloud.com", "invoicecloud.com"]),
            listener("listener-api", ["api.invoicecloud.com"]),
        ],
        "requestRoutingRules": [
            rule("rule-www", 100, "listener-www", "pool-www", "https-www"),
            rule("rule-api", 200, "listener-api", "pool-api", "https-api"),
        ],
        "urlPathMaps": [],
        "rewriteRuleSets": [],
        "redirectConfigurations": [],
    }


def listener(name: str, hosts: list[str]) -> dict[str, Any]:
    """Return an https listener for these host names."""
    return _named(
        name,
        frontendIPConfiguration=_ref("frontendIPConfigurations", "frontend-public"),
        frontendPort=_ref("frontendPorts", "port-443"),
        protocol="Https",
        sslCertificate=_ref("sslCertificates", "cert-invoicecloud"),
        hostNames=hosts,
        requireServerNameIndication=True,
    )


def rule(name: str, priority: int, listener: str, pool: str, settings: str) -> dict[str, Any]:
    """Return a basic routing rule between parts of the gateway, by their names."""
    return _named(
        name,
        ruleType="Basic",
        priority=priority,
        httpListener=_ref("httpListeners", listener),
        backendAddressPool=_ref("backendAddressPools", pool),
        backendHttpSettings=_ref("backendHttpSettingsCollection", settings),
    )
