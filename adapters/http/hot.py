"""The hot routes, straight from the edge: the same as in the app, without the framework's layers around them."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sealbook.adapters.http.edge import Bare
from sealbook.adapters.http.errors import problem_of
from sealbook.adapters.http.problems import Fault, response

PREFIX, SUFFIX = "/v1/credentials/", "/uses"
HOT = f"{PREFIX}{{id}}{SUFFIX}"
"""The template of the hottest route."""


class HotFirst:
    """An app, with its bare routes of one address and the hottest one asked first."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        bare = {
            each.path: each for each in api.router.routes if isinstance(each, Bare) and "POST" in (each.methods or ())
        }
        self._hottest = bare[HOT]
        self._of_one_address = {path: route for path, route in bare.items() if "{" not in path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._found(scope)
        if found is None:
            await self._api(scope, receive, send)
            return
        route, parameters = found
        scope["app"], scope["route"], scope["path_params"] = self._api, route, parameters
        try:
            answer = await route.endpoint(Request(scope, receive))
        except Exception as error:
            problem = problem_of(error)
            if problem.code is Fault.INTERNAL:
                raise
            answer = response(problem)
        await answer(scope, receive, send)

    def _found(self, scope: Scope) -> tuple[Route, dict[str, str]] | None:
        """Return the route of a request and what its address says, None for a request of any other route."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        path: str = scope["path"]
        route = self._of_one_address.get(path)
        if route is not None:
            return route, {}
        name = _named(path)
        return None if name is None else (self._hottest, {"id": name})


def _named(path: str) -> str | None:
    """Return the credential's name or id in an address of the hottest route, None for any other address."""
    if not path.startswith(PREFIX) or not path.endswith(SUFFIX):
        return None
    name = path[len(PREFIX) : -len(SUFFIX)]
    return name if name and "/" not in name else None
