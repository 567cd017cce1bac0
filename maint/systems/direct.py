"""A server asked directly, past the gateway: does it answer for itself, and whom does it still serve?"""

import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx

SECONDS = 5.0


class Direct:
    """Asks web servers by their own addresses, under the site's real name.

    addresses: server name to "host" or "host:port". host: the site's name, for SNI, certificate and Host header.
    """

    def __init__(
        self, addresses: Mapping[str, str], host: str, *, health: str, status: str | None, ca: Path | None
    ) -> None:
        self._addresses, self._host, self._health, self._status = addresses, host, health, status
        self._context = ssl.create_default_context(cafile=str(ca) if ca else None)

    def answers(self, server: str) -> str | None:
        """Return None when the server answers its health page with 200, else what it did instead, in words."""
        try:
            status = self._get(server, self._health).status_code
        except httpx.HTTPError as error:
            return f"{server} does not answer for itself ({type(error).__name__})"
        return None if status == 200 else f"{server} answers its health page with {status}"

    def connections(self, server: str) -> int | None:
        """Return how many connections the server still has, or None where it cannot be asked."""
        if self._status is None:
            return None
        try:
            return int(self._get(server, self._status).json()["connections"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    def _get(self, server: str, path: str) -> httpx.Response:
        with httpx.Client(verify=self._context, timeout=SECONDS, trust_env=False) as client:
            return client.get(
                f"https://{self._addresses[server]}{path}",
                headers={"Host": self._host},
                extensions={"sni_hostname": self._host},
            )
