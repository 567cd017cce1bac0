"""The error that each system would answer with, for a status that a fault asks for."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

AZURE = {
    401: "AuthenticationFailed",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    409: "Conflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}


def _words(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _azure(status: int) -> dict[str, Any]:
    words = _words(status)
    return {"error": {"code": AZURE.get(status, words.replace(" ", "")), "message": f"{words}."}}


def _newrelic(status: int) -> dict[str, Any]:
    kind = "TOO_MANY_REQUESTS" if status == 429 else "SERVER_ERROR"
    return {"errors": [{"message": _words(status), "extensions": {"errorClass": kind}}]}


def _azure_devops(status: int) -> dict[str, Any]:
    return {
        "$id": "1",
        "innerException": None,
        "message": f"TF400733: The request has been canceled: {_words(status)}.",
        "typeName": "Microsoft.TeamFoundation.Framework.Server.RequestCanceledException",
        "typeKey": "RequestCanceledException",
        "errorCode": 0,
        "eventId": 3000,
    }


def _slack(status: int) -> dict[str, Any]:
    return {"ok": False, "error": "ratelimited" if status == 429 else "internal_error"}


def _cloudflare(status: int) -> dict[str, Any]:
    error = {"code": 10001 if status >= 500 else 10000, "message": _words(status)}
    return {"success": False, "errors": [error], "messages": [], "result": None}


def _pingdom(status: int) -> dict[str, Any]:
    words = "Request limit exceeded, try again later" if status == 429 else f"{_words(status)}."
    return {"error": {"statuscode": status, "statusdesc": _words(status), "errormessage": words}}


def _jira(status: int) -> dict[str, Any]:
    return {"errorMessages": [f"{_words(status)}."], "errors": {}}


VENDORS: dict[str, Callable[[int], dict[str, Any]]] = {
    "azure": _azure,
    "newrelic": _newrelic,
    "azure-devops": _azure_devops,
    "slack": _slack,
    "cloudflare": _cloudflare,
    "pingdom": _pingdom,
    "jira": _jira,
}


def envelope(system: str) -> Callable[[int], tuple[bytes, str]]:
    """Return how this system words an error: JSON in the vendor's shape, else a plain web page."""

    def page(status: int) -> tuple[bytes, str]:
        text = f"{status} {_words(status)}"
        return f"<html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>".encode(), "text/html"

    def body(status: int) -> tuple[bytes, str]:
        return json.dumps(VENDORS[system](status)).encode(), "application/json; charset=utf-8"

    return body if system in VENDORS else page
