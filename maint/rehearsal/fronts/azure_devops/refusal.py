"""How Azure DevOps says no."""

from starlette.responses import JSONResponse


class Refusal(Exception):
    """An error of Azure DevOps's: HTTP status, its type and its sentence."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message

    def response(self) -> JSONResponse:
        """Return it in the vendor's envelope."""
        library = "Microsoft.Azure.Pipelines.WebApi"
        body = {
            "$id": "1",
            "innerException": None,
            "message": self.message,
            "typeName": f"{library}.{self.kind}, {library}",
            "typeKey": self.kind,
            "errorCode": 0,
            "eventId": 3000,
        }
        return JSONResponse(body, status_code=self.status)
