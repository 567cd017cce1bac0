"""What Azure DevOps looks at before anything else: who asks, in which version, about which project."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from maint.rehearsal.fronts.azure_devops.answers import PROJECT_ID, VERSION, Answers
from maint.rehearsal.fronts.azure_devops.refusal import Refusal

ORGANIZATION, PROJECT = "invoicecloud", "Platform"
OPERATOR = "Maintenance Operator"
APPROVERS = {"release-manager": "Release Manager", "platform-approver": "Platform Approver"}
LATEST = (7, 2)

Handler = Callable[[Request, Answers], Awaitable[Response]]
_SIGN_IN = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>"
_API_VERSION = re.compile(r"(\d+)\.(\d+)(-preview(\.\d+)?)?")


def guarded(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Wrap a handler so that it sees only requests that Azure DevOps would let through."""

    async def endpoint(request: Request) -> Response:
        refused = _who_asks(request)
        if refused:
            return refused
        try:
            version = _version(request)
            answer = await handler(request, _project(request))
        except Refusal as refusal:
            return refusal.response()
        if isinstance(answer, JSONResponse):
            answer.headers["content-type"] = f"application/json; charset=utf-8; api-version={version}"
        return answer

    return endpoint


def token(request: Request) -> str:
    """Return the personal access token or Entra token of a request, empty when there is none."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2] if kind.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""


def person(request: Request) -> str:
    """Return whose token it is: two made-up tokens belong to the approvers, every other to the operator."""
    return APPROVERS.get(token(request), OPERATOR)


def _who_asks(request: Request) -> Response | None:
    """Refuse a missing token, or one that begins with "wrong", as the vendor does: not always with 401."""
    found = token(request)
    if found and not found.startswith("wrong"):
        return None
    if request.headers.get("x-tfs-fedauthredirect", "").lower() == "suppress" or request.method not in (
        "GET",
        "POST",
    ):
        message = "TF400813: The user '' is not authorized to access this resource."
        answer = Refusal(401, "UnauthorizedRequestException", message).response()
        answer.headers["www-authenticate"] = f'Basic realm="{_home(request)}/"'
        return answer
    if found or "authorization" in request.headers:
        return HTMLResponse(_SIGN_IN, status_code=203)
    return RedirectResponse(f"{_home(request)}/_signin", status_code=302)


def _home(request: Request) -> str:
    """Return the vendor's address on this twin, without a slash at its end."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"


async def sign_in(request: Request) -> Response:
    """Show the page that a client without a token is sent to."""
    return HTMLResponse(_SIGN_IN)


def _version(request: Request) -> str:
    accepted = re.search(r"api-version=([^;,\s]+)", request.headers.get("accept", ""))
    asked = request.query_params.get("api-version") or (accepted and accepted[1])
    if not asked:
        if request.method == "GET":
            return VERSION
        message = (
            f'No api-version was supplied for the "{request.method}" request. The version must be supplied '
            'either as part of the Accept header (e.g. "application/json; api-version=1.0") or as a query parameter '
            '(e.g. "?api-version=1.0").'
        )
        raise Refusal(400, "VssVersionNotSpecifiedException", message)
    found = _API_VERSION.fullmatch(asked)
    if not found:
        raise Refusal(400, "VssInvalidApiResourceVersionException", f"The api-version {asked} is not valid.")
    if (int(found[1]), int(found[2])) > LATEST:
        message = (
            f"The requested REST API version of {asked} is out of range for this server. "
            f"The latest REST API version this server supports is {LATEST[0]}.{LATEST[1]}."
        )
        raise Refusal(400, "VssVersionOutOfRangeException", message)
    return asked


def _project(request: Request) -> Answers:
    organization, project = request.path_params["organization"], request.path_params.get("project", PROJECT)
    if organization.lower() != ORGANIZATION:
        raise Refusal(404, "HostNotFoundException", f"The organization {organization} does not exist.")
    if project.lower() not in (PROJECT.lower(), PROJECT_ID):
        message = (
            f"TF200016: The following project does not exist: {project}. Verify that the name of the "
            "project is correct and that the project exists on the specified Azure DevOps Server."
        )
        raise Refusal(404, "ProjectDoesNotExistWithNameException", message)
    return Answers(f"{_home(request)}/{ORGANIZATION}/{PROJECT}", PROJECT)
