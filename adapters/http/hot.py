"""The hot route, straight from the edge: the same route as in the app, without the framework's layers around it."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sealbook.adapters.http.errors import problem_of
from sealbook.adapters.http.problems import Fault, response

PREFIX, SUFFIX = "/v1/credentials/", "/uses"
HOT = f"{PREFIX}{{id}}{SUFFIX}"
"""The template of the hottest route."""


class HotFirst:
    """An app, with its hottest route asked first."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        (self._route,) = (each for each in api.router.routes if isinstance(each, Route) and each.path == HOT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = _named(scope)
        if name is None:
            await self._api(scope, receive, send)
            return
        scope["app"], scope["route"], scope["path_params"] = self._api, self._route, {"id": name}
        try:
            answer = await self._route.endpoint(Request(scope, receive))
        except Exception as error:
            problem = problem_of(error)
            if problem.code is Fault.INTERNAL:
                raise
            answer = response(problem)
        await answer(scope, receive, send)


def _named(scope: Scope) -> str | None:
    """Return the credential's name or id in a request for the route, None for any other request."""
    path: str = scope["path"]
    if scope["type"] != "http" or scope["method"] != "POST" or not path.startswith(PREFIX) or not path.endswith(SUFFIX):
        return None
    name = path[len(PREFIX) : -len(SUFFIX)]
    return name if name and "/" not in name else None
